/* A line of the log feed, counted. Pure. */
#ifndef FEED_FOLD_H
#define FEED_FOLD_H

#include "tally/responses.h"

/* A request may have begun that long ago: HAProxy keeps lines while the agent is away, and downloads last. What claims
 * to be older, or to come, has a wrong clock or is made up. Hours. */
#define FEED_PAST_HOURS   (7 * 24)
#define FEED_FUTURE_HOURS 1

enum feed_fold {
    FEED_FOLDED,
    FEED_SKIPPED, /* `*fault` says why */
    FEED_FULL     /* see responses_add(): try again when the tally was taken */
};

/* `hour` is the present one, since 1970. `seed` is that of ids. `response`: what the line
 * said, if it was folded; its path is absent. */
enum feed_fold feed_fold(struct span message, struct responses *into, uint64_t seed, int64_t hour,
                         struct response *response, const char **fault);

#endif
