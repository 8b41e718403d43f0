/* A NOTIFY in, an ACK out: the path of every request. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "policy/decide.h"
#include "spop/frame.h"

#define ANSWER_MAX 512 /* bytes of the longest ACK: ten variables of at most 40 bytes */

/* What one worker needs for it. */
struct answerer {
    struct decider  decider;
    struct request  request;
    struct decision decision;
    char           *scratch; /* REQUEST_SCRATCH() of the largest frame */
    size_t          scratch_size;
};

void answerer_init(struct answerer *answerer, struct limits *limits, unsigned ipv6_prefix, size_t max_frame);
void answerer_fini(struct answerer *answerer);

/* Decides the request of `frame`, a NOTIFY, and writes the ACK to `out`, of at least ANSWER_MAX bytes. Returns its size, or 0
 * when the frame's payload is malformed; then nothing was decided or charged. */
size_t answer_notify(struct answerer *answerer, const struct ruleset *ruleset, const struct spop_frame *frame,
                     struct moment now, char *out);

#endif
