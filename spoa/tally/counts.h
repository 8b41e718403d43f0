/* Totals of one hour: exact sums, which only ever grow until they are written and cleared. One thread at a time. */
#ifndef TALLY_COUNTS_H
#define TALLY_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/moment.h"
#include "policy/publish.h"

#define HOUR_US INT64_C(3600000000)

/* The columns of hour_rules and day_rules, in their order. */
#define RULE_COUNTS(X) X(matched) X(allowed) X(slowed) X(denied) X(shadow_denied)

struct rule_count {
    int64_t rule; /* 0: none */
#define X(name) uint64_t name;
    RULE_COUNTS(X)
#undef X
};

/* The same of one rule set's rules, by their number in it. Small, since tens of thousands are in use. */
struct number_count {
#define X(name) uint32_t name;
    RULE_COUNTS(X)
#undef X
};

struct minute_count {
    uint64_t requests, denied;
};

struct counts {
    int64_t             hour; /* since 1970 */
    uint64_t            allowed, slowed, denied, shadow_denied;
    uint64_t            left_out; /* denials that were not kept one by one */
    struct minute_count minutes[60];

    /* Of the rules of the set that `view` holds, or holds none: at 0 those of no rule, then rules by their place there.
     * What has not occurred has matched 0. */
    struct number_count *numbered;
    struct ruleset_view  view;
    uint64_t             settled; /* requests that are not in `numbered` any more */

    /* By id: those that occur, and a hash table with open addressing, at most half full, of their numbers + 1. */
    struct rule_count *rules;
    uint32_t          *slots;
    uint32_t           rules_n, slots_n;
};

/* Where there is no memory for more, the functions below end the process: no count may be lost. */

struct counts *counts_new(void);              /* NULL: no memory */
void           counts_free(struct counts *c); /* NULL is allowed */
void           counts_clear(struct counts *c);

/* Makes `numbered` ready for further requests, fewer than COUNTS_BATCH_MAX, by the rule set that `view` holds. What is
 * there of another one goes over to `rules`. */
#define COUNTS_BATCH_MAX 65536
void counts_number(struct counts *c, const struct ruleset_view *view);

/* A rule's row among `rules`, which is made if it is not there; valid until the next call. */
struct rule_count *counts_rule(struct counts *c, int64_t rule);

/* Numbered or not, all come to `rules` of `into`, whose hour stays. */
void counts_merge(struct counts *into, const struct counts *from);

/* Puts `rules` in ascending order. */
void counts_sort(struct counts *c);

static inline uint64_t counts_requests(const struct counts *c)
{
    return c->allowed + c->slowed + c->denied;
}

/* Of a unix time; before 1970 there is only the first hour. */
static inline int64_t hour_of(int64_t unix_us)
{
    return unix_us > 0 ? unix_us / HOUR_US : 0;
}

#endif
