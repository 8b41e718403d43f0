/* Quantiles of very many times in little room: log-linear, each bucket at most 1/32 of its value wide. */
#ifndef TESTS_LIB_HISTOGRAM_H
#define TESTS_LIB_HISTOGRAM_H

#include <stdint.h>

/* 64 exact values, then 32 buckets for each further power of two. */
#define HISTOGRAM_BUCKETS (64 + 58 * 32)

/* All zero: empty. */
struct histogram {
    uint64_t n, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that a share `q` (0 to 1) of all does not exceed: the upper edge of its bucket, so never too good. 0 of an
 * empty one. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
