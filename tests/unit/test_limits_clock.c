/* Clocks that step, stand still over a suspend, or are read apart by threads: nobody is let through by it who was to be
 * refused, and nobody is locked out for long. */
#include <check.h>
#include <stdlib.h>

#include "lib/arrivals.h"
#include "lib/promise.h"
#include "lib/require.h"

#define SECOND INT64_C(1000000)

static struct limits *limits;

static void setup(void)
{
    limits = limits_new(10, 1);
    ck_assert_ptr_nonnull(limits);
}

static void teardown(void)
{
    limits_free(limits);
}

static struct limit_use use_of(uint64_t key, const struct limit *limit)
{
    return (struct limit_use){ .key = key, .limit = limit, .binding = true };
}

static struct limit random_limit(struct random *random, enum limit_algorithm algorithm)
{
    return (struct limit){
        .algorithm = algorithm,
        .requests = (uint32_t)random_magnitude(random, 100),
        .period_s = (uint32_t)random_magnitude(random, LIMIT_PERIOD_MAX_S),
        .burst = (uint32_t)random_magnitude(random, 100),
        .ban_s = random_below(random, 2) == 0 ? (uint32_t)random_magnitude(random, 1000) : 0,
    };
}

/* Of all magnitudes, in both directions. */
static int64_t random_step(struct random *random, int64_t most_us)
{
    return random_magnitude(random, most_us) * (random_below(random, 2) == 0 ? 1 : -1);
}

/* Sliding windows, tokens and bans do not know the wall clock: the same with it standing still as when it goes wild. */
START_TEST(test_wall_clock_is_nothing_to)
{
    struct random random = { (uint64_t)_i };

    for (uint64_t run = 0; run < 100; run++) {
        struct limits   *wild = limits_new(1, 1);
        struct limit     limit = random_limit(&random, _i == 0 ? LIMIT_SLIDING : LIMIT_TOKEN);
        struct limit_use use = use_of(run, &limit), wild_use = use;
        struct arrivals  arrivals;

        arrivals_init(&arrivals, ARRIVALS_CLUSTERED, limit.requests, limit.period_s, run);
        for (int i = 0; i < 500; i++) {
            struct moment now = arrivals_next(&arrivals), other = now;

            now.unix_us = 0;
            other.unix_us = random_step(&random, INT64_C(1) << 55);
            limits_decide(limits, &use, 1, true, now);
            limits_decide(wild, &wild_use, 1, true, other);
            require(use.used_up == wild_use.used_up && use.remaining == wild_use.remaining &&
                        use.reset_us == wild_use.reset_us && use.retry_us == wild_use.retry_us &&
                        use.ban_us == wild_use.ban_us,
                    "run %d, decision %d", (int)run, i);
        }
        limits_free(wild);
        teardown();
        setup();
    }
}
END_TEST

/* Fixed windows when the wall clock steps back: no more room than before, and whoever is refused is told a time, two
 * periods at most, after which there is. Forwards: windows as they come. */
START_TEST(test_fixed_steps)
{
    struct random random = { (uint64_t)_i };

    for (uint64_t run = 0; run < 400; run++) {
        struct limit     limit = random_limit(&random, LIMIT_FIXED);
        struct limit_use use = use_of(run, &limit);
        int64_t          period_us = limit.period_s * SECOND;
        struct moment    now = { .mono_us = 1000 * SECOND, .unix_us = INT64_C(1795000000000000) };

        limit.ban_s = 0;
        limits_decide(limits, &use, 1, true, now);
        for (int i = 0; i < 300; i++) {
            int64_t step_us = random_step(&random, 4 * period_us), before = use.remaining;

            now.mono_us += random_below(&random, 1000);
            if (random_below(&random, 3) == 0)
                now.unix_us += step_us;
            else
                step_us = 0;
            limits_decide(limits, &use, 1, random_below(&random, 4) != 0, now);
            require(step_us > 0 || use.remaining <= before, "stepped by %ld of %ld: %ld remained, %ld now",
                    (long)step_us, (long)period_us, (long)before, (long)use.remaining);
            require(use.reset_us >= 0 && use.reset_us <= 2 * period_us, "stepped by %ld of %ld: reset %ld",
                    (long)step_us, (long)period_us, (long)use.reset_us);
            if (!use.used_up)
                continue;
            require(use.retry_us > 0 && use.retry_us <= 2 * period_us, "retry %ld", (long)use.retry_us);
            if (random_below(&random, 4) == 0) {
                now.unix_us += use.retry_us;
                require(limits_decide(limits, &use, 1, true, now), "no room after retry");
            }
        }
        teardown();
        setup();
    }
}
END_TEST

/* A wall clock that is put back and forth by up to a period gives no window out twice. */
START_TEST(test_fixed_to_and_fro)
{
    struct random    random = { 1 };
    struct limit     limit = { .algorithm = LIMIT_FIXED, .requests = 5, .period_s = 60 };
    struct limit_use use = use_of(1, &limit);
    int64_t          newest_us = INT64_C(1795000000000000), first_window = newest_us / (60 * SECOND), admitted = 0;

    for (int i = 0; i < 100000; i++) {
        struct moment now = { .mono_us = i, .unix_us = newest_us };
        int64_t       windows;

        if (random_below(&random, 2) == 0)
            now.unix_us -= random_magnitude(&random, 60 * SECOND);
        admitted += limits_decide(limits, &use, 1, true, now);
        windows = newest_us / (60 * SECOND) - first_window + 1;
        require(admitted <= 5 * windows, "%ld admitted in %ld windows", (long)admitted, (long)windows);
        newest_us += random_below(&random, 2 * SECOND);
    }
    ck_assert_int_gt(admitted, 5 * 1000);
}
END_TEST

/* A ban lasts as long as it was said to, whatever the wall clock does; only what a fixed window adds may change. */
START_TEST(test_ban_and_wall_clock)
{
    struct limit     limit = { .algorithm = LIMIT_FIXED, .requests = 1, .period_s = 1, .ban_s = 100 };
    struct limit_use use = use_of(1, &limit);
    struct random    random = { 1 };
    struct moment    now = { .mono_us = 7 * SECOND, .unix_us = INT64_C(1795000000000000) };

    ck_assert(limits_decide(limits, &use, 1, true, now));
    ck_assert(!limits_decide(limits, &use, 1, true, now));
    for (int s = 0; s < 100; s++) {
        now.unix_us = random_step(&random, INT64_C(1) << 51);
        ck_assert(!limits_decide(limits, &use, 1, true, now));
        ck_assert_int_eq(use.ban_us, (100 - s) * SECOND);
        now.mono_us += SECOND;
    }
    now.unix_us = INT64_C(1795000900000000);
    ck_assert(limits_decide(limits, &use, 1, true, now));
}
END_TEST

/* Lost in a suspend: both clocks are later by anything up to years. What counts is still what the record says, and
 * after more than a period all of it is there. */
START_TEST(test_suspend)
{
    struct random random = { (uint64_t)_i };

    for (uint64_t run = 0; run < 200; run++) {
        struct limit     limit = random_limit(&random, (enum limit_algorithm)_i);
        struct promise   promise = { .algorithm = limit.algorithm };
        struct limit_use use = use_of(run, &limit);
        struct arrivals  arrivals;

        limit.ban_s = 0;
        arrivals_init(&arrivals, ARRIVALS_FLOOD, limit.requests, limit.period_s, run);
        for (int i = 0; i < 1000; i++) {
            struct moment now = arrivals_next(&arrivals);

            if (random_below(&random, 100) == 0) {
                int64_t lost_us = random_magnitude(&random, INT64_C(1) << random_below(&random, 49));

                now.mono_us = arrivals.now.mono_us += lost_us;
                now.unix_us = arrivals.now.unix_us += lost_us;
            }
            limits_decide(limits, &use, 1, true, now);
            require(promise_judge(&promise, &limit, now, !use.used_up) == PROMISE_KEPT, "%u in %u s: used up %d",
                    limit.requests, limit.period_s, use.used_up);
            if (!use.used_up)
                promise_charge(&promise, &limit, now);
        }
        promise_fini(&promise);
        teardown();
        setup();
    }
}
END_TEST

/* Threads read the clock a little before they decide, so time seems to go back by as much. A window is never shorter
 * by more than that, nor longer. */
START_TEST(test_read_apart)
{
    struct random random = { (uint64_t)_i };

    for (uint64_t run = 0; run < 100; run++) {
        struct limit      limit = random_limit(&random, LIMIT_SLIDING);
        struct limit_use  use = use_of(run, &limit);
        struct admissions log = { 0 };
        struct arrivals   arrivals;
        size_t            narrow = 0, wide = 0;
        int64_t           period_us = limit.period_s * SECOND, apart_us = random_magnitude(&random, period_us / 10);

        limit.ban_s = 0;
        arrivals_init(&arrivals, (enum arrivals_shape)_i, limit.requests, limit.period_s, run);
        arrivals.now.mono_us += 2 * period_us;
        for (int i = 0; i < 2000; i++) {
            struct moment now = arrivals_next(&arrivals), read = now;
            bool          pass;

            read.mono_us -= random_below(&random, apart_us + 1);
            pass = limits_decide(limits, &use, 1, true, read);
            if (pass)
                require(admissions_since(&log, &narrow, now.mono_us - period_us + apart_us) < limit.requests,
                        "%u in %u s, %ld us apart: admitted", limit.requests, limit.period_s, (long)apart_us);
            else
                require(admissions_since(&log, &wide, now.mono_us - period_us / 50 * 51 - apart_us) >= limit.requests,
                        "%u in %u s, %ld us apart: refused", limit.requests, limit.period_s, (long)apart_us);
            if (pass)
                admissions_add(&log, now.mono_us);
        }
        admissions_fini(&log);
        teardown();
        setup();
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_clock");
    TCase   *tcase = tcase_create("clock");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_wall_clock_is_nothing_to, 0, 2);
    tcase_add_loop_test(tcase, test_fixed_steps, 0, 4);
    tcase_add_test(tcase, test_fixed_to_and_fro);
    tcase_add_test(tcase, test_ban_and_wall_clock);
    tcase_add_loop_test(tcase, test_suspend, 0, 3);
    tcase_add_loop_test(tcase, test_read_apart, 0, ARRIVALS_SHAPES);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
