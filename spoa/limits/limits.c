/* The decision: lock, look up, decide on copies, charge all or none, unlock.
 *
 * All shards that a request touches stay locked from the look at its first limit to the charge of its last. Whatever
 * else is tried, two requests can both see the last free place of a limit. */
#include "limits/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "limits/table.h"

/* One use of a call, and its counter as it would be. */
struct copy {
    struct shard       *shard;
    uint32_t            cell; /* POOL_NONE: there is none yet, all is zero */
    bool                is_wide;
    bool                is_foreign;    /* what is there is another limit's, and nothing is known of this one */
    uint32_t            ban;           /* its place, or POOL_NONE */
    bool                ban_is_longer; /* there than it may be */
    int64_t             ban_until_us;  /* in the past: no ban */
    union entry         entry;
    struct sliding_wide wide;
};

struct call {
    struct limit_use *uses;
    size_t            n;
    struct moment     now;
    struct copy       copies[LIMITS_PER_REQUEST_MAX];
    struct copy      *order[LIMITS_PER_REQUEST_MAX]; /* by ascending shard */
};

struct limits *limits_new(size_t max_counters, uint64_t seed)
{
    return limits_new_in(-1, max_counters, seed);
}

struct limits *limits_new_in(int fd, size_t max_counters, uint64_t seed)
{
    struct limits *limits = malloc(sizeof *limits);

    if (limits == NULL)
        return NULL;
    if (!table_init(&limits->table, max_counters, fd)) {
        free(limits);
        return NULL;
    }
    limits->table.seed = seed;
    return limits;
}

void limits_free(struct limits *limits)
{
    if (limits == NULL)
        return;
    table_fini(&limits->table);
    free(limits);
}

uint64_t limits_seed(const struct limits *limits)
{
    return limits->table.seed;
}

static void check_limit(const struct limit *limit)
{
    assert(limit->requests >= 1 && limit->requests <= LIMIT_REQUESTS_MAX);
    assert(limit->period_s >= 1 && limit->period_s <= LIMIT_PERIOD_MAX_S);
    assert(limit->algorithm != LIMIT_TOKEN || (limit->burst >= 1 && limit->burst <= LIMIT_REQUESTS_MAX));
    assert(limit->ban_s <= LIMIT_PERIOD_MAX_S);
    (void)limit;
}

/* ---- shards ---- */

static void order_copies(struct call *call, const struct table *table)
{
    for (size_t i = 0; i < call->n; i++) {
        struct copy *copy = &call->copies[i];
        size_t       at = i;

        check_limit(call->uses[i].limit);
        copy->shard = table_shard(table, call->uses[i].key);
        for (; at > 0 && call->order[at - 1]->shard > copy->shard; at--)
            call->order[at] = call->order[at - 1];
        call->order[at] = copy;
    }
}

/* The uses of a shard stand side by side in `order`. */
static bool is_first_of_shard(const struct call *call, size_t at)
{
    return at == 0 || call->order[at]->shard != call->order[at - 1]->shard;
}

/* In ascending order, each once. */
static void lock_shards(struct call *call)
{
    for (size_t at = 0; at < call->n; at++) {
        if (is_first_of_shard(call, at))
            shard_lock(call->order[at]->shard);
    }
}

static void unlock_shards(struct call *call)
{
    for (size_t at = 0; at < call->n; at++) {
        if (is_first_of_shard(call, at))
            shard_unlock(call->order[at]->shard);
    }
}

/* ---- one use ---- */

static struct counter counter_of(struct copy *copy)
{
    return (struct counter){ &copy->entry, copy->is_wide ? &copy->wide : NULL };
}

static bool is_banned(const struct copy *copy, struct moment now)
{
    return copy->ban_until_us > now.mono_us;
}

/* A ban is looked for where the limit has bans, or had when the ban began. One that is longer than the limit's are now
 * ends earlier; at once where it has none any more. */
static void copy_ban(struct copy *copy, const struct limit_use *use, struct moment now, bool banned)
{
    const struct pool *bans = &copy->shard->pools[POOL_BANS];
    int64_t            longest_us = now.mono_us + use->limit->ban_s * SECOND_US;

    copy->ban = use->limit->ban_s > 0 || banned ? pool_find(bans, use->key, POOL_NONE) : POOL_NONE;
    copy->ban_until_us = copy->ban == POOL_NONE ? 0 : ((const struct ban *)pool_cell(bans, copy->ban))->until_us;
    copy->ban_is_longer = copy->ban_until_us > longest_us;
    if (copy->ban_is_longer)
        copy->ban_until_us = longest_us;
}

/* A key of which nothing is known has used nothing. */
static void copy_counter(struct copy *copy, const struct limit_use *use, struct moment now)
{
    const struct pool *pool = &copy->shard->pools[POOL_COUNTERS];
    const struct slot *slot = NULL;
    struct counter     c;

    copy->cell = pool_find(pool, use->key, use->place - 1);
    copy->is_wide = false;
    if (copy->cell != POOL_NONE)
        slot = pool_slot(pool, copy->cell);
    /* They are part of what makes a key, but a file may be damaged. */
    copy->is_foreign =
        slot != NULL && (slot->algorithm != use->limit->algorithm || slot->period_s != use->limit->period_s);
    if (slot == NULL || copy->is_foreign) {
        memset(&copy->entry, 0, sizeof copy->entry);
    } else {
        c = pool_counter(pool, copy->cell);
        copy->entry = *c.entry;
        if (c.wide != NULL) {
            copy->is_wide = true;
            copy->wide = *c.wide;
        }
    }
    counter_advance(counter_of(copy), use->limit, now);
    copy_ban(copy, use, now, slot != NULL && slot->banned);
}

static int64_t retry_us(struct copy *copy, const struct limit *limit, struct moment now)
{
    int64_t     ban_us = copy->ban_until_us - now.mono_us;
    struct copy then;

    if (ban_us <= 0)
        return counter_retry_us(counter_of(copy), limit, now);
    /* Not the longer of both: what counts when the ban ends may be rounded up by then (see sliding.h). */
    then = *copy;
    now.mono_us += ban_us;
    now.unix_us += ban_us;
    counter_advance(counter_of(&then), limit, now);
    return ban_us + counter_retry_us(counter_of(&then), limit, now);
}

/* `use->used_up` and `use->remaining` are known. */
static void describe(struct limit_use *use, struct copy *copy, struct moment now)
{
    int64_t ban_us = copy->ban_until_us - now.mono_us;

    use->ban_us = ban_us > 0 ? ban_us : 0;
    use->reset_us = counter_reset_us(counter_of(copy), use->limit, now);
    if (use->ban_us > use->reset_us)
        use->reset_us = use->ban_us;
    use->retry_us = use->used_up ? retry_us(copy, use->limit, now) : 0;
}

/* ---- what is kept ---- */

static uint32_t seconds_up(int64_t us)
{
    int64_t s = (us + SECOND_US - 1) / SECOND_US;

    return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static uint64_t share_of(const struct limit_use *use)
{
    uint32_t all = use->limit->algorithm == LIMIT_TOKEN ? use->limit->burst : use->limit->requests;
    uint32_t used = all - (uint32_t)use->remaining;

    return use->remaining == 0 ? SHARE_USED_UP : used / (all / SHARE_USED_UP + 1);
}

/* What eviction judges by, in one store: see struct slot. */
static void keep_state(struct slot *slot, const struct limit_use *use, struct moment now)
{
    struct slot state = *slot;

    state.until_s = seconds_up(now.mono_us + use->reset_us);
    state.share = share_of(use) & 31;
    state.banned |= use->ban_us > 0;
    *(volatile uint64_t *)&slot->state = state.state;
}

/* The places of the call's other counters; they must not make room for each other. */
static size_t pins_of(const struct call *call, const struct shard *shard, uint32_t pins[LIMITS_PER_REQUEST_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < call->n; i++) {
        if (call->copies[i].shard == shard && call->copies[i].cell != POOL_NONE)
            pins[n++] = call->copies[i].cell;
    }
    return n;
}

/* Puts the copy in its counter's place, or in a new one. */
static void keep_counter(struct call *call, struct copy *copy, const struct limit_use *use)
{
    struct pool   *pool = &copy->shard->pools[POOL_COUNTERS];
    bool           is_new = copy->cell == POOL_NONE;
    uint32_t       pins[LIMITS_PER_REQUEST_MAX];
    struct counter c;

    if (is_new)
        copy->cell = pool_choose(pool, call->now, pins, pins_of(call, copy->shard, pins));
    if (copy->cell == POOL_NONE)
        return; /* charged, and evicted in the same instant */
    shard_begin(copy->shard, POOL_COUNTERS, copy->cell);
    if (is_new || copy->is_foreign)
        pool_put(pool, copy->cell, use->key, use->limit, use->group);
    c = pool_counter(pool, copy->cell);
    if (copy->is_wide && c.wide == NULL) {
        pool_widen(pool, copy->cell);
        c = pool_counter(pool, copy->cell);
    }
    *c.entry = copy->entry;
    if (c.wide != NULL)
        *c.wide = copy->wide;
    keep_state(pool_slot(pool, copy->cell), use, call->now);
    shard_end(copy->shard);
}

static void charge(struct call *call, size_t i)
{
    struct copy      *copy = &call->copies[i];
    struct limit_use *use = &call->uses[i];

    if (counter_is_full(counter_of(copy), use->limit)) {
        sliding_widen(&copy->entry.sliding, &copy->wide);
        copy->is_wide = true;
    }
    counter_charge(counter_of(copy), use->limit);
    use->remaining--;
    describe(use, copy, call->now);
    keep_counter(call, copy, use);
}

/* Starts a ban if one is due, and keeps it, or one that was shortened. */
static void keep_ban(struct call *call, size_t i, bool is_due)
{
    struct copy            *copy = &call->copies[i];
    const struct limit_use *use = &call->uses[i];
    struct pool            *bans = &copy->shard->pools[POOL_BANS];

    is_due = is_due && use->limit->ban_s > 0 && !is_banned(copy, call->now);
    if (is_due)
        copy->ban_until_us = call->now.mono_us + use->limit->ban_s * SECOND_US;
    else if (!copy->ban_is_longer)
        return;
    if (copy->ban == POOL_NONE)
        copy->ban = pool_choose(bans, call->now, NULL, 0);
    shard_begin(copy->shard, POOL_BANS, copy->ban);
    pool_put(bans, copy->ban, use->key, use->limit, use->group);
    ((struct ban *)pool_cell(bans, copy->ban))->until_us = copy->ban_until_us;
    pool_slot(bans, copy->ban)->until_s = seconds_up(copy->ban_until_us);
    pool_slot(bans, copy->ban)->share = SHARE_USED_UP;
    shard_end(copy->shard);
}

/* ---- the decision ---- */

static void begin(struct call *call, struct limits *limits, struct limit_use *uses, size_t n, struct moment now)
{
    assert(n <= LIMITS_PER_REQUEST_MAX);
    assert(now.mono_us >= 0);
    now.mono_us += limits->table.ahead_us;
    call->uses = uses;
    call->n = n;
    call->now = now;
    order_copies(call, &limits->table);
    lock_shards(call);
    for (size_t i = 0; i < n; i++) {
        copy_counter(&call->copies[i], &uses[i], now);
        for (size_t k = 0; k < i; k++)
            assert(uses[k].key != uses[i].key);
    }
}

/* Whether the request may pass; with `keep`, bans are kept. A key of which nothing is known has room, so that
 * neither a refusal nor a ban ever makes a counter. */
static bool judge(struct call *call, bool keep)
{
    bool pass = true;

    for (size_t i = 0; i < call->n; i++) {
        struct copy      *copy = &call->copies[i];
        struct limit_use *use = &call->uses[i];

        use->remaining = is_banned(copy, call->now) ? 0 : counter_remaining(counter_of(copy), use->limit);
        use->used_up = use->remaining == 0;
        if (keep)
            keep_ban(call, i, use->used_up && pass);
        if (use->used_up && use->binding)
            pass = false;
    }
    return pass;
}

bool limits_decide(struct limits *limits, struct limit_use *uses, size_t n, bool charged, struct moment now)
{
    struct call call;
    bool        pass;

    begin(&call, limits, uses, n, now);
    pass = judge(&call, true);
    for (size_t i = 0; i < n; i++) {
        struct copy *copy = &call.copies[i];

        if (pass && charged && !uses[i].used_up) {
            charge(&call, i);
            continue;
        }
        describe(&uses[i], copy, call.now);
        /* What these forget at this moment, they may not at a later one: see counter_advance(). */
        if (copy->cell != POOL_NONE && uses[i].limit->algorithm != LIMIT_SLIDING)
            keep_counter(&call, copy, &uses[i]);
        else if (copy->cell != POOL_NONE)
            keep_state(pool_slot(&copy->shard->pools[POOL_COUNTERS], copy->cell), &uses[i], call.now);
    }
    unlock_shards(&call);
    return pass;
}

bool limits_look(struct limits *limits, struct limit_use *uses, size_t n, struct moment now)
{
    struct call call;
    bool        pass;

    begin(&call, limits, uses, n, now);
    pass = judge(&call, false);
    for (size_t i = 0; i < n; i++)
        describe(&uses[i], &call.copies[i], call.now);
    unlock_shards(&call);
    return pass;
}

void limits_prefetch_buckets(const struct limits *limits, const struct limit_use *uses, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pool_prefetch_bucket(&table_shard(&limits->table, uses[i].key)->pools[POOL_COUNTERS], uses[i].key);
}

void limits_prefetch_counters(const struct limits *limits, struct limit_use *uses, size_t n)
{
    for (size_t i = 0; i < n; i++)
        uses[i].place =
            pool_prefetch_cell(&table_shard(&limits->table, uses[i].key)->pools[POOL_COUNTERS], uses[i].key) + 1;
}

struct limits_counts limits_counts(struct limits *limits)
{
    struct limits_counts counts = { .is_full = atomic_load(&limits->table.memory.is_full) };

    for (unsigned i = 0; i < 1u << limits->table.shard_bits; i++) {
        struct shard      *shard = &limits->table.shards[i];
        const struct pool *counters = &shard->pools[POOL_COUNTERS], *bans = &shard->pools[POOL_BANS];

        shard_lock(shard);
        counts.counters += counters->used;
        counts.bans += bans->used;
        counts.evicted += counters->evicted + bans->evicted;
        counts.evicted_refusing += counters->evicted_refusing + bans->evicted_refusing;
        shard_unlock(shard);
    }
    return counts;
}
