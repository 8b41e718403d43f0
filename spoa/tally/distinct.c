#include "tally/distinct.h"

#include <math.h>

#define VERSION 1 /* and 14 bits */

void distinct_merge(struct distinct *into, const struct distinct *from)
{
    for (int i = 0; i < DISTINCT_REGISTERS; i++)
        into->ranks[i] = from->ranks[i] > into->ranks[i] ? from->ranks[i] : into->ranks[i];
}

/* Ertl's sigma: for the registers that are still 0; x is their share, less than 1. */
static double correct_low(double x)
{
    double y = 1, z = x, last;

    do {
        x *= x;
        last = z;
        z += x * y;
        y += y;
    } while (z != last);
    return z;
}

/* Algorithm 6 of the paper, without its correction for registers that can grow no more: with 64-bit hashes they do not
 * matter before 10^18. */
uint64_t distinct_count(const struct distinct *d)
{
    const double m = DISTINCT_REGISTERS;
    unsigned     of_rank[DISTINCT_RANK_MAX + 1] = { 0 };
    double       z = 0;

    for (int i = 0; i < DISTINCT_REGISTERS; i++)
        of_rank[d->ranks[i]]++;
    if (of_rank[0] == DISTINCT_REGISTERS)
        return 0;
    for (int rank = DISTINCT_RANK_MAX; rank >= 1; rank--)
        z = 0.5 * (z + of_rank[rank]);
    z += m * correct_low(of_rank[0] / m);
    if (z * 0x1p63 <= m * m)
        return UINT64_MAX; /* no set of hashes does that, but a damaged blob */
    return (uint64_t)llround(m * m / (2 * M_LN2 * z));
}

/* Four registers are three bytes. */
void distinct_write(const struct distinct *d, uint8_t blob[DISTINCT_BLOB_SIZE])
{
    *blob++ = VERSION;
    for (int i = 0; i < DISTINCT_REGISTERS; i += 4, blob += 3) {
        const uint8_t *r = d->ranks + i;

        blob[0] = (uint8_t)(r[0] << 2 | r[1] >> 4);
        blob[1] = (uint8_t)(r[1] << 4 | r[2] >> 2);
        blob[2] = (uint8_t)(r[2] << 6 | r[3]);
    }
}

bool distinct_read(struct distinct *d, struct span blob)
{
    bool valid = blob.n == DISTINCT_BLOB_SIZE && blob.p[0] == VERSION;

    for (size_t i = 0; valid && i < DISTINCT_REGISTERS; i++) {
        const uint8_t *b = (const uint8_t *)blob.p + 1 + i / 4 * 3;
        uint32_t       four = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];

        d->ranks[i] = four >> (18 - i % 4 * 6) & 63;
        valid = d->ranks[i] <= DISTINCT_RANK_MAX;
    }
    if (!valid)
        *d = (struct distinct){ 0 };
    return valid;
}
