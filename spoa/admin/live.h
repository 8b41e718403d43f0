/* Questions about the rules and counters in force, and the forgetting of counts. */
#ifndef ADMIN_LIVE_H
#define ADMIN_LIVE_H

#include <stdio.h>

#include "admin/admin.h"

struct live_attribute {
    struct span name, value;
};

/* A request as it was described to us. */
struct live_request {
    const struct admin_sources  *sources;
    const struct ruleset        *set; /* in force */
    const struct live_attribute *attributes;
    size_t                       n;
};

/* Both write their answer to `out` and return the HTTP status that goes with it. */

/* What rules and counters make of the request now. Changes nothing. */
unsigned live_explain(const struct live_request *request, FILE *out);

/* Forgets what the rule has against the request, of which it looks at what the rule counts by. 404: nothing. What was
 * forgotten is in the log. */
unsigned live_forget(const struct live_request *request, int64_t rule, enum limits_part part, FILE *out);

#endif
