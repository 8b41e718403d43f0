#include "lib/histogram.h"

#include <math.h>

void histogram_add(struct histogram *h, uint64_t value)
{
    unsigned bucket = (unsigned)value;

    if (value >= 64) {
        /* The six leading bits: one that is always set and five that tell the bucket. */
        unsigned shift = 58 - (unsigned)__builtin_clzll(value);

        bucket = shift * 32 + (unsigned)(value >> shift);
    }
    h->counts[bucket]++;
    h->n++;
    if (value > h->max)
        h->max = value;
}

static uint64_t upper_edge(unsigned bucket)
{
    unsigned shift;

    if (bucket < 64)
        return bucket;
    shift = bucket / 32 - 1;
    /* Unsigned: the last one's edge is 2^64 - 1. */
    return ((uint64_t)(bucket % 32 + 33) << shift) - 1;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t wanted = (uint64_t)ceil(q * (double)h->n), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0)
            return upper_edge(i) < h->max ? upper_edge(i) : h->max;
    }
    return 0;
}
