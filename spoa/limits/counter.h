/* A counter of one of the three algorithms, without its key: what a limit has used. Algorithm and period of a counter
 * never change. An entry of zeros has used nothing.
 *
 * Pure: no locks, no clock. */
#ifndef LIMITS_COUNTER_H
#define LIMITS_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"
#include "limits/fixed.h"
#include "limits/limits.h"
#include "limits/sliding.h"
#include "limits/token.h"

/* With its key, one cache line. */
union entry {
    struct sliding sliding;
    struct fixed   fixed;
    struct token   token;
};

_Static_assert(sizeof(union entry) == 56, "an entry and its key are one cache line");

/* Where the entry is, and its wide part: NULL when it has none, as all but sliding windows. */
struct counter {
    union entry         *entry;
    struct sliding_wide *wide;
};

/* Forgets what no longer counts. To be called before any of the functions below, with the same limit and time. What it
 * did must be kept where another moment might have it do less: for LIMIT_TOKEN where `burst` was lowered, for
 * LIMIT_FIXED where the wall clock steps. For LIMIT_SLIDING it never matters. */
void counter_advance(struct counter c, const struct limit *limit, struct moment now);

/* Requests that would pass now, as far as this counter goes. */
int64_t counter_remaining(struct counter c, const struct limit *limit);

/* Whether counter_charge() needs a wide part, and has none. */
bool counter_is_full(struct counter c, const struct limit *limit);

/* Counts one request, for which there must be room; counter_remaining() is one less then. */
void counter_charge(struct counter c, const struct limit *limit);

/* The least limit that it uses up, as of when it was last advanced; it must count something. */
struct limit counter_limit(struct counter c, enum limit_algorithm algorithm, uint32_t period_s);

/* Whether `c`, of a file, is what the functions above make of a counter by the time `now`, so far as it matters: they
 * do not go wrong with it, and it counts nothing for longer than two periods. */
bool counter_is_sound(struct counter c, enum limit_algorithm algorithm, uint32_t period_s, struct moment now);

/* Until nothing counts; 0: nothing does. */
int64_t counter_reset_us(struct counter c, const struct limit *limit, struct moment now);

/* Until one more request passes; 0: it would now. */
int64_t counter_retry_us(struct counter c, const struct limit *limit, struct moment now);

#endif
