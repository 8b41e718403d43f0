/* The time. A worker reads it once for each batch of requests and passes it down: no decision, and nothing that counts one,
 * reads a clock to know what time it is. Other threads and the commands read it themselves. */
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

/* moment_mono_ns() reads the clock of `mono_us` in nanoseconds, to measure how long something takes. moment_from_ns()
 * makes a moment of such a reading; it reads CLOCK_REALTIME itself, so call it at once. */
int64_t       moment_mono_ns(void);
struct moment moment_from_ns(int64_t mono_ns);

#endif
