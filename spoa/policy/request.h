/* A request as rules see it: attributes by number, normalised. Lives on a worker, one request at a time. */
#ifndef POLICY_REQUEST_H
#define POLICY_REQUEST_H

#include <stdint.h>

#include "policy/address.h"

/* A rule set numbers the attributes that its rules name; these five come first in each. */
enum attribute { ATTRIBUTE_SRC, ATTRIBUTE_METHOD, ATTRIBUTE_HOST, ATTRIBUTE_PATH, ATTRIBUTE_QUERY, ATTRIBUTES_FIXED };

#define ATTRIBUTES_MAX 64

/* Scratch bytes that a request needs when all its values arrived in a frame of n bytes: the path may grow three-fold,
 * the host is copied, a number of two bytes may become 20 digits, a src of five bytes an address as text. */
#define REQUEST_SCRATCH(n) (12 * (n) + ADDRESS_TEXT_MAX * 2)

/* Steps that all patterns together may take for one request beyond those that patterns without surprises take: some 200
 * us. A client that makes patterns backtrack costs no more than that, however many of them there are. */
#define REQUEST_STEPS 50000

struct effort {
    size_t steps; /* left of REQUEST_STEPS */
    bool   wary;  /* a search took long: from now on CPU time is taken; see regex.c */
};

struct request {
    struct span    value[ATTRIBUTES_MAX]; /* as matched and counted; of a `src` that is an address, its bytes */
    struct address src;                   /* bits == 0: absent, or text that is no address */
    struct span    raw_path;              /* as it came; absent where `path` was */
    struct span    other_path;            /* of an ambiguous path: see other_reading() in normalise.h */
    bool           ambiguous;             /* see normalise_path() */
    struct effort  effort;

    uint64_t set; /* attributes that have had their value */
    char    *scratch, *scratch_end;
};

/* Forgets what was there. `scratch` stays the caller's, and so does what the spans given below point to: both must live
 * as long as the request is used. */
void request_init(struct request *request, char *scratch, size_t scratch_size);

/* The first value given for an attribute counts: arguments are named by the operator's configuration, and one that
 * stands there twice cannot be used by a client to override itself. */
void request_set_text(struct request *request, unsigned attribute, struct span text);
void request_set_address(struct request *request, unsigned attribute, struct address address);
void request_set_integer(struct request *request, unsigned attribute, int64_t value);
void request_set_unsigned(struct request *request, unsigned attribute, uint64_t value);
void request_set_boolean(struct request *request, unsigned attribute, bool value);

/* `src` as text. Into `out` of ADDRESS_TEXT_MAX bytes, unless it is no address; then as it came. */
struct span request_src_text(const struct request *request, char *out);

/* After the last value: gives an absent path its normal form. */
void request_finish(struct request *request);

#endif
