/* The counters: how much of each limit each key has used, and who is banned.
 *
 * A request brings all limits that it touches in one call; they are charged together or not at all. The table is
 * bounded, knows nothing of rules or requests (a key is a 64-bit hash that the caller made with limits_seed()), and
 * reads no clock. A limit decides only by what it admitted: a refused request leaves no trace but a ban.
 *
 * Promises, for each decision, whatever the number of threads:
 * - LIMIT_SLIDING never admits when `requests` were admitted within the last `period_s`, and always admits when
 *   fewer were within the last 1.02 * period_s. (Where more than 65,535 come within a fiftieth of the period, it may
 *   take the count for up to 0.16 % of the limit more than it is, never for less; see sliding.h.)
 * - LIMIT_FIXED admits `requests` in each window of floor(unix time / period_s). When the wall clock steps back, it
 *   does not give out again what it has given (see fixed.h).
 * - LIMIT_TOKEN is GCRA: `burst` at once, then `requests` evenly over `period_s`.
 * The two-bucket estimate in common use would let up to 2 * `requests` through at a window's edge.
 *
 * A full table forgets: first what counts nothing any more, then what is least used, last who is at a limit or banned;
 * and no group pushes out those that hold less than half as much (see evict.c). Only then is a promise broken, and
 * limits_counts() tells how often. Bans have a table of their own. */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/moment.h"

enum limit_algorithm { LIMIT_SLIDING, LIMIT_FIXED, LIMIT_TOKEN };

#define LIMIT_REQUESTS_MAX 1000000000u
#define LIMIT_PERIOD_MAX_S (30u * 86400u)

/* The numbers of one rule. All may change between calls for the same key but `algorithm` and `period_s`, which the
 * caller makes part of the key. What has been used stays used; a `ban_s` made shorter shortens running bans, and 0
 * ends them, each when its key is next decided. */
struct limit {
    enum limit_algorithm algorithm;
    uint32_t             requests; /* 1 to LIMIT_REQUESTS_MAX */
    uint32_t             period_s; /* 1 to LIMIT_PERIOD_MAX_S */
    uint32_t             burst;    /* LIMIT_TOKEN: 1 to LIMIT_REQUESTS_MAX; otherwise unused */
    uint32_t             ban_s;    /* 0: none; at most LIMIT_PERIOD_MAX_S */
};

/* One limit that a request touches. The caller fills the first part, limits_decide() the second. Durations are in
 * microseconds from the `now` of the call. */
struct limit_use {
    uint64_t            key;
    const struct limit *limit;
    uint32_t            place;   /* 0; where it seems to be: limits_prefetch_counters() notes it here */
    uint16_t            group;   /* counters that make room for each other first: those of a rule */
    bool                binding; /* used up, it refuses the request; otherwise (slow, shadow) it only says so */

    bool    used_up;   /* no room for this request, or banned */
    int64_t remaining; /* requests that would still pass now, this one already charged if it was */
    int64_t reset_us;  /* until all is available if nothing more is charged, bans included; 0: it is */
    int64_t retry_us;  /* used_up: until one more passes, bans included; else 0 */
    int64_t ban_us;    /* left of a ban, this request's own included; 0: none */
};

#define LIMITS_PER_REQUEST_MAX 64 /* limits that one call takes */

struct limits;

struct limits_counts {
    uint64_t counters, bans;   /* places in use, those included that expired but that nobody has needed yet */
    uint64_t evicted;          /* removed to make room though they still counted something */
    uint64_t evicted_refusing; /* of them: at their limit, or bans */
    bool     is_full;          /* the file of limits_new_in() could not grow: see memory.h */
};

/* A table of at most `max_counters` (at least 1) counters and as many bans. Memory is reserved at once but only what is
 * used becomes resident: about 87 bytes a counter, 150 for one of more than 255 requests within a fiftieth of its
 * period, and 38 a ban; a large table begins to evict when about 97 % of it is in use (see table.h). `seed` should be
 * random: it keeps clients from choosing keys that collide. NULL: no memory. */
struct limits *limits_new(size_t max_counters, uint64_t seed);

/* The same in an empty file, which outlives the process: see image.h. The table owns `fd` when it could be made; NULL:
 * no memory, or errno of the file. */
struct limits *limits_new_in(int fd, size_t max_counters, uint64_t seed);

/* No other thread may be inside a call. NULL is allowed. */
void limits_free(struct limits *limits);

/* To be mixed into every key. */
uint64_t limits_seed(const struct limits *limits);

/* Decides `uses` (n <= LIMITS_PER_REQUEST_MAX, in the order of evaluation, no key twice) and returns whether the
 * request may pass: false when a binding use is used up. When it may pass and `charge` is set (it is not where a
 * deny rule refuses the request anyway), every use that is not used up is charged one. The first binding use that
 * is used up starts its ban, if it has one and none runs; uses behind it are only looked at. A used-up use that is
 * not binding starts its ban too, when no binding one before it is used up. In a table smaller than `n`, the uses that
 * find no place are charged as if they were evicted at once. `now.mono_us` is not negative. Any thread; never blocks
 * for long; allocates nothing. */
bool limits_decide(struct limits *limits, struct limit_use *uses, size_t n, bool charge, struct moment now);

/* As limits_decide() without `charge`, but starts no ban and makes no entry: for `explain`. */
bool limits_look(struct limits *limits, struct limit_use *uses, size_t n, struct moment now);

/* What limits_forget() is to make unhappened. */
enum limits_part { LIMITS_BAN, LIMITS_COUNTER };

/* Forgets the ban on `key`; LIMITS_COUNTER: and what its counter has used. False: there was nothing. `*ban_us`: what
 * was left of the ban. Any thread. */
bool limits_forget(struct limits *limits, uint64_t key, const struct limit *limit, enum limits_part part,
                   struct moment now, int64_t *ban_us);

/* Asks for the memory that limits_decide() will need, which is far away: for all requests of a batch the first, then
 * for all the second, then decide. Hints only: they read without locks and change no counter. */
void limits_prefetch_buckets(const struct limits *limits, const struct limit_use *uses, size_t n);
void limits_prefetch_counters(const struct limits *limits, struct limit_use *uses, size_t n);

struct limits_counts limits_counts(struct limits *limits);

/* Bans that run. Looks at all places that bans ever took, a few under a lock at a time. Any thread. */
uint64_t limits_bans(struct limits *limits, struct moment now);

#endif
