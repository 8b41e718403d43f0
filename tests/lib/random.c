#include "lib/random.h"

uint64_t random_u64(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int64_t random_below(struct random *random, int64_t n)
{
    return (int64_t)(random_u64(random) % (uint64_t)n);
}

double random_share(struct random *random)
{
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

int64_t random_magnitude(struct random *random, int64_t most)
{
    int     bits = 1;
    int64_t n;

    while (most >> bits > 0)
        bits++;
    do
        n = 1 + random_below(random, INT64_C(1) << random_below(random, bits + 1));
    while (n > most);
    return n;
}
