/* What is wrong with the entries of lists: all of it, but no more than somebody reads, and of each list once however many
 * rules name it. For builder.c; one thread. */
#ifndef POLICY_BAD_ENTRIES_H
#define POLICY_BAD_ENTRIES_H

#include "base/arena.h"
#include "policy/pattern.h"

struct bad_list;

/* A zeroed struct is an empty one; what it holds is the arena's. */
struct bad_entries {
    struct bad_list *lists; /* that were told of */
};

typedef void bad_entry_fn(void *context, const char *sentence);

/* After pattern_compile() said no to a pattern of the rule: calls `fn` with a sentence about each bad entry, and one for
 * those beyond the 20th; or, where it was told of the list before, with one that names the rule where. False: the
 * pattern is no list, or one that is missing or empty. */
bool bad_entries_tell(struct bad_entries *told, struct arena *arena, struct pattern *pattern, int64_t rule,
                      bad_entry_fn *fn, void *context);

#endif
