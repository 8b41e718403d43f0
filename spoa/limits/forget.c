/* What operators ask of the table and tell it. A request has nothing to do with it. */
#include <string.h>

#include "limits/limits.h"
#include "limits/table.h"

/* Cells are never given back: one that counts nothing is the first to make room. Whether there was anything. */
static bool forget_counter(struct shard *shard, uint64_t key, const struct limit *limit, struct moment now)
{
    struct pool   *pool = &shard->pools[POOL_COUNTERS];
    uint32_t       cell = pool_find(pool, key, POOL_NONE);
    struct counter c;
    struct slot    state;
    bool           used;

    if (cell == POOL_NONE)
        return false;
    shard_begin(shard, POOL_COUNTERS, cell);
    c = pool_counter(pool, cell);
    counter_advance(c, limit, now);
    used = counter_reset_us(c, limit, now) > 0;
    memset(c.entry, 0, sizeof *c.entry);
    if (c.wide != NULL)
        memset(c.wide, 0, sizeof *c.wide);
    state = *pool_slot(pool, cell);
    state.until_s = 0;
    state.share = 0;
    *(volatile uint64_t *)&pool_slot(pool, cell)->state = state.state;
    shard_end(shard);
    return used;
}

/* What was left of it. */
static int64_t forget_ban(struct shard *shard, uint64_t key, const struct limit *limit, struct moment now)
{
    struct pool *bans = &shard->pools[POOL_BANS];
    uint32_t     cell = pool_find(bans, key, POOL_NONE);
    int64_t      left_us, longest_us = limit->ban_s * SECOND_US;

    if (cell == POOL_NONE)
        return 0;
    left_us = ((struct ban *)pool_cell(bans, cell))->until_us - now.mono_us;
    shard_begin(shard, POOL_BANS, cell);
    ((struct ban *)pool_cell(bans, cell))->until_us = 0;
    pool_slot(bans, cell)->until_s = 0;
    shard_end(shard);
    if (left_us > longest_us)
        left_us = longest_us;
    return left_us > 0 ? left_us : 0;
}

bool limits_forget(struct limits *limits, uint64_t key, const struct limit *limit, enum limits_part part,
                   struct moment now, int64_t *ban_us)
{
    struct shard *shard = table_shard(&limits->table, key);
    bool          used = false;

    now.mono_us += limits->table.ahead_us;
    shard_lock(shard);
    *ban_us = forget_ban(shard, key, limit, now);
    if (part == LIMITS_COUNTER)
        used = forget_counter(shard, key, limit, now);
    shard_unlock(shard);
    return used || *ban_us > 0;
}

/* Places that are looked at under one lock: they take about as long as a decision. */
#define LOOKS 256

static uint32_t count_bans(struct shard *shard, uint32_t from, uint32_t now_s, uint64_t *bans)
{
    const struct pool *pool = &shard->pools[POOL_BANS];
    uint32_t           to;

    shard_lock(shard);
    to = pool->used - from > LOOKS ? from + LOOKS : pool->used;
    for (uint32_t i = from; i < to; i++)
        *bans += pool_slot(pool, i)->until_s > now_s;
    shard_unlock(shard);
    return to;
}

uint64_t limits_bans(struct limits *limits, struct moment now)
{
    uint32_t now_s = (uint32_t)((now.mono_us + limits->table.ahead_us) / SECOND_US);
    uint64_t bans = 0;

    for (unsigned i = 0; i < 1u << limits->table.shard_bits; i++) {
        for (uint32_t at = 0, next; (next = count_bans(&limits->table.shards[i], at, now_s, &bans)) > at; at = next)
            ;
    }
    return bans;
}
