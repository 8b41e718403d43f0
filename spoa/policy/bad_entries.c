#include "policy/bad_entries.h"

#include <inttypes.h>
#include <stdio.h>

/* An operator mends a list in one go when he sees what is wrong with it, and not an entry each time he looks. */
#define ENTRIES_TOLD 20

struct bad_list {
    struct bad_list   *next;
    const struct list *list;
    unsigned           attribute; /* the same entry may be good for another */
    int64_t            rule;
};

struct telling {
    bad_entry_fn *fn;
    void         *context;
    size_t        n;
};

static bool tell_entry(void *context, const char *sentence)
{
    struct telling *telling = context;

    if (telling->n++ < ENTRIES_TOLD)
        telling->fn(telling->context, sentence);
    return true;
}

bool bad_entries_tell(struct bad_entries *told, struct arena *arena, struct pattern *pattern, int64_t rule,
                      bad_entry_fn *fn, void *context)
{
    struct telling   telling = { fn, context, 0 };
    struct bad_list *bad = told->lists;
    char             sentence[PATTERN_REMEDY_MAX];

    if (pattern->kind != PATTERN_LIST)
        return false;
    while (bad != NULL && (bad->list != pattern->list || bad->attribute != pattern->attribute))
        bad = bad->next;
    if (bad != NULL) {
        snprintf(sentence, sizeof sentence, "entries of list '%.64s' cannot be used: see rule %" PRId64,
                 list_name(bad->list), bad->rule);
        fn(context, sentence);
        return true;
    }
    bad = arena_alloc(arena, sizeof *bad);
    *bad = (struct bad_list){ told->lists, pattern->list, pattern->attribute, rule };
    told->lists = bad;
    pattern_bad_entries(pattern, tell_entry, &telling);
    if (telling.n > ENTRIES_TOLD) {
        snprintf(sentence, sizeof sentence, "and %zu more entries of list '%.64s'", telling.n - ENTRIES_TOLD,
                 list_name(bad->list));
        fn(context, sentence);
    }
    return true;
}
