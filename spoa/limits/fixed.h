/* Fixed windows: requests are counted in windows of floor(unix time / period), as "10,000 an hour" from the full hour.
 *
 * The wall clock may step back. A counter goes on in the window it is in, so that a small step does not give the limit
 * out twice; when that window lies more than one ahead of the clock, it moves to the clock's window and takes its count
 * along, so that a large step locks nobody out for long.
 *
 * Pure: no locks, no clock. All zero is an empty counter. */
#ifndef LIMITS_FIXED_H
#define LIMITS_FIXED_H

#include <stdint.h>

struct fixed {
    int64_t  window; /* number since 1970; without meaning while the counter is empty */
    uint32_t count;
};

/* Moves to the window of `unix_us`. To be called before any of the functions below, with the same time. */
void fixed_advance(struct fixed *f, uint32_t period_s, int64_t unix_us);

/* Counts one request. The caller has seen that there is room. */
void fixed_charge(struct fixed *f);

/* Until the window ends and nothing counts; 0 when nothing does. Room comes at the same time. */
int64_t fixed_reset_us(const struct fixed *f, uint32_t period_s, int64_t unix_us);

#endif
