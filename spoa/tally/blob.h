/* The bytes in which tallies are kept: a version first, then numbers. Each number has one spelling (base 128, the low
 * group first, no longer than needed), so that what was read and is written again is the same bytes.
 *
 * A blob comes from a file that anything may have happened to: readers return false and must be checked. */
#ifndef TALLY_BLOB_H
#define TALLY_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define BLOB_NUMBER_MAX 10 /* bytes of the longest number */

/* No count or sum in a blob is greater: so far doubles, and all that reads CSV into them, are exact. Readers refuse
 * more, which leaves room for a thousand such to be added without overflow. */
#define BLOB_VALUE_MAX (UINT64_C(1) << 53)

/* Write at `out`, where there is room, and return where it goes on. */
uint8_t *blob_put(uint8_t *out, uint64_t v);
uint8_t *blob_put_fixed(uint8_t *out, uint64_t v); /* 8 bytes, little-endian */

/* Take from the front of `in`. False: it ends too early, the number is misspelt, or greater than `max`. */
bool blob_get(struct span *in, uint64_t max, uint64_t *v);
bool blob_get_bytes(struct span *in, size_t n, struct span *bytes);
bool blob_get_fixed(struct span *in, uint64_t *v);

#endif
