#include "store/rule_names.h"

#include <stdlib.h>

void rule_names_init(struct rule_names *names, struct ruleset_slot *slot)
{
    *names = (struct rule_names){ .slot = slot };
}

void rule_names_fini(struct rule_names *names)
{
    if (names->slot != NULL)
        ruleset_release(&names->view);
    free(names->sorted);
}

static int compare(const void *left, const void *right)
{
    const struct rule_name *a = left, *b = right;

    return (a->rule > b->rule) - (a->rule < b->rule);
}

void rule_names_refresh(struct rule_names *names)
{
    const struct ruleset *held = names->view.held, *set;

    if (names->slot == NULL)
        return;
    set = ruleset_refresh(names->slot, &names->view);
    if (set == held)
        return;
    free(names->sorted);
    names->sorted = malloc((set->n + 1) * sizeof *names->sorted);
    names->n = names->sorted != NULL ? set->n : 0;
    for (size_t i = 0; i < names->n; i++)
        names->sorted[i] = (struct rule_name){ .rule = set->rules[i].id, .name = set->rules[i].name };
    if (names->n > 0)
        qsort(names->sorted, names->n, sizeof *names->sorted, compare);
}

bool rule_names_write(struct rule_names *names, struct analytics_writer *w, const struct counts *counts)
{
    struct rule_name *name = names->sorted, *end = name + names->n;

    for (uint32_t i = 0; i < counts->rules_n; i++) {
        while (name < end && name->rule < counts->rules[i].rule)
            name++;
        if (name == end || name->rule != counts->rules[i].rule || name->told)
            continue;
        if (!writer_name(w, name->rule, name->name))
            return false;
        name->told = true;
    }
    return true;
}

void rule_names_forget(struct rule_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        names->sorted[i].told = false;
}
