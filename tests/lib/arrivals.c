#include "lib/arrivals.h"

const char *arrivals_name(enum arrivals_shape shape)
{
    static const char *const names[] = { "steady", "on-off", "window edge", "clustered", "flood" };

    return names[shape];
}

void arrivals_init(struct arrivals *a, enum arrivals_shape shape, int64_t requests, int64_t period_s, uint64_t seed)
{
    *a = (struct arrivals){
        .shape = shape,
        .requests = requests,
        .period_us = period_s * 1000000,
        .random = { seed },
    };
    a->now.mono_us = random_below(&a->random, INT64_C(1) << 44);
    a->now.unix_us = INT64_C(1795000000000000) + random_below(&a->random, a->period_us);
    a->left = requests;
}

/* `per_period` in each period, as exactly as whole microseconds can. */
static int64_t even_gap(struct arrivals *a, int64_t per_period)
{
    int64_t gap;

    a->carry += a->period_us;
    gap = a->carry / per_period;
    a->carry %= per_period;
    return gap;
}

/* To where somebody's window ends: one of the clock's, one that began with the last burst, or a fiftieth of one. */
static int64_t edge_gap(struct arrivals *a)
{
    int64_t width_us = a->period_us / 50, gap;

    switch (random_below(&a->random, 4)) {
    case 0:
    case 1:
        gap = a->period_us - a->now.unix_us % a->period_us;
        break;
    case 2:
        gap = a->period_us;
        break;
    default:
        gap = random_below(&a->random, 4) / 3 * a->period_us + random_below(&a->random, 12) * width_us;
    }
    gap += random_below(&a->random, 4) - 2;
    return gap > 0 ? gap : 0;
}

static int64_t next_gap(struct arrivals *a)
{
    int64_t gap;

    switch (a->shape) {
    case ARRIVALS_STEADY:
        return even_gap(a, (a->requests * 3 + 1) / 2);
    case ARRIVALS_ON_OFF:
        if (a->left-- > 0)
            return random_below(&a->random, 8) / 7;
        a->left = a->requests * 5 / 4 + 3;
        return random_below(&a->random, a->period_us + a->period_us / 25);
    case ARRIVALS_WINDOW_EDGE:
        if (a->left-- > 0)
            return 0;
        a->left = random_below(&a->random, a->requests + 3);
        return edge_gap(a);
    case ARRIVALS_CLUSTERED:
        gap = random_below(&a->random, 1 + (a->period_us >> random_below(&a->random, 40)));
        return random_below(&a->random, a->requests) == 0 ? gap : gap / a->requests;
    default:
        return even_gap(a, a->requests * (a->requests > 10000 ? 4 : 40));
    }
}

struct moment arrivals_next(struct arrivals *a)
{
    int64_t gap = next_gap(a);

    a->now.mono_us += gap;
    a->now.unix_us += gap;
    return a->now;
}
