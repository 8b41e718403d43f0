/* Which rules can match a request, without looking at the others.
 *
 * Each rule is filed under one of its patterns: an exact text, a network, or the literal prefix or suffix of a GLOB. Of
 * those that it has it takes the one that the fewest rules share, so that a hundred thousand rules for one path, each
 * for another API key, are found by the key. A request asks once for each kind of key that is in use: for each
 * attribute its exact text, its first and last bytes in each length that occurs, its address under each length of
 * prefix that occurs. What has no such pattern (a regular expression, a GLOB open at both ends, a negation, a list,
 * none at all) is the residue, which every request is compared with.
 *
 * What is found is a superset of what matches: the caller still compares all patterns. */
#ifndef POLICY_INDEX_H
#define POLICY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/request.h"

struct arena;
struct rule;
struct bucket;
struct probe;

struct index {
    const struct rule *rules;
    struct bucket     *buckets; /* open addressing */
    size_t             mask;
    uint64_t          *filter; /* a bit for each hash, to tell most of what is not there without the buckets */
    unsigned           filter_shift;
    uint32_t          *ranks; /* positions of rules, ascending within a bucket; the residue comes first */
    size_t             residue_n;
    struct probe      *probes; /* kinds of keys in use */
    size_t             probes_n;
};

/* `rules` are in order of evaluation and stay where they are. Memory is taken from `arena`. */
void index_build(struct index *index, const struct rule *rules, size_t n, struct arena *arena);

/* Runs of ranks that a request has to look at, the residue among them. */
#define INDEX_RUNS_MAX 128

struct index_run {
    const uint32_t *next, *end;
};

struct index_cursor {
    size_t           n;
    struct index_run runs[INDEX_RUNS_MAX];
};

/* Adds to `cursor`, which is empty (n == 0) at first, the runs for one reading of the request. False when there are
 * more runs than fit, which takes a rule set made for the purpose: then walk all rules. */
bool index_find(const struct index *index, const struct request *request, struct index_cursor *cursor);

/* The next rank in ascending order; false when there is none. */
bool index_next(struct index_cursor *cursor, uint32_t *rank);

#endif
