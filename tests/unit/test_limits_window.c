/* LIMIT_FIXED and LIMIT_TOKEN against reference models: exact, decision by decision. */
#include <check.h>
#include <stdlib.h>

#include "lib/require.h"
#include "limits/limits.h"
#include "limits/token.h"

__extension__ typedef __int128 wide;

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

static const uint32_t periods_s[] = { 1, 7, 60, 3600, 30 * 86400 };
static const uint32_t requests[] = { 1, 2, 3, 10, 100, 1000, 1000000000 };

#define PERIODS  (sizeof periods_s / sizeof periods_s[0])
#define REQUESTS (sizeof requests / sizeof requests[0])

static int64_t clustered_gap_us(uint32_t limit, int64_t period_us)
{
    return random_below(1 + (period_us >> random_below(40))) / (random_below(limit) == 0 ? 1 : limit);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static void run_fixed(uint32_t limit_requests, uint32_t period_s, int64_t unix_us)
{
    struct limit     limit = { .algorithm = LIMIT_FIXED, .requests = limit_requests, .period_s = period_s };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    int64_t          period_us = period_s * INT64_C(1000000), window = 0, count = 0;

    for (int i = 0; i < 5000; i++) {
        bool pass;

        unix_us += clustered_gap_us(limit_requests > 1000 ? 100 : limit_requests, period_us);
        if (floor_div(unix_us, period_us) != window) {
            window = floor_div(unix_us, period_us);
            count = 0;
        }
        pass = limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = i, .unix_us = unix_us });
        require(pass == (count < limit_requests), "%u in %u s: %ld counted, pass %d", limit_requests, period_s,
                (long)count, pass);
        count += pass;
        require(use.remaining == limit_requests - count, "%ld remaining, %ld counted", (long)use.remaining,
                (long)count);
        require(use.reset_us == (window + 1) * period_us - unix_us, "reset %ld", (long)use.reset_us);
    }
    limits_free(limits);
}

START_TEST(test_fixed_model)
{
    random_state = 1;
    for (size_t r = 0; r < REQUESTS; r++) {
        for (size_t p = 0; p < PERIODS; p++) {
            run_fixed(requests[r], periods_s[p], INT64_C(1795000000123456));
            run_fixed(requests[r], periods_s[p], -INT64_C(4000000) * periods_s[p]); /* over 1970 */
        }
    }
}
END_TEST

/* The wall clock, one charge after the other; `expect` is what remains of 3, -1 for a refusal. */
static const struct {
    const char *what;
    struct {
        int64_t unix_s;
        int     expect;
    } steps[8];
} fixed_steps[] = {
    { "a step back goes on counting in the later window",
      { { 1000, 2 }, { 990, 1 }, { 1005, 0 }, { 995, -1 }, { 1009, -1 }, { 1010, 2 } } },
    { "back over more than a window: the count comes along, and ends with the clock's window",
      { { 1000, 2 }, { 1001, 1 }, { 955, 0 }, { 959, -1 }, { 960, 2 } } },
    { "exactly two ahead is too far", { { 1020, 2 }, { 1000, 1 }, { 1009, 0 }, { 1009, -1 }, { 1010, 2 } } },
    { "exactly one ahead is not", { { 1010, 2 }, { 1000, 1 }, { 1009, 0 }, { 1010, -1 }, { 1019, -1 }, { 1020, 2 } } },
    { "a step forward starts anew", { { 1000, 2 }, { 5000, 2 }, { 5009, 1 } } },
};

START_TEST(test_fixed_clock_steps)
{
    struct limit     limit = { .algorithm = LIMIT_FIXED, .requests = 3, .period_s = 10 };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);

    for (int i = 0; i < 8 && fixed_steps[_i].steps[i].unix_s != 0; i++) {
        int64_t unix_us = fixed_steps[_i].steps[i].unix_s * 1000000;
        int     expect = fixed_steps[_i].steps[i].expect;
        bool    pass = limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = i, .unix_us = unix_us });

        require(pass == (expect >= 0), "%s: step %d: pass %d", fixed_steps[_i].what, i, pass);
        require(use.remaining == (expect < 0 ? 0 : expect), "%s: step %d: %ld remaining", fixed_steps[_i].what, i,
                (long)use.remaining);
    }
    limits_free(limits);
}
END_TEST

/* GCRA as the textbook has it, by the theoretical arrival time, times `requests` to stay in whole numbers. */
static bool reference_token(wide *tat, const struct limit *limit, int64_t now_us)
{
    wide now = (wide)now_us * limit->requests, interval = (wide)limit->period_s * 1000000;

    if (*tat - now > interval * limit->burst - interval)
        return false;
    *tat = (*tat > now ? *tat : now) + interval;
    return true;
}

static void run_token(uint32_t limit_requests, uint32_t burst, uint32_t period_s)
{
    enum { DECISIONS = 3000 };

    static int64_t   log[DECISIONS];
    struct limit     limit = { LIMIT_TOKEN, limit_requests, period_s, burst, 0 };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    struct moment    now = { .mono_us = random_below(INT64_C(1) << 44) };
    int64_t          period_us = period_s * INT64_C(1000000), n = 0;
    wide             tat = 0;

    for (int i = 0; i < DECISIONS; i++) {
        bool pass;

        now.mono_us += clustered_gap_us(limit_requests > 1000 ? 100 : limit_requests, period_us);
        pass = limits_decide(limits, &use, 1, true, now);
        require(pass == reference_token(&tat, &limit, now.mono_us), "%u in %u s, burst %u: pass %d", limit_requests,
                period_s, burst, pass);
        if (pass)
            log[n++] = now.mono_us;
        require(use.remaining ==
                    (int64_t)((((wide)burst * period_us) - (tat - (wide)now.mono_us * limit_requests)) / period_us),
                "%u in %u s, burst %u: %ld remaining", limit_requests, period_s, burst, (long)use.remaining);
    }
    /* What an operator is promised: over any span, no more than a burst and what the rate gives. */
    for (int64_t from = 0; from < n; from++) {
        for (int64_t to = from; to < n; to += 1 + (to - from) / 4)
            require((wide)(to - from + 1 - burst) * period_us <= (wide)(log[to] - log[from]) * limit_requests,
                    "%u in %u s, burst %u: %ld admitted in %ld us", limit_requests, period_s, burst,
                    (long)(to - from + 1), (long)(log[to] - log[from]));
    }
    limits_free(limits);
}

START_TEST(test_token_model)
{
    random_state = 2;
    for (size_t r = 0; r < REQUESTS; r++) {
        for (size_t p = 0; p < PERIODS; p++) {
            for (size_t b = 0; b < REQUESTS; b++)
                run_token(requests[r], requests[b], periods_s[p]);
        }
    }
}
END_TEST

/* Debts larger than any test could run up one by one. */
START_TEST(test_token_widest)
{
    struct limit limit = { LIMIT_TOKEN, 1, LIMIT_PERIOD_MAX_S, LIMIT_REQUESTS_MAX, 0 };
    struct token t = { .at_us = 5 };

    t.debt = (token_debt)LIMIT_REQUESTS_MAX * LIMIT_PERIOD_MAX_S * 1000000;
    token_advance(&t, &limit, 5);
    ck_assert_uint_eq(token_remaining(&t, &limit), 0);
    ck_assert_int_eq(token_retry_us(&t, &limit, 5), LIMIT_PERIOD_MAX_S * INT64_C(1000000));
    ck_assert_int_eq(token_reset_us(&t, &limit, 5), TOKEN_NEVER_US);
    limit.requests = LIMIT_REQUESTS_MAX;
    ck_assert_int_eq(token_reset_us(&t, &limit, 5), LIMIT_PERIOD_MAX_S * INT64_C(1000000));
    token_advance(&t, &limit, INT64_C(1) << 56);
    ck_assert_uint_eq(token_remaining(&t, &limit), LIMIT_REQUESTS_MAX);
}
END_TEST

static void expect_token(struct limits *limits, const struct limit *limit, int64_t now_s, bool pass, int64_t remaining)
{
    struct limit_use use = { .key = 9, .limit = limit, .binding = true };

    ck_assert_int_eq(limits_decide(limits, &use, 1, true, (struct moment){ .mono_us = now_s * 1000000 }), pass);
    ck_assert_int_eq(use.remaining, remaining);
}

/* A debt is a number of requests, whatever `requests` and `burst` become; nobody owes more than the burst. */
START_TEST(test_token_edits)
{
    struct limit   limit = { LIMIT_TOKEN, 60, 60, 100, 0 };
    struct limits *limits = limits_new(10, 1);

    for (int i = 1; i <= 100; i++)
        expect_token(limits, &limit, 1000, true, 100 - i);
    expect_token(limits, &limit, 1000, false, 0);
    limit.burst = 110;
    expect_token(limits, &limit, 1000, true, 9);
    limit.burst = 5;
    expect_token(limits, &limit, 1000, false, 0);
    expect_token(limits, &limit, 1001, true, 0); /* not after the 96 s that the old debt would take */
    limit.requests = 120;
    expect_token(limits, &limit, 1002, true, 1);
    limit.requests = 6;
    expect_token(limits, &limit, 1012, true, 1);
    limit.burst = 1;
    expect_token(limits, &limit, 1021, false, 0);
    expect_token(limits, &limit, 1030, false, 0);
    expect_token(limits, &limit, 1031, true, 0);
    limits_free(limits);
}
END_TEST

START_TEST(test_token_clock_behind)
{
    struct limit   limit = { LIMIT_TOKEN, 1, 10, 2, 0 };
    struct limits *limits = limits_new(10, 1);

    expect_token(limits, &limit, 1000, true, 1);
    expect_token(limits, &limit, 999, true, 0);
    expect_token(limits, &limit, 998, false, 0);
    expect_token(limits, &limit, 1009, false, 0);
    expect_token(limits, &limit, 1010, true, 0);
    limits_free(limits);
}
END_TEST

START_TEST(test_fixed_edits)
{
    struct limit     limit = { .algorithm = LIMIT_FIXED, .requests = 5, .period_s = 60 };
    struct limit_use use = { .key = 9, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(10, 1);
    struct moment    now = { .mono_us = 1, .unix_us = 6000000000 };

    for (int i = 0; i < 5; i++)
        ck_assert(limits_decide(limits, &use, 1, true, now));
    limit.requests = 2;
    ck_assert(!limits_decide(limits, &use, 1, true, now));
    ck_assert_int_eq(use.remaining, 0);
    limit.requests = 7;
    ck_assert(limits_decide(limits, &use, 1, true, now));
    ck_assert_int_eq(use.remaining, 1);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_window");
    TCase   *tcase = tcase_create("models");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, test_fixed_model);
    tcase_add_loop_test(tcase, test_fixed_clock_steps, 0, (int)(sizeof fixed_steps / sizeof fixed_steps[0]));
    tcase_add_test(tcase, test_fixed_edits);
    tcase_add_test(tcase, test_token_model);
    tcase_add_test(tcase, test_token_widest);
    tcase_add_test(tcase, test_token_edits);
    tcase_add_test(tcase, test_token_clock_behind);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
