/* A sliding window: how many requests were admitted within the last period, in 112 bytes whatever the limit.
 *
 * The period is cut into 50 sub-buckets, on a grid that starts with the first admission after the counter was empty.
 * What a sub-bucket holds counts until the sub-bucket's end + period: an admission therefore counts for more than one
 * period and for at most 1.02 periods, which is both promises of limits.h. 51 sub-buckets can be alive at a time: the
 * newest, which still fills and is exact, and 50 closed ones.
 *
 *      closed[49]   ...   closed[1]  closed[0]   newest
 *     |----------| ... |----------|----------|------------->
 *                                             start_us   now
 *
 * Closed sub-buckets are held in units of 1 << shift. While no sub-bucket alone exceeds 65,535 the shift is 0 and every
 * count is exact. Otherwise the shift is the least that makes the largest live one fit, and closed ones are rounded up,
 * each by less than a unit, so that the limit is never exceeded. The total is then too high by less than 1/655 of the
 * largest sub-bucket of the last two periods, hence by less than 0.16 % of the limit.
 *
 * Pure: no locks, no clock. A `now_us` before start_us (threads read the clock apart) counts as start_us.
 * All zero is an empty counter. */
#ifndef LIMITS_SLIDING_H
#define LIMITS_SLIDING_H

#include <stdint.h>

#define SLIDING_CLOSED 50 /* divides a period of whole seconds into whole microseconds */

struct sliding {
    uint64_t start_us : 56; /* of the newest sub-bucket; without meaning while the counter is empty */
    uint64_t shift : 8;
    uint32_t newest;
    uint16_t closed[SLIDING_CLOSED]; /* [0] is the latest */
};

/* Moves the window to `now_us`. To be called before any of the functions below, with the same time. */
void sliding_advance(struct sliding *s, uint32_t period_s, int64_t now_us);

/* What counts. */
uint64_t sliding_used(const struct sliding *s);

/* Counts one request. The caller has seen that there is room, so no more than LIMIT_REQUESTS_MAX are ever counted. */
void sliding_charge(struct sliding *s, int64_t now_us);

/* Until fewer than `requests` count, 0 when they do: exactly the first moment at which one more passes. Because of the
 * grid that may be up to a fiftieth of the period after the admission that makes room is a period old. */
int64_t sliding_retry_us(const struct sliding *s, uint32_t requests, uint32_t period_s, int64_t now_us);

/* Until nothing counts, 0 when nothing does. */
int64_t sliding_reset_us(const struct sliding *s, uint32_t period_s, int64_t now_us);

#endif
