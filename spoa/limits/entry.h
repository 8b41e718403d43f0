/* What the table keeps of one key: a counter of one of the three algorithms, and a ban. The caller holds the lock of
 * the entry's shard; an entry of zeros but for its key is a key of which nothing is known. */
#ifndef LIMITS_ENTRY_H
#define LIMITS_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"
#include "limits/fixed.h"
#include "limits/limits.h"
#include "limits/sliding.h"
#include "limits/token.h"

/* Two cache lines. */
struct entry {
    uint64_t key;
    int64_t  ban_until_us; /* mono; in the past or 0: no ban */
    union {
        struct sliding sliding;
        struct fixed   fixed;
        struct token   token;
    };
};

_Static_assert(sizeof(struct entry) == 128, "an entry is two cache lines");

/* Forgets what no longer counts. To be called before any of the functions below, with the same limit and time. It
 * changes no answer, so it is no harm when a refused request does it. */
void entry_advance(struct entry *e, const struct limit *limit, struct moment now);

/* Ends a running ban earlier where the rule's `ban_s` has been lowered, or removed, since it started. */
void entry_cap_ban(struct entry *e, const struct limit *limit, struct moment now);

/* No room, or banned. */
bool entry_used_up(const struct entry *e, const struct limit *limit, struct moment now);

/* Counts one request; the entry must not be used up. */
void entry_charge(struct entry *e, const struct limit *limit, struct moment now);

/* Bans for `ban_s` from now, unless a ban is running or the limit has none. */
void entry_start_ban(struct entry *e, const struct limit *limit, struct moment now);

/* Requests that would pass now. */
int64_t entry_remaining(const struct entry *e, const struct limit *limit, struct moment now);

/* Until neither a count nor a ban is left; 0: there is none, the entry may go. */
int64_t entry_reset_us(const struct entry *e, const struct limit *limit, struct moment now);

/* Until one more request passes; 0: it would now. */
int64_t entry_retry_us(const struct entry *e, const struct limit *limit, struct moment now);

/* Left of a ban; 0: none. */
int64_t entry_ban_us(const struct entry *e, struct moment now);

#endif
