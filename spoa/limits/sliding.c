#include "limits/sliding.h"

#include <assert.h>
#include <string.h>

#define UNITS_MAX  UINT16_MAX
#define START_MASK ((UINT64_C(1) << 56) - 1)

static int64_t width_us(uint32_t period_s)
{
    return (int64_t)period_s * (1000000 / SLIDING_CLOSED);
}

/* Every decision sums all of a counter, so four sub-buckets are added at a time: the even and the odd ones of a 64-bit
 * word, into the two halves of another, which have room for all. With a plain loop a decision on three counters in the
 * processor's cache took 1.4 times as long. */
static uint64_t closed_units(const struct sliding *s)
{
    const uint64_t mask = UINT64_C(0x0000FFFF0000FFFF);
    uint64_t       sum = 0, word;

    for (size_t i = 0; i + 4 <= SLIDING_CLOSED; i += 4) {
        memcpy(&word, s->closed + i, sizeof word);
        sum += (word & mask) + (word >> 16 & mask);
    }
    for (size_t i = SLIDING_CLOSED / 4 * 4; i < SLIDING_CLOSED; i++)
        sum += s->closed[i];
    return (sum >> 32) + (sum & UINT32_MAX);
}

/* Returns the newest sub-bucket in units, after it has made the units large enough for it. Rounding up twice is
 * rounding up once, so it does not matter in how many steps they grow. */
static uint16_t close_newest(struct sliding *s)
{
    unsigned shift = s->shift, grown;

    while (((uint64_t)s->newest + (UINT64_C(1) << shift) - 1) >> shift > UNITS_MAX)
        shift++;
    grown = shift - s->shift;
    if (grown > 0) {
        for (int i = 0; i < SLIDING_CLOSED; i++)
            s->closed[i] = (uint16_t)((s->closed[i] + (UINT32_C(1) << grown) - 1) >> grown);
        s->shift = shift & 0xFF;
    }
    return (uint16_t)(((uint64_t)s->newest + (UINT64_C(1) << shift) - 1) >> shift);
}

/* Makes the units as small as the largest closed sub-bucket allows, so that one burst does not blur a counter that
 * never gets empty. This changes no count. */
static void shrink_units(struct sliding *s)
{
    unsigned shrink = 0;
    uint16_t max = 0;

    for (int i = 0; i < SLIDING_CLOSED; i++) {
        if (s->closed[i] > max)
            max = s->closed[i];
    }
    while (shrink < s->shift && (uint32_t)max << (shrink + 1) <= UNITS_MAX)
        shrink++;
    if (shrink == 0)
        return;
    for (int i = 0; i < SLIDING_CLOSED; i++)
        s->closed[i] = (uint16_t)(s->closed[i] << shrink);
    s->shift = (s->shift - shrink) & 0xFF;
}

void sliding_advance(struct sliding *s, uint32_t period_s, int64_t now_us)
{
    int64_t  width = width_us(period_s), start = (int64_t)s->start_us;
    size_t   steps;
    uint16_t units;

    if (now_us < start + width)
        return;
    if ((now_us - start) / width > SLIDING_CLOSED) {
        memset(s, 0, sizeof *s);
        return;
    }
    steps = (size_t)((now_us - start) / width);
    units = close_newest(s);
    memmove(s->closed + steps, s->closed, (SLIDING_CLOSED - steps) * sizeof s->closed[0]);
    memset(s->closed, 0, (steps - 1) * sizeof s->closed[0]);
    s->closed[steps - 1] = units;
    s->newest = 0;
    s->start_us = (uint64_t)(start + (int64_t)steps * width) & START_MASK;
    if (s->shift > 0)
        shrink_units(s);
}

uint64_t sliding_used(const struct sliding *s)
{
    return s->newest + (closed_units(s) << s->shift);
}

void sliding_charge(struct sliding *s, int64_t now_us)
{
    assert(s->newest < UINT32_MAX);
    if (s->newest == 0 && closed_units(s) == 0)
        s->start_us = (uint64_t)now_us & START_MASK;
    s->newest++;
}

int64_t sliding_retry_us(const struct sliding *s, uint32_t requests, uint32_t period_s, int64_t now_us)
{
    int64_t        width = width_us(period_s), at = (int64_t)s->start_us + width;
    struct sliding closed;
    uint64_t       used = sliding_used(s);
    int            oldest = SLIDING_CLOSED;

    if (used < requests)
        return 0;
    if (s->newest > UNITS_MAX || s->shift > 0) {
        /* Closing the newest may round all counts up, once; after that they only expire. */
        closed = *s;
        sliding_advance(&closed, period_s, at);
        s = &closed;
        used = sliding_used(s);
    } else {
        used -= s->closed[--oldest];
    }
    for (; used >= requests; at += width) {
        /* What is left when all closed ones have expired is the newest. */
        used -= oldest > 0 ? (uint64_t)s->closed[--oldest] << s->shift : used;
    }
    return at - now_us;
}

int64_t sliding_reset_us(const struct sliding *s, uint32_t period_s, int64_t now_us)
{
    int64_t width = width_us(period_s);
    int     age = 0;

    if (s->newest == 0) {
        do {
            if (age == SLIDING_CLOSED)
                return 0;
        } while (s->closed[age++] == 0);
    }
    return (int64_t)s->start_us + (SLIDING_CLOSED + 1 - age) * width - now_us;
}
