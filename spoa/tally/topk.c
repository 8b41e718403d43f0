#include "tally/topk_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(TALLY_ID_SUFFIX < TOPK_TEXT_MIN, "a shortened text begins with some of the text");
_Static_assert(sizeof(struct topk_entry) == 64, "an entry is one cache line");
_Static_assert(sizeof(struct topk_slot) == TOPK_SLOT_SIZE, "as topk_prefetch() takes it");

struct topk *topk_new(uint32_t keys, uint32_t text_max)
{
    struct topk *t = calloc(1, sizeof *t);
    size_t       slots = 2, lows = (keys + TOPK_BLOCK - 1) / TOPK_BLOCK, size;
    char        *memory;

    assert(keys >= 1 && keys <= TOPK_KEYS_MAX && text_max >= TOPK_TEXT_MIN && text_max <= TOPK_TEXT_MAX);
    while (slots < TOPK_SLOTS_KEY * (size_t)keys)
        slots *= 2;
    size =
        keys * (sizeof *t->entries + sizeof *t->bounds + text_max) + lows * sizeof *t->lows + slots * sizeof *t->slots;
    size = (size + 63) / 64 * 64;
    memory = aligned_alloc(64, size);
    if (t == NULL || memory == NULL) {
        free(t);
        free(memory);
        return NULL;
    }
    memset(memory, 0, size);
    t->keys = keys;
    t->text_max = text_max;
    t->slot_mask = (uint32_t)slots - 1;
    t->memory = memory;
    t->memory_size = size;
    t->entries = (struct topk_entry *)(void *)memory;
    t->bounds = (uint64_t *)(void *)(t->entries + keys);
    t->lows = t->bounds + keys;
    t->slots = (struct topk_slot *)(void *)(t->lows + lows);
    t->texts = (char *)(t->slots + slots);
    return t;
}

void topk_free(struct topk *t)
{
    if (t == NULL)
        return;
    free(t->memory);
    free(t);
}

void topk_clear(struct topk *t)
{
    memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof *t->slots);
    memset(t->lows, 0, (t->keys + TOPK_BLOCK - 1) / TOPK_BLOCK * sizeof *t->lows);
    t->now = (struct topk_state){ 0 };
}

void topk_copy(struct topk *into, const struct topk *from)
{
    assert(into != from && into->keys == from->keys && into->text_max == from->text_max);
    memcpy(into->memory, from->memory, from->memory_size);
    into->now = from->now;
}

size_t topk_size(const struct topk *t)
{
    return t->now.used;
}

uint64_t topk_floor(const struct topk *t)
{
    return t->now.floor;
}

struct topk_hint topk_hint(const struct topk *t)
{
    return (struct topk_hint){ (const char *)t->slots, t->slot_mask };
}

static uint32_t home_of(const struct topk *t, uint64_t id)
{
    return (uint32_t)id & t->slot_mask;
}

static void link_entry(struct topk *t, uint32_t e)
{
    uint64_t id = t->entries[e].id;
    uint32_t i = home_of(t, id);

    while (t->slots[i].entry != 0)
        i = (i + 1) & t->slot_mask;
    t->slots[i].tag = (uint16_t)(id >> 48);
    t->slots[i].entry = (uint16_t)(e + 1);
}

/* Closes the gap (Knuth, The Art of Computer Programming 3, 6.4, algorithm R), so that no search passes over what has
 * long gone. */
static void unlink_entry(struct topk *t, uint32_t e)
{
    uint32_t gap = home_of(t, t->entries[e].id);

    while (t->slots[gap].entry != e + 1)
        gap = (gap + 1) & t->slot_mask;
    for (uint32_t i = (gap + 1) & t->slot_mask; t->slots[i].entry != 0; i = (i + 1) & t->slot_mask) {
        uint32_t from_home = (i - home_of(t, t->entries[t->slots[i].entry - 1u].id)) & t->slot_mask;

        if (from_home < ((i - gap) & t->slot_mask))
            continue; /* the gap is before where it may be */
        t->slots[gap].tag = t->slots[i].tag;
        t->slots[gap].entry = t->slots[i].entry;
        gap = i;
    }
    t->slots[gap].entry = 0;
}

static uint64_t least_of(const uint64_t *values, uint32_t n)
{
    uint64_t least = values[0];

    for (uint32_t i = 1; i < n; i++)
        least = values[i] < least ? values[i] : least;
    return least;
}

/* An entry with the least bound. All places are used. */
static uint32_t find_least(struct topk *t)
{
    uint64_t least = t->now.least;
    uint32_t e = t->now.hand;

    while (e == t->keys || t->bounds[e] != least) {
        if (e == t->keys) {
            least = least_of(t->lows, (t->keys + TOPK_BLOCK - 1) / TOPK_BLOCK);
            e = 0;
        } else if (++e % TOPK_BLOCK == 0 || e == t->keys) {
            uint32_t first = (e - 1) / TOPK_BLOCK * TOPK_BLOCK;

            t->lows[first / TOPK_BLOCK] = least_of(t->bounds + first, e - first);
        }
        while (e < t->keys && e % TOPK_BLOCK == 0 && t->lows[e / TOPK_BLOCK] > least)
            e = e + TOPK_BLOCK < t->keys ? e + TOPK_BLOCK : t->keys;
    }
    t->now.least = least;
    t->now.hand = e;
    return e;
}

static void raise(uint64_t *bound, uint64_t to)
{
    if (*bound < to)
        *bound = to;
}

void topk_level(struct topk *t)
{
    for (uint32_t i = 0; i <= t->slot_mask; i++)
        t->slots[i].passed = 0;
    t->now.passed_min = t->now.floor;
}

/* A place for a key. */
static uint32_t make_place(struct topk *t)
{
    struct topk_slot *slot;
    uint64_t          passed;
    uint32_t          e;

    if (t->now.used < t->keys)
        return t->now.used++;
    e = find_least(t);
    unlink_entry(t, e);
    raise(&t->now.floor, t->bounds[e]);
    slot = &t->slots[home_of(t, t->entries[e].id)];
    passed = t->bounds[e] > t->now.passed_min ? t->bounds[e] - t->now.passed_min : 0;
    if (passed > UINT32_MAX)
        topk_level(t);
    else if (slot->passed < passed)
        slot->passed = (uint32_t)passed;
    return e;
}

static void set_text(struct topk *t, uint32_t e, struct span text)
{
    char *out = t->texts + (size_t)e * t->text_max;
    char  suffix[TALLY_ID_SUFFIX + 1];

    t->entries[e].text_n = (uint32_t)(text.n <= t->text_max ? text.n : t->text_max);
    if (text.n <= t->text_max) {
        if (text.n > 0)
            memcpy(out, text.p, text.n);
        return;
    }
    memcpy(out, text.p, t->text_max - TALLY_ID_SUFFIX);
    snprintf(suffix, sizeof suffix, TALLY_ELLIPSIS "%0*" PRIx64, TALLY_ID_DIGITS, t->entries[e].id);
    memcpy(out + t->text_max - TALLY_ID_SUFFIX, suffix, TALLY_ID_SUFFIX);
}

static void put(struct topk *t, uint32_t e, const struct topk_row *row)
{
    t->entries[e] = (struct topk_entry){ .id = row->id, .error = row->error };
    memcpy(t->entries[e].sums, row->sums, sizeof row->sums);
    t->bounds[e] = row->count + row->error;
    set_text(t, e, row->text);
    link_entry(t, e);
}

/* Counts it in the filter. False: there is room for it, it may be heavier than a kept one, whose least bound is `least`,
 * or its slot holds no such number. */
static bool pass(struct topk *t, uint64_t id, uint64_t count, uint64_t least)
{
    struct topk_slot *slot = &t->slots[home_of(t, id)];
    uint64_t          passed = slot->passed + count, bound = t->now.passed_min + passed;

    if (t->now.used < t->keys || bound > least || passed > UINT32_MAX)
        return false;
    slot->passed = (uint32_t)passed;
    raise(&t->now.floor, bound);
    return true;
}

/* Apart, so that what most requests take needs no stack. */
__attribute__((noinline)) static void admit(struct topk *t, uint64_t id, struct span text, uint64_t count,
                                            const uint64_t sums[TOPK_SUMS])
{
    struct topk_row row = { .id = id, .text = text, .count = count };
    uint64_t        least, bound;

    row.error = t->now.passed_min + t->slots[home_of(t, id)].passed;
    if (t->now.used == t->keys) {
        least = t->bounds[find_least(t)];
        if (pass(t, id, count, least))
            return;
        bound = row.error + count;
        if (bound <= least) { /* more than its slot holds */
            raise(&t->now.floor, bound);
            topk_level(t);
            return;
        }
    }
    if (sums != NULL)
        memcpy(row.sums, sums, sizeof row.sums);
    put(t, make_place(t), &row);
}

void topk_add(struct topk *t, uint64_t id, struct span text, uint64_t count, const uint64_t sums[TOPK_SUMS])
{
    uint32_t e = topk_find(t, id);

    t->now.count += count;
    if (sums != NULL)
        topk_add_other(t, sums);
    if (e != TOPK_NONE) {
        t->bounds[e] += count;
        for (int i = 0; sums != NULL && i < TOPK_SUMS; i++)
            t->entries[e].sums[i] += sums[i];
    } else if (count > 0 && !pass(t, id, count, t->now.least)) {
        admit(t, id, text, count, sums);
    }
}

void topk_add_other(struct topk *t, const uint64_t sums[TOPK_SUMS])
{
    for (int i = 0; i < TOPK_SUMS; i++)
        t->now.sums[i] += sums[i];
}

void topk_offer(struct topk *t, const struct topk_row *row)
{
    uint64_t bound = row->count + row->error;

    if (t->now.used == t->keys && bound <= t->bounds[find_least(t)])
        raise(&t->now.floor, bound);
    else
        put(t, make_place(t), row);
}

struct topk_row topk_row_of(const struct topk *t, uint32_t e)
{
    const struct topk_entry *entry = &t->entries[e];
    struct topk_row          row = {
                 .id = entry->id,
                 .text = { t->texts + (size_t)e * t->text_max, entry->text_n },
                 .count = t->bounds[e] - entry->error,
                 .error = entry->error,
    };

    memcpy(row.sums, entry->sums, sizeof row.sums);
    return row;
}
