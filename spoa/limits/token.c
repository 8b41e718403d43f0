#include "limits/token.h"

#include <assert.h>

/* What one request owes. */
static uint64_t one_token(const struct limit *limit)
{
    return (uint64_t)limit->period_s * 1000000;
}

static token_debt most_debt(const struct limit *limit)
{
    return (token_debt)limit->burst * one_token(limit);
}

/* From now until `debt` of the whole is worked off. A burst of 1e9 at 1 request in 30 days would take 82 million
 * years, more than 64 bits of microseconds: "never" is a good answer then. */
static int64_t until_paid(const struct token *t, token_debt debt, const struct limit *limit, int64_t now_us)
{
    token_debt us = (debt + limit->requests - 1) / limit->requests;

    return us > TOKEN_NEVER_US ? TOKEN_NEVER_US : t->at_us + (int64_t)us - now_us;
}

void token_advance(struct token *t, const struct limit *limit, int64_t now_us)
{
    if (t->debt == 0) {
        t->at_us = now_us;
        return;
    }
    if (now_us > t->at_us) {
        token_debt paid = (token_debt)(uint64_t)(now_us - t->at_us) * limit->requests;

        t->debt = paid < t->debt ? t->debt - paid : 0;
        t->at_us = now_us;
    }
    if (t->debt > most_debt(limit))
        t->debt = most_debt(limit);
}

bool token_is_sound(const struct token *t, uint32_t period_s, int64_t now_us)
{
    struct limit largest = { .requests = 1, .period_s = period_s, .burst = LIMIT_REQUESTS_MAX };

    return t->debt <= most_debt(&largest) && t->requests <= LIMIT_REQUESTS_MAX && t->at_us >= 0 &&
           t->at_us <= now_us + (int64_t)one_token(&largest);
}

struct limit token_limit(const struct token *t, uint32_t period_s)
{
    struct limit limit = { .algorithm = LIMIT_TOKEN, .requests = t->requests, .period_s = period_s };

    limit.burst = (uint32_t)((t->debt + one_token(&limit) - 1) / one_token(&limit));
    return limit;
}

uint32_t token_remaining(const struct token *t, const struct limit *limit)
{
    return (uint32_t)((most_debt(limit) - t->debt) / one_token(limit));
}

void token_charge(struct token *t, const struct limit *limit)
{
    t->debt += one_token(limit);
    t->requests = limit->requests;
    assert(t->debt <= most_debt(limit));
}

int64_t token_retry_us(const struct token *t, const struct limit *limit, int64_t now_us)
{
    token_debt allowed = most_debt(limit) - one_token(limit);

    return t->debt <= allowed ? 0 : until_paid(t, t->debt - allowed, limit, now_us);
}

int64_t token_reset_us(const struct token *t, const struct limit *limit, int64_t now_us)
{
    return t->debt == 0 ? 0 : until_paid(t, t->debt, limit, now_us);
}
