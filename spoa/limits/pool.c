#include "limits/pool.h"

#include <assert.h>
#include <string.h>

_Static_assert(sizeof(struct slot) == 16, "two words");

struct slot *pool_slot(const struct pool *p, uint32_t i)
{
    return (struct slot *)(void *)p->slots.base + i;
}

void *pool_cell(const struct pool *p, uint32_t i)
{
    return p->cells.base + (size_t)i * p->cell_size;
}

static struct sliding_wide *wide_of(const struct pool *p, uint32_t ref)
{
    return ref == 0 ? NULL : (struct sliding_wide *)(void *)(p->wides.base + (size_t)(ref - 1) * POOL_CELL_SIZE);
}

static uint64_t *key_of(const struct pool *p, uint32_t i)
{
    return pool_cell(p, i);
}

struct counter pool_counter(const struct pool *p, uint32_t i)
{
    return (struct counter){ (union entry *)(void *)((char *)pool_cell(p, i) + sizeof(uint64_t)),
                             wide_of(p, pool_slot(p, i)->wide) };
}

/* ---- the buckets ---- */

uint32_t pool_buckets(uint32_t capacity)
{
    /* Two thirds full at most, so that one in a hundred is farther on than its bucket. */
    return capacity / (BUCKET_REFS * 2 / 3) + 1;
}

static uint32_t load(const atomic_uint *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(atomic_uint *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static struct bucket *home_of(const struct pool *p, uint64_t hash)
{
    return &p->buckets[((hash & UINT32_MAX) * p->buckets_n) >> 32];
}

static struct bucket *next_bucket(const struct pool *p, struct bucket *b)
{
    return b + 1 == p->buckets + p->buckets_n ? p->buckets : b + 1;
}

static uint32_t ref_of(uint64_t hash, uint32_t cell)
{
    return (uint32_t)(hash >> 32 & 0xFF) << 24 | (cell + 1);
}

static bool has_tag(uint32_t ref, uint64_t hash)
{
    return ((ref ^ ref_of(hash, 0)) & 0xFF000000) == 0 && ref != 0;
}

static uint32_t cell_of(uint32_t ref)
{
    return (ref & 0xFFFFFF) - 1;
}

void pool_prefetch_bucket(const struct pool *p, uint64_t key)
{
    __builtin_prefetch(home_of(p, pool_hash(key)));
}

uint32_t pool_prefetch_cell(const struct pool *p, uint64_t key)
{
    uint64_t             hash = pool_hash(key);
    const struct bucket *b = home_of(p, hash);

    for (int k = 0; k < BUCKET_REFS; k++) {
        uint32_t ref = load(&b->refs[k]);

        if (!has_tag(ref, hash))
            continue;
        __builtin_prefetch(pool_slot(p, cell_of(ref)), 1);
        __builtin_prefetch(pool_cell(p, cell_of(ref)), 1);
        return cell_of(ref);
    }
    return POOL_NONE;
}

uint32_t pool_find(const struct pool *p, uint64_t key, uint32_t guess)
{
    uint64_t       hash = pool_hash(key);
    struct bucket *b = home_of(p, hash);

    if (guess < p->used && *key_of(p, guess) == key)
        return guess;
    if (p->used == 0)
        return POOL_NONE; /* as most pools of bans */
    for (uint32_t n = 0; n < p->buckets_n; n++, b = next_bucket(p, b)) {
        for (int k = 0; k < BUCKET_REFS; k++) {
            uint32_t ref = load(&b->refs[k]);

            if (has_tag(ref, hash) && *key_of(p, cell_of(ref)) == key)
                return cell_of(ref);
        }
        if (load(&b->passed) == 0)
            break;
    }
    return POOL_NONE;
}

static atomic_uint *find_ref(struct bucket *b, uint32_t ref)
{
    for (int k = 0; k < BUCKET_REFS; k++) {
        if (load(&b->refs[k]) == ref)
            return &b->refs[k];
    }
    return NULL;
}

/* There are more references than cells. */
static void add_ref(struct pool *p, uint64_t key, uint32_t i)
{
    uint64_t       hash = pool_hash(key);
    struct bucket *b = home_of(p, hash);
    atomic_uint   *ref;

    while ((ref = find_ref(b, 0)) == NULL) {
        store(&b->passed, load(&b->passed) + 1);
        b = next_bucket(p, b);
    }
    store(ref, ref_of(hash, i));
}

static void remove_ref(struct pool *p, uint64_t key, uint32_t i)
{
    uint64_t       hash = pool_hash(key);
    struct bucket *b = home_of(p, hash);
    atomic_uint   *ref;

    while ((ref = find_ref(b, ref_of(hash, i))) == NULL) {
        assert(load(&b->passed) > 0);
        store(&b->passed, load(&b->passed) - 1);
        b = next_bucket(p, b);
    }
    store(ref, 0);
}

/* ---- cells ---- */

static void claim(struct pool *p, struct claimed *array, uint32_t i, size_t size)
{
    size_t offset = (size_t)i * size;

    if (array->end != NULL && offset % MEMORY_PAGE == 0 && !memory_claim(p->memory, array->base + offset, array->end))
        array->end = NULL;
}

uint32_t pool_choose(struct pool *p, struct moment now, const uint32_t *pins, size_t pins_n)
{
    uint32_t i;

    if (p->used < p->capacity) {
        i = p->used++;
        claim(p, &p->slots, i, sizeof(struct slot));
        claim(p, &p->cells, i, p->cell_size);
        return i;
    }
    i = pool_choose_victim(p, now, pins, pins_n);
    if (i == POOL_NONE)
        p->evicted++;
    return i;
}

/* Takes the cell out of its bucket and of what its group holds; a wide part is free again. */
static void forget(struct pool *p, uint32_t i)
{
    struct slot *slot = pool_slot(p, i);

    remove_ref(p, *key_of(p, i), i);
    if (slot->wide != 0) {
        memcpy(wide_of(p, slot->wide), &p->wide_free, sizeof p->wide_free);
        p->wide_free = slot->wide;
    }
    atomic_fetch_sub_explicit(&p->groups[slot->group], 1, memory_order_relaxed);
}

void pool_put(struct pool *p, uint32_t i, uint64_t key, const struct limit *limit, uint16_t group)
{
    struct slot *slot = pool_slot(p, i);

    if (slot->period_s != 0)
        forget(p, i);
    memset(pool_cell(p, i), 0, p->cell_size);
    *key_of(p, i) = key;
    *slot = (struct slot){ .group = group, .period_s = limit->period_s & 0x3FFFFF, .algorithm = limit->algorithm & 3 };
    add_ref(p, key, i);
    atomic_fetch_add_explicit(&p->groups[group], 1, memory_order_relaxed);
}

void pool_widen(struct pool *p, uint32_t i)
{
    struct slot   *slot = pool_slot(p, i);
    struct counter c = pool_counter(p, i);
    uint32_t       ref = p->wide_free;

    assert(c.wide == NULL);
    if (ref != 0) {
        memcpy(&p->wide_free, wide_of(p, ref), sizeof p->wide_free);
    } else {
        assert(p->wide_used < p->capacity);
        claim(p, &p->wides, p->wide_used, POOL_CELL_SIZE);
        ref = ++p->wide_used;
    }
    slot->wide = ref;
    sliding_widen(&c.entry->sliding, wide_of(p, ref));
}
