#include "base/moment.h"

#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t moment_mono_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

struct moment moment_from_ns(int64_t mono_ns)
{
    return (struct moment){ .mono_us = mono_ns / 1000, .unix_us = read_ns(CLOCK_REALTIME) / 1000 };
}

struct moment moment_now(void)
{
    return moment_from_ns(moment_mono_ns());
}
