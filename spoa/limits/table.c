#include "limits/table.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRIES_PER_SHARD 4096

static size_t round_up(size_t size)
{
    return (size + 127) & ~(size_t)127;
}

/* Makes room for `n` things of `size` bytes behind `*end`, and returns where. */
static size_t place_array(size_t *end, size_t n, size_t size)
{
    size_t at = round_up(*end);

    *end = at + n * size;
    return at;
}

static void init_shards(struct table *t, size_t max_entries)
{
    uint32_t n = UINT32_C(1) << t->shard_bits, first = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct shard *shard = &t->shards[i];

        pthread_mutex_init(&shard->lock, NULL);
        shard->first = first;
        shard->capacity = (uint32_t)(max_entries / n + (i < max_entries % n));
        first += shard->capacity;
    }
    assert(first == max_entries);
}

bool table_init(struct table *t, size_t max_entries)
{
    size_t shards, heads, slots, entries, end = 0;
    char  *memory;

    assert(max_entries >= 1);
    *t = (struct table){ 0 };
    if (max_entries >= UINT32_MAX)
        return false;
    while (UINT32_C(1) << t->shard_bits < TABLE_SHARDS_MAX && max_entries >> t->shard_bits >= 2 * ENTRIES_PER_SHARD)
        t->shard_bits++;
    while (UINT64_C(1) << (t->shard_bits + t->head_bits) < max_entries)
        t->head_bits++;

    shards = place_array(&end, (size_t)1 << t->shard_bits, sizeof *t->shards);
    heads = place_array(&end, (size_t)1 << (t->shard_bits + t->head_bits), sizeof *t->heads);
    slots = place_array(&end, max_entries, sizeof *t->slots);
    entries = place_array(&end, max_entries, sizeof *t->entries);
    memory = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    t->memory = memory;
    t->memory_size = end;
    t->shards = (struct shard *)(void *)(memory + shards);
    t->heads = (uint32_t *)(void *)(memory + heads);
    t->slots = (struct slot *)(void *)(memory + slots);
    t->entries = (struct entry *)(void *)(memory + entries);
    init_shards(t, max_entries);
    return true;
}

void table_fini(struct table *t)
{
    for (uint32_t i = 0; i < UINT32_C(1) << t->shard_bits; i++)
        pthread_mutex_destroy(&t->shards[i].lock);
    munmap(t->memory, t->memory_size);
}

struct place table_place(const struct table *t, uint64_t key)
{
    /* Keys are hashes already; the multiplication is for callers whose keys are not random in the upper bits. */
    uint64_t h = (key * UINT64_C(0x9E3779B97F4A7C15)) >> 16;

    /* Of 48 bits left, at most 8 + 32 are used. */
    return (struct place){
        .shard = (uint32_t)(h >> (48 - t->shard_bits)),
        .head = (uint32_t)(h >> (48 - t->shard_bits - t->head_bits)),
    };
}

void table_lock(struct table *t, uint32_t shard)
{
    int error = pthread_mutex_lock(&t->shards[shard].lock);

    assert(error == 0);
    (void)error;
}

void table_unlock(struct table *t, uint32_t shard)
{
    pthread_mutex_unlock(&t->shards[shard].lock);
}

void table_prefetch_chain(const struct table *t, struct place place)
{
    __builtin_prefetch(&t->heads[place.head]);
    __builtin_prefetch(&t->shards[place.shard], 1);
}

void table_prefetch_entry(const struct table *t, struct place place)
{
    uint32_t ref = t->heads[place.head];

    if (ref == 0)
        return;
    __builtin_prefetch(&t->entries[ref - 1], 1);
    __builtin_prefetch((const char *)&t->entries[ref - 1] + 64, 1);
    __builtin_prefetch(&t->slots[ref - 1], 1);
}

struct entry *table_find(struct table *t, struct place place, uint64_t key)
{
    for (uint32_t ref = t->heads[place.head]; ref != 0; ref = t->slots[ref - 1].next) {
        if (t->entries[ref - 1].key == key)
            return &t->entries[ref - 1];
    }
    return NULL;
}

static void unlink_entry(struct table *t, const struct entry *e)
{
    uint32_t  ref = (uint32_t)(e - t->entries) + 1;
    uint32_t *link = &t->heads[table_place(t, e->key).head];

    while (*link != ref) {
        assert(*link != 0);
        link = &t->slots[*link - 1].next;
    }
    *link = t->slots[ref - 1].next;
}

struct entry *table_add(struct table *t, struct place place, uint64_t key, struct moment now, struct pins pins)
{
    struct shard *shard = &t->shards[place.shard];
    struct entry *e;
    uint32_t      index;

    if (shard->used < shard->capacity) {
        e = &t->entries[shard->first + shard->used++];
    } else {
        e = table_choose_victim(t, shard, now, pins);
        if (e == NULL) {
            shard->evicted++; /* what the caller was about to count */
            return NULL;
        }
        unlink_entry(t, e);
    }
    memset(e, 0, sizeof *e);
    e->key = key;
    index = (uint32_t)(e - t->entries);
    t->slots[index] = (struct slot){ .next = t->heads[place.head] };
    t->heads[place.head] = index + 1;
    return e;
}

bool table_is_kind(const struct table *t, const struct entry *e, const struct limit *limit)
{
    const struct slot *slot = &t->slots[e - t->entries];

    return slot->algorithm == limit->algorithm && slot->period_s == limit->period_s;
}

void table_set_limit(struct table *t, const struct entry *e, const struct limit *limit)
{
    struct slot *slot = &t->slots[e - t->entries];

    /* A new slot has no period. */
    assert(slot->period_s == 0 || table_is_kind(t, e, limit));
    if (slot->requests == limit->requests && slot->burst == limit->burst && slot->period_s != 0)
        return;
    slot->requests = limit->requests;
    slot->burst = limit->burst;
    slot->period_s = limit->period_s & 0xFFFFFF;
    slot->algorithm = limit->algorithm & 0xFF;
}
