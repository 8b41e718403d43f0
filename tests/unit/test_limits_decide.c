/* Several limits in one decision: all or none, what binds, what only looks, and bans. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "limits/limits.h"

#define SECOND INT64_C(1000000)

static struct limits *limits;

static void setup(void)
{
    limits = limits_new(1000, 1);
    ck_assert_ptr_nonnull(limits);
}

static void teardown(void)
{
    limits_free(limits);
}

static struct moment at(int64_t us)
{
    return (struct moment){ .mono_us = 1020 * SECOND + us, .unix_us = 1795000020 * SECOND + us };
}

static struct limit_use binding(uint64_t key, const struct limit *limit)
{
    return (struct limit_use){ .key = key, .limit = limit, .binding = true };
}

static struct limit_use watching(uint64_t key, const struct limit *limit)
{
    return (struct limit_use){ .key = key, .limit = limit };
}

static int64_t remaining(uint64_t key, const struct limit *limit, int64_t us)
{
    struct limit_use use = binding(key, limit);

    limits_look(limits, &use, 1, at(us));
    return use.remaining;
}

static void take(uint64_t key, const struct limit *limit, int n, int64_t us)
{
    struct limit_use use = binding(key, limit);

    for (int i = 0; i < n; i++)
        ck_assert(limits_decide(limits, &use, 1, true, at(us)));
}

static const struct limit two = { .algorithm = LIMIT_SLIDING, .requests = 2, .period_s = 60 };
static const struct limit five = { .algorithm = LIMIT_FIXED, .requests = 5, .period_s = 60 };
static const struct limit nine = { .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 60, .burst = 9 };

START_TEST(test_all_or_none)
{
    for (int order = 0; order < 3; order++) {
        uint64_t         key = 10 * (uint64_t)(order + 1);
        struct limit_use uses[3];

        uses[order] = binding(key, &two);
        uses[(order + 1) % 3] = binding(key + 1, &five);
        uses[(order + 2) % 3] = binding(key + 2, &nine);
        ck_assert(limits_decide(limits, uses, 3, true, at(0)));
        ck_assert(limits_decide(limits, uses, 3, true, at(0)));
        ck_assert_int_eq(uses[order].remaining, 0);
        ck_assert(!uses[order].used_up);
        ck_assert_int_eq(uses[order].retry_us, 0);
        for (int i = 0; i < 4; i++) {
            ck_assert(!limits_decide(limits, uses, 3, true, at(0)));
            ck_assert(uses[order].used_up);
            ck_assert_int_eq(uses[order].retry_us, 61200000);
            ck_assert(!uses[(order + 1) % 3].used_up);
            ck_assert_int_eq(uses[(order + 1) % 3].remaining, 3);
            ck_assert_int_eq(uses[(order + 2) % 3].remaining, 7);
        }
        ck_assert_int_eq(remaining(key + 1, &five, 0), 3);
        ck_assert_int_eq(remaining(key + 2, &nine, 0), 7);
    }
}
END_TEST

START_TEST(test_refusal_makes_no_entry)
{
    struct limit_use uses[] = { binding(1, &five), binding(2, &two), binding(3, &nine) };

    take(2, &two, 2, 0);
    ck_assert(!limits_decide(limits, uses, 3, true, at(0)));
    ck_assert_int_eq(uses[0].remaining, 5);
    ck_assert_int_eq(uses[0].reset_us, 0);
    ck_assert_int_eq(uses[2].remaining, 9);
    ck_assert_uint_eq(limits_counts(limits).counters, 1);
}
END_TEST

START_TEST(test_without_charge)
{
    struct limit_use uses[] = { binding(1, &five), binding(2, &two) };

    for (int i = 0; i < 10; i++)
        ck_assert(limits_decide(limits, uses, 2, false, at(0)));
    ck_assert_int_eq(uses[0].remaining, 5);
    ck_assert_int_eq(uses[1].remaining, 2);
    ck_assert_uint_eq(limits_counts(limits).counters, 0);
    take(2, &two, 2, 0);
    ck_assert(!limits_decide(limits, uses, 2, false, at(0)));
    ck_assert(limits_decide(limits, uses, 1, false, at(0)));
    ck_assert(limits_decide(limits, NULL, 0, true, at(0)));
}
END_TEST

/* Slow or shadow: it says that it is used up, lets the request through, is charged itself no more. */
START_TEST(test_not_binding)
{
    struct limit_use uses[] = { watching(1, &two), binding(2, &five) };

    for (int i = 0; i < 5; i++) {
        ck_assert(limits_decide(limits, uses, 2, true, at(0)));
        ck_assert_int_eq(uses[0].used_up, i >= 2);
        ck_assert_int_eq(uses[0].remaining, i >= 2 ? 0 : 1 - i);
        ck_assert_int_eq(uses[0].retry_us, i >= 2 ? 61200000 : 0);
        ck_assert_int_eq(uses[1].remaining, 4 - i);
    }
    ck_assert(!limits_decide(limits, uses, 2, true, at(0)));
    /* Had it been charged when it was used up, it would not be free now. */
    ck_assert_int_eq(remaining(1, &two, 61200000), 2);
}
END_TEST

START_TEST(test_not_binding_is_not_charged_alone)
{
    struct limit_use uses[] = { binding(2, &two), watching(1, &five) };

    take(2, &two, 2, 0);
    ck_assert(!limits_decide(limits, uses, 2, true, at(0)));
    ck_assert(!uses[1].used_up);
    ck_assert_int_eq(remaining(1, &five, 0), 5);
}
END_TEST

static const struct limit ban_ten = { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 1, .ban_s = 10 };
static const struct limit ban_long = { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 100, .ban_s = 10 };

START_TEST(test_ban_starts_and_ends)
{
    struct limit_use use = binding(1, &ban_ten);

    take(1, &ban_ten, 1, 0);
    ck_assert_int_eq(use.ban_us, 0);
    ck_assert(!limits_decide(limits, &use, 1, true, at(500000)));
    ck_assert_int_eq(use.ban_us, 10 * SECOND);
    ck_assert_int_eq(use.retry_us, 10 * SECOND);
    ck_assert_int_eq(use.reset_us, 10 * SECOND);
    /* Refusals under the ban do not extend it, although the window has long been empty. */
    for (int s = 1; s < 10; s++) {
        ck_assert(!limits_decide(limits, &use, 1, true, at(500000 + s * SECOND)));
        ck_assert_int_eq(use.ban_us, (10 - s) * SECOND);
        ck_assert_int_eq(use.remaining, 0);
    }
    ck_assert(!limits_decide(limits, &use, 1, true, at(500000 + 10 * SECOND - 1)));
    ck_assert_int_eq(use.retry_us, 1);
    ck_assert(limits_decide(limits, &use, 1, true, at(500000 + 10 * SECOND)));
    ck_assert_int_eq(use.ban_us, 0);
    /* The next refusal starts another. */
    ck_assert(!limits_decide(limits, &use, 1, true, at(500000 + 10 * SECOND)));
    ck_assert_int_eq(use.ban_us, 10 * SECOND);
}
END_TEST

START_TEST(test_ban_within_window)
{
    struct limit_use use = binding(1, &ban_long);

    take(1, &ban_long, 1, 0);
    ck_assert(!limits_decide(limits, &use, 1, true, at(0)));
    ck_assert_int_eq(use.ban_us, 10 * SECOND);
    ck_assert_int_eq(use.retry_us, 102 * SECOND);
    /* The ban has ended, the window is still full: the refusal at 50 s starts a ban until 60 s. */
    ck_assert(!limits_decide(limits, &use, 1, true, at(50 * SECOND)));
    ck_assert_int_eq(use.ban_us, 10 * SECOND);
    ck_assert(!limits_decide(limits, &use, 1, true, at(55 * SECOND)));
    ck_assert_int_eq(use.ban_us, 5 * SECOND);
    ck_assert_int_eq(use.retry_us, 47 * SECOND);
}
END_TEST

START_TEST(test_ban_is_of_one_key)
{
    struct limit_use use = binding(1, &ban_ten);

    take(1, &ban_ten, 1, 0);
    ck_assert(!limits_decide(limits, &use, 1, true, at(0)));
    take(2, &ban_ten, 1, 0);
    ck_assert_int_eq(remaining(2, &ban_ten, 2 * SECOND), 1);
    ck_assert_int_eq(remaining(1, &ban_ten, 2 * SECOND), 0);
}
END_TEST

/* Which of three used-up limits start a ban, by what binds. */
static const struct {
    bool binding[3];
    bool banned[3];
} ban_orders[] = {
    { { true, true, true }, { true, false, false } },   { { false, true, true }, { true, true, false } },
    { { false, false, true }, { true, true, true } },   { { false, false, false }, { true, true, true } },
    { { true, false, false }, { true, false, false } }, { { false, true, false }, { true, true, false } },
};

START_TEST(test_ban_order)
{
    struct limit_use uses[3];

    for (size_t i = 0; i < 3; i++) {
        uses[i] = (struct limit_use){ .key = i, .limit = &ban_long, .binding = ban_orders[_i].binding[i] };
        take(i, &ban_long, 1, 0);
    }
    /* Bans start without a charge as well. */
    limits_decide(limits, uses, 3, _i % 2 == 0, at(0));
    for (size_t i = 0; i < 3; i++) {
        ck_assert(uses[i].used_up);
        ck_assert_int_eq(uses[i].ban_us > 0, ban_orders[_i].banned[i]);
    }
}
END_TEST

/* A limit without a ban of its own binds first: those behind it are only looked at. */
START_TEST(test_ban_behind_plain_refusal)
{
    struct limit_use uses[] = { binding(1, &two), binding(2, &ban_long) };

    take(1, &two, 2, 0);
    take(2, &ban_long, 1, 0);
    ck_assert(!limits_decide(limits, uses, 2, true, at(0)));
    ck_assert_int_eq(uses[1].ban_us, 0);
    ck_assert(uses[1].used_up);
}
END_TEST

START_TEST(test_ban_edits)
{
    struct limit     limit = ban_ten;
    struct limit_use use = binding(1, &limit);

    take(1, &limit, 1, 0);
    ck_assert(!limits_decide(limits, &use, 1, true, at(0)));
    limit.ban_s = 3600; /* does not lengthen a running one */
    ck_assert(!limits_decide(limits, &use, 1, true, at(SECOND)));
    ck_assert_int_eq(use.ban_us, 9 * SECOND);
    limit.ban_s = 2; /* shortens it, once */
    ck_assert(!limits_decide(limits, &use, 1, true, at(2 * SECOND)));
    ck_assert_int_eq(use.ban_us, 2 * SECOND);
    ck_assert(!limits_decide(limits, &use, 1, true, at(3 * SECOND)));
    ck_assert_int_eq(use.ban_us, SECOND);
    limit.ban_s = 0; /* lifts it */
    ck_assert(limits_decide(limits, &use, 1, true, at(3 * SECOND)));
}
END_TEST

START_TEST(test_look_changes_nothing)
{
    struct limit_use uses[] = { binding(1, &ban_long), binding(2, &five), watching(3, &nine) };
    struct limit_use before[3];

    take(1, &ban_long, 1, 0);
    take(2, &five, 3, 0);
    ck_assert(!limits_look(limits, uses, 3, at(5)));
    memcpy(before, uses, sizeof uses);
    ck_assert_int_eq(uses[0].ban_us, 0);
    ck_assert_int_eq(uses[1].remaining, 2);
    ck_assert_int_eq(uses[2].remaining, 9);
    /* Not even when it is asked about times to come. */
    for (int s = 1000; s >= 0; s -= 10)
        limits_look(limits, uses, 3, at(s * SECOND));
    ck_assert(!limits_look(limits, uses, 3, at(5)));
    ck_assert_int_eq(memcmp(before, uses, sizeof uses), 0);
    ck_assert_uint_eq(limits_counts(limits).counters, 2);
    ck_assert(limits_look(limits, uses + 1, 2, at(5)));
}
END_TEST

/* As many as one call takes, over all shards, in any order of keys. */
START_TEST(test_most_uses)
{
    struct limits   *wide = limits_new(300000, 1);
    struct limit_use uses[LIMITS_PER_REQUEST_MAX];

    for (size_t i = 0; i < LIMITS_PER_REQUEST_MAX; i++)
        uses[i] = binding(UINT64_C(0x123456789ABCDEF) * (i * 37 % 64 + 1), i == 17 ? &five : &nine);
    for (int i = 0; i < 5; i++)
        ck_assert(limits_decide(wide, uses, LIMITS_PER_REQUEST_MAX, true, at(0)));
    ck_assert(!limits_decide(wide, uses, LIMITS_PER_REQUEST_MAX, true, at(0)));
    for (size_t i = 0; i < LIMITS_PER_REQUEST_MAX; i++)
        ck_assert_int_eq(uses[i].remaining, i == 17 ? 0 : 4);
    ck_assert_uint_eq(limits_counts(wide).counters, LIMITS_PER_REQUEST_MAX);
    limits_free(wide);
}
END_TEST

START_TEST(test_lifetime)
{
    ck_assert_uint_eq(limits_seed(limits), 1);
    ck_assert_ptr_null(limits_new(SIZE_MAX, 1));
    ck_assert_ptr_null(limits_new(UINT32_MAX, 1));
    limits_free(NULL);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_decide");
    TCase   *tcase = tcase_create("decide");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_all_or_none);
    tcase_add_test(tcase, test_refusal_makes_no_entry);
    tcase_add_test(tcase, test_without_charge);
    tcase_add_test(tcase, test_not_binding);
    tcase_add_test(tcase, test_not_binding_is_not_charged_alone);
    tcase_add_test(tcase, test_ban_starts_and_ends);
    tcase_add_test(tcase, test_ban_within_window);
    tcase_add_test(tcase, test_ban_is_of_one_key);
    tcase_add_loop_test(tcase, test_ban_order, 0, (int)(sizeof ban_orders / sizeof ban_orders[0]));
    tcase_add_test(tcase, test_ban_behind_plain_refusal);
    tcase_add_test(tcase, test_ban_edits);
    tcase_add_test(tcase, test_look_changes_nothing);
    tcase_add_test(tcase, test_most_uses);
    tcase_add_test(tcase, test_lifetime);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
