#include "tally/id.h"

#include "base/hash.h"

/* Not inlined: a request's instructions hardly fit into the first cache, and it is needed twice for each. */
__attribute__((noinline)) uint64_t tally_id_of(struct span key, uint64_t seed)
{
    return XXH3_64bits_withSeed(key.p, key.n, seed);
}
