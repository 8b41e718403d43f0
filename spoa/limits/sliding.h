/* A sliding window: how many requests were admitted within the last period, in 56 bytes, or 112 where a fiftieth of the
 * period sees more than 255.
 *
 * Time is cut into sub-buckets of a fiftieth of the period, on a grid that is the same for all counters of that period.
 * What a sub-bucket holds counts until its end + period: an admission therefore counts for more than one period and for
 * at most 1.02 periods, which is both promises of limits.h. 51 sub-buckets are alive at a time, the newest of which
 * still fills:
 *
 *       count[50]   ...   count[1]  count[0]
 *      |----------| ... |----------|----------|
 *                                       now
 *
 * A counter is narrow while each count fits one byte. sliding_widen() gives it a second byte for each, in memory of the
 * caller's, and a newest count of 32 bits. Then counts but the newest are in units of 1 << shift. While no sub-bucket
 * exceeds 65,535 the shift is 0 and every count exact. Otherwise it is the least that makes the largest live count fit,
 * and counts are rounded up, each by less than a unit, so that the limit is never exceeded. The total is then too high
 * by less than 1/655 of the largest sub-bucket of the last two periods, hence by less than 0.16 % of the limit.
 *
 * Pure: no locks, no clock. Times are microseconds and not negative; one before the newest sub-bucket (threads read the
 * clock apart) counts as in it. All zero is an empty counter. `wide` is NULL for a narrow one. */
#ifndef LIMITS_SLIDING_H
#define LIMITS_SLIDING_H

#include <stdbool.h>
#include <stdint.h>

#define SLIDING_PARTS 50 /* of a period; whole seconds make whole microseconds of each */
#define SLIDING_ALIVE (SLIDING_PARTS + 1)

struct sliding {
    uint32_t number; /* of the newest sub-bucket since time 0, its low 32 bits */
    uint8_t  number_high;
    uint8_t  low[SLIDING_ALIVE]; /* [0] is the newest */
};

struct sliding_wide {
    uint32_t newest; /* in the place of count[0], which is 0 */
    uint8_t  shift;
    uint8_t  high[SLIDING_ALIVE];
};

/* Moves the window to `now_us`. To be called before any of the functions below, with the same time. */
void sliding_advance(struct sliding *s, struct sliding_wide *wide, uint32_t period_s, int64_t now_us);

/* Whether it can be a counter of a time up to `now_us`, or a period more. */
bool sliding_is_sound(const struct sliding *s, const struct sliding_wide *wide, uint32_t period_s, int64_t now_us);

/* What counts. */
uint64_t sliding_used(const struct sliding *s, const struct sliding_wide *wide);

/* Whether the next charge needs a wide counter. */
bool sliding_is_full(const struct sliding *s, const struct sliding_wide *wide);

/* Makes a narrow counter a wide one. */
void sliding_widen(struct sliding *s, struct sliding_wide *wide);

/* Counts one request. The caller has seen that there is room, so no more than LIMIT_REQUESTS_MAX are ever counted. */
void sliding_charge(struct sliding *s, struct sliding_wide *wide);

/* Until fewer than `requests` count, 0 when they do: exactly the first moment at which one more passes. Because of the
 * grid that may be up to a fiftieth of the period after the admission that makes room is a period old. */
int64_t sliding_retry_us(const struct sliding *s, const struct sliding_wide *wide, uint32_t requests, uint32_t period_s,
                         int64_t now_us);

/* Until nothing counts, 0 when nothing does. */
int64_t sliding_reset_us(const struct sliding *s, const struct sliding_wide *wide, uint32_t period_s, int64_t now_us);

#endif
