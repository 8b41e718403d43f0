#include "policy/ruleset.h"

#include <stdlib.h>

int ruleset_attribute(const struct ruleset *ruleset, struct span name)
{
    for (size_t i = 0; i < ruleset->attributes_n; i++)
        if (span_eq(ruleset->attributes[i], name))
            return (int)i;
    return -1;
}

void ruleset_free(struct ruleset *ruleset)
{
    if (ruleset == NULL)
        return;
    for (size_t i = 0; i < ruleset->n; i++)
        for (size_t k = 0; k < ruleset->rules[i].patterns_n; k++)
            pattern_fini(&ruleset->rules[i].patterns[k]);
    for (size_t i = 0; i < ruleset->lists_n; i++)
        list_free(ruleset->lists[i]);
    free(ruleset->lists);
    free(ruleset->rules);
    arena_fini(&ruleset->arena);
    free(ruleset);
}
