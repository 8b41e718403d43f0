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

static atomic_uint *head_of(const struct pool *p, uint64_t key)
{
    return &p->heads[pool_hash(key) & p->head_mask];
}

static uint32_t load(const atomic_uint *head)
{
    return atomic_load_explicit(head, memory_order_relaxed);
}

static void store(atomic_uint *head, uint32_t ref)
{
    atomic_store_explicit(head, ref, memory_order_relaxed);
}

struct counter pool_counter(const struct pool *p, uint32_t i)
{
    return (struct counter){ (union entry *)(void *)((char *)pool_cell(p, i) + sizeof(uint64_t)),
                             wide_of(p, pool_slot(p, i)->wide & 0xFFFFFF) };
}

void pool_prefetch_chain(const struct pool *p, uint64_t key)
{
    __builtin_prefetch(head_of(p, key));
}

void pool_prefetch_cell(const struct pool *p, uint64_t key)
{
    uint32_t ref = load(head_of(p, key));

    if (ref == 0)
        return;
    __builtin_prefetch(pool_slot(p, ref - 1), 1);
    __builtin_prefetch(pool_cell(p, ref - 1), 1);
}

uint32_t pool_find(const struct pool *p, uint64_t key)
{
    for (uint32_t ref = load(head_of(p, key)); ref != 0; ref = pool_slot(p, ref - 1)->next & 0xFFFFFF) {
        if (*key_of(p, ref - 1) == key)
            return ref - 1;
    }
    return POOL_NONE;
}

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

/* Takes the cell out of its chain and of what its group holds; a wide part is free again. */
static void forget(struct pool *p, uint32_t i)
{
    struct slot *slot = pool_slot(p, i);
    atomic_uint *head = head_of(p, *key_of(p, i));
    uint32_t     next = slot->next & 0xFFFFFF;

    if (load(head) == i + 1) {
        store(head, next);
    } else {
        struct slot *before = pool_slot(p, load(head) - 1);

        while (before->next != i + 1) {
            assert(before->next != 0);
            before = pool_slot(p, (uint32_t)before->next - 1);
        }
        before->next = next & 0xFFFFFF;
    }
    if (slot->wide != 0) {
        memcpy(wide_of(p, slot->wide & 0xFFFFFF), &p->wide_free, sizeof p->wide_free);
        p->wide_free = slot->wide & 0xFFFFFF;
    }
    atomic_fetch_sub_explicit(&p->groups[slot->group], 1, memory_order_relaxed);
}

void pool_put(struct pool *p, uint32_t i, uint64_t key, const struct limit *limit, uint16_t group)
{
    struct slot *slot = pool_slot(p, i);
    atomic_uint *head = head_of(p, key);

    if (slot->period_s != 0)
        forget(p, i);
    memset(pool_cell(p, i), 0, p->cell_size);
    *key_of(p, i) = key;
    *slot = (struct slot){ .next = load(head) & 0xFFFFFF,
                           .group = group,
                           .period_s = limit->period_s & 0x3FFFFF,
                           .algorithm = limit->algorithm & 3 };
    store(head, i + 1);
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
    slot->wide = ref & 0xFFFFFF;
    sliding_widen(&c.entry->sliding, wide_of(p, ref));
}
