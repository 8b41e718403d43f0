#include "limits/fixed.h"

#include <assert.h>

static int64_t period_us(uint32_t period_s)
{
    return (int64_t)period_s * 1000000;
}

/* Rounds down, also before 1970. */
static int64_t window_of(uint32_t period_s, int64_t unix_us)
{
    int64_t period = period_us(period_s);

    return unix_us / period - (unix_us % period < 0);
}

void fixed_advance(struct fixed *f, uint32_t period_s, int64_t unix_us)
{
    int64_t window = window_of(period_s, unix_us);

    if (f->window < window || f->count == 0)
        *f = (struct fixed){ .window = window };
    else if (f->window > window + 1)
        f->window = window;
}

void fixed_charge(struct fixed *f)
{
    assert(f->count < UINT32_MAX);
    f->count++;
}

int64_t fixed_reset_us(const struct fixed *f, uint32_t period_s, int64_t unix_us)
{
    return f->count == 0 ? 0 : (f->window + 1) * period_us(period_s) - unix_us;
}
