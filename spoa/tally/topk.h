/* The heaviest keys of a stream (client addresses, paths) in bounded memory, with totals that are exact.
 *
 * Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams",
 * 2005): a new key that finds no place takes that of the key with the least bound. With a filter before it (Homem,
 * Carvalho: "Finding top-k elements in data streams", 2010): it does so once it may be heavier than that. Of each kept
 * key is known
 *
 *      count    what was counted for it since it was last taken in: exact, and part of no other row
 *      error    what may have been counted for it before: at most this much
 *      sums     further sums (denied, milliseconds) of what `count` counts
 *
 * so that count <= truth <= count + error. All that belongs to no kept key is `other`: rows and other add up to the
 * total exactly, in each column. What a kept key is short of stands in `other`, hence never more than `error` of it.
 *
 * topk_floor() bounds the truth of every key that is not kept, and every `error`. It is at most total / keys, so that
 * whatever is heavier is always kept. That still holds when summaries of workers and hours are merged, in any order,
 * `keys` being the least of any of them (Agarwal et al.: "Mergeable Summaries", 2012; merged as Cafaro, Pulimeno,
 * Tempesta: "A parallel space saving algorithm for frequent items and the Hurwitz zeta distribution", 2016; the proof
 * is in topk_merge.c). A summary that never was full has no errors at all.
 *
 * A merge adds the floor of the one to the errors of keys that only the other knows. One long summary is therefore
 * better than many short ones: of 7,200,000 requests by Zipf's law from 100,000 clients, the errors of the first
 * hundred of 1,000 kept were 0.0001 % of their truth, 0.001 % in four summaries merged at the end, and 0.9 % in one
 * a second, 3,600 in all. So let a worker fill one for an hour, and look at copies of it in between.
 *
 * Memory: text_max and about 200 bytes for each key, up to 330 where `keys` is a little more than a power of two; all of
 * it is reserved by topk_new(). One thread at a time. */
#ifndef TALLY_TOPK_H
#define TALLY_TOPK_H

#include "tally/id.h"

#define TOPK_KEYS_MAX  65535
#define TOPK_TEXT_MIN  48 /* an address, and the end of a shortened text */
#define TOPK_TEXT_MAX  4096
#define TOPK_SUMS      3
#define TOPK_SLOT_SIZE 8

struct topk;

struct topk_row {
    uint64_t    id;
    struct span text; /* borrowed: until the summary next changes */
    uint64_t    count, error, sums[TOPK_SUMS];
};

/* Keeps 1 to TOPK_KEYS_MAX keys, and TOPK_TEXT_MIN to TOPK_TEXT_MAX bytes of the text of each. NULL: no memory. */
struct topk *topk_new(uint32_t keys, uint32_t text_max);
void         topk_free(struct topk *t); /* NULL is allowed */
void         topk_clear(struct topk *t);

/* Counts. A text longer than text_max is kept as its beginning and the suffix of tally/id.h. With a `count` of 0 the
 * sums are added to the key if it is kept, and to `other` if not: for what comes later, or from elsewhere. `sums` may
 * be NULL: all 0. Allocates nothing. */
void topk_add(struct topk *t, uint64_t id, struct span text, uint64_t count, const uint64_t sums[TOPK_SUMS]);

/* Adds sums to what is not kept. */
void topk_add_other(struct topk *t, const uint64_t sums[TOPK_SUMS]);

/* Where topk_add() will look first, to ask for that memory early; also when the summary is not there any more. */
struct topk_hint {
    const char *slots;
    uint64_t    mask;
};

struct topk_hint topk_hint(const struct topk *t);

static inline void topk_prefetch(struct topk_hint hint, uint64_t id)
{
    __builtin_prefetch(hint.slots + (id & hint.mask) * TOPK_SLOT_SIZE, 1);
}

/* Replaces what is in `t` with rows that were kept elsewhere: `total` is of all, kept or not, and its `error` the floor,
 * however wide: where it is above total / keys, topk_floor() is, too. Rows that cannot be, and those for which there is
 * no room, count as not kept. */
void topk_restore(struct topk *t, const struct topk_row *total, const struct topk_row *rows, size_t n);

/* Both are of the same text_max; a copy's `keys` are the same too. `from` is another summary than `into`. */
void topk_merge(struct topk *into, const struct topk *from);
void topk_copy(struct topk *into, const struct topk *from);

size_t   topk_size(const struct topk *t);  /* keys kept now */
uint64_t topk_floor(const struct topk *t); /* 0 as long as every key found a place */

/* All kept keys, of which there is room for topk_size() in `rows`: the greatest count first, equal ones by text and
 * id. */
void topk_rows(const struct topk *t, struct topk_row *rows);

/* What is not in the first `n` of these rows; all there is, when n is 0. `count` may be too high by `error`, for what
 * belongs to these rows, never too low. Text and id are empty. */
struct topk_row topk_other(const struct topk *t, const struct topk_row *rows, size_t n);

#endif
