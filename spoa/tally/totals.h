/* What each rule did since the process began, for /metrics: the workers' counts, added up as they are taken from them.
 *
 * A rule has one row, by its id, however often the rules were loaded anew. Rows are bounded: rules that occur when all
 * are taken count in one row for all such, and so do from then on those whose rule is no longer in force when its place
 * is needed. No row ever gets less: a rule that comes back begins a new row at 0. Any thread. */
#ifndef TALLY_TOTALS_H
#define TALLY_TOTALS_H

#include "tally/counts.h"
#include "tally/decisions.h"

/* Five series each: what a Prometheus of one agent should bear. */
#define TOTALS_ROWS 1000

/* Bytes that are kept of a rule's name, with its NUL. */
#define TOTALS_NAME 256

struct totals_row {
    struct rule_count count;
    char              name[TOTALS_NAME]; /* as it last was in force; UTF-8, without control bytes */
    bool              shadow;            /* it was then */
    bool              in_force;
};

struct totals;

struct totals *totals_new(void); /* NULL: no memory */
void           totals_free(struct totals *t);

/* Adds what was taken from a worker. */
void totals_add(struct totals *t, const struct counts *counts);

/* Takes it from all workers, where nobody else does. One thread at a time. */
void totals_take(struct totals *t, struct decisions *const *tallies, size_t n);

/* Copies the rows, the first being that of no rule, and returns how many; `rows` has room for TOTALS_ROWS. `rest`: the
 * sum of all that have none. `set`: the rules in force, which rows get their names from. */
size_t totals_read(struct totals *t, const struct ruleset *set, struct totals_row *rows, struct rule_count *rest);

#endif
