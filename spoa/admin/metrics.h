/* /metrics: what the process counts, in Prometheus' text format. */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include <stdio.h>

#include "admin/admin.h"

struct metrics;

/* NULL: no memory. `sources` must outlive it. */
struct metrics *metrics_new(const struct admin_sources *sources);
void            metrics_free(struct metrics *metrics); /* NULL is allowed */

/* Takes what workers counted by rule, where nobody else does: now and then, or it piles up where nobody asks. */
void metrics_take(struct metrics *metrics);

/* Writes all of it. `set`: the rules in force. Changes nothing that is counted, and takes no lock that a decision needs
 * for longer than a decision does. */
void metrics_write(struct metrics *metrics, const struct ruleset *set, FILE *out);

#endif
