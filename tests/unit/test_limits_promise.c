/* The promise of each algorithm, decision by decision, under random and adversarial arrivals: limits of 1 to 1,000,000
 * requests in 1 s to 30 days. What is right is told by lib/promise.h, which keeps exact records. */
#include <check.h>
#include <stdlib.h>

#include "lib/arrivals.h"
#include "lib/promise.h"

#define MOST_REQUESTS 1000000

static const char *const names[] = { "sliding", "fixed", "token" };

struct run {
    struct limit     limit;
    struct limits   *limits;
    struct promise   promise;
    struct limit_use use;
    int64_t          admitted, refused;
};

static void run_init(struct run *run, const struct limit *limit)
{
    *run = (struct run){ .limit = *limit, .promise = { .algorithm = limit->algorithm } };
    run->limits = limits_new(1, 1);
    ck_assert_ptr_nonnull(run->limits);
    run->use = (struct limit_use){ .key = 42, .limit = &run->limit, .binding = true };
}

static void run_fini(struct run *run)
{
    limits_free(run->limits);
    promise_fini(&run->promise);
}

static bool step(struct run *run, struct moment now)
{
    const struct limit  *limit = &run->limit;
    bool                 pass = limits_decide(run->limits, &run->use, 1, true, now);
    /* Check's own assertions write to a pipe each time, which millions of decisions cannot afford. */
    enum promise_verdict verdict = promise_judge(&run->promise, limit, now, pass);

    if (verdict == PROMISE_ADMITTED || verdict == PROMISE_REFUSED)
        ck_abort_msg("%s, %u in %u s, burst %u: wrongly %s after %ld admitted, %ld refused", names[limit->algorithm],
                     limit->requests, limit->period_s, limit->burst, pass ? "admitted" : "refused", (long)run->admitted,
                     (long)run->refused);
    if (pass)
        promise_charge(&run->promise, limit, now);
    run->admitted += pass;
    run->refused += !pass;
    return pass;
}

/* `edit`: `requests` changes now and then. */
static void run_shape(enum arrivals_shape shape, const struct limit *limit, bool edit, int64_t decisions,
                      struct random *random)
{
    struct arrivals arrivals;
    struct run      run;
    int64_t         least;

    run_init(&run, limit);
    arrivals_init(&arrivals, shape, limit->requests, limit->period_s, random_u64(random));
    for (int64_t i = 0; i < decisions; i++) {
        if (edit && random_below(random, decisions / 8 + 1) == 0)
            run.limit.requests = (uint32_t)(1 + random_below(random, 4 * (int64_t)limit->requests));
        step(&run, arrivals_next(&arrivals));
    }
    /* A run that admits all, or nothing but the first, says little. */
    least = limit->algorithm == LIMIT_TOKEN ? limit->burst : limit->requests - limit->requests / 625;
    if (!edit && (run.refused == 0 || run.admitted < least))
        ck_abort_msg("%s, %s, %u in %u s: only %ld admitted, %ld refused", names[limit->algorithm],
                     arrivals_name(shape), limit->requests, limit->period_s, (long)run.admitted, (long)run.refused);
    run_fini(&run);
}

/* Any limit, any period. */
START_TEST(test_random)
{
    enum arrivals_shape shape = (enum arrivals_shape)(_i % ARRIVALS_SHAPES);
    struct random       random = { (uint64_t)_i };

    for (int64_t decisions = 0; decisions < 250000;) {
        struct limit limit = { .algorithm = (enum limit_algorithm)(_i / ARRIVALS_SHAPES) };
        bool         edit = limit.algorithm != LIMIT_TOKEN && random_below(&random, 2) == 0;
        int64_t      n;

        limit.requests = (uint32_t)random_magnitude(&random, MOST_REQUESTS / 10);
        limit.period_s = (uint32_t)random_magnitude(&random, LIMIT_PERIOD_MAX_S);
        limit.burst = (uint32_t)random_magnitude(&random, limit.requests);
        n = 500 + limit.requests * INT64_C(5);
        run_shape(shape, &limit, edit, n, &random);
        decisions += n;
    }
}
END_TEST

static const struct limit widest[] = {
    { .requests = 1, .period_s = 1, .burst = 1 },
    { .requests = 1, .period_s = LIMIT_PERIOD_MAX_S, .burst = 1 },
    { .requests = MOST_REQUESTS, .period_s = 1, .burst = MOST_REQUESTS },
    { .requests = MOST_REQUESTS, .period_s = LIMIT_PERIOD_MAX_S, .burst = MOST_REQUESTS },
};

/* The corners: the least and the most, by each algorithm under each shape. */
START_TEST(test_widest)
{
    struct random random = { (uint64_t)_i };

    for (enum arrivals_shape shape = 0; shape < ARRIVALS_SHAPES; shape++) {
        for (size_t i = 0; i < sizeof widest / sizeof widest[0]; i++) {
            struct limit limit = widest[i];

            /* A million takes so long that shapes take turns. */
            if (limit.requests > 1 && i % 2 != (shape + (size_t)_i) % 2)
                continue;
            limit.algorithm = (enum limit_algorithm)_i;
            /* Steady token traffic uses the burst up only in the time that brings three of them. */
            run_shape(shape, &limit, false, 3000 + limit.requests * INT64_C(16) / (shape == ARRIVALS_STEADY ? 5 : 8),
                      &random);
        }
    }
}
END_TEST

/* Where numbers of 8, 16, 17 and 20 bits end. */
static const uint32_t counts[] = { 1,     2,     255,   256,    257,    4095,   4096,   65534,
                                   65535, 65536, 65537, 131071, 131072, 131073, 1000000 };

/* The whole limit in one instant: no more then, nor as long as it counts, and all of it again when it no longer
 * does. */
START_TEST(test_at_once)
{
    struct limit  limit = { .requests = counts[_i], .period_s = 10, .burst = counts[_i] };
    struct moment now = { .mono_us = 1000000, .unix_us = INT64_C(1795000000000000) };

    for (limit.algorithm = LIMIT_SLIDING; limit.algorithm <= LIMIT_TOKEN; limit.algorithm++) {
        static const int64_t then_us[] = { 0, 1, 199999, 200000, 5000000, 9999999, 10000000, 10199999, 10200000 };
        struct run           run;

        run_init(&run, &limit);
        for (int round = 0; round < (limit.requests > 200000 ? 1 : 2); round++) {
            for (uint32_t i = 0; i < limit.requests; i++)
                step(&run, now);
            ck_assert_int_eq(run.admitted, (round + 1) * (int64_t)limit.requests);
            for (size_t i = 0; i < sizeof then_us / sizeof then_us[0]; i++) {
                struct moment then = { .mono_us = now.mono_us + then_us[i], .unix_us = now.unix_us + then_us[i] };

                /* One alone: what it takes where it passes is what the rest of this test expects to be there. */
                limits_decide(run.limits, &run.use, 1, false, then);
                if (promise_judge(&run.promise, &limit, then, !run.use.used_up) > PROMISE_ROUNDED)
                    ck_abort_msg("%s, %u, %ld us later: used up %d", names[limit.algorithm], limit.requests,
                                 (long)then_us[i], run.use.used_up);
            }
            now.mono_us += 10200000;
            now.unix_us += 10200000;
        }
        run_fini(&run);
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_promise");
    TCase   *tcase = tcase_create("promise");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_random, 0, 3 * ARRIVALS_SHAPES);
    tcase_add_loop_test(tcase, test_widest, 0, 3);
    tcase_add_loop_test(tcase, test_at_once, 0, (int)(sizeof counts / sizeof counts[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
