/* What the rules in force are called, for whoever writes about them by number. One thread; like a worker it holds the
 * rule set, until the next refresh after a newer one. */
#ifndef STORE_RULE_NAMES_H
#define STORE_RULE_NAMES_H

#include "policy/publish.h"
#include "store/analytics_writer.h"

struct rule_name {
    int64_t     rule;
    const char *name;
    bool        told; /* it is in the file */
};

/* A zeroed one knows no rules. */
struct rule_names {
    struct ruleset_slot *slot;
    struct ruleset_view  view;
    struct rule_name    *sorted;
    size_t               n;
};

void rule_names_init(struct rule_names *names, struct ruleset_slot *slot);
void rule_names_fini(struct rule_names *names);

/* Looks for a newer rule set. */
void rule_names_refresh(struct rule_names *names);

/* Writes those of the rules in `counts`, which are sorted, that are not in the file as they are now. */
bool rule_names_write(struct rule_names *names, struct analytics_writer *w, const struct counts *counts);

/* The file may not have them. */
void rule_names_forget(struct rule_names *names);

#endif
