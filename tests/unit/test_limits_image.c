/* Counters saved and restored: all goes on as if nothing had been, over restarts, reboots and changes of size. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/images.h"
#include "lib/random.h"
#include "lib/require.h"

#define SECOND   INT64_C(1000000)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* A key's limit is the one of its number; the last ones are of few keys. */
static const struct limit limits_of[] = {
    LIMIT_OF(LIMIT_SLIDING, 100, 3600, 0), LIMIT_OF(LIMIT_SLIDING, 3, 5000, 600), LIMIT_OF(LIMIT_SLIDING, 1000, 60, 0),
    LIMIT_OF(LIMIT_FIXED, 10, 3600, 0),    LIMIT_OF(LIMIT_FIXED, 3, 86400, 900),  LIMIT_OF(LIMIT_TOKEN, 20, 6000, 0),
    LIMIT_OF(LIMIT_TOKEN, 2, 86400, 3600), LIMIT_OF(LIMIT_SLIDING, 1, 1, 86400),
};
static const struct limit wide_limits[] = {
    LIMIT_OF(LIMIT_SLIDING, 1000, 3600, 0),
    LIMIT_OF(LIMIT_SLIDING, 100000, 3600, 60),
    LIMIT_OF(LIMIT_SLIDING, 1000000, 3600, 60),
};

enum { WIDE = 999999 }; /* keys from here on have the wide ones */

static const struct limit *limit_of(uint64_t key)
{
    return key >= WIDE ? &wide_limits[key % COUNT(wide_limits)] : &limits_of[key % COUNT(limits_of)];
}

static struct moment at(int64_t s)
{
    return (struct moment){ .mono_us = (10000 + s) * SECOND, .unix_us = (1795000020 + s) * SECOND };
}

static struct limit_use use_of(uint64_t key)
{
    struct random random = { key };

    return (struct limit_use){
        .key = random_u64(&random), .limit = limit_of(key), .group = (uint16_t)(key % COUNT(limits_of)), .binding = true
    };
}

static bool take(struct limits *limits, uint64_t key, struct moment now)
{
    struct limit_use use = use_of(key);

    return limits_decide(limits, &use, 1, true, now);
}

static struct limit_use look(struct limits *limits, uint64_t key, struct moment now)
{
    struct limit_use use = use_of(key);

    limits_look(limits, &use, 1, now);
    return use;
}

static bool is_same(const struct limit_use *a, const struct limit_use *b)
{
    return a->remaining == b->remaining && a->reset_us == b->reset_us && a->retry_us == b->retry_us &&
           a->ban_us == b->ban_us && a->used_up == b->used_up;
}

/* Of the key at one time in one table, and at another in another. */
static void is_same_key(uint64_t key, struct limits *a, struct moment a_now, struct limits *b, struct moment b_now)
{
    struct limit_use x = look(a, key, a_now), y = look(b, key, b_now);

    require(is_same(&x, &y), "key %ju: %jd remain, not %jd; reset %jd not %jd; retry %jd not %jd; ban %jd not %jd", key,
            (intmax_t)y.remaining, (intmax_t)x.remaining, (intmax_t)y.reset_us, (intmax_t)x.reset_us,
            (intmax_t)y.retry_us, (intmax_t)x.retry_us, (intmax_t)y.ban_us, (intmax_t)x.ban_us);
}

/* Keys 0 to n - 1, each used a few times within 10 minutes, and one of each wide limit, so that some are used up or
 * banned. */
static struct limits *used_table(size_t max_counters, uint64_t n)
{
    static const int bursts[COUNT(wide_limits)] = { 300, 40000, 70001 };

    struct limits *limits = limits_new(max_counters, 77);
    struct random  random = { 1 };

    for (int64_t s = 0; s < 600; s += 200) {
        for (uint64_t i = 0; i < n; i++) {
            for (int64_t times = random_below(&random, 4); times > 0; times--)
                take(limits, i, at(s + (int64_t)(i * 200 / n)));
        }
        /* More than a byte, two bytes, holds come within one sub-bucket. */
        for (size_t wide = 0; wide < COUNT(wide_limits); wide++) {
            for (int i = 0; i < bursts[wide]; i++)
                take(limits, WIDE + wide, at(s));
        }
    }
    return limits;
}

static void all_same(uint64_t n, struct limits *a, struct moment a_now, struct limits *b, struct moment b_now)
{
    for (uint64_t key = 0; key < n; key++)
        is_same_key(key, a, a_now, b, b_now);
    for (uint64_t key = WIDE; key < WIDE + COUNT(wide_limits); key++)
        is_same_key(key, a, a_now, b, b_now);
}

/* Decided a few times more, they still are the same. */
static void go_on_same(uint64_t n, struct limits *a, struct moment a_now, struct limits *b, struct moment b_now)
{
    for (uint64_t key = 0; key < n; key++) {
        for (int i = 0; i < 3; i++)
            require(take(a, key, a_now) == take(b, key, b_now), "key %ju", key);
    }
    for (int i = 0; i < 300; i++) {
        for (uint64_t key = WIDE; key < WIDE + COUNT(wide_limits); key++)
            require(take(a, key, a_now) == take(b, key, b_now), "key %ju", key);
    }
    all_same(n, a, a_now, b, b_now);
}

static struct limits *restore(int fd, size_t max_counters, const char *boot, struct moment now)
{
    const char    *problem;
    bool           all;
    struct limits *limits = images_restore(fd, max_counters, boot, now, &problem, &all);

    ck_assert_msg(limits != NULL, "%s", problem);
    ck_assert(all);
    return limits;
}

/* ---- a restart ---- */

static const struct {
    uint64_t n;
    size_t   from, to;
} sizes[] = { { 20, 64, 64 },           { 20, 64, 100000 },     { 5000, 6000, 6000 },
              { 20000, 24000, 100000 }, { 5000, 100000, 6000 }, { 20000, 24000, 24000 } };

START_TEST(test_restart)
{
    uint64_t       n = sizes[_i].n;
    struct limits *limits = used_table(sizes[_i].from, n), *other;
    int            fd = images_snapshot(limits, "a", at(700));

    ck_assert_uint_eq(limits_counts(limits).evicted, 0);
    other = restore(fd, sizes[_i].to, "a", at(700));
    ck_assert_uint_eq(limits_seed(limits), limits_seed(other));
    ck_assert_uint_eq(limits_counts(other).evicted, 0);
    all_same(n, limits, at(700), other, at(700));
    all_same(n, limits, at(1900), other, at(1900));
    close(fd);
    /* What the other one saves is as good. */
    fd = images_snapshot(other, "a", at(900));
    limits_free(other);
    other = restore(fd, sizes[_i].from, "a", at(901));
    go_on_same(n, limits, at(2000), other, at(2000));
    limits_free(other);
    close(fd);
    limits_free(limits);
}
END_TEST

/* A table in a file, which nobody saved. */
START_TEST(test_live)
{
    struct limits *other = used_table(24000, 20000), *limits, *third;
    int            snapshot = images_snapshot(other, "a", at(700)), fd = images_file();
    struct image   image;

    /* As the agent does it: the image of an earlier run goes into the file of this one. */
    limits = limits_new_in(fd, 24000, limits_seed(other));
    ck_assert_ptr_null(image_open(&image, snapshot, "a"));
    ck_assert(image_restore(&image, limits, "a", at(800)));
    image_begin(limits, "a", 1, at(800));
    go_on_same(20000, limits, at(1000), other, at(1000));
    third = restore(fd, 24000, "a", at(1001));
    all_same(20000, limits, at(1001), third, at(1001));
    go_on_same(20000, limits, at(3000), third, at(3000));
    ck_assert_str_eq(image_open(&image, fd, "b"), "the machine has been restarted since");
    limits_free(third);
    limits_free(other);
    limits_free(limits);
    close(snapshot);
}
END_TEST

/* A smaller table keeps what refuses, and what it keeps is as it was. */
START_TEST(test_smaller)
{
    enum { N = 20000, HELD = 500, SMALL = 2000 };

    struct limits *limits = limits_new(N + N / 10, 77), *other;
    uint64_t       kept = 0;
    int            fd;

    for (uint64_t key = 0; key < N; key++) {
        for (int i = 0; i < (key < HELD ? 200 : 1); i++)
            take(limits, key * COUNT(limits_of), at(0)); /* 100 an hour */
    }
    fd = images_snapshot(limits, "a", at(1));
    other = restore(fd, SMALL, "a", at(1));
    ck_assert_uint_eq(limits_counts(other).counters, SMALL);
    for (uint64_t key = 0; key < N; key++) {
        struct limit_use use = look(other, key * COUNT(limits_of), at(1));

        require(key >= HELD || use.used_up, "key %ju was let through", key);
        require(key < HELD || use.remaining >= 99, "key %ju was refused", key);
        kept += use.remaining < 100;
    }
    ck_assert_uint_eq(kept, SMALL);
    limits_free(other);
    limits_free(limits);
    close(fd);
}
END_TEST

/* What counts nothing any more takes no place. */
START_TEST(test_expired)
{
    enum { BRIEF = 3, LONG = 5 }; /* a fixed window of an hour; 6,000 seconds' worth of tokens */

    struct limits *limits = limits_new(100, 1), *other;
    int            fd;

    for (uint64_t key = 0; key < 40; key++)
        take(limits, key * COUNT(limits_of) + (key % 2 == 0 ? BRIEF : LONG), at(0));
    take(limits, 7, at(0));
    take(limits, 7, at(0)); /* banned for a day, though its counter is soon empty */
    fd = images_snapshot(limits, "a", at(1));
    other = restore(fd, 100, "a", at(200));
    ck_assert_uint_eq(limits_counts(other).counters, 20 + 20 + 1); /* a banned one's counts as long as its ban */
    ck_assert_uint_eq(limits_counts(other).bans, 1);
    limits_free(other);
    other = restore(fd, 100, "a", at(3700));
    ck_assert_uint_eq(limits_counts(other).bans, 1);
    ck_assert_uint_eq(limits_counts(other).counters, 1);
    ck_assert_int_eq(look(other, 7, at(3700)).ban_us, (86400 - 3700) * SECOND);
    limits_free(other);
    other = restore(fd, 100, "a", at(90000));
    ck_assert_uint_eq(limits_counts(other).counters + limits_counts(other).bans, 0);
    limits_free(other);
    limits_free(limits);
    close(fd);
}
END_TEST

/* ---- reboots ---- */

/* `mono_s` after the boot, `s` seconds after at(0) by the wall clock. */
static struct moment booted(int64_t mono_s, int64_t s)
{
    return (struct moment){ .mono_us = mono_s * SECOND, .unix_us = at(s).unix_us };
}

/* The machine is away for 1,000 s: windows, tokens and bans go on meanwhile. The clock since boot begins anew. */
START_TEST(test_reboot)
{
    struct limits *limits = used_table(6000, 5000), *other, *third;
    int            fd = images_snapshot(limits, "a", at(700)), second_fd;

    for (int64_t mono_s = 0; mono_s <= 50000; mono_s += 25000) {
        other = restore(fd, 6000, "b", booted(mono_s, 1700));
        all_same(5000, limits, at(1700), other, booted(mono_s, 1700));
        all_same(5000, limits, at(2700), other, booted(mono_s + 1000, 2700));
        /* And once more, after a restart without a reboot, and with one. */
        second_fd = images_snapshot(other, "b", booted(mono_s + 1010, 2710));
        third = restore(second_fd, 6000, "b", booted(mono_s + 1020, 2720));
        all_same(5000, limits, at(2720), third, booted(mono_s + 1020, 2720));
        limits_free(third);
        third = restore(second_fd, 6000, "c", booted(20, 3000));
        all_same(5000, limits, at(3000), third, booted(20, 3000));
        go_on_same(5000, other, booted(mono_s + 1300, 3000), third, booted(20, 3000));
        limits_free(third);
        limits_free(other);
        close(second_fd);
    }
    limits_free(limits);
    close(fd);
}
END_TEST

/* The wall clock is behind what it was: time stood still, and goes on now. */
START_TEST(test_clock_behind)
{
    static const int64_t behind_s[] = { 1, 100, 86400, 1795000000 };

    struct limits *limits = used_table(6000, 5000);
    int            fd = images_snapshot(limits, "a", at(700));

    for (size_t i = 0; i < COUNT(behind_s); i++) {
        struct moment  now = booted(30, 700 - behind_s[i]), stood = at(700), later, then;
        struct limits *other = restore(fd, 6000, "b", now);

        stood.unix_us = now.unix_us;
        all_same(5000, limits, stood, other, now);
        for (uint64_t key = 0; key < 5000; key++) {
            const struct limit *limit = limit_of(key);
            struct limit_use    use = look(other, key, now);

            require(use.retry_us <= (2 * (int64_t)limit->period_s + limit->ban_s) * SECOND,
                    "key %ju: locked for %jd us", key, (intmax_t)use.retry_us);
        }
        later = booted(530, 1200 - behind_s[i]);
        then = stood;
        then.mono_us += 500 * SECOND;
        then.unix_us += 500 * SECOND;
        all_same(5000, limits, then, other, later);
        limits_free(other);
    }
    limits_free(limits);
    close(fd);
}
END_TEST

/* ---- while it is used ---- */

enum { THREADS = 3, RACED = 3000 };

static struct limits *raced;
static atomic_uint    running;

static void *use_up(void *argument)
{
    struct random random = { (uint64_t)(size_t)argument };

    for (int i = 0; i < 60000; i++)
        take(raced, (uint64_t)random_below(&random, RACED), at(0));
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Each snapshot is good, and of each counter it knows as much as the one before or more. */
START_TEST(test_while_used)
{
    pthread_t threads[THREADS];
    int64_t  *remaining = malloc(RACED * sizeof *remaining);
    bool      last;

    raced = limits_new(20000, 1);
    for (uint64_t key = 0; key < RACED; key++)
        remaining[key] = INT64_MAX;
    atomic_store(&running, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_up, (void *)i), 0);
    do {
        int            fd;
        struct limits *copy;

        last = atomic_load(&running) == 0;
        fd = images_snapshot(raced, "a", at(0));
        copy = restore(fd, 20000, "a", at(0));
        for (uint64_t key = 0; key < RACED; key++) {
            int64_t now = look(copy, key, at(0)).remaining;

            require(now <= remaining[key], "key %ju: %jd remain, after %jd", key, (intmax_t)now,
                    (intmax_t)remaining[key]);
            remaining[key] = now;
        }
        if (last) {
            for (uint64_t key = 0; key < RACED; key++)
                is_same_key(key, raced, at(0), copy, at(0));
        }
        limits_free(copy);
        close(fd);
    } while (!last);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    limits_free(raced);
    free(remaining);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_image");
    TCase   *tcase = tcase_create("image");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_restart, 0, (int)COUNT(sizes));
    tcase_add_test(tcase, test_live);
    tcase_add_test(tcase, test_smaller);
    tcase_add_test(tcase, test_expired);
    tcase_add_test(tcase, test_reboot);
    tcase_add_test(tcase, test_clock_behind);
    tcase_add_test(tcase, test_while_used);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
