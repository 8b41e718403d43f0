/* The time of a batch of requests, read once and passed down: nothing below server/ asks what time it is. */
#ifndef BASE_MOMENT_H
#define BASE_MOMENT_H

#include <stdint.h>

#define SECOND_US INT64_C(1000000)

/* Two clocks, because each is wrong for the other's job: `mono_us` never steps, so windows and bans are measured on it;
 * `unix_us` is what operators and fixed windows mean by "nine o'clock". Both in microseconds. */
struct moment {
    int64_t mono_us;
    int64_t unix_us;
};

/* Reads CLOCK_BOOTTIME (which goes on over a suspend) and CLOCK_REALTIME. Any thread. */
struct moment moment_now(void);

/* Rounded up, for what somebody is told to wait. */
static inline int64_t moment_seconds_up(int64_t us)
{
    return (us + SECOND_US - 1) / SECOND_US;
}

/* The clock of `mono_us` in nanoseconds, to measure how long something takes; the moment at which it showed that. */
int64_t       moment_mono_ns(void);
struct moment moment_from_ns(int64_t mono_ns);

#endif
