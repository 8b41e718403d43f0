#include "limits/entry.h"

#include <assert.h>

#define SECOND_US INT64_C(1000000)

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the counter alone still admits; of no ban is it aware. */
static int64_t room(const struct entry *e, const struct limit *limit)
{
    uint64_t used = 0;

    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        used = sliding_used(&e->sliding);
        break;
    case LIMIT_FIXED:
        used = e->fixed.count;
        break;
    case LIMIT_TOKEN:
        return token_remaining(&e->token, limit);
    }
    /* More is used than the limit allows where `requests` has been lowered since. */
    return used < limit->requests ? (int64_t)(limit->requests - used) : 0;
}

static int64_t room_in_us(const struct entry *e, const struct limit *limit, struct moment now)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        return sliding_retry_us(&e->sliding, limit->requests, limit->period_s, now.mono_us);
    case LIMIT_FIXED:
        return room(e, limit) > 0 ? 0 : fixed_reset_us(&e->fixed, limit->period_s, now.unix_us);
    case LIMIT_TOKEN:
        return token_retry_us(&e->token, limit, now.mono_us);
    }
    return 0;
}

void entry_advance(struct entry *e, const struct limit *limit, struct moment now)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        sliding_advance(&e->sliding, limit->period_s, now.mono_us);
        break;
    case LIMIT_FIXED:
        fixed_advance(&e->fixed, limit->period_s, now.unix_us);
        break;
    case LIMIT_TOKEN:
        token_advance(&e->token, limit, now.mono_us);
        break;
    }
}

void entry_cap_ban(struct entry *e, const struct limit *limit, struct moment now)
{
    int64_t until_us = now.mono_us + limit->ban_s * SECOND_US;

    if (e->ban_until_us > until_us)
        e->ban_until_us = until_us;
}

bool entry_used_up(const struct entry *e, const struct limit *limit, struct moment now)
{
    return entry_ban_us(e, now) > 0 || room(e, limit) == 0;
}

void entry_charge(struct entry *e, const struct limit *limit, struct moment now)
{
    assert(!entry_used_up(e, limit, now));
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        sliding_charge(&e->sliding, now.mono_us);
        break;
    case LIMIT_FIXED:
        fixed_charge(&e->fixed);
        break;
    case LIMIT_TOKEN:
        token_charge(&e->token, limit);
        break;
    }
}

void entry_start_ban(struct entry *e, const struct limit *limit, struct moment now)
{
    if (limit->ban_s > 0 && entry_ban_us(e, now) == 0)
        e->ban_until_us = now.mono_us + limit->ban_s * SECOND_US;
}

int64_t entry_remaining(const struct entry *e, const struct limit *limit, struct moment now)
{
    return entry_ban_us(e, now) > 0 ? 0 : room(e, limit);
}

int64_t entry_reset_us(const struct entry *e, const struct limit *limit, struct moment now)
{
    int64_t reset_us = 0;

    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        reset_us = sliding_reset_us(&e->sliding, limit->period_s, now.mono_us);
        break;
    case LIMIT_FIXED:
        reset_us = fixed_reset_us(&e->fixed, limit->period_s, now.unix_us);
        break;
    case LIMIT_TOKEN:
        reset_us = token_reset_us(&e->token, limit, now.mono_us);
        break;
    }
    return longer(reset_us, entry_ban_us(e, now));
}

int64_t entry_retry_us(const struct entry *e, const struct limit *limit, struct moment now)
{
    int64_t      ban_us = entry_ban_us(e, now);
    struct entry then;

    if (ban_us == 0)
        return room_in_us(e, limit, now);
    /* Not the longer of both: what counts when the ban ends may be rounded up by then (see sliding.h). */
    then = *e;
    now.mono_us += ban_us;
    now.unix_us += ban_us;
    entry_advance(&then, limit, now);
    return ban_us + room_in_us(&then, limit, now);
}

int64_t entry_ban_us(const struct entry *e, struct moment now)
{
    return longer(e->ban_until_us - now.mono_us, 0);
}
