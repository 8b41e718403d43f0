/* What limits.h promises of each decision, told from an exact record of what was admitted:
 * - LIMIT_SLIDING by the times of all admissions: none when `requests` were admitted within the last period, one when
 *   fewer were within the last 1.02 periods (less the 0.16 % that very full counters may be rounded up by);
 * - LIMIT_FIXED by a count for each window of the clock;
 * - LIMIT_TOKEN by GCRA in exact fractions.
 * Plain and slow on purpose, and it shares nothing with what it judges. */
#ifndef TESTS_LIB_PROMISE_H
#define TESTS_LIB_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits/limits.h"

/* Times in ascending order. */
struct admissions {
    int64_t *at_us;
    size_t   n, size;
};

void admissions_add(struct admissions *log, int64_t at_us);

/* How many were at `from_us` or later. `*cursor` is 0 at first; `from_us` may only grow from call to call. */
size_t admissions_since(const struct admissions *log, size_t *cursor, int64_t from_us);

void admissions_fini(struct admissions *log);

enum promise_verdict {
    PROMISE_KEPT,
    PROMISE_ROUNDED,  /* kept, but only as a refusal that rounding allows */
    PROMISE_ADMITTED, /* broken: admitted without room */
    PROMISE_REFUSED,  /* broken: refused with room */
};

__extension__ typedef __int128 promise_exact;

/* Of one key. All zero, but for the algorithm: nothing admitted yet. */
struct promise {
    enum limit_algorithm algorithm;
    struct admissions    log;    /* sliding */
    size_t               period; /* cursors: admissions_since */
    size_t               wide;
    size_t               fiftieth;
    uint32_t             most_requests; /* that the limit ever allowed, */
    bool                 rounds;        /* and whether more than 65,535 ever came within a fiftieth of a period */
    int64_t              window, count; /* fixed */
    promise_exact        arrival;       /* token: the theoretical arrival time, times `requests` */
};

/* To be told in the order of time: whether a decision said that there was room. `requests` of sliding and fixed may
 * change between calls, nothing else of a limit. */
enum promise_verdict promise_judge(struct promise *p, const struct limit *limit, struct moment now, bool room);

/* It was admitted, and charged. */
void promise_charge(struct promise *p, const struct limit *limit, struct moment now);

void promise_fini(struct promise *p);

#endif
