#include "limits/sliding.h"

#include <assert.h>
#include <string.h>

#include "limits/limits.h"

#define COUNT_MAX UINT16_MAX /* of a wide counter, in units */
#define SHIFT_MAX 14         /* that makes LIMIT_REQUESTS_MAX fit */

_Static_assert(LIMIT_REQUESTS_MAX >> SHIFT_MAX < COUNT_MAX, "units large enough");

_Static_assert(sizeof(struct sliding) == 56 && sizeof(struct sliding_wide) == 56, "no holes");

static int64_t width_us(uint32_t period_s)
{
    return (int64_t)period_s * (1000000 / SLIDING_PARTS);
}

/* ---- counts ---- */

static int64_t number(const struct sliding *s)
{
    return (int64_t)((uint64_t)s->number_high << 32 | s->number);
}

static uint32_t count(const struct sliding *s, const struct sliding_wide *wide, int i)
{
    return s->low[i] + (wide != NULL ? (uint32_t)wide->high[i] << 8 : 0);
}

static void set_count(struct sliding *s, struct sliding_wide *wide, int i, uint32_t to)
{
    s->low[i] = (uint8_t)to;
    wide->high[i] = (uint8_t)(to >> 8);
}

/* Every decision adds all of a counter up, so eight bytes are added at a time, the even and the odd ones of a word into
 * the quarters of another. With a plain loop a decision on three cached counters took 1.3 times as long. */
static uint32_t sum_bytes(const uint8_t bytes[SLIDING_ALIVE])
{
    const uint64_t mask = UINT64_C(0x00FF00FF00FF00FF);
    uint64_t       sum = 0, word;
    size_t         i;

    for (i = 0; i + sizeof word <= SLIDING_ALIVE; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        sum += (word & mask) + (word >> 8 & mask);
    }
    for (; i < SLIDING_ALIVE; i++)
        sum += bytes[i];
    /* The quarters' sum arrives in the highest one; it is below 51 * 255. */
    return (uint32_t)(sum * UINT64_C(0x0001000100010001) >> 48);
}

/* ---- units of a wide counter ---- */

static uint32_t units_up(uint64_t n, unsigned shift)
{
    return (uint32_t)((n + (UINT64_C(1) << shift) - 1) >> shift);
}

/* Puts the newest count among the others, in units that it has made large enough. Rounding up twice is rounding up
 * once, so it does not matter in how many steps they grow. */
static void close_newest(struct sliding *s, struct sliding_wide *wide)
{
    unsigned shift = wide->shift;

    while (units_up(wide->newest, shift) > COUNT_MAX)
        shift++;
    for (int i = 1; shift > wide->shift && i < SLIDING_ALIVE; i++)
        set_count(s, wide, i, units_up(count(s, wide, i), shift - wide->shift));
    wide->shift = (uint8_t)shift;
    set_count(s, wide, 0, units_up(wide->newest, shift));
    wide->newest = 0;
}

/* Makes the units as small as the largest count allows, so that one burst does not blur a counter that never gets
 * empty. This changes no count. */
static void shrink_units(struct sliding *s, struct sliding_wide *wide)
{
    unsigned shrink = 0;
    uint32_t max = 0;

    for (int i = 1; i < SLIDING_ALIVE; i++) {
        if (count(s, wide, i) > max)
            max = count(s, wide, i);
    }
    while (shrink < wide->shift && max << (shrink + 1) <= COUNT_MAX)
        shrink++;
    for (int i = 1; shrink > 0 && i < SLIDING_ALIVE; i++)
        set_count(s, wide, i, count(s, wide, i) << shrink);
    wide->shift = (uint8_t)(wide->shift - shrink);
}

/* ---- the window ---- */

static void shift_bytes(uint8_t bytes[SLIDING_ALIVE], size_t steps)
{
    memmove(bytes + steps, bytes, SLIDING_ALIVE - steps);
    memset(bytes, 0, steps);
}

void sliding_advance(struct sliding *s, struct sliding_wide *wide, uint32_t period_s, int64_t now_us)
{
    int64_t now = now_us / width_us(period_s), steps = now - number(s);

    if (steps <= 0)
        return;
    if (steps >= SLIDING_ALIVE) {
        memset(s, 0, sizeof *s);
        if (wide != NULL)
            memset(wide, 0, sizeof *wide);
    } else {
        if (wide != NULL)
            close_newest(s, wide);
        shift_bytes(s->low, (size_t)steps);
        if (wide != NULL) {
            shift_bytes(wide->high, (size_t)steps);
            if (wide->shift > 0)
                shrink_units(s, wide);
        }
    }
    s->number = (uint32_t)now;
    s->number_high = (uint8_t)(now >> 32);
}

bool sliding_is_sound(const struct sliding *s, const struct sliding_wide *wide, uint32_t period_s, int64_t now_us)
{
    return number(s) <= now_us / width_us(period_s) + SLIDING_PARTS &&
           (wide == NULL || (wide->shift <= SHIFT_MAX && wide->newest <= LIMIT_REQUESTS_MAX));
}

uint64_t sliding_used(const struct sliding *s, const struct sliding_wide *wide)
{
    uint64_t low = sum_bytes(s->low);

    return wide == NULL ? low : wide->newest + ((low + ((uint64_t)sum_bytes(wide->high) << 8)) << wide->shift);
}

bool sliding_is_full(const struct sliding *s, const struct sliding_wide *wide)
{
    return wide == NULL && s->low[0] == UINT8_MAX;
}

void sliding_widen(struct sliding *s, struct sliding_wide *wide)
{
    *wide = (struct sliding_wide){ .newest = s->low[0] };
    s->low[0] = 0;
}

void sliding_charge(struct sliding *s, struct sliding_wide *wide)
{
    assert(!sliding_is_full(s, wide));
    if (wide == NULL) {
        s->low[0]++;
    } else {
        assert(wide->newest < UINT32_MAX);
        wide->newest++;
    }
}

/* ---- what is to come ---- */

/* When sub-bucket `i` counts no more. */
static int64_t end_us(const struct sliding *s, int i, uint32_t period_s)
{
    return (number(s) + SLIDING_ALIVE - i) * width_us(period_s);
}

int64_t sliding_retry_us(const struct sliding *s, const struct sliding_wide *wide, uint32_t requests, uint32_t period_s,
                         int64_t now_us)
{
    struct sliding      closed;
    struct sliding_wide closed_wide;
    uint64_t            used = sliding_used(s, wide);
    int                 i = SLIDING_ALIVE;

    if (used < requests)
        return 0;
    if (wide != NULL) {
        /* Closing the newest may round all counts up, once, when the oldest goes; after that they only expire. */
        closed = *s;
        closed_wide = *wide;
        sliding_advance(&closed, &closed_wide, period_s, end_us(s, SLIDING_PARTS, period_s));
        s = &closed;
        wide = &closed_wide;
        used = sliding_used(s, wide);
        if (used < requests)
            return number(s) * width_us(period_s) - now_us;
    }
    while (used >= requests) {
        i--;
        used -= (uint64_t)count(s, wide, i) << (wide != NULL ? wide->shift : 0);
    }
    return end_us(s, i, period_s) - now_us;
}

int64_t sliding_reset_us(const struct sliding *s, const struct sliding_wide *wide, uint32_t period_s, int64_t now_us)
{
    int i = 0;

    if (wide == NULL || wide->newest == 0) {
        while (i < SLIDING_ALIVE && count(s, wide, i) == 0)
            i++;
    }
    return i == SLIDING_ALIVE ? 0 : end_us(s, i, period_s) - now_us;
}
