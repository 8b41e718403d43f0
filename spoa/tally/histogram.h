/* How long things took: counts in buckets whose width grows with the value, so that a quantile is known to 1/64 (1.6 %)
 * whatever it is, and the average exactly.
 *
 * The log-linear scheme of HdrHistogram (Tene, 2012; the C library is not in Debian 12): below 64 each value has a
 * bucket of its own; from there on each power of two is cut into 32 buckets. Unlike quantiles of quantiles, histograms
 * of workers and hours add up.
 *
 * The unit is HAProxy's, the millisecond; longer than 24 hours counts as 24 hours, though not in the sum.
 * All zero is empty. One thread at a time. */
#ifndef TALLY_HISTOGRAM_H
#define TALLY_HISTOGRAM_H

#include <stdint.h>

#include "base/span.h"

#define HISTOGRAM_VALUE_MAX 86400000u
#define HISTOGRAM_BUCKETS   714

struct histogram {
    uint64_t count, sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that so many of a thousand do not exceed (by nearest rank: of 500, half, rounded up, are not above it), or
 * the middle of its bucket. `permille`: 1 to 1,000. 0 when nothing was counted. */
uint64_t histogram_quantile(const struct histogram *h, unsigned permille);

/* Writes it at `blob`, at most HISTOGRAM_BLOB_MAX bytes and about 3 for each bucket in use; returns how many. */
#define HISTOGRAM_BLOB_MAX (21 + HISTOGRAM_BUCKETS * 12)
size_t histogram_write(const struct histogram *h, uint8_t blob[HISTOGRAM_BLOB_MAX]);

/* Replaces what is in `h`. False: it is no such blob; then `h` is empty. */
bool histogram_read(struct histogram *h, struct span blob);

#endif
