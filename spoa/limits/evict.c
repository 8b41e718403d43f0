/* Which cell makes room when a pool is full.
 *
 * A hand goes round the pool, one step an eviction. Each time 16 cells at equal distances from it are looked at, and
 * the least loss among them goes, in this order:
 * 1. one that counts nothing and bans nobody: no loss at all, taken at once;
 * 2. one with room: the least share of its limit used (in sixteenths), and among equal shares the one that will be
 *    empty first, which is the one idle longest where periods are the same;
 * 3. one used up or banned, the one that frees soonest. When all 16 are such, up to 48 more are looked at before one of
 *    them goes: to forget it would let somebody through who is to be refused.
 * So a flood of keys seen once or twice replaces itself, not the clients that are held at their limit. Equal distances
 * matter: cells are handed out in order, so that those of one attack lie side by side.
 *
 * No rule may push the others out: a cell that still counts is only taken from groups that hold more than half of what
 * the largest group holds, of those looked at. A rule that creates counters without end thus ends up replacing its own,
 * and what fewer counters than half as many have used up stays refused. */
#include <assert.h>

#include "limits/pool.h"

#define LANES  16
#define ROUNDS 4

struct worth {
    uint32_t cell;
    unsigned held;  /* by its group */
    unsigned share; /* as in struct slot */
    int64_t  left_us;
};

/* Of a counter that was used up when last decided. */
static void judge_used_up(const struct pool *p, uint32_t i, struct moment now, struct worth *worth)
{
    const struct slot  *slot = pool_slot(p, i);
    struct counter      c = pool_counter(p, i);
    union entry         entry = *c.entry;
    struct sliding_wide wide;
    struct limit        limit = counter_limit(c, (enum limit_algorithm)slot->algorithm, slot->period_s & 0x3FFFFF);

    c.entry = &entry;
    if (c.wide != NULL) {
        wide = *c.wide;
        c.wide = &wide;
    }
    if (limit.requests == 0) {
        worth->share = 0;
        return;
    }
    counter_advance(c, &limit, now);
    if (counter_remaining(c, &limit) > 0)
        worth->share = SHARE_USED_UP - 1;
    else
        worth->left_us = counter_retry_us(c, &limit, now);
}

/* False: it counts nothing. */
static bool judge(const struct pool *p, uint32_t i, struct moment now, struct worth *worth)
{
    const struct slot *slot = pool_slot(p, i);

    worth->cell = i;
    worth->held = atomic_load_explicit(&p->groups[slot->group], memory_order_relaxed);
    worth->share = slot->share;
    worth->left_us = (int64_t)slot->until_s * SECOND_US - now.mono_us;
    if (worth->left_us <= 0)
        return false;
    if (slot->share == SHARE_USED_UP && !p->is_bans)
        judge_used_up(p, i, now, worth);
    return true;
}

static bool less(const struct worth *a, const struct worth *b)
{
    return a->share != b->share ? a->share < b->share : a->left_us < b->left_us;
}

static bool is_pinned(uint32_t i, const uint32_t *pins, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (pins[k] == i)
            return true;
    }
    return false;
}

/* Which cell to look at as number `i`: the lanes of a later round lie between those of the earlier ones. In a pool too
 * small for that, one after the other. */
static uint32_t sample(const struct pool *p, uint32_t i)
{
    uint64_t offset = i;

    if (p->capacity > LANES * ROUNDS)
        offset = (uint64_t)(i % LANES * ROUNDS + i / LANES) * p->capacity / (LANES * ROUNDS);
    return (uint32_t)((p->hand + offset) % p->capacity);
}

/* The least loss among those of large groups. NULL: there are none at all. */
static const struct worth *least(const struct worth *worths, size_t n)
{
    const struct worth *best = NULL;
    unsigned            most = 0;

    for (size_t i = 0; i < n; i++) {
        if (worths[i].held > most)
            most = worths[i].held;
    }
    for (size_t i = 0; i < n; i++) {
        if (worths[i].held > most / 2 && (best == NULL || less(&worths[i], best)))
            best = &worths[i];
    }
    return best;
}

uint32_t pool_choose_victim(struct pool *p, struct moment now, const uint32_t *pins, size_t pins_n)
{
    uint32_t            n = p->capacity < LANES * ROUNDS ? p->capacity : LANES * ROUNDS;
    struct worth        worths[LANES * ROUNDS];
    const struct worth *victim = NULL;
    size_t              known = 0;

    assert(p->capacity > 0);
    for (uint32_t i = 0; i < n && i < LANES; i++)
        __builtin_prefetch(pool_slot(p, sample(p, i)));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t cell = sample(p, i);

        if (i % LANES == 0 && victim != NULL && victim->share != SHARE_USED_UP)
            break;
        if (!is_pinned(cell, pins, pins_n)) {
            if (!judge(p, cell, now, &worths[known])) {
                p->hand = (p->hand + 1) % p->capacity;
                return cell;
            }
            known++;
        }
        if (i % LANES == LANES - 1 || i == n - 1)
            victim = least(worths, known);
    }
    p->hand = (p->hand + 1) % p->capacity;
    if (victim == NULL)
        return POOL_NONE;
    p->evicted++;
    p->evicted_refusing += victim->share == SHARE_USED_UP;
    return victim->cell;
}
