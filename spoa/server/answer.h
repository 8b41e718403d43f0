/* NOTIFYs in, ACKs out: the path of every request.
 *
 * What one read brings, or the reads of several connections that became readable together, is matched first and then
 * decided together, so that the counters of all of it are on their way from memory before the first is needed. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "base/stats.h"
#include "policy/decide.h"
#include "spop/frame.h"
#include "tally/decisions.h"

#define ANSWER_MAX 512 /* bytes of the longest ACK: ten variables of at most 40 bytes */

/* NOTIFYs decided together; 32 and 64 brought nothing more with single frames on 64 connections. */
#define ANSWER_BATCH 16

struct conn;

struct answer {
    struct conn         *conn; /* that asked */
    uint64_t             stream_id, frame_id;
    bool                 asked;   /* else the NOTIFY held no question, and nothing is to be decided */
    bool                 late;    /* not asked either: the answer is `late`, without a verdict */
    struct tally_request request; /* borrows from frame and scratch until the next batch */
    struct decision      decision;
};

/* What one worker needs for it. */
struct answerer {
    struct decider    decider;
    struct decisions *decisions;
    struct stats     *stats;
    struct request    request;
    char             *scratch; /* of a whole batch */
    size_t            scratch_size;
    char             *scratch_free; /* what its requests have left of it */
    size_t            matched;      /* and not decided yet */
    struct answer     batch[ANSWER_BATCH];
};

/* `batch_size`: bytes of all frames that a batch may have. `decisions` is what it tallies into, and may be NULL;
 * `stats` the worker's. */
void answerer_init(struct answerer *answerer, struct limits *limits, unsigned ipv6_prefix, size_t batch_size,
                   struct decisions *decisions, struct stats *stats);
void answerer_fini(struct answerer *answerer);

/* Matches the request of `frame`, a NOTIFY, and adds it to the batch, which is not full; nothing is charged yet. All of
 * a batch take the same rule set. False: the frame's payload is malformed, nothing was added. */
bool answer_match(struct answerer *answerer, const struct ruleset *ruleset, struct conn *conn,
                  const struct spop_frame *frame, struct moment now);

/* Adds the answer `late` to `frame`, a NOTIFY, to the batch, which is not full: nothing of it is read, matched or charged.
 * For a question that waited so long for this worker that deciding it would only delay the next. */
void answer_late(struct answerer *answerer, struct conn *conn, const struct spop_frame *frame);

/* Decides the batch in order, and charges. Returns how many it held; it is empty then, but for the two functions
 * below. */
size_t answer_decide(struct answerer *answerer, struct moment now);

/* Counts what was decided last, by the rule set that `view` holds. The frames of the batch must still be there. */
void answer_tally(struct answerer *answerer, size_t n, struct moment now, const struct ruleset_view *view);

/* Writes the ACK of number `i` of the batch decided last to `out`, of at least ANSWER_MAX bytes, and returns its
 * size. */
size_t answer_write(const struct answerer *answerer, size_t i, char *out);

#endif
