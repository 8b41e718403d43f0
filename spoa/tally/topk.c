#include "tally/topk_state.h"

#include <assert.h>
#include <stdlib.h>

#define ELLIPSIS   "\xE2\x80\xA6"
#define ID_DIGITS  32
#define SUFFIX_MAX (sizeof ELLIPSIS - 1 + ID_DIGITS)

_Static_assert(SUFFIX_MAX < TOPK_TEXT_MIN, "a shortened text begins with some of the text");
_Static_assert(sizeof(struct topk_entry) == 64, "an entry is one cache line");

struct topk *topk_new(uint32_t keys, uint32_t text_max)
{
    struct topk *t = calloc(1, sizeof *t);
    size_t       slots = 2, lows = (keys + TOPK_BLOCK - 1) / TOPK_BLOCK, size;
    char        *memory;

    assert(keys >= 1 && keys <= TOPK_KEYS_MAX && text_max >= TOPK_TEXT_MIN && text_max <= TOPK_TEXT_MAX);
    while (slots < 4 * (size_t)keys)
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

uint32_t topk_find(const struct topk *t, struct tally_id id)
{
    uint32_t tag = (uint32_t)id.low;

    for (uint32_t i = tag & t->slot_mask; t->slots[i].entry != 0; i = (i + 1) & t->slot_mask) {
        uint32_t e = t->slots[i].entry - 1;

        if (t->slots[i].tag == tag && tally_id_eq(t->entries[e].id, id))
            return e;
    }
    return TOPK_NONE;
}

void topk_prefetch(const struct topk *t, struct tally_id id, uint32_t ahead)
{
    uint32_t e = t->now.hand + ahead;

    __builtin_prefetch(&t->slots[(uint32_t)id.low & t->slot_mask]);
    if (e >= t->keys)
        return;
    __builtin_prefetch(&t->entries[e], 1);
    __builtin_prefetch(t->texts + (size_t)e * t->text_max, 1);
}

void topk_prefetch_slot(const struct topk *t, uint32_t ahead)
{
    uint32_t e = t->now.hand + ahead;

    if (e < t->now.used)
        __builtin_prefetch(&t->slots[(uint32_t)t->entries[e].id.low & t->slot_mask], 1);
}

static void link_entry(struct topk *t, uint32_t e)
{
    uint32_t tag = (uint32_t)t->entries[e].id.low, i = tag & t->slot_mask;

    while (t->slots[i].entry != 0)
        i = (i + 1) & t->slot_mask;
    t->slots[i] = (struct topk_slot){ .tag = tag, .entry = e + 1 };
}

/* Closes the gap (Knuth, The Art of Computer Programming 3, 6.4, algorithm R), so that no search passes over what has
 * long gone. */
static void unlink_entry(struct topk *t, uint32_t e)
{
    uint32_t gap = (uint32_t)t->entries[e].id.low & t->slot_mask;

    while (t->slots[gap].entry != e + 1)
        gap = (gap + 1) & t->slot_mask;
    for (uint32_t i = (gap + 1) & t->slot_mask; t->slots[i].entry != 0; i = (i + 1) & t->slot_mask) {
        uint32_t from_home = (i - t->slots[i].tag) & t->slot_mask;

        if (from_home < ((i - gap) & t->slot_mask))
            continue; /* the gap is before where it may be */
        t->slots[gap] = t->slots[i];
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

/* A place for a key. */
static uint32_t make_place(struct topk *t)
{
    uint32_t e;

    if (t->now.used < t->keys)
        return t->now.used++;
    e = find_least(t);
    t->now.floor = t->bounds[e];
    unlink_entry(t, e);
    return e;
}

static void set_text(struct topk *t, uint32_t e, struct span text)
{
    struct tally_id id = t->entries[e].id;
    char           *out = t->texts + (size_t)e * t->text_max;

    t->entries[e].text_n = (uint32_t)(text.n <= t->text_max ? text.n : t->text_max);
    if (text.n <= t->text_max) {
        if (text.n > 0)
            memcpy(out, text.p, text.n);
        return;
    }
    memcpy(out, text.p, t->text_max - SUFFIX_MAX);
    out += t->text_max - SUFFIX_MAX;
    memcpy(out, ELLIPSIS, sizeof ELLIPSIS - 1);
    out += sizeof ELLIPSIS - 1;
    for (int i = 0; i < ID_DIGITS / 2; i++) {
        out[i] = "0123456789abcdef"[id.high >> (60 - 4 * i) & 15];
        out[ID_DIGITS / 2 + i] = "0123456789abcdef"[id.low >> (60 - 4 * i) & 15];
    }
}

void topk_add(struct topk *t, struct tally_id id, struct span text, uint64_t count, const uint64_t sums[TOPK_SUMS])
{
    uint32_t e = topk_find(t, id);

    t->now.count += count;
    for (int i = 0; i < TOPK_SUMS; i++)
        t->now.sums[i] += sums[i];
    if (e == TOPK_NONE) {
        if (count == 0)
            return;
        e = make_place(t);
        t->entries[e] = (struct topk_entry){ .id = id, .error = t->now.floor };
        t->bounds[e] = t->now.floor;
        set_text(t, e, text);
        link_entry(t, e);
    }
    t->bounds[e] += count;
    for (int i = 0; i < TOPK_SUMS; i++)
        t->entries[e].sums[i] += sums[i];
}

void topk_offer(struct topk *t, const struct topk_row *row)
{
    uint64_t bound = row->count + row->error;
    uint32_t e;

    if (t->now.used == t->keys && bound <= t->bounds[find_least(t)]) {
        if (bound > t->now.floor)
            t->now.floor = bound;
        return;
    }
    e = make_place(t);
    t->entries[e] = (struct topk_entry){ .id = row->id, .error = row->error };
    memcpy(t->entries[e].sums, row->sums, sizeof row->sums);
    t->bounds[e] = bound;
    set_text(t, e, row->text);
    link_entry(t, e);
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
