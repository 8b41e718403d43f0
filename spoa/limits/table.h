/* Where entries live: a bounded hash table in shards, each with a lock of its own.
 *
 *      shards   | lock, used, hand | ...                     up to 256
 *      heads    | first entry of each chain                  at least one a possible entry
 *      slots    | next in the chain, limit as last seen      one a possible entry
 *      entries  | key, ban, counter                          max_entries
 *
 * All of it is reserved at once and becomes resident as it is used. Shard i owns a contiguous range of slots and
 * entries; the ranges add up to exactly max_entries. Keys do not fall evenly into the shards, so the first shard is
 * full when about 97 % of a large table is in use: evictions begin that much early, which is cheaper than memory that
 * most shards would never use.
 *
 * A thread that needs several locks takes them in ascending order of shards; that is what excludes deadlock. */
#ifndef LIMITS_TABLE_H
#define LIMITS_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits/entry.h"

#define TABLE_SHARDS_MAX 256

/* One cache line (two where a mutex is larger than on x86-64), so that threads in different shards do not disturb
 * each other. */
struct shard {
    _Alignas(64) pthread_mutex_t lock;
    uint32_t first; /* entry of the table; fixed, as is `capacity` */
    uint32_t capacity;
    uint32_t used;    /* entries are handed out in order, and from then on only change hands */
    uint32_t hand;    /* where eviction goes on */
    uint64_t evicted; /* though they still counted something */
};

/* Of each entry, what its owner does not need to decide: the chain, and the limit for which it was last charged, by
 * which eviction judges it. */
struct slot {
    uint32_t next; /* as in heads */
    uint32_t requests;
    uint32_t burst;
    uint32_t period_s : 24;
    uint32_t algorithm : 8;
};

struct table {
    struct shard *shards;
    uint32_t     *heads; /* 0: empty chain; else entry + 1 */
    struct slot  *slots;
    struct entry *entries;
    void         *memory;
    size_t        memory_size;
    unsigned      shard_bits;
    unsigned      head_bits; /* chains of one shard */
};

/* Where a key belongs. */
struct place {
    uint32_t shard;
    uint32_t head;
};

/* The entries that one request uses and that must not make room for each other. */
struct pins {
    struct entry *const *entries; /* NULL in between is allowed */
    size_t               n;
};

/* False: no memory, or more entries than 32 bits count. */
bool table_init(struct table *t, size_t max_entries);
void table_fini(struct table *t);

struct place table_place(const struct table *t, uint64_t key);

void table_lock(struct table *t, uint32_t shard);
void table_unlock(struct table *t, uint32_t shard);

/* All below: the shard is locked, but for the first, which is only a hint to the processor. */
void table_prefetch_chain(const struct table *t, struct place place);
void table_prefetch_entry(const struct table *t, struct place place);

/* NULL: nothing is known of the key. */
struct entry *table_find(struct table *t, struct place place, uint64_t key);

/* Returns a new entry for a key that has none, if need be in the place of a less useful one. NULL: every entry that
 * could make room is pinned, which takes a table of fewer entries than a request has limits. */
struct entry *table_add(struct table *t, struct place place, uint64_t key, struct moment now, struct pins pins);

/* Whether the entry is of that algorithm and period. They are part of what makes a key, so it always is. */
bool table_is_kind(const struct table *t, const struct entry *e, const struct limit *limit);

/* Keeps what eviction needs to know. */
void table_set_limit(struct table *t, const struct entry *e, const struct limit *limit);

/* The entry of the shard that is the least loss, NULL if all are pinned. The shard is full. In evict.c. */
struct entry *table_choose_victim(struct table *t, struct shard *shard, struct moment now, struct pins pins);

#endif
