#include "limits/counter.h"

void counter_advance(struct counter c, const struct limit *limit, struct moment now)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        sliding_advance(&c.entry->sliding, c.wide, limit->period_s, now.mono_us);
        break;
    case LIMIT_FIXED:
        fixed_advance(&c.entry->fixed, limit->period_s, now.unix_us);
        break;
    case LIMIT_TOKEN:
        token_advance(&c.entry->token, limit, now.mono_us);
        break;
    }
}

int64_t counter_remaining(struct counter c, const struct limit *limit)
{
    uint64_t used = 0;

    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        used = sliding_used(&c.entry->sliding, c.wide);
        break;
    case LIMIT_FIXED:
        used = c.entry->fixed.count;
        break;
    case LIMIT_TOKEN:
        return token_remaining(&c.entry->token, limit);
    }
    /* More is used than the limit allows where `requests` has been lowered since. */
    return used < limit->requests ? (int64_t)(limit->requests - used) : 0;
}

bool counter_is_full(struct counter c, const struct limit *limit)
{
    return limit->algorithm == LIMIT_SLIDING && sliding_is_full(&c.entry->sliding, c.wide);
}

void counter_charge(struct counter c, const struct limit *limit)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        sliding_charge(&c.entry->sliding, c.wide);
        break;
    case LIMIT_FIXED:
        fixed_charge(&c.entry->fixed);
        break;
    case LIMIT_TOKEN:
        token_charge(&c.entry->token, limit);
        break;
    }
}

struct limit counter_limit(struct counter c, enum limit_algorithm algorithm, uint32_t period_s)
{
    struct limit limit = { .algorithm = algorithm, .period_s = period_s };

    switch (algorithm) {
    case LIMIT_SLIDING:
        limit.requests = (uint32_t)sliding_used(&c.entry->sliding, c.wide);
        break;
    case LIMIT_FIXED:
        limit.requests = c.entry->fixed.count;
        break;
    case LIMIT_TOKEN:
        return token_limit(&c.entry->token, period_s);
    }
    return limit;
}

bool counter_is_sound(struct counter c, enum limit_algorithm algorithm, uint32_t period_s, struct moment now)
{
    switch (algorithm) {
    case LIMIT_SLIDING:
        return sliding_is_sound(&c.entry->sliding, c.wide, period_s, now.mono_us);
    case LIMIT_FIXED:
        return true; /* as with a clock that stepped */
    case LIMIT_TOKEN:
        return token_is_sound(&c.entry->token, period_s, now.mono_us);
    }
    return false;
}

int64_t counter_reset_us(struct counter c, const struct limit *limit, struct moment now)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        return sliding_reset_us(&c.entry->sliding, c.wide, limit->period_s, now.mono_us);
    case LIMIT_FIXED:
        return fixed_reset_us(&c.entry->fixed, limit->period_s, now.unix_us);
    case LIMIT_TOKEN:
        return token_reset_us(&c.entry->token, limit, now.mono_us);
    }
    return 0;
}

int64_t counter_retry_us(struct counter c, const struct limit *limit, struct moment now)
{
    switch (limit->algorithm) {
    case LIMIT_SLIDING:
        return sliding_retry_us(&c.entry->sliding, c.wide, limit->requests, limit->period_s, now.mono_us);
    case LIMIT_FIXED:
        return counter_remaining(c, limit) > 0 ? 0 : fixed_reset_us(&c.entry->fixed, limit->period_s, now.unix_us);
    case LIMIT_TOKEN:
        return token_retry_us(&c.entry->token, limit, now.mono_us);
    }
    return 0;
}
