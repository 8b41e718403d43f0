/* A token bucket, as GCRA: `burst` requests at once, then `requests` evenly over the period.
 *
 * Instead of tokens it keeps the debt, in units of 1 / period_us of a token: a request adds period_us units, and each
 * microsecond takes `requests` units off. So everything is exact in whole numbers, and an edit of `requests` or `burst`
 * leaves the debt what it is, a number of requests not yet worked off. At the widest limit it takes 72 bits.
 *
 * Pure: no locks, no clock. A `now_us` before at_us counts as at_us. All zero is an empty counter (a full bucket). */
#ifndef LIMITS_TOKEN_H
#define LIMITS_TOKEN_H

#include <stdint.h>

#include "limits/limits.h"

/* Aligned so that a counter needs no padding. */
__extension__ typedef unsigned __int128 token_debt __attribute__((aligned(8)));

#define TOKEN_NEVER_US (INT64_MAX / 4) /* 73,000 years: the longest that is told */

struct token {
    token_debt debt;
    int64_t    at_us;    /* when it was that much */
    uint32_t   requests; /* of the limit when it was last charged, for token_limit() */
};

/* Works the debt off until `now_us`, and forgives what a `burst` since lowered does not allow to owe. To be called
 * before any of the functions below, with the same time. */
void token_advance(struct token *t, const struct limit *limit, int64_t now_us);

/* Whether it can be a counter of a time up to `now_us`, or a period more. */
bool token_is_sound(const struct token *t, uint32_t period_s, int64_t now_us);

/* The least `burst` that it uses up, with the `requests` of the last charge. */
struct limit token_limit(const struct token *t, uint32_t period_s);

/* Whole tokens. */
uint32_t token_remaining(const struct token *t, const struct limit *limit);

/* Takes one token. The caller has seen that there is one. */
void token_charge(struct token *t, const struct limit *limit);

/* Until there is a token, 0 when there is: exactly the first microsecond. */
int64_t token_retry_us(const struct token *t, const struct limit *limit, int64_t now_us);

/* Until the bucket is full, at most TOKEN_NEVER_US. */
int64_t token_reset_us(const struct token *t, const struct limit *limit, int64_t now_us);

#endif
