/* How true the decisions are, in simulated time: each traffic shape is given to limits of 1 to 1,000,000 requests in 1
 * s to 30 days, by each algorithm, and every decision is held against an exact record of what was admitted. Beside them
 * runs the two-bucket estimate that is in common use: what the previous window of the clock admitted, as far as that
 * window still overlaps the last period, plus what this one did.
 *
 *   wrong +   admitted without room: `requests` were admitted within the last period (sliding, two-bucket) or within
 *             the clock's window (fixed), or exact GCRA refuses (token)
 *   wrong -   refused with room: fewer were admitted within the last 1.02 periods, in the window, or exact GCRA admits
 *   rounded   refused a little early where so many came at once that limits.h lets counts be rounded up by 0.16 %
 *   most      ever admitted within any one period, in % of `requests`
 *   of a log  admitted, as a share of what an exact log of the last period would have admitted of the same arrivals;
 * the
 *             mean of all runs, so that large limits do not hide small ones
 *
 * `burst` is `requests` in most runs of token, and a tenth in the others. Exits with 1 if an algorithm of ours broke
 * its promise.
 *
 *   accuracy [quick]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arrivals.h"
#include "lib/promise.h"

/* The first three are LIMIT_SLIDING, LIMIT_FIXED and LIMIT_TOKEN. */
enum { TWO_BUCKETS = 3, EXACT_LOG, LIMITERS };

static const char *const names[] = { "sliding", "fixed", "token", "two-bucket" };

struct result {
    uint64_t decisions, admitted, verdicts[PROMISE_REFUSED + 1];
    double   most;   /* within one period, as a share of the limit */
    double   of_log; /* sum of the runs' shares */
    int      runs;
};

/* What admits: one of ours, or one of the two written here. */
struct limiter {
    int               kind;
    struct limit      limit;
    struct limits    *limits;                    /* ours */
    int64_t           window, previous, current; /* TWO_BUCKETS */
    size_t            period;                    /* cursor: what `log` has within the last period */
    struct admissions log;
    struct promise    promise;
    uint64_t          decisions, verdicts[PROMISE_REFUSED + 1];
    size_t            most;
};

static int64_t period_us(const struct limiter *l)
{
    return (int64_t)l->limit.period_s * 1000000;
}

static bool admit_by_two_buckets(struct limiter *l, struct moment now)
{
    int64_t period = period_us(l), window = now.unix_us / period, left_us = period - now.unix_us % period;

    if (window != l->window) {
        l->previous = window == l->window + 1 ? l->current : 0;
        l->current = 0;
        l->window = window;
    }
    /* In exact fractions, so that nothing but the estimate itself is to blame. */
    if ((promise_exact)l->previous * left_us > (promise_exact)(l->limit.requests - 1 - l->current) * period)
        return false;
    l->current++;
    return true;
}

static bool admit(struct limiter *l, struct moment now)
{
    struct limit_use use = { .key = 42, .limit = &l->limit, .binding = true };

    switch (l->kind) {
    case TWO_BUCKETS:
        return admit_by_two_buckets(l, now);
    case EXACT_LOG:
        return admissions_since(&l->log, &l->period, now.mono_us - period_us(l) + 1) < l->limit.requests;
    default:
        return limits_decide(l->limits, &use, 1, true, now);
    }
}

static void limiter_init(struct limiter *l, int kind, const struct limit *limit)
{
    *l = (struct limiter){ .kind = kind, .limit = *limit };
    if (kind < TWO_BUCKETS) {
        l->limit.algorithm = (enum limit_algorithm)kind;
        l->limits = limits_new(1, 1);
        if (l->limits == NULL)
            exit(1);
    }
    l->promise.algorithm = l->limit.algorithm; /* LIMIT_SLIDING for those that estimate it */
}

static void limiter_fini(struct limiter *l)
{
    limits_free(l->limits);
    admissions_fini(&l->log);
    promise_fini(&l->promise);
}

static void decide(struct limiter *l, struct moment now)
{
    bool   pass = admit(l, now);
    size_t within;

    l->decisions++;
    if (l->kind != EXACT_LOG)
        l->verdicts[promise_judge(&l->promise, &l->limit, now, pass)]++;
    if (!pass)
        return;
    admissions_add(&l->log, now.mono_us);
    if (l->kind != EXACT_LOG)
        promise_charge(&l->promise, &l->limit, now);
    within = admissions_since(&l->log, &l->period, now.mono_us - period_us(l) + 1);
    if (within > l->most)
        l->most = within;
}

/* All limiters in turn see the same arrivals. */
static void measure(struct result *results, enum arrivals_shape shape, const struct limit *limit, uint64_t seed,
                    int64_t decisions)
{
    struct limiter limiters[LIMITERS];

    for (int kind = 0; kind < LIMITERS; kind++) {
        struct arrivals arrivals;

        limiter_init(&limiters[kind], kind, limit);
        arrivals_init(&arrivals, shape, limit->requests, limit->period_s, seed);
        for (int64_t i = 0; i < decisions; i++)
            decide(&limiters[kind], arrivals_next(&arrivals));
    }
    for (int kind = 0; kind < EXACT_LOG; kind++) {
        const struct limiter *l = &limiters[kind];
        struct result        *r = &results[kind];

        r->decisions += l->decisions;
        r->admitted += l->log.n;
        r->of_log += (double)l->log.n / (double)limiters[EXACT_LOG].log.n;
        r->runs++;
        for (int verdict = 0; verdict <= PROMISE_REFUSED; verdict++)
            r->verdicts[verdict] += l->verdicts[verdict];
        if ((double)l->most / limit->requests > r->most)
            r->most = (double)l->most / limit->requests;
    }
    for (int kind = 0; kind < LIMITERS; kind++)
        limiter_fini(&limiters[kind]);
}

static void measure_shape(struct result *results, enum arrivals_shape shape, bool quick)
{
    static const uint32_t periods_s[] = { 1, 60, 3600, 86400, LIMIT_PERIOD_MAX_S };

    for (uint32_t requests = 1; requests <= 1000000; requests *= 10) {
        for (size_t p = 0; p < sizeof periods_s / sizeof periods_s[0]; p++) {
            /* A million takes so long that each shape takes one period of it, or two. */
            bool chosen = p == (size_t)shape || (!quick && p == ((size_t)shape + 2) % 5);
            int  seeds = quick || requests == 1000000 ? 1 : 3;

            if (requests == 1000000 && !chosen)
                continue;
            for (int seed = 0; seed < seeds; seed++) {
                struct limit limit = { .requests = requests, .period_s = periods_s[p], .burst = requests };
                int64_t      decisions = quick ? 3000 + requests * INT64_C(4) / 3 : 20000 + requests * INT64_C(6);

                if (seed % 2 == 1)
                    limit.burst = 1 + requests / 10;
                measure(results, shape, &limit, (uint64_t)seed * 100 + p, decisions);
            }
        }
    }
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && strcmp(argv[1], "quick") == 0, broken = false;

    printf("%-12s %-11s %11s %11s %9s %9s %8s %8s %9s\n", "arrivals", "algorithm", "decisions", "admitted", "wrong +",
           "wrong -", "rounded", "most", "of a log");
    for (enum arrivals_shape shape = 0; shape < ARRIVALS_SHAPES; shape++) {
        struct result results[EXACT_LOG] = { 0 };

        measure_shape(results, shape, quick);
        for (int kind = 0; kind < EXACT_LOG; kind++) {
            const struct result *r = &results[kind];

            printf("%-12s %-11s %11" PRIu64 " %11" PRIu64 " %9" PRIu64 " %9" PRIu64 " %8" PRIu64 " %6.1f %% %9.3f\n",
                   arrivals_name(shape), names[kind], r->decisions, r->admitted, r->verdicts[PROMISE_ADMITTED],
                   r->verdicts[PROMISE_REFUSED], r->verdicts[PROMISE_ROUNDED], r->most * 100, r->of_log / r->runs);
            if (kind != TWO_BUCKETS && r->verdicts[PROMISE_ADMITTED] + r->verdicts[PROMISE_REFUSED] > 0)
                broken = true;
        }
        fflush(stdout);
    }
    if (broken)
        puts("sliding, fixed or token broke its promise");
    return broken;
}
