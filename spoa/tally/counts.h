/* Totals of one hour: exact sums, which only ever grow until they are written and cleared. One thread at a time. */
#ifndef TALLY_COUNTS_H
#define TALLY_COUNTS_H

#include <stdint.h>

#include "base/moment.h"

#define HOUR_US INT64_C(3600000000)

/* The columns of hour_rules and day_rules, in their order. */
#define RULE_COUNTS(X) X(matched) X(allowed) X(slowed) X(denied) X(shadow_denied)

struct rule_count {
    int64_t rule; /* 0: none */
#define X(name) uint64_t name;
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

    /* Those that occur, and a hash table with open addressing, at most half full, of their numbers + 1. */
    struct rule_count *rules;
    uint32_t          *slots;
    uint32_t           rules_n, slots_n;
};

/* Empty, with room for so many rules before it has to grow. NULL: no memory. */
struct counts *counts_new(uint32_t rules);
void           counts_free(struct counts *c); /* NULL is allowed */
void           counts_clear(struct counts *c);

/* The rule's row, which is made if it is not there; valid until the next call. Ends the process when there is no memory
 * for a larger table: no count may be lost. */
struct rule_count *counts_rule(struct counts *c, int64_t rule);

/* Ask for the memory that counts_rule() will look at: first for all of a batch the one, then the other. */
void counts_prefetch_slot(const struct counts *c, int64_t rule);
void counts_prefetch_rule(const struct counts *c, int64_t rule);

/* `hour` stays that of `into`. */
void counts_merge(struct counts *into, const struct counts *from);

/* Puts the rules in ascending order. */
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
