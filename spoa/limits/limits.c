/* The decision: lock, look up, decide, charge all or none, unlock.
 *
 * All shards that a request touches stay locked from the look at its first limit to the charge of its last. Whatever
 * else is tried, two requests can both see the last free place of a limit. */
#include "limits/limits.h"

#include <assert.h>
#include <stdlib.h>

#include "limits/table.h"

struct limits {
    struct table table;
    uint64_t     seed;
};

/* One call. */
struct request {
    struct table     *table;
    struct limit_use *uses;
    size_t            n;
    struct moment     now;
    struct place      places[LIMITS_PER_REQUEST_MAX];
    struct entry     *entries[LIMITS_PER_REQUEST_MAX]; /* of each use; NULL: nothing is known of its key */
    size_t            order[LIMITS_PER_REQUEST_MAX];   /* of the uses, by ascending shard */
};

struct limits *limits_new(size_t max_counters, uint64_t seed)
{
    struct limits *limits = malloc(sizeof *limits);

    if (limits == NULL)
        return NULL;
    limits->seed = seed;
    if (!table_init(&limits->table, max_counters)) {
        free(limits);
        return NULL;
    }
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
    return limits->seed;
}

static void check_limit(const struct limit *limit)
{
    assert(limit->requests >= 1 && limit->requests <= LIMIT_REQUESTS_MAX);
    assert(limit->period_s >= 1 && limit->period_s <= LIMIT_PERIOD_MAX_S);
    assert(limit->algorithm != LIMIT_TOKEN || (limit->burst >= 1 && limit->burst <= LIMIT_REQUESTS_MAX));
    assert(limit->ban_s <= LIMIT_PERIOD_MAX_S);
    (void)limit;
}

/* Memory is far away: what all uses need first is asked for before anything waits for any of it. */
static void place_uses(struct request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t at = i;

        check_limit(r->uses[i].limit);
        r->places[i] = table_place(r->table, r->uses[i].key);
        table_prefetch_chain(r->table, r->places[i]);
        for (; at > 0 && r->places[r->order[at - 1]].shard > r->places[i].shard; at--)
            r->order[at] = r->order[at - 1];
        r->order[at] = i;
        for (; at > 0 && r->places[r->order[at - 1]].shard == r->places[i].shard; at--)
            assert(r->uses[r->order[at - 1]].key != r->uses[i].key);
    }
}

/* The uses of a shard stand side by side in `order`. */
static bool is_first_of_shard(const struct request *r, size_t at)
{
    return at == 0 || r->places[r->order[at]].shard != r->places[r->order[at - 1]].shard;
}

/* In ascending order of shards, each once. */
static void lock_shards(struct request *r)
{
    for (size_t at = 0; at < r->n; at++) {
        if (is_first_of_shard(r, at))
            table_lock(r->table, r->places[r->order[at]].shard);
        table_prefetch_entry(r->table, r->places[r->order[at]]);
    }
}

static void unlock_shards(struct request *r)
{
    for (size_t at = 0; at < r->n; at++) {
        if (is_first_of_shard(r, at))
            table_unlock(r->table, r->places[r->order[at]].shard);
    }
}

static void begin(struct request *r, struct limits *limits, struct limit_use *uses, size_t n, struct moment now)
{
    assert(n <= LIMITS_PER_REQUEST_MAX);
    assert(now.mono_us >= 0);
    r->table = &limits->table;
    r->uses = uses;
    r->n = n;
    r->now = now;
    place_uses(r);
    lock_shards(r);
    for (size_t i = 0; i < n; i++)
        r->entries[i] = table_find(r->table, r->places[i], uses[i].key);
}

/* `use->used_up` is known. */
static void describe(struct limit_use *use, const struct entry *e, struct moment now)
{
    use->remaining = entry_remaining(e, use->limit, now);
    use->reset_us = entry_reset_us(e, use->limit, now);
    use->retry_us = use->used_up ? entry_retry_us(e, use->limit, now) : 0;
    use->ban_us = entry_ban_us(e, now);
}

/* For a key of which nothing is known, everything is available. */
static void describe_unknown(struct limit_use *use)
{
    use->remaining = use->limit->algorithm == LIMIT_TOKEN ? use->limit->burst : use->limit->requests;
    use->reset_us = 0;
    use->retry_us = 0;
    use->ban_us = 0;
}

/* Starts the bans that are due and returns whether the request may pass. A key of which nothing is known has room, so
 * that neither a refusal nor a ban ever makes an entry. */
static bool judge(struct request *r)
{
    bool pass = true;

    for (size_t i = 0; i < r->n; i++) {
        struct limit_use *use = &r->uses[i];
        struct entry     *e = r->entries[i];

        use->used_up = false;
        if (e == NULL)
            continue;
        table_set_limit(r->table, e, use->limit);
        entry_advance(e, use->limit, r->now);
        entry_cap_ban(e, use->limit, r->now);
        use->used_up = entry_used_up(e, use->limit, r->now);
        if (use->used_up && pass)
            entry_start_ban(e, use->limit, r->now);
        if (use->used_up && use->binding)
            pass = false;
    }
    return pass;
}

static void charge_one(struct request *r, size_t i)
{
    struct limit_use *use = &r->uses[i];
    struct entry      forgotten = { 0 };
    struct entry     *e = r->entries[i];

    if (e == NULL) {
        e = table_add(r->table, r->places[i], use->key, r->now, (struct pins){ r->entries, r->n });
        r->entries[i] = e;
        if (e != NULL)
            table_set_limit(r->table, e, use->limit);
        else
            e = &forgotten; /* charged, and evicted in the same instant */
        entry_advance(e, use->limit, r->now);
    }
    entry_charge(e, use->limit, r->now);
    describe(use, e, r->now);
}

bool limits_decide(struct limits *limits, struct limit_use *uses, size_t n, bool charge, struct moment now)
{
    struct request r;
    bool           pass;

    begin(&r, limits, uses, n, now);
    pass = judge(&r);
    for (size_t i = 0; i < n; i++) {
        if (pass && charge && !uses[i].used_up)
            charge_one(&r, i);
        else if (r.entries[i] != NULL)
            describe(&uses[i], r.entries[i], now);
        else
            describe_unknown(&uses[i]);
    }
    unlock_shards(&r);
    return pass;
}

bool limits_look(struct limits *limits, struct limit_use *uses, size_t n, struct moment now)
{
    struct request r;
    bool           pass = true;

    begin(&r, limits, uses, n, now);
    for (size_t i = 0; i < n; i++) {
        struct limit_use *use = &uses[i];
        struct entry      copy;

        use->used_up = false;
        if (r.entries[i] == NULL) {
            describe_unknown(use);
            continue;
        }
        assert(table_is_kind(r.table, r.entries[i], use->limit));
        copy = *r.entries[i];
        entry_advance(&copy, use->limit, now);
        entry_cap_ban(&copy, use->limit, now);
        use->used_up = entry_used_up(&copy, use->limit, now);
        describe(use, &copy, now);
        if (use->used_up && use->binding)
            pass = false;
    }
    unlock_shards(&r);
    return pass;
}

struct limits_counts limits_counts(struct limits *limits)
{
    struct limits_counts counts = { 0 };

    for (uint32_t i = 0; i < UINT32_C(1) << limits->table.shard_bits; i++) {
        const struct shard *shard = &limits->table.shards[i];

        table_lock(&limits->table, i);
        counts.entries += shard->used;
        counts.evicted += shard->evicted;
        table_unlock(&limits->table, i);
    }
    return counts;
}
