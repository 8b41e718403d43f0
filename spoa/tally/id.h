/* What tells one client or path from another in the tallies: a hash of 128 bits. Texts are for people.
 *
 * By accident two of a billion keys share an id with a probability below 1e-20. On purpose nobody makes them share one
 * who does not know the seed, so it should be random. Ids are compared across workers, hours and restarts: the seed
 * belongs to the analytics database and is as old as the tallies in it. */
#ifndef TALLY_ID_H
#define TALLY_ID_H

#include <stdint.h>

#include "base/hash.h"

#include "base/span.h"

struct tally_id {
    uint64_t low, high; /* each a good 64-bit hash of its own */
};

static inline struct tally_id tally_id_of(struct span key, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(key.p, key.n, seed);

    return (struct tally_id){ .low = hash.low64, .high = hash.high64 };
}

static inline bool tally_id_eq(struct tally_id a, struct tally_id b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
