#include "feed/fold.h"

#include "feed/line.h"
#include "policy/normalise.h"

enum feed_fold feed_fold(struct span message, struct responses *into, uint64_t seed, int64_t hour,
                         struct response *response, const char **fault)
{
    char path[FEED_PATH_MAX], normalised[NORMALISED_PATH_MAX(FEED_PATH_MAX)];
    bool ambiguous, added;

    if (!feed_line_parse(message, response, path, fault))
        return FEED_SKIPPED;
    *fault = "its time is too far from the agent's";
    if (response->hour < hour - FEED_PAST_HOURS || response->hour > hour + FEED_FUTURE_HOURS)
        return FEED_SKIPPED;
    /* As the rules saw it, so that it is one with the path of the decisions. */
    if (response->path.p != NULL && response->duration_ms >= 0)
        response->path = normalise_path(response->path, normalised, &ambiguous);
    added = responses_add(into, response, seed);
    response->path = SPAN_ABSENT;
    return added ? FEED_FOLDED : FEED_FULL;
}
