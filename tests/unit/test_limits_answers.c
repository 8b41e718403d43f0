/* What a decision says besides yes and no is true, in random states of all algorithms:
 * - exactly `remaining` more requests pass now,
 * - one more passes `retry_us` from now, and none a microsecond before,
 * - all is available `reset_us` from now, and not a microsecond before. */
#include <check.h>
#include <stdlib.h>

#include "lib/require.h"
#include "limits/limits.h"

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

static int64_t full(const struct limit *limit)
{
    return limit->algorithm == LIMIT_TOKEN ? limit->burst : limit->requests;
}

static struct moment later(struct moment now, int64_t us)
{
    return (struct moment){ .mono_us = now.mono_us + us, .unix_us = now.unix_us + us };
}

static struct limit_use look(struct limits *limits, const struct limit_use *use, struct moment now)
{
    struct limit_use copy = { .key = use->key, .limit = use->limit, .binding = true };
    bool             pass = limits_look(limits, &copy, 1, now);

    require(pass != copy.used_up, "pass %d, used up %d", pass, copy.used_up);
    return copy;
}

static void check_answers(struct limits *limits, const struct limit_use *use, struct moment now)
{
    const struct limit *limit = use->limit;
    struct limit_use    at;

    /* Seen again at once: as told, but that the request itself may have taken the last one. */
    at = look(limits, use, now);
    require(at.remaining == use->remaining && at.reset_us == use->reset_us && at.ban_us == use->ban_us, "seen again");
    require(use->remaining >= 0 && use->remaining <= full(limit), "%ld remaining", (long)use->remaining);
    require((at.retry_us > 0) == (at.remaining == 0) && at.used_up == (at.remaining == 0), "used up or not");
    require(use->used_up ? use->retry_us == at.retry_us : use->retry_us == 0, "retry %ld", (long)use->retry_us);
    require(at.reset_us >= at.retry_us && at.retry_us >= at.ban_us, "reset %ld, retry %ld, ban %ld", (long)at.reset_us,
            (long)at.retry_us, (long)at.ban_us);

    if (at.used_up) {
        int64_t retry_us = at.retry_us;

        at = look(limits, use, later(now, retry_us - 1));
        require(at.used_up && at.retry_us == 1, "algorithm %d, %u in %u s: room before retry %ld", limit->algorithm,
                limit->requests, limit->period_s, (long)retry_us);
        at = look(limits, use, later(now, retry_us));
        require(!at.used_up && at.remaining > 0, "algorithm %d, %u in %u s: no room after retry %ld", limit->algorithm,
                limit->requests, limit->period_s, (long)retry_us);
    }
    at = look(limits, use, later(now, use->reset_us));
    require(at.remaining == full(limit) && at.reset_us == 0, "%ld of %ld after reset", (long)at.remaining,
            (long)full(limit));
    if (use->reset_us > 0) {
        at = look(limits, use, later(now, use->reset_us - 1));
        require(at.reset_us == 1, "reset %ld, then %ld", (long)use->reset_us, (long)at.reset_us);
        require(at.remaining < full(limit), "all available before reset");
    }
}

/* Takes what remains, one by one. */
static void check_remaining(struct limits *limits, struct limit_use *use, struct moment now)
{
    int64_t remaining = look(limits, use, now).remaining;

    for (int64_t i = 0; i < remaining; i++)
        require(limits_decide(limits, use, 1, true, now), "%ld of %ld remaining pass", (long)i, (long)remaining);
    require(!limits_decide(limits, use, 1, true, now), "more than %ld pass", (long)remaining);
}

static void run(enum limit_algorithm algorithm, uint32_t most_requests, int decisions)
{
    struct limit     limit = { .algorithm = algorithm,
                               .requests = (uint32_t)(1 + random_below(most_requests)),
                               .period_s = (uint32_t)(1 + random_below(INT64_C(1) << random_below(21))),
                               .burst = (uint32_t)(1 + random_below(most_requests)),
                               .ban_s = random_below(3) == 0 ? 1 + (uint32_t)random_below(1 << random_below(20)) : 0 };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    struct moment    now = { .mono_us = random_below(INT64_C(1) << 44), .unix_us = random_below(INT64_C(1) << 51) };
    int64_t          period_us = limit.period_s * INT64_C(1000000);
    unsigned         spread = (unsigned)random_below(40);

    for (int i = 0; i < decisions; i++) {
        limits_decide(limits, &use, 1, random_below(16) != 0, now);
        if (decisions < 1000 || random_below(decisions / 50) == 0)
            check_answers(limits, &use, now);
        if (random_below(decisions) == 0 && most_requests <= 1000)
            check_remaining(limits, &use, now);
        /* Mostly somewhere; at times exactly where something is said to change. */
        if (random_below(8) != 0)
            now = later(now, random_below(1 + (period_us >> spread)) / (1 + random_below(limit.requests)));
        else if (random_below(4) == 0)
            now = later(now, use.retry_us);
        else if (random_below(4) == 0)
            now = later(now, random_below(1 + use.reset_us));
        if (random_below(200) == 0)
            limit.requests = (uint32_t)(1 + random_below(most_requests));
        if (random_below(200) == 0)
            limit.burst = (uint32_t)(1 + random_below(most_requests));
    }
    limits_free(limits);
}

START_TEST(test_narrow)
{
    random_state = 10 + (uint64_t)_i;
    for (int i = 0; i < 600; i++)
        run((enum limit_algorithm)_i, 1 + (uint32_t)random_below(1 << random_below(9)), 300);
}
END_TEST

/* So many in one sub-bucket that they are rounded: `retry_us` has to know what the rounding will make of them. */
START_TEST(test_wide)
{
    random_state = 20 + (uint64_t)_i;
    for (int i = 0; i < 3; i++)
        run((enum limit_algorithm)_i, 300000, 200000);
}
END_TEST

/* When the newest sub-bucket closes, its count and all others are rounded up: less room comes than has expired. */
START_TEST(test_retry_over_rounding)
{
    static const int counts[] = { 10, 1, 131073 }; /* in units of 4: 12, 4, 131076 */

    struct limit     limit = { .algorithm = LIMIT_SLIDING, .requests = 200000, .period_s = 10 };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    struct moment    now = { .mono_us = 5000000, .unix_us = 1 };

    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < counts[i]; j++)
            require(limits_decide(limits, &use, 1, true, later(now, i * 200000)), "%d", j);
    }
    now = later(now, 400000);
    limit.requests = 131080; /* room, had the counts been exact, as soon as the 10 have expired */
    ck_assert(!limits_decide(limits, &use, 1, true, now));
    ck_assert_int_eq(use.retry_us, 10000000);
    check_answers(limits, &use, now);
    limits_free(limits);
}
END_TEST

/* Banned while there is room, and the ban ends when rounding has just used the rest up. */
START_TEST(test_ban_over_rounding)
{
    struct limit     limit = { .algorithm = LIMIT_SLIDING, .requests = 131075, .period_s = 10, .ban_s = 1 };
    struct limit_use use = { .key = 42, .limit = &limit, .binding = true };
    struct limits   *limits = limits_new(1, 1);
    struct moment    now = { .mono_us = 5000000, .unix_us = 1 };

    ck_assert(limits_decide(limits, &use, 1, true, now));
    now = later(now, 200000);
    for (int i = 0; i < 131073; i++)
        require(limits_decide(limits, &use, 1, true, now), "%d", i);
    limit.requests = 131074; /* full by an edit, so that the ban starts */
    ck_assert(!limits_decide(limits, &use, 1, true, now));
    check_answers(limits, &use, now);
    limit.requests = 131075; /* room by another, for this sub-bucket */
    ck_assert(!limits_decide(limits, &use, 1, true, now));
    ck_assert_int_eq(use.ban_us, 1000000);
    ck_assert_int_gt(use.retry_us, use.ban_us);
    check_answers(limits, &use, now);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_answers");
    TCase   *tcase = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_narrow, 0, 3);
    tcase_add_loop_test(tcase, test_wide, 0, 3);
    tcase_add_test(tcase, test_retry_over_rounding);
    tcase_add_test(tcase, test_ban_over_rounding);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
