/* What is forgotten is as if it had never been, for all algorithms and for wide counters; nobody else's is touched. And
 * bans are counted while they run. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/images.h"
#include "limits/limits.h"

#define BAN_S 100

static struct limits *limits;
static struct moment  now = { .mono_us = INT64_C(1000000000000), .unix_us = INT64_C(1795262400000000) };

static const struct limit kinds[] = {
    LIMIT_OF(LIMIT_SLIDING, 3, 60, BAN_S),
    LIMIT_OF(LIMIT_SLIDING, 1000, 60, BAN_S), /* more than a narrow counter holds at once */
    LIMIT_OF(LIMIT_FIXED, 3, 60, BAN_S),
    LIMIT_OF(LIMIT_TOKEN, 3, 60, BAN_S),
};

#define KINDS (sizeof kinds / sizeof *kinds)

static struct limit_use decide_one(uint64_t key, const struct limit *limit)
{
    struct limit_use use = { .key = key, .limit = limit, .binding = true };

    limits_decide(limits, &use, 1, true, now);
    return use;
}

static struct limit_use look_one(uint64_t key, const struct limit *limit)
{
    struct limit_use use = { .key = key, .limit = limit, .binding = true };

    limits_look(limits, &use, 1, now);
    return use;
}

/* Until one is refused, and banned for it. */
static void use_up(uint64_t key, const struct limit *limit)
{
    for (uint32_t i = 0; i < limit->requests; i++)
        ck_assert(!decide_one(key, limit).used_up);
    ck_assert_int_eq(decide_one(key, limit).ban_us, BAN_S * SECOND_US);
}

static void begin(void)
{
    limits = limits_new(10000, 7);
}

static void end(void)
{
    limits_free(limits);
}

START_TEST(forgotten)
{
    const struct limit *limit = &kinds[_i];
    int64_t             ban_us;

    ck_assert(!limits_forget(limits, 1, limit, LIMITS_COUNTER, now, &ban_us));
    for (uint64_t key = 1; key <= 2; key++)
        use_up(key, limit);
    ck_assert_uint_eq(limits_bans(limits, now), 2);

    ck_assert(limits_forget(limits, 1, limit, LIMITS_BAN, now, &ban_us));
    ck_assert_int_eq(ban_us, BAN_S * SECOND_US);
    ck_assert_uint_eq(limits_bans(limits, now), 1);
    ck_assert_int_eq(look_one(1, limit).ban_us, 0);
    ck_assert_int_eq(look_one(1, limit).remaining, 0);
    ck_assert(!limits_forget(limits, 1, limit, LIMITS_BAN, now, &ban_us));
    ck_assert_int_eq(ban_us, 0);

    ck_assert(limits_forget(limits, 1, limit, LIMITS_COUNTER, now, &ban_us));
    ck_assert_int_eq(look_one(1, limit).remaining, limit->requests);
    ck_assert_int_eq(look_one(1, limit).reset_us, 0);
    ck_assert(!limits_forget(limits, 1, limit, LIMITS_COUNTER, now, &ban_us));
    use_up(1, limit);
    ck_assert(limits_forget(limits, 1, limit, LIMITS_COUNTER, now, &ban_us));
    ck_assert_int_eq(ban_us, BAN_S * SECOND_US);
    ck_assert_int_eq(decide_one(1, limit).remaining, limit->requests - 1);

    ck_assert_int_eq(look_one(2, limit).ban_us, BAN_S * SECOND_US);
    ck_assert(look_one(2, limit).used_up);
}
END_TEST

START_TEST(bans_end)
{
    for (uint64_t key = 1; key <= 1000; key++)
        use_up(key, &kinds[0]);
    ck_assert_uint_eq(limits_bans(limits, now), 1000);
    now.mono_us += (BAN_S - 1) * SECOND_US;
    ck_assert_uint_eq(limits_bans(limits, now), 1000);
    now.mono_us += SECOND_US;
    ck_assert_uint_eq(limits_bans(limits, now), 0);
}
END_TEST

static void *decide_on(void *unused)
{
    for (uint64_t i = 0; i < 20000; i++)
        decide_one(i % 64, &kinds[i % KINDS == 1 ? 1 : 0]);
    return unused;
}

/* For the thread sanitizer; and nothing is left of what was forgotten in between. */
START_TEST(beside_decisions)
{
    pthread_t thread;
    int64_t   ban_us;

    ck_assert_int_eq(pthread_create(&thread, NULL, decide_on, NULL), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        limits_forget(limits, i % 64, &kinds[0], LIMITS_COUNTER, now, &ban_us);
        if (i % 100 == 0)
            ck_assert_uint_le(limits_bans(limits, now), 64);
    }
    pthread_join(thread, NULL);
    for (uint64_t key = 0; key < 64; key++) {
        limits_forget(limits, key, &kinds[0], LIMITS_COUNTER, now, &ban_us);
        ck_assert_int_eq(look_one(key, &kinds[0]).remaining, kinds[0].requests);
    }
    ck_assert_uint_eq(limits_bans(limits, now), 0);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_forget");
    TCase   *cases = tcase_create("limits_forget");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_loop_test(cases, forgotten, 0, (int)KINDS);
    tcase_add_test(cases, bans_end);
    tcase_add_test(cases, beside_decisions);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
