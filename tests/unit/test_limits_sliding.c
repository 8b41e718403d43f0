/* The promise of LIMIT_SLIDING, held against an exact log of admissions for each single decision:
 * - never admits when `requests` were admitted within the last period,
 * - always admits when fewer were within the last 1.02 periods,
 * where counts that do not fit a sub-bucket are rounded up within the bound that sliding.h states. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/require.h"
#include "limits/limits.h"
#include "limits/sliding.h"

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int64_t random_below(int64_t n)
{
    return (int64_t)(random_u64() % (uint64_t)n);
}

/* Every admission ever, and where in it the spans begin that end now. */
struct log {
    int64_t *at;
    size_t   n, size;
    size_t   period, wide, width;
    size_t   largest; /* admissions within the width of one sub-bucket, anywhere */
};

static void log_add(struct log *log, int64_t now_us)
{
    if (log->n == log->size) {
        log->size = log->size * 2 + 1024;
        log->at = realloc(log->at, log->size * sizeof *log->at);
        ck_assert_ptr_nonnull(log->at);
    }
    log->at[log->n++] = now_us;
}

static void log_move(struct log *log, int64_t now_us, int64_t period_us)
{
    int64_t width_us = period_us / 50;

    while (log->period < log->n && log->at[log->period] < now_us - period_us)
        log->period++;
    while (log->wide < log->n && log->at[log->wide] <= now_us - period_us - width_us)
        log->wide++;
    while (log->width < log->n && log->at[log->width] <= now_us - width_us)
        log->width++;
    if (log->n - log->width > log->largest)
        log->largest = log->n - log->width;
}

enum arrivals { STEADY, ON_OFF, WINDOW_EDGE, CLUSTERED, FLOOD, ARRIVALS };

static const char *const arrivals_names[] = { "steady", "on-off", "window edge", "clustered", "flood" };

static int64_t next_gap_us(enum arrivals arrivals, int64_t i, int64_t requests, int64_t period_us)
{
    int64_t width_us = period_us / 50, burst = requests * 5 / 4 + 3;

    switch (arrivals) {
    case STEADY: /* half as many again as the limit allows */
        return period_us * 2 / 3 / requests + random_below(3);
    case ON_OFF: /* all at once, then silence of up to more than a period */
        return i % burst != 0 ? random_below(8) / 7 : random_below(period_us + 2 * width_us);
    case WINDOW_EDGE: /* bursts right before, at and right after where sub-buckets and periods end */
        if (i % (burst / 3 + 1) != 0)
            return 0;
        return random_below(4) / 3 * period_us + random_below(12) * width_us + random_below(3) - (random_below(4) == 0);
    case CLUSTERED: /* gaps of all orders of magnitude */
        return random_below(1 + (period_us >> random_below(40))) / (random_below(requests) == 0 ? 1 : requests);
    default:
        return period_us / 40 / requests + random_below(2);
    }
}

/* Returns whether any sub-bucket may have been too large to be exact. */
static bool run(enum arrivals arrivals, uint32_t requests, uint32_t period_s, bool edit, int64_t decisions)
{
    struct limit     limit = { .algorithm = LIMIT_SLIDING, .requests = requests, .period_s = period_s };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    struct log       log = { 0 };
    struct moment    now = { .mono_us = random_below(INT64_C(1) << 44), .unix_us = 0 };
    int64_t          period_us = period_s * INT64_C(1000000), refused = 0;
    bool             rounded;

    for (int64_t i = 0; i < decisions; i++) {
        size_t  within, within_wide, above;
        int64_t gap_us = next_gap_us(arrivals, i, requests, period_us);

        now.mono_us += gap_us > 0 ? gap_us : 0;
        if (edit && random_below(decisions / 8 + 1) == 0)
            limit.requests = (uint32_t)(1 + random_below(4 * (int64_t)requests));
        log_move(&log, now.mono_us, period_us);
        within = log.n - log.period;
        within_wide = log.n - log.wide;
        above = log.largest > 65535 ? log.largest / 655 : 0;
        if (limits_decide(limits, &use, 1, true, now)) {
            require(within < limit.requests, "%s: %u in %u s: admitted after %zu, decision %ld",
                    arrivals_names[arrivals], limit.requests, period_s, within, (long)i);
            log_add(&log, now.mono_us);
        } else {
            require(within_wide + above >= limit.requests, "%s: %u in %u s: refused after %zu, decision %ld",
                    arrivals_names[arrivals], limit.requests, period_s, within_wide, (long)i);
            require(use.remaining == 0 && use.retry_us > 0, "refused with room left");
            refused++;
        }
        require(use.remaining >= 0, "remaining %ld", (long)use.remaining);
    }
    /* A test that admits all, or nothing but the first, says little. */
    require(edit || (refused > 0 && log.n + log.largest / 655 >= requests), "%s: %u in %u s: %zu admitted, %ld refused",
            arrivals_names[arrivals], requests, period_s, log.n, (long)refused);
    rounded = log.largest > 65535;
    free(log.at);
    limits_free(limits);
    return rounded;
}

static const uint32_t periods_s[] = { 1, 7, 60, 3600, 86400, 30 * 86400 };

#define PERIODS ((int)(sizeof periods_s / sizeof periods_s[0]))

START_TEST(test_small_limits)
{
    static const uint32_t requests[] = { 1, 2, 3, 10, 50, 51, 100, 997 };

    random_state = 1 + (uint64_t)_i;
    for (size_t r = 0; r < sizeof requests / sizeof requests[0]; r++) {
        for (int p = 0; p < PERIODS; p++) {
            ck_assert(!run((enum arrivals)_i, requests[r], periods_s[p], false, 2000 + 8 * requests[r]));
            ck_assert(!run((enum arrivals)_i, requests[r], periods_s[p], true, 2000 + 8 * requests[r]));
        }
    }
}
END_TEST

START_TEST(test_wide_limits)
{
    random_state = 100 + (uint64_t)_i;
    ck_assert(!run((enum arrivals)_i, 20000, 60, false, 150000));
    ck_assert(!run((enum arrivals)_i, 65535, 3600, false, 200000));
    run((enum arrivals)_i, 100000, 3600, true, 200000);
}
END_TEST

/* Above 65,535, and yet exact: no single sub-bucket is that full. */
START_TEST(test_spread)
{
    random_state = 200;
    ck_assert(!run(STEADY, 400000, 86400, false, 660000));
}
END_TEST

/* Above 65,535 in one sub-bucket, so that counts are rounded. */
START_TEST(test_at_once)
{
    random_state = 300;
    ck_assert(run(ON_OFF, 200000, 1, false, 600000));
    ck_assert(run(WINDOW_EDGE, 200000, 60, true, 500000));
    ck_assert(run(FLOOD, 1000000, 86400, false, 1100000));
}
END_TEST

/* The state itself against true counts, up to the widest limit, which no test could fill one by one. The bound holds
 * for each total, and when the large sub-buckets have gone the counter is exact again without ever being empty. */
START_TEST(test_rounding_bound)
{
    enum { STEPS = 4000 };

    static uint64_t     truth[STEPS];
    struct sliding      s = { 0 };
    struct sliding_wide wide;
    int64_t             now_us = 1000000, width_us = 20000;

    random_state = 400;
    sliding_widen(&s, &wide);
    for (int step = 0; step < STEPS; step++, now_us += width_us) {
        uint64_t used = 0, largest = 0, add = 1;

        sliding_advance(&s, &wide, 1, now_us);
        for (int i = step < 101 ? 0 : step - 101; i < step; i++)
            largest = truth[i] > largest ? truth[i] : largest;
        for (int i = step < 50 ? 0 : step - 50; i <= step; i++)
            used += truth[i];
        require(sliding_used(&s, &wide) >= used, "step %d: %ju counted of %ju", step, sliding_used(&s, &wide), used);
        require(sliding_used(&s, &wide) <= used + (largest > 65535 ? largest / 655 : 0), "step %d: %ju counted of %ju",
                step, sliding_used(&s, &wide), used);
        if (largest <= 65535)
            require(wide.shift == 0, "step %d: shift %u", step, wide.shift);
        /* A thousand steps in which there are large ones, a thousand in which there are none. */
        if (step / 1000 % 2 == 0 && random_below(20) == 0)
            add = (uint64_t)random_below(INT64_C(2) << random_below(30));
        else if (random_below(2) == 0)
            add = (uint64_t)random_below(1000);
        if (sliding_used(&s, &wide) + add > LIMIT_REQUESTS_MAX)
            add = 0;
        wide.newest += (uint32_t)add; /* as so many charges would */
        truth[step] += add;
    }
}
END_TEST

/* A clock read a little earlier by another thread neither admits more nor spoils the counter. */
START_TEST(test_clock_behind)
{
    struct limit     limit = { .algorithm = LIMIT_SLIDING, .requests = 5, .period_s = 10 };
    struct limit_use use = { .key = 7, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(10, 1);
    int64_t          at = 1000000000; /* a sub-bucket begins */

    for (int i = 0; i < 5; i++)
        ck_assert(limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = at - i * 50 }));
    ck_assert(!limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = at - 1000 }));
    ck_assert_int_eq(use.retry_us, 10200000 + 1000);
    ck_assert(!limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = at + 10200000 - 1 }));
    ck_assert(limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = at + 10200000 }));
    ck_assert_int_eq(use.remaining, 4);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_sliding");
    TCase   *tcase = tcase_create("promise");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_small_limits, 0, ARRIVALS);
    tcase_add_loop_test(tcase, test_wide_limits, 0, ARRIVALS);
    tcase_add_test(tcase, test_spread);
    tcase_add_test(tcase, test_at_once);
    tcase_add_test(tcase, test_rounding_bound);
    tcase_add_test(tcase, test_clock_behind);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
