/* A histogram as a blob: a version (1 byte), count and sum of all, and for each bucket that is not empty the number of
 * empty ones before it and its count. */
#include "tally/histogram.h"

#include <assert.h>

#include "tally/blob.h"

#define VERSION   1
#define FINE_BITS 5 /* 2^5 buckets a power of two */
#define FINE      (1u << FINE_BITS)

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value >= HISTOGRAM_VALUE_MAX)
        return HISTOGRAM_BUCKETS - 1;
    if (value < 2 * FINE)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - FINE_BITS;
    return shift * FINE + (unsigned)(value >> shift);
}

/* The least value of a bucket; that of the one behind the last, too. */
static uint64_t bucket_low(unsigned bucket)
{
    unsigned shift = bucket < 2 * FINE ? 0 : bucket / FINE - 1;

    return (uint64_t)(bucket - shift * FINE) << shift;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *h, unsigned permille)
{
    uint64_t rank = (h->count * permille + 999) / 1000, passed = 0;

    assert(permille >= 1 && permille <= 1000);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        passed += h->buckets[i];
        if (passed >= rank)
            return (bucket_low(i) + bucket_low(i + 1) - 1) / 2;
    }
    return 0;
}

size_t histogram_write(const struct histogram *h, uint8_t blob[HISTOGRAM_BLOB_MAX])
{
    uint8_t *out = blob;
    unsigned next = 0;

    *out++ = VERSION;
    out = blob_put(out, h->count);
    out = blob_put(out, h->sum);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0)
            continue;
        out = blob_put(out, i - next);
        out = blob_put(out, h->buckets[i]);
        next = i + 1;
    }
    return (size_t)(out - blob);
}

/* Whether values of these buckets can have that sum. */
static bool is_possible(const struct histogram *h)
{
    uint64_t least = 0, most = 0, product;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (__builtin_mul_overflow(h->buckets[i], bucket_low(i), &product) || product > h->sum - least)
            return false;
        least += product;
        most += h->buckets[i] * (bucket_low(i + 1) - 1); /* at most 33/32 of `product` */
    }
    return h->sum <= most || h->buckets[HISTOGRAM_BUCKETS - 1] > 0;
}

static bool read_all(struct histogram *h, struct span in)
{
    struct span version;
    uint64_t    next = 0, left, skip, n;

    if (!blob_get_bytes(&in, 1, &version) || version.p[0] != VERSION || !blob_get(&in, BLOB_VALUE_MAX, &h->count) ||
        !blob_get(&in, BLOB_VALUE_MAX, &h->sum))
        return false;
    for (left = h->count; left > 0; left -= n) {
        if (!blob_get(&in, HISTOGRAM_BUCKETS - 1, &skip) || !blob_get(&in, left, &n) || n == 0)
            return false;
        next += skip;
        if (next >= HISTOGRAM_BUCKETS)
            return false;
        h->buckets[next++] = n;
    }
    return in.n == 0 && is_possible(h);
}

bool histogram_read(struct histogram *h, struct span blob)
{
    *h = (struct histogram){ 0 };
    if (read_all(h, blob))
        return true;
    *h = (struct histogram){ 0 };
    return false;
}
