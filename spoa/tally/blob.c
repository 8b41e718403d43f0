#include "tally/blob.h"

uint8_t *blob_put(uint8_t *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (uint8_t)(v | 0x80);
    *out++ = (uint8_t)v;
    return out;
}

uint8_t *blob_put_fixed(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        *out++ = (uint8_t)(v >> 8 * i);
    return out;
}

bool blob_get(struct span *in, uint64_t max, uint64_t *v)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BLOB_NUMBER_MAX && i < in->n; i++) {
        uint8_t byte = (uint8_t)in->p[i];

        if (i == BLOB_NUMBER_MAX - 1 && byte > 1)
            return false; /* more than 64 bits */
        sum |= (uint64_t)(byte & 0x7F) << 7 * i;
        if (byte >= 0x80)
            continue;
        if ((byte == 0 && i > 0) || sum > max)
            return false;
        *v = sum;
        in->p += i + 1;
        in->n -= i + 1;
        return true;
    }
    return false;
}

bool blob_get_bytes(struct span *in, size_t n, struct span *bytes)
{
    if (in->n < n)
        return false;
    *bytes = (struct span){ in->p, n };
    in->p += n;
    in->n -= n;
    return true;
}

bool blob_get_fixed(struct span *in, uint64_t *v)
{
    struct span bytes;

    if (!blob_get_bytes(in, 8, &bytes))
        return false;
    *v = 0;
    for (int i = 0; i < 8; i++)
        *v |= (uint64_t)(uint8_t)bytes.p[i] << 8 * i;
    return true;
}
