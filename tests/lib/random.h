/* Random numbers that are the same in each run (splitmix64), so that what failed once fails again. */
#ifndef TESTS_LIB_RANDOM_H
#define TESTS_LIB_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* the seed at first; any */
};

uint64_t random_u64(struct random *random);

/* 0 to n - 1; n at least 1. */
int64_t random_below(struct random *random, int64_t n);

/* From 0 to just below 1. */
double random_share(struct random *random);

/* 1 to `most`, each order of magnitude as likely as the others. */
int64_t random_magnitude(struct random *random, int64_t most);

#endif
