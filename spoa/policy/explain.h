/* What the rules do with one request, in words: for `spoa-rules explain`, and for those who ask the running agent. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <stdio.h>

#include "policy/decide.h"

/* Gives the request an attribute. One that no rule names is told to `out`. */
void explain_set(const struct ruleset *set, struct request *request, struct span name, struct span value, FILE *out);

/* The request, which is finished, then each rule that matches, in order, what it does and counts by, then the verdict.
 * `live`: also what the counters of `decider` say, and for how long who is banned; else they are taken for unused.
 * Changes nothing. `decider` gives counters and prefix. */
void explain(const struct decider *decider, const struct ruleset *set, const struct request *request, bool live,
             FILE *out);

/* "src=192.0.2.1, path=/", as they are counted; the rule has a `per`, and the request all of it. */
void explain_key(const struct decider *decider, const struct ruleset *set, const struct rule *rule,
                 const struct request *request, FILE *out);

#endif
