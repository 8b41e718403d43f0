/* A list of addresses of rules.db, replaced as a whole. One thread. */
#ifndef STORE_RULES_IMPORT_H
#define STORE_RULES_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "lists/networks.h"
#include "policy/problem.h"

struct rules_import;

struct rules_import_counts {
    size_t entries, added, removed; /* of the list afterwards */
    bool   used;                    /* a rule names the list */
};

/* Opens the database for one list. NULL, and told to `problem`: it cannot be used, or a rule uses the list for
 * something else than addresses. Takes no lock for longer than the look takes. `path` and `list` must live as long as
 * the import. */
struct rules_import *rules_import_open(const char *path, const char *list, problem_fn *problem, void *context);
void                 rules_import_close(struct rules_import *import);

/* Makes `networks`, which are merged, the entries of the list, in one transaction, or says what that would change
 * (`dry_run`). Writes only what changes, and nothing where nothing does. Waits up to 10 seconds for other writers.
 * False, and told: the list is as it was. */
bool rules_import_replace(struct rules_import *import, const struct networks *networks, bool dry_run,
                          struct rules_import_counts *counts);

#endif
