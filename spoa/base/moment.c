#include "base/moment.h"

#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct moment moment_now(void)
{
    return (struct moment){ .mono_us = read_us(CLOCK_BOOTTIME), .unix_us = read_us(CLOCK_REALTIME) };
}
