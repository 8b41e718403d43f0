/* Bounded memory: how many keys a table holds, and which of them make room for others. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/images.h"
#include "lib/require.h"

#define SECOND INT64_C(1000000)

/* The hash of a key, as a caller would make it. */
static uint64_t hash(uint64_t key)
{
    uint64_t z = (key + 1) * UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static struct moment at(int64_t us)
{
    return (struct moment){ .mono_us = 1000 * SECOND + us, .unix_us = 1795000020 * SECOND + us };
}

static bool take_of(struct limits *limits, uint16_t group, uint64_t key, const struct limit *limit, int64_t us)
{
    struct limit_use use = { .key = hash(key), .limit = limit, .group = group, .binding = true };

    return limits_decide(limits, &use, 1, true, at(us));
}

static bool take(struct limits *limits, uint64_t key, const struct limit *limit, int64_t us)
{
    return take_of(limits, 0, key, limit, us);
}

static struct limit_use look(struct limits *limits, uint64_t key, const struct limit *limit, int64_t us)
{
    struct limit_use use = { .key = hash(key), .limit = limit, .binding = true };

    limits_look(limits, &use, 1, at(us));
    return use;
}

static const struct limit hundred = { .algorithm = LIMIT_SLIDING, .requests = 100, .period_s = 3600 };
static const struct limit hundred_brief = { .algorithm = LIMIT_SLIDING, .requests = 100, .period_s = 1 };
static const struct limit brief_ban = {
    .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 1, .burst = 1, .ban_s = 3600
};
static const struct limit three[] = {
    { .algorithm = LIMIT_SLIDING, .requests = 3, .period_s = 3600 },
    { .algorithm = LIMIT_FIXED, .requests = 3, .period_s = 30 * 86400 },
    { .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 86400, .burst = 3 },
};

/* 16 times more keys than the table holds, each seen once: those held at their limit stay refused, and the banned
 * banned, though all of them came first and lie side by side. */
START_TEST(test_flood)
{
    enum { MAX = 10000, HELD = 900, FLOOD = 16 * MAX };

    struct limits       *limits = limits_new(MAX, 1);
    struct limits_counts counts;

    for (uint64_t key = 0; key < HELD; key++) {
        for (int i = 0; i < 3; i++)
            require(take(limits, key, &three[key % 3], 0), "%ju", key);
    }
    for (uint64_t key = HELD; key < HELD + 100; key++) {
        require(take(limits, key, &brief_ban, 0), "%ju", key);
        require(!take(limits, key, &brief_ban, 0), "%ju", key);
    }
    for (uint64_t i = 0; i < FLOOD; i++) {
        uint64_t held = i % HELD, banned = HELD + i % 100;
        int64_t  us = 5 * SECOND + (int64_t)i * 1000;

        require(take(limits, 1000000 + i, &hundred, us), "%ju", i);
        require(!take(limits, held, &three[held % 3], us), "key %ju of those held was let through", held);
        require(look(limits, banned, &brief_ban, us).ban_us > 0, "key %ju is no longer banned", banned);
        if (i % 64 == 0)
            require(limits_counts(limits).counters <= MAX, "%ju entries", limits_counts(limits).counters);
    }
    counts = limits_counts(limits);
    ck_assert_uint_eq(counts.counters, MAX);
    ck_assert_uint_eq(counts.evicted, HELD + 100 + FLOOD - MAX);
    limits_free(limits);
}
END_TEST

/* What counts nothing any more goes before anything that does. */
START_TEST(test_expired_first)
{
    enum { MAX = 20000 };

    struct limits *limits = limits_new(MAX, 1);
    uint64_t       filled;

    for (filled = 0; filled < MAX * 9 / 10; filled++)
        require(take(limits, filled, hash(filled) & 64 ? &hundred : &hundred_brief, 0), "%ju", filled);
    ck_assert_uint_eq(limits_counts(limits).evicted, 0);
    for (uint64_t key = filled; key < filled + MAX / 4; key++)
        require(take(limits, key, &hundred, 10 * SECOND), "%ju", key);
    ck_assert_uint_ge(limits_counts(limits).counters, MAX - MAX / 20);
    ck_assert_uint_eq(limits_counts(limits).evicted, 0);
    for (uint64_t key = 0; key < filled; key++) {
        if (hash(key) & 64)
            require(look(limits, key, &hundred, 10 * SECOND).remaining == 99, "key %ju was forgotten", key);
    }
    limits_free(limits);
}
END_TEST

/* Among those with room, half a limit used is worth more than a hundredth, however old. */
START_TEST(test_share_used)
{
    enum { MAX = 10000, HALF = 1000 };

    struct limits *limits = limits_new(MAX, 1);

    for (uint64_t key = 0; key < HALF; key++) {
        for (int i = 0; i < 50; i++)
            take(limits, key, &hundred, 0);
    }
    for (uint64_t key = HALF; key < 5 * MAX; key++)
        require(take(limits, key, &hundred, (int64_t)key * 1000), "%ju", key);
    for (uint64_t key = 0; key < HALF; key++)
        require(look(limits, key, &hundred, 5 * MAX * 1000).remaining == 50, "key %ju was forgotten", key);
    limits_free(limits);
}
END_TEST

/* Among equals, the one idle longest. So few are looked at all together. */
START_TEST(test_idle_longest)
{
    struct limits *limits = limits_new(16, 1);

    for (uint64_t key = 0; key < 16; key++)
        take(limits, key, &hundred, (int64_t)(key * 7 % 16) * SECOND);
    for (uint64_t key = 16; key < 24; key++)
        take(limits, key, &hundred, 30 * SECOND);
    for (uint64_t key = 0; key < 16; key++)
        ck_assert_int_eq(look(limits, key, &hundred, 30 * SECOND).remaining, key * 7 % 16 < 8 ? 100 : 99);
    ck_assert_uint_eq(limits_counts(limits).evicted, 8);
    limits_free(limits);
}
END_TEST

/* When all are used up, the one that frees soonest. */
START_TEST(test_frees_soonest)
{
    static const struct limit limits_of[] = {
        { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 500 },
        { .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 100, .burst = 10 }, /* all of it is back in 1,000 s */
        { .algorithm = LIMIT_SLIDING, .requests = 300, .period_s = 1 },            /* wide */
        { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 200 },
        { .algorithm = LIMIT_FIXED, .requests = 2, .period_s = 30 },
    };
    static const uint64_t expect[] = { 2, 4, 1, 3, 0 };

    struct limits *limits = limits_new(5, 1);

    for (uint64_t key = 0; key < 5; key++) {
        while (take(limits, key, &limits_of[key], 0))
            ;
    }
    for (size_t i = 0; i < 5; i++) {
        struct limit frees_last = { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 86400 };

        ck_assert(take(limits, 100 + i, &frees_last, 0));
        for (size_t k = 0; k < 5; k++)
            ck_assert_int_eq(look(limits, expect[k], &limits_of[expect[k]], 0).used_up, k > i);
        ck_assert_uint_eq(limits_counts(limits).evicted, i + 1);
        ck_assert_uint_eq(limits_counts(limits).evicted_refusing, i + 1);
    }
    limits_free(limits);
}
END_TEST

/* Bans do not compete with counters: they outlive the counter that they began with. Among bans, the one that ends first
 * makes room. */
START_TEST(test_bans_apart)
{
    enum { MAX = 8 };

    struct limits *limits = limits_new(MAX, 1);

    for (uint64_t key = 0; key < MAX; key++) {
        struct limit banning = brief_ban;

        banning.ban_s = 3600 + (uint32_t)(key * 5 % MAX);
        ck_assert(take(limits, key, &banning, 0));
        ck_assert(!take(limits, key, &banning, 0));
    }
    for (uint64_t key = 100; key < 200; key++)
        ck_assert(take(limits, key, &hundred, 10 * SECOND));
    for (uint64_t key = 0; key < MAX; key++)
        ck_assert_int_gt(look(limits, key, &brief_ban, 10 * SECOND).ban_us, 0);
    ck_assert_uint_eq(limits_counts(limits).bans, MAX);
    ck_assert_uint_eq(limits_counts(limits).evicted_refusing, 0);

    for (uint64_t key = 200; key < 203; key++) {
        struct limit banning = brief_ban;

        banning.ban_s = 86400;
        ck_assert(take(limits, key, &banning, 10 * SECOND));
        ck_assert(!take(limits, key, &banning, 10 * SECOND));
    }
    for (uint64_t key = 0; key < MAX; key++)
        ck_assert_int_eq(look(limits, key, &brief_ban, 10 * SECOND).ban_us > 0, key * 5 % MAX >= 3);
    ck_assert_uint_eq(limits_counts(limits).evicted_refusing, 3);
    limits_free(limits);
}
END_TEST

/* The same from a snapshot. */
static struct limits *restarted(struct limits *limits, size_t max_counters)
{
    int fd = images_snapshot(limits, "a boot", at(SECOND));

    limits_free(limits);
    limits = images_restore(fd, max_counters, "a boot", at(SECOND), NULL, NULL);
    ck_assert_ptr_nonnull(limits);
    close(fd);
    return limits;
}

/* A rule whose counters are used up by the first request, for a month, and of which anybody can make any number: it
 * replaces its own, not those of others, which free sooner; also after a restart. */
START_TEST(test_no_group_pushes_out_others)
{
    enum { MAX = 20000, HELD = 4000, FLOOD = 10 * MAX };

    static const struct limit flooded = {
        .algorithm = LIMIT_FIXED, .requests = 1, .period_s = 30 * 86400, .ban_s = 86400
    };
    struct limits *limits = limits_new(MAX, 1);

    for (uint64_t key = 0; key < HELD; key++) {
        for (int i = 0; i < 3; i++)
            require(take_of(limits, 2 + key % 3, key, &three[key % 3], 0), "%ju", key);
        require(take_of(limits, 5, HELD + key, &brief_ban, 0), "%ju", key);
        require(!take_of(limits, 5, HELD + key, &brief_ban, 0), "%ju", key);
    }
    for (uint64_t key = 0; key < FLOOD; key++) {
        if (key == FLOOD / 2)
            limits = restarted(limits, MAX);
        require(take_of(limits, 1, 1000000 + key, &flooded, SECOND), "%ju", key);
        require(!take_of(limits, 1, 1000000 + key, &flooded, SECOND), "%ju", key);
    }
    for (uint64_t key = 0; key < HELD; key++) {
        require(look(limits, key, &three[key % 3], SECOND).used_up, "key %ju was let through", key);
        require(look(limits, HELD + key, &brief_ban, SECOND).ban_us > 0, "key %ju is no longer banned", HELD + key);
    }
    ck_assert_uint_eq(limits_counts(limits).counters, MAX);
    ck_assert_uint_eq(limits_counts(limits).bans, MAX);
    limits_free(limits);
}
END_TEST

/* The limits of one request do not make room for each other, not even the least useful. */
START_TEST(test_pinned)
{
    struct limits   *limits = limits_new(8, 1);
    struct limit     used_up = { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 3600 };
    struct limit_use uses[8];

    take(limits, 0, &hundred_brief, 0); /* expired by the time */
    for (uint64_t key = 1; key < 8; key++)
        take(limits, key, &used_up, 0);
    uses[0] = (struct limit_use){ .key = hash(0), .limit = &hundred_brief, .binding = true };
    for (uint64_t i = 1; i < 8; i++)
        uses[i] = (struct limit_use){ .key = hash(100 + i), .limit = &hundred, .binding = true };
    ck_assert(limits_decide(limits, uses, 8, true, at(10 * SECOND)));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(uses[i].remaining, 99);
    ck_assert(limits_decide(limits, uses, 8, true, at(10 * SECOND)));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(uses[i].remaining, 98);
    ck_assert_uint_eq(limits_counts(limits).counters, 8);
    ck_assert_uint_eq(limits_counts(limits).evicted, 7);
    limits_free(limits);
}
END_TEST

/* A table smaller than a request: what comes first is counted, the rest is as if evicted at once. */
START_TEST(test_smaller_than_request)
{
    for (size_t max = 1; max < LIMITS_PER_REQUEST_MAX; max++) {
        struct limits   *limits = limits_new(max, 1);
        struct limit_use uses[LIMITS_PER_REQUEST_MAX];

        for (uint64_t i = 0; i < LIMITS_PER_REQUEST_MAX; i++)
            uses[i] = (struct limit_use){ .key = hash(i), .limit = &three[i % 3], .binding = true };
        for (int round = 0; round < 3; round++) {
            ck_assert(limits_decide(limits, uses, LIMITS_PER_REQUEST_MAX, true, at(0)));
            for (size_t i = 0; i < LIMITS_PER_REQUEST_MAX; i++)
                require(uses[i].remaining == (i < max ? 2 - round : 2), "%zu: %ld", i, (long)uses[i].remaining);
        }
        ck_assert(!limits_decide(limits, uses, LIMITS_PER_REQUEST_MAX, true, at(0)));
        ck_assert_uint_eq(limits_counts(limits).counters, max);
        ck_assert_uint_eq(limits_counts(limits).evicted, 3 * (LIMITS_PER_REQUEST_MAX - max));
        limits_free(limits);
    }
}
END_TEST

/* Whatever the number of shards, the table takes no more than it was told, and all of that in the end. */
static const size_t capacities[] = { 1, 2, 3, 63, 64, 65, 4095, 8191, 8192, 8193, 16411, 100003 };

START_TEST(test_capacity)
{
    size_t         max = capacities[_i];
    struct limits *limits = limits_new(max, 1);

    for (uint64_t key = 0; key < max * 3; key++) {
        take(limits, key, &hundred, (int64_t)key);
        /* Shards fill at about the same time. */
        if (key == max * 17 / 20)
            ck_assert_uint_eq(limits_counts(limits).evicted, 0);
    }
    ck_assert_uint_eq(limits_counts(limits).counters, max);
    ck_assert_uint_eq(limits_counts(limits).evicted, 2 * max);
    limits_free(limits);
}
END_TEST

/* Every one of a large table's counters is found again, in whatever chain. */
START_TEST(test_all_found)
{
    enum { MAX = 200000 };

    struct limits *limits = limits_new(MAX, 1);

    for (uint64_t key = 0; key < MAX * 9 / 10; key++)
        require(take(limits, key, &three[key % 3], 0), "%ju", key);
    for (uint64_t key = 0; key < MAX * 9 / 10; key++)
        require(look(limits, key, &three[key % 3], 0).remaining == 2, "key %ju", key);
    ck_assert_uint_eq(limits_counts(limits).counters, MAX * 9 / 10);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_evict");
    TCase   *tcase = tcase_create("evict");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, test_flood);
    tcase_add_test(tcase, test_expired_first);
    tcase_add_test(tcase, test_share_used);
    tcase_add_test(tcase, test_idle_longest);
    tcase_add_test(tcase, test_frees_soonest);
    tcase_add_test(tcase, test_bans_apart);
    tcase_add_test(tcase, test_no_group_pushes_out_others);
    tcase_add_test(tcase, test_pinned);
    tcase_add_test(tcase, test_smaller_than_request);
    tcase_add_loop_test(tcase, test_capacity, 0, (int)(sizeof capacities / sizeof capacities[0]));
    tcase_add_test(tcase, test_all_found);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
