/* What is in a struct topk, for the files that make it up.
 *
 *      slots     tag, entry, passed | ...   a hash table with open addressing, and the filter
 *      bounds    count + error              apart from the rest, for the search for the least
 *      lows      of each block of bounds
 *      entries   id, error, sums            one cache line each
 *      texts     text_max bytes each
 *
 * Keys are taken in until all `keys` places are used. From then on one that is not kept is counted in `passed`, which
 * it shares with all that would like the same slot, and so is known to have no more than that. It takes the place of
 * the key with the least bound once that is less. Of a million keys that come once each one of fifteen does so, with 16
 * slots a key; with 4 it was one of five.
 *
 * The least is found lazily, since bounds only grow: `hand` walks over the entries whose bound is `least`; when it has
 * passed the last one, all bounds are greater, and the next least is looked for. `lows` holds for each block of entries
 * what none of them is below, as of when the hand last passed, so that it can step over blocks. Heaps and the bucket
 * list of the first paper have to be kept in order for each one counted, also when no key is evicted.
 *
 * Always: error <= floor <= bound, passed_min + passed <= floor, and floor <= what is in other. */
#ifndef TALLY_TOPK_STATE_H
#define TALLY_TOPK_STATE_H

#include "tally/topk.h"

#define TOPK_NONE      UINT32_MAX
#define TOPK_BLOCK     32
#define TOPK_SLOTS_KEY 16

struct topk_entry {
    _Alignas(64) uint64_t id;
    uint64_t error;
    uint64_t sums[TOPK_SUMS];
    uint32_t text_n;
};

struct topk_slot {
    uint16_t tag;    /* high bits of the id; where it would like to be is in the low ones */
    uint16_t entry;  /* 0: empty; else entry + 1 */
    uint32_t passed; /* now.passed_min and this bound each key that would like to be here and is not kept */
};

struct topk {
    uint32_t           keys, text_max, slot_mask;
    void              *memory; /* holds the arrays */
    size_t             memory_size;
    struct topk_entry *entries;
    uint64_t          *bounds, *lows;
    struct topk_slot  *slots;
    char              *texts;

    struct topk_state {
        uint64_t floor, passed_min;
        uint64_t count, sums[TOPK_SUMS]; /* of all, kept or not */
        uint64_t least;
        uint32_t hand, used;
    } now;
};

/* The key's entry, or TOPK_NONE. */
static inline uint32_t topk_find(const struct topk *t, uint64_t id)
{
    for (uint32_t i = (uint32_t)id & t->slot_mask; t->slots[i].entry != 0; i = (i + 1) & t->slot_mask) {
        uint32_t e = t->slots[i].entry - 1u;

        if (t->slots[i].tag == id >> 48 && t->entries[e].id == id)
            return e;
    }
    return TOPK_NONE;
}

/* Takes in a key that is not kept and whose bound is not below the floor, if it is heavier than another or there is
 * room. Otherwise the floor rises to its bound. Totals stay as they are. */
void topk_offer(struct topk *t, const struct topk_row *row);

/* Puts all of the filter to the floor. */
void topk_level(struct topk *t);

/* Entry `e` as a row. */
struct topk_row topk_row_of(const struct topk *t, uint32_t e);

#endif
