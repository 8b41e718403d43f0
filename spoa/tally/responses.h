/* What HAProxy answered, by the UTC hour in which the request began: filled from the log feed, taken by whoever writes
 * analytics.db.
 *
 * The thread of the feed adds under the lock of a box; the writer gives the box an empty tally and gets the full one,
 * so that nothing is counted twice or lost between the two. Pure but for that lock. */
#ifndef TALLY_RESPONSES_H
#define TALLY_RESPONSES_H

#include <pthread.h>
#include <stdbool.h>

#include "tally/histogram.h"
#include "tally/topk.h"

/* The counts of an hour: each the name of a column of hour_responses and day_responses. */
#define RESPONSE_COUNTS(X)                                                                                             \
    X(status_1xx)                                                                                                      \
    X(status_2xx)                                                                                                      \
    X(status_3xx)                                                                                                      \
    X(status_4xx)                                                                                                      \
    X(status_5xx)                                                                                                      \
    X(status_other)                                                                                                    \
    X(not_found)                                                                                                       \
    X(bytes)                                                                                                           \
    X(coarse_denied)                                                                                                   \
    X(ban_denied)                                                                                                      \
    X(undecided)                                                                                                       \
    X(aborted)                                                                                                         \
    X(origin_errors)                                                                                                   \
    X(tunnels)                                                                                                         \
    X(streams)                                                                                                         \
    X(origin_4xx)                                                                                                      \
    X(origin_404)                                                                                                      \
    X(origin_5xx)                                                                                                      \
    X(refused_4xx)                                                                                                     \
    X(refused_5xx)

/* Who settled a request. Of these, `requests` counts the first, and three columns the next three. */
enum response_by {
    RESPONSE_BY_AGENT,
    RESPONSE_BY_COARSE,
    RESPONSE_BY_BAN,
    RESPONSE_BY_NOBODY,       /* asked about, or to be asked about, and no verdict came: it passed, or got 503 */
    RESPONSE_BY_CONFIGURATION /* refused for what it is before anybody asked, or because it is too big to ask about */
};

/* Whose answer it is. */
enum response_from {
    RESPONSE_FROM_OTHER,  /* HAProxy's cache; or HAProxy itself: no origin was up, it failed, or the client went away */
    RESPONSE_FROM_ORIGIN, /* it sent the headers */
    RESPONSE_REFUSED      /* HAProxy's own, because of the rules, a ban, a limit or its configuration */
};

/* How it ends. The duration of a tunnel or a stream is no latency: client and origin keep it open as long as they like. */
enum response_lasting {
    RESPONSE_ENDS,
    RESPONSE_TUNNEL, /* status 101: a WebSocket, say */
    RESPONSE_STREAM  /* server-sent events and the like */
};

struct response {
    int64_t               hour;   /* since 1970, in UTC */
    int                   status; /* -1 or 0: there was none */
    uint64_t              bytes;
    enum response_by      by;
    enum response_from    from;
    enum response_lasting lasting;
    bool                  aborted, origin_error; /* false for tunnels and streams */
    int64_t               duration_ms; /* of a whole answer; -1: not forwarded, cut off, or a tunnel or a stream */
    int64_t               origin_ms;   /* until the origin's headers came; -1: they did not, or not forwarded */
    struct span           path;        /* normalised; absent: not known. Looked at where there is a duration. */
};

/* Requests of so many hours may end between two takes; more make the feed wait. */
#define RESPONSES_HOURS 8
#define RESPONSES_PATHS 1024 /* of an hour, between two takes: the heaviest */

/* `sums` of the rows of `paths`; `count` is that of the durations. */
enum { RESPONSES_DURATION_US };

struct responses_hour {
    int64_t hour;
#define X(name) uint64_t name;
    RESPONSE_COUNTS(X)
#undef X
    struct histogram duration, origin; /* in ms; of forwarded requests */
    struct topk     *paths; /* of those with a duration, by tally_id_of() the normalised path; texts are short */
};

struct responses {
    unsigned              n; /* hours in use, in no order */
    struct responses_hour hours[RESPONSES_HOURS];
};

struct responses *responses_new(void);                 /* about 2 MB; NULL: no memory */
void              responses_free(struct responses *r); /* NULL is allowed */
void              responses_clear(struct responses *r);

/* False: it is of yet another hour, for which there is no room until the tally is taken; nothing is counted then. */
bool responses_add(struct responses *r, const struct response *response, uint64_t seed);

struct responses_box {
    pthread_mutex_t   lock;
    struct responses *filling; /* under the lock */
    uint64_t          seed;    /* of the ids of paths */
};

bool responses_box_init(struct responses_box *box, uint64_t seed); /* false: no memory */
void responses_box_fini(struct responses_box *box);

/* Any thread. Gives what was counted since the last take, for `empty`, which is a cleared tally. */
struct responses *responses_take(struct responses_box *box, struct responses *empty);

#endif
