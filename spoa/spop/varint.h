/* Variable-length integers in the encoding of HAProxy's peers protocol.
 *
 * Below 240 a value is one byte. Above, the first byte holds four bits and each further one seven, and every length
 * starts counting where the shorter one ends: each value has exactly one encoding, of at most SPOP_VARINT_MAX bytes. */
#ifndef SPOP_VARINT_H
#define SPOP_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define SPOP_VARINT_LONG 240 /* what is below takes one byte */
#define SPOP_VARINT_MAX  10  /* bytes of the longest encoding, that of values from 2^60 or so to 2^64 - 1 */

/* The general case of spop_varint_get(). */
bool spop_varint_get_long(struct span *in, uint64_t *v);

/* Reads one integer and advances `in` past it. False, with `in` and `v` as they were, when it is truncated or needs
 * more than 64 bits. */
static inline bool spop_varint_get(struct span *in, uint64_t *v)
{
    /* Nearly all of them are lengths and ids below 240. */
    if (in->n > 0 && (unsigned char)in->p[0] < SPOP_VARINT_LONG) {
        *v = (unsigned char)in->p[0];
        in->p++;
        in->n--;
        return true;
    }
    return spop_varint_get_long(in, v);
}

/* The general case of spop_varint_put(). */
size_t spop_varint_put_long(char *out, uint64_t v);

/* Writes `v` to `out`, which has room for SPOP_VARINT_MAX bytes, and returns how many it took. */
static inline size_t spop_varint_put(char *out, uint64_t v)
{
    if (v >= SPOP_VARINT_LONG)
        return spop_varint_put_long(out, v);
    *out = (char)v;
    return 1;
}

#endif
