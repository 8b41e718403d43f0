/* Which entry makes room when a shard is full.
 *
 * A hand goes round the shard, one step an eviction. Each time 16 entries at equal distances from it are looked at, and
 * the least loss among them goes, in this order:
 * 1. one that counts nothing and bans nobody: no loss at all, taken at once;
 * 2. one with room: the least share of its limit used (in sixteenths), and among equal shares the one that will be
 *    empty first, which is the one idle longest where periods are the same;
 * 3. one used up or banned, the one that frees soonest. When all 16 are such, up to 48 more are looked at before one of
 *    them goes: to forget it would let somebody through who is to be refused.
 * So a flood of keys seen once or twice replaces itself, not the clients that are held at their limit. Equal distances
 * matter: entries are handed out in order, so that those of one attack lie side by side. */
#include "limits/table.h"

#include <assert.h>

#define LANES  16
#define ROUNDS 4

enum loss { LOSS_NONE, LOSS_COUNT, LOSS_REFUSAL };

struct worth {
    enum loss loss;
    int64_t   share; /* LOSS_COUNT: sixteenths of the limit that are used */
    int64_t   left_us;
};

static bool worth_less(const struct worth *a, const struct worth *b)
{
    if (a->loss != b->loss)
        return a->loss < b->loss;
    if (a->share != b->share)
        return a->share < b->share;
    return a->left_us < b->left_us;
}

static struct worth worth_of(const struct table *t, struct entry *e, struct moment now)
{
    const struct slot *slot = &t->slots[e - t->entries];
    struct limit       limit = { .algorithm = (enum limit_algorithm)slot->algorithm,
                                 .requests = slot->requests,
                                 .period_s = slot->period_s,
                                 .burst = slot->burst };
    int64_t            all = limit.algorithm == LIMIT_TOKEN ? limit.burst : limit.requests;
    struct worth       worth = { 0 };

    assert(limit.period_s != 0);
    entry_advance(e, &limit, now);
    worth.left_us = entry_reset_us(e, &limit, now);
    if (worth.left_us == 0)
        return worth;
    if (entry_used_up(e, &limit, now)) {
        worth.loss = LOSS_REFUSAL;
        worth.left_us = entry_retry_us(e, &limit, now);
    } else {
        worth.loss = LOSS_COUNT;
        worth.share = (all - entry_remaining(e, &limit, now)) * 16 / all;
    }
    return worth;
}

static bool is_pinned(const struct entry *e, struct pins pins)
{
    for (size_t i = 0; i < pins.n; i++) {
        if (pins.entries[i] == e)
            return true;
    }
    return false;
}

/* Which entry to look at as number `i`: the lanes of a later round lie between those of the earlier ones. In a shard
 * too small for that, one after the other. */
static uint32_t sample(const struct shard *shard, uint32_t i)
{
    uint64_t offset = i;

    if (shard->capacity > LANES * ROUNDS)
        offset = (uint64_t)(i % LANES * ROUNDS + i / LANES) * shard->capacity / (LANES * ROUNDS);
    return shard->first + (uint32_t)((shard->hand + offset) % shard->capacity);
}

static void prefetch_lanes(const struct table *t, const struct shard *shard)
{
    for (uint32_t i = 0; i < LANES && i < shard->capacity; i++) {
        uint32_t index = sample(shard, i);

        __builtin_prefetch(&t->slots[index]);
        __builtin_prefetch(&t->entries[index]);
        __builtin_prefetch((const char *)&t->entries[index] + 64);
    }
}

struct entry *table_choose_victim(struct table *t, struct shard *shard, struct moment now, struct pins pins)
{
    uint32_t      n = shard->capacity < LANES * ROUNDS ? shard->capacity : LANES * ROUNDS;
    struct entry *victim = NULL;
    struct worth  least = { 0 };

    assert(shard->capacity > 0);
    prefetch_lanes(t, shard);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = &t->entries[sample(shard, i)];
        struct worth  worth;

        if (i % LANES == 0 && victim != NULL && least.loss != LOSS_REFUSAL)
            break;
        if (is_pinned(e, pins))
            continue;
        worth = worth_of(t, e, now);
        if (victim == NULL || worth_less(&worth, &least)) {
            victim = e;
            least = worth;
        }
        if (least.loss == LOSS_NONE)
            break;
    }
    shard->hand = (shard->hand + 1) % shard->capacity;
    if (victim != NULL && least.loss != LOSS_NONE)
        shard->evicted++;
    return victim;
}
