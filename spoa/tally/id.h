/* What tells one client or path from another in the tallies: a hash of 64 bits. Texts are for people.
 *
 * By accident, of ten million keys that are counted beside a thousand kept ones, one shares the id of one of these with a
 * probability of 1e-9. On purpose nobody makes them share one who does not know the seed, so it should be random. Ids
 * are compared across workers, hours and restarts: the seed belongs to the analytics database and is as old as the
 * tallies in it. */
#ifndef TALLY_ID_H
#define TALLY_ID_H

#include <stdint.h>

#include "base/span.h"

/* How a text that is too long for a summary ends: an ellipsis (U+2026, which neither addresses nor normalised paths
 * hold), and the id in hexadecimal, so that kept texts are as different as ids are. */
#define TALLY_ELLIPSIS  "\xE2\x80\xA6"
#define TALLY_ID_DIGITS 16
#define TALLY_ID_SUFFIX (sizeof TALLY_ELLIPSIS - 1 + TALLY_ID_DIGITS)

uint64_t tally_id_of(struct span key, uint64_t seed);

#endif
