/* What is kept of an hour or a day in bounded memory beside its totals: the heaviest clients and paths, and how many
 * different clients there were. About 0.75 MB. One thread at a time.
 *
 * Clients and paths are kept under a key. A path's key is its text. A client's is what tells it from others, which is
 * cheaper to have for every request than its text: NUL and the network, or, where `src` is no address, its text as
 * valid UTF-8, in which there is no NUL; empty: none. */
#ifndef TALLY_SKETCHES_H
#define TALLY_SKETCHES_H

#include "policy/address.h"
#include "tally/distinct.h"
#include "tally/topk.h"

#define SKETCH_KEYS   1000
#define SKETCH_CLIENT 64 /* bytes of a text */
#define SKETCH_PATH   256

/* What the sums of a row are. */
enum { SUM_DENIED, SUM_DURATIONS, SUM_DURATION_US };

struct sketches {
    struct topk    *clients, *paths;
    struct distinct distinct;
};

/* NULL: no memory. */
struct sketches *sketches_new(void);
void             sketches_free(struct sketches *s); /* NULL is allowed */
void             sketches_clear(struct sketches *s);
void             sketches_copy(struct sketches *into, const struct sketches *from);
void             sketches_merge(struct sketches *into, const struct sketches *from);

#define CLIENT_KEY_MAX 18

/* Of a client that is an address; into `out` of CLIENT_KEY_MAX bytes. `*id` is tally_id_of() it. */
struct span client_key(struct address address, unsigned ipv6_prefix, uint64_t seed, char *out, uint64_t *id);

/* From a key to the text, into `out` of ADDRESS_TEXT_MAX bytes or the key itself, and back, into `out` of
 * CLIENT_KEY_MAX bytes or the text itself. */
struct span client_text(struct span key, char *out);
struct span client_key_of_text(struct span text, char *out);

#endif
