#include "limits/table.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#define CELLS_PER_SHARD 4096

const uint32_t table_cell_sizes[POOL_KINDS] = { [POOL_COUNTERS] = POOL_CELL_SIZE, [POOL_BANS] = sizeof(struct ban) };

static size_t pages(size_t size)
{
    return (size + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
}

unsigned table_shard_bits(size_t max_counters)
{
    unsigned bits = 0;

    while (1 << bits < TABLE_SHARDS_MAX && max_counters >> bits >= (size_t)2 * CELLS_PER_SHARD)
        bits++;
    return bits;
}

static size_t states_size(size_t max_counters)
{
    return pages(sizeof(struct shard_state) << table_shard_bits(max_counters));
}

/* Makes room for `n` things of `size` bytes behind `*end`, and returns where. */
static size_t place_array(size_t *end, size_t n, size_t size)
{
    size_t at = *end;

    *end += pages(n * size);
    return at;
}

/* `*size`: what one shard takes. */
static struct shard_layout layout(size_t max_counters, unsigned shard, size_t *size)
{
    size_t              n = (size_t)1 << table_shard_bits(max_counters), most = (max_counters + n - 1) / n, end = 0;
    struct shard_layout l = { .capacity = (uint32_t)(max_counters / n + (shard < max_counters % n)) };

    for (int kind = 0; kind < POOL_KINDS; kind++) {
        l.slots[kind] = place_array(&end, most, sizeof(struct slot));
        l.cells[kind] = place_array(&end, most, table_cell_sizes[kind]);
    }
    l.wides = place_array(&end, most, POOL_CELL_SIZE);
    *size = end;
    return l;
}

struct shard_layout table_layout(size_t max_counters, unsigned shard)
{
    size_t              size, base;
    struct shard_layout l = layout(max_counters, shard, &size);

    l.state = TABLE_HEADER_SIZE + shard * sizeof(struct shard_state);
    base = TABLE_HEADER_SIZE + states_size(max_counters) + shard * size;
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        l.slots[kind] += base;
        l.cells[kind] += base;
    }
    l.wides += base;
    return l;
}

static struct claimed claimed_array(const struct memory *m, size_t at, size_t n, size_t size)
{
    return (struct claimed){ m->base + at, m->base + at + pages(n * size) };
}

static void init_shard(struct table *t, size_t max_counters, unsigned i, struct bucket *buckets, uint32_t buckets_n,
                       atomic_uint *groups)
{
    struct shard       *shard = &t->shards[i];
    struct shard_layout l = table_layout(max_counters, i);

    pthread_mutex_init(&shard->lock, NULL);
    shard->state = (struct shard_state *)(void *)(t->memory.base + l.state);
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        shard->pools[kind] = (struct pool){
            .memory = &t->memory,
            .slots = claimed_array(&t->memory, l.slots[kind], l.capacity, sizeof(struct slot)),
            .cells = claimed_array(&t->memory, l.cells[kind], l.capacity, table_cell_sizes[kind]),
            .buckets = buckets + (size_t)kind * buckets_n,
            .groups = groups + (size_t)kind * POOL_GROUPS,
            .is_bans = kind == POOL_BANS,
            .cell_size = table_cell_sizes[kind],
            .buckets_n = buckets_n,
            .capacity = l.capacity,
        };
    }
    shard->pools[POOL_COUNTERS].wides = claimed_array(&t->memory, l.wides, l.capacity, POOL_CELL_SIZE);
}

static bool claim_header(struct memory *m, size_t size)
{
    if (m->fd < 0)
        return true;
    for (size_t at = 0; at < size; at += MEMORY_PAGE) {
        if (!memory_claim(m, m->base + at, m->base + size))
            return false;
    }
    return true;
}

bool table_init(struct table *t, size_t max_counters, int fd)
{
    size_t size, shards_n = (size_t)1 << table_shard_bits(max_counters), buckets_n;
    size_t shards_size = shards_n * sizeof *t->shards, groups_size = POOL_KINDS * POOL_GROUPS * sizeof(atomic_uint);
    struct bucket *buckets;
    char *private;

    assert(max_counters >= 1);
    if (max_counters / shards_n >= POOL_SLOTS_MAX)
        return false;
    *t = (struct table){ .max_counters = max_counters, .shard_bits = table_shard_bits(max_counters) };
    layout(max_counters, 0, &size);
    size = TABLE_HEADER_SIZE + states_size(max_counters) + shards_n * size;
    buckets_n = pool_buckets((uint32_t)((max_counters + shards_n - 1) / shards_n));
    t->private_size = shards_size + groups_size + shards_n * POOL_KINDS * buckets_n * sizeof *buckets;
    private = mmap(NULL, t->private_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (private == MAP_FAILED)
        return false;
    if (!memory_init(&t->memory, size, fd)) {
        munmap(private, t->private_size);
        return false;
    }
    t->private = private;
    t->shards = (struct shard *)(void *)private;
    buckets = (struct bucket *)(void *)(private + shards_size + groups_size);
    for (unsigned i = 0; i < shards_n; i++)
        init_shard(t, max_counters, i, buckets + i * POOL_KINDS * buckets_n, (uint32_t)buckets_n,
                   (atomic_uint *)(void *)(private + shards_size));
    if (claim_header(&t->memory, TABLE_HEADER_SIZE + states_size(max_counters)))
        return true;
    t->memory.fd = -1; /* the caller's, who has no table */
    table_fini(t);
    return false;
}

void table_fini(struct table *t)
{
    for (unsigned i = 0; i < 1u << t->shard_bits; i++)
        pthread_mutex_destroy(&t->shards[i].lock);
    munmap(t->private, t->private_size);
    memory_fini(&t->memory);
}

struct shard *table_shard(const struct table *t, uint64_t key)
{
    return &t->shards[pool_hash(key) >> (48 - t->shard_bits)];
}

void shard_lock(struct shard *shard)
{
    int error = pthread_mutex_lock(&shard->lock);

    assert(error == 0);
    (void)error;
}

void shard_unlock(struct shard *shard)
{
    pthread_mutex_unlock(&shard->lock);
}

static void barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

void shard_begin(struct shard *shard, enum pool_kind kind, uint32_t cell)
{
    struct shard_state *state = shard->state;
    const struct pool  *pool = &shard->pools[kind];

    assert(state->undo_kind == 0);
    state->undo_cell = cell;
    state->undo_slot = *pool_slot(pool, cell);
    memcpy(state->undo_bytes, pool_cell(pool, cell), pool->cell_size);
    if (state->undo_slot.wide != 0)
        memcpy(state->undo_wide, pool_counter(pool, cell).wide, POOL_CELL_SIZE);
    barrier();
    state->undo_kind = kind + 1;
    barrier();
}

void shard_end(struct shard *shard)
{
    struct shard_state *state = shard->state;

    for (int kind = 0; kind < POOL_KINDS; kind++)
        state->used[kind] = shard->pools[kind].used;
    state->wide_used = shard->pools[POOL_COUNTERS].wide_used;
    barrier();
    state->undo_kind = 0;
    barrier(); /* the next one's copy comes behind */
}
