/* Where counters and bans live: shards, each with a lock and two pools, in memory that may be a file's.
 *
 *      memory | header | state of each shard | slots, cells, wides of counters; slots, cells of bans: of each shard |
 *
 * The pools of a shard are equal parts of max_counters. Keys do not fall evenly into the shards, so the first is full
 * when about 97 % of a large table is in use: evictions begin that much early, which is cheaper than memory that most
 * shards would never use.
 *
 * A thread that needs several locks takes them in ascending order of shards; that is what excludes deadlock.
 *
 * A process may be killed between any two instructions. So that the file then holds each counter as it was before or
 * after a decision, whoever changes a cell copies it first: shard_begin(), changes, shard_end(). What was begun and not
 * ended is undone when the next process reads the file (image.h). No barrier for the processor is needed, only one for
 * the compiler: what the killed thread had stored is what others find. */
#ifndef LIMITS_TABLE_H
#define LIMITS_TABLE_H

#include <pthread.h>

#include "limits/pool.h"

#define TABLE_SHARDS_MAX 256

enum pool_kind { POOL_COUNTERS, POOL_BANS, POOL_KINDS };

/* What of a shard is in the file, its cells apart. */
struct shard_state {
    uint32_t    used[POOL_KINDS]; /* cells */
    uint32_t    wide_used;
    uint32_t    undo_kind; /* of a change under way, enum pool_kind + 1; 0: none */
    uint32_t    undo_cell;
    uint32_t    unused;
    uint64_t    checksum; /* of a snapshot: see image.h */
    struct slot undo_slot;
    char        undo_bytes[POOL_CELL_SIZE], undo_wide[POOL_CELL_SIZE];
};

struct shard {
    _Alignas(64) pthread_mutex_t lock; /* threads in different shards do not disturb each other */
    struct pool         pools[POOL_KINDS];
    struct shard_state *state;
};

/* Offsets in the memory of all that belongs to one shard. */
struct shard_layout {
    size_t   state, slots[POOL_KINDS], cells[POOL_KINDS], wides;
    uint32_t capacity;
};

struct table {
    size_t        max_counters;
    uint64_t      seed;
    uint64_t      run;      /* of the agent: see image.h */
    int64_t       ahead_us; /* of the table's time before moment.mono_us: it goes on over a reboot */
    struct shard *shards;
    unsigned      shard_bits;
    struct memory memory;
    void *private; /* buckets and groups, which are built anew */
    size_t private_size;
};

struct limits {
    struct table table;
};

/* Of a cell of each kind. */
extern const uint32_t table_cell_sizes[POOL_KINDS];

#define TABLE_HEADER_SIZE MEMORY_PAGE /* of the memory's begin; the caller's */

/* `fd` as in memory_init(). False: no memory, or errno of the file. */
bool table_init(struct table *t, size_t max_counters, int fd);
void table_fini(struct table *t);

unsigned            table_shard_bits(size_t max_counters);
struct shard_layout table_layout(size_t max_counters, unsigned shard);

struct shard *table_shard(const struct table *t, uint64_t key);

void shard_lock(struct shard *shard);
void shard_unlock(struct shard *shard);

/* Around each change of a cell, its slot and its wide part; the shard is locked. */
void shard_begin(struct shard *shard, enum pool_kind kind, uint32_t cell);
void shard_end(struct shard *shard);

#endif
