/* How many different ones there were, of clients for instance, in 16 kB whatever the number.
 *
 * HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) with 64-bit hashes, as HyperLogLog++ has it (Heule, Nunkesser,
 * Hall, 2013), and the improved estimator of Ertl: "New cardinality estimation algorithms for HyperLogLog sketches"
 * (2017), which has no bias from 0 to 10^18 and needs no tables. With 2^14 registers the standard error is
 * 1.04 / sqrt(2^14) = 0.81 %; up to a few hundred the count is nearly always exact.
 *
 * All zero is none. A merge is exactly what one counter that saw everything would hold. One thread at a time. */
#ifndef TALLY_DISTINCT_H
#define TALLY_DISTINCT_H

#include <stdint.h>

#include "base/span.h"

#define DISTINCT_BITS      14
#define DISTINCT_REGISTERS (1 << DISTINCT_BITS)
#define DISTINCT_RANK_MAX  (64 - DISTINCT_BITS + 1)

/* A version, and the registers in 6 bits each. */
#define DISTINCT_BLOB_SIZE (1 + DISTINCT_REGISTERS / 4 * 3)

struct distinct {
    uint8_t ranks[DISTINCT_REGISTERS]; /* 0: nothing was seen; at most DISTINCT_RANK_MAX */
};

/* `hash`: 64 bits, each as good as random; such as a tally_id_of(). */
static inline void distinct_add(struct distinct *d, uint64_t hash)
{
    uint8_t *rank = &d->ranks[hash >> (64 - DISTINCT_BITS)];
    /* The first 1 of the other bits, counted from 1. The bit that ends the search is behind the last of them. */
    uint8_t  seen = (uint8_t)(__builtin_clzll(hash << DISTINCT_BITS | UINT64_C(1) << (DISTINCT_BITS - 1)) + 1);

    if (seen > *rank)
        *rank = seen;
}

/* Asks for the memory that distinct_add() will look at, also when it is not there any more. */
static inline void distinct_prefetch(const struct distinct *d, uint64_t hash)
{
    __builtin_prefetch(&d->ranks[hash >> (64 - DISTINCT_BITS)], 1);
}

void     distinct_merge(struct distinct *into, const struct distinct *from);
uint64_t distinct_count(const struct distinct *d);

/* Replaces what is in `d`. False: it is no such blob; then `d` is empty. */
bool distinct_read(struct distinct *d, struct span blob);
void distinct_write(const struct distinct *d, uint8_t blob[DISTINCT_BLOB_SIZE]);

#endif
