/* A bounded hash table of one shard: of counters, or of bans. The caller holds the shard's lock.
 *
 *      buckets | 15 references to cells        private, rebuilt at start
 *      slots   | what eviction needs           16 bytes
 *      cells   | key, counter or ban           64 or 16 bytes
 *      wides   | second parts of counters      64 bytes, only for those that need one
 *
 * A bucket is a cache line. A reference has eight bits of the key's hash with it, so that hardly ever another cell than
 * the right one is looked at, and that one can be asked for in advance. What finds its bucket full goes to the next
 * with room; a bucket knows how many passed it by.
 *
 * Slots, cells and wides may live in a file that outlives the process; see image.h. Cells are handed out in order, and
 * from then on only change hands: in a full pool the least useful makes room, see evict.c. */
#ifndef LIMITS_POOL_H
#define LIMITS_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits/counter.h"
#include "limits/memory.h"

#define POOL_SLOTS_MAX ((UINT32_C(1) << 24) - 2) /* what 24 bits number, 0 apart */

/* SHARE_USED_UP: nothing is left; below: sixteenths of the limit that are used. */
#define SHARE_USED_UP 16

/* Of each cell. All zero: unused. The second word changes as one, so that it is never half written. */
struct slot {
    uint32_t wide;  /* of the counter: wide + 1; 0: none */
    uint16_t group; /* as in struct limit_use */
    union {
        struct {
            uint64_t until_s : 32;  /* when it counts nothing any more, in seconds of the table's time */
            uint64_t period_s : 22; /* never 0 */
            uint64_t algorithm : 2;
            uint64_t share : 5; /* as it was when last decided */
            uint64_t banned : 1;
        };
        uint64_t state;
    };
};

/* Counters of a group that exist, in all shards. */
#define POOL_GROUPS 65536

/* An array in claimed memory; `end` is NULL once nothing more is to be claimed. */
struct claimed {
    char *base, *end;
};

#define BUCKET_REFS 15

struct bucket {
    atomic_uint passed;            /* cells that belong here, or before, and are farther on */
    atomic_uint refs[BUCKET_REFS]; /* tag << 24 | cell + 1; 0: free. Atomic for those who look without the lock */
};

struct pool {
    struct memory *memory;
    struct claimed slots, cells, wides;
    struct bucket *buckets;
    atomic_uint   *groups;
    bool           is_bans;   /* else counters */
    uint32_t       cell_size; /* divides MEMORY_PAGE; the key comes first */
    uint32_t       buckets_n;
    uint32_t       capacity;
    uint32_t       used;             /* cells that were handed out */
    uint32_t       wide_used;        /* and wides */
    uint32_t       wide_free;        /* a list of wides that were given back, as slot.wide */
    uint32_t       hand;             /* where eviction goes on */
    uint64_t       evicted;          /* though they still counted something */
    uint64_t       evicted_refusing; /* of them, though used up or banned */
};

#define POOL_NONE      UINT32_MAX
#define POOL_CELL_SIZE 64 /* of a counter; a wide part has the same */

/* A cell of bans. */
struct ban {
    uint64_t key;
    int64_t  until_us;
};

/* 48 bits: the lowest 32 choose the bucket, the next 8 are the tag, the highest choose the shard. Keys are hashes
 * already; the multiplication is for callers whose keys are not random in all bits. */
static inline uint64_t pool_hash(uint64_t key)
{
    return (key * UINT64_C(0x9E3779B97F4A7C15)) >> 16;
}

struct slot *pool_slot(const struct pool *p, uint32_t i);
void        *pool_cell(const struct pool *p, uint32_t i);

/* Of a pool of counters. */
struct counter pool_counter(const struct pool *p, uint32_t i);

/* How many buckets a pool of that capacity has. */
uint32_t pool_buckets(uint32_t capacity);

/* Hints to the processor, for which no lock is needed. The second returns where the key's cell seems to be, or
 * POOL_NONE. */
void     pool_prefetch_bucket(const struct pool *p, uint64_t key);
uint32_t pool_prefetch_cell(const struct pool *p, uint64_t key);

/* The number of the key's cell, or POOL_NONE. `guess`: where it seems to be, or anything. */
uint32_t pool_find(const struct pool *p, uint64_t key, uint32_t guess);

/* A place for a new cell: an unused one, or that of the least useful cell which is not among `pins`, numbers of cells
 * that must stay. POOL_NONE: there is none; what was to be counted counts as evicted. */
uint32_t pool_choose(struct pool *p, struct moment now, const uint32_t *pins, size_t pins_n);

/* Makes the chosen place `i` the cell of a new key: all zero but for what is given. */
void pool_put(struct pool *p, uint32_t i, uint64_t key, const struct limit *limit, uint16_t group);

/* Gives the counter at `i` a wide part. There is one for each. */
void pool_widen(struct pool *p, uint32_t i);

/* In evict.c: the cell of a full pool that is the least loss; see pool_choose(). */
uint32_t pool_choose_victim(struct pool *p, struct moment now, const uint32_t *pins, size_t pins_n);

#endif
