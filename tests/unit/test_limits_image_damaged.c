/* Files of counters that are not what they were.
 *
 * A snapshot is good or refused, whichever bit of it changed. A live image has no checksum but that of its header: of
 * what changed in it, this holds:
 * - nothing in it makes the process crash, neither when it is read nor when what was read is used;
 * - a changed counter or ban is the only one that is not as it was, a changed state of a shard can undo the decision
 *   that was the last in it or lose what it holds, and what lies behind it if the file is shorter than it says;
 * - nobody is refused for longer than by an honest counter. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/images.h"
#include "lib/random.h"
#include "lib/require.h"
#include "limits/table.h"

#define SECOND   INT64_C(1000000)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct limit limits_of[] = {
    LIMIT_OF(LIMIT_SLIDING, 1000, 60, 0), LIMIT_OF(LIMIT_SLIDING, 3, 3600, 60), LIMIT_OF(LIMIT_FIXED, 3, 3600, 60),
    LIMIT_OF(LIMIT_TOKEN, 3, 3600, 60),   LIMIT_OF(LIMIT_SLIDING, 5, 1000, 0),  LIMIT_OF(LIMIT_TOKEN, 1000, 3600, 0),
};

enum { N = 240, MAX = 300, LONGEST_S = 2 * 3600 + 60, HEADER = 144 };

static const struct limit *limit_of(uint64_t key)
{
    return &limits_of[key % COUNT(limits_of)];
}

static struct moment at(int64_t s)
{
    return (struct moment){ .mono_us = (10000 + s) * SECOND, .unix_us = (1795000020 + s) * SECOND };
}

static struct limit_use use_of(uint64_t key)
{
    struct random random = { key };

    return (struct limit_use){ .key = random_u64(&random), .limit = limit_of(key), .binding = true };
}

static struct limit_use look(struct limits *limits, uint64_t key)
{
    struct limit_use use = use_of(key);

    limits_look(limits, &use, 1, at(10));
    return use;
}

static bool is_same(const struct limit_use *a, const struct limit_use *b)
{
    return a->remaining == b->remaining && a->reset_us == b->reset_us && a->ban_us == b->ban_us;
}

/* In a file; a third of them wide, many used up, some banned. */
static struct limits *used_table(int *fd)
{
    struct limits *limits = images_live(MAX, "a", at(0), fd);

    for (uint64_t key = 0; key < N; key++) {
        for (uint64_t i = 0; i < (key % COUNT(limits_of) == 0 ? 300 : 1 + key / 6 % 5); i++) {
            struct limit_use use = use_of(key);

            limits_decide(limits, &use, 1, true, at((int64_t)i % 3));
        }
    }
    return limits;
}

/* How many keys are not what they were. */
static unsigned changed(struct limits *limits, const struct limit_use *before)
{
    unsigned n = 0;

    for (uint64_t key = 0; key < N; key++) {
        struct limit_use use = look(limits, key);

        n += !is_same(&use, &before[key]);
    }
    return n;
}

/* Each is as it was, or less is known of it. */
static void known_or_not(struct limits *limits, const struct limit_use *before, const char *what, size_t at_byte)
{
    for (uint64_t key = 0; key < N; key++) {
        struct limit_use use = look(limits, key);

        require(is_same(&use, &before[key]) ||
                    (use.remaining >= before[key].remaining && (use.ban_us == 0 || use.ban_us == before[key].ban_us)),
                "%s at %zu: key %ju: %jd remain", what, at_byte, key, (intmax_t)use.remaining);
    }
}

/* Uses all that was read, and more keys than there is room for; then waits until every honest counter is empty. */
static void use_table(struct limits *limits, bool same_limits)
{
    for (int64_t s = 10; s < 200; s += 60) {
        for (uint64_t key = 0; key < N; key++) {
            struct limit_use use = use_of(key);

            if (!same_limits)
                use.limit = limit_of(key + (uint64_t)s);
            limits_decide(limits, &use, 1, true, at(s));
            require(use.remaining >= 0 && use.remaining <= use.limit->requests, "key %ju: %jd remain", key,
                    (intmax_t)use.remaining);
        }
    }
    for (uint64_t key = 100000; key < 100000 + MAX; key++) {
        struct limit_use use = use_of(key);

        limits_decide(limits, &use, 1, true, at(200));
    }
    /* A ban that is too long is cut when its key is next decided. */
    for (uint64_t key = 0; key < N; key++) {
        struct limit_use use = use_of(key);

        limits_decide(limits, &use, 1, false, at(200));
    }
    for (uint64_t key = 0; key < N; key++) {
        struct limit_use use = use_of(key);

        require(limits_decide(limits, &use, 1, true, at(200 + LONGEST_S)), "key %ju is locked for %jd us", key,
                (intmax_t)use.retry_us);
    }
}

static void put_byte(int fd, size_t where, unsigned char byte)
{
    require(pwrite(fd, &byte, 1, (off_t)where) == (ssize_t)1, "no file");
}

static unsigned char get_byte(int fd, size_t where)
{
    unsigned char byte;

    require(pread(fd, &byte, 1, (off_t)where) == (ssize_t)1, "no file");
    return byte;
}

/* ---- snapshots ---- */

START_TEST(test_snapshot)
{
    int            live, fd, copy;
    struct limits *limits = used_table(&live);
    size_t         size;
    struct random  random = { 1 };
    const char    *problem;

    fd = images_snapshot(limits, "a", at(10));
    size = images_size(fd);
    ck_assert_uint_gt(size, 20000);
    for (size_t n = 0; n < size; n += n < 300 || n > size - 100 ? 1 : 61) {
        copy = images_copy(fd, n);
        require(images_restore(copy, MAX, "a", at(10), &problem, NULL) == NULL, "%zu bytes of %zu are good", n, size);
        close(copy);
    }
    for (size_t where = 0; where < size; where++) {
        unsigned char byte = get_byte(fd, where);

        /* Between the header and the states nothing is. */
        if (where >= HEADER && where < TABLE_HEADER_SIZE)
            continue;
        put_byte(fd, where, (unsigned char)(byte ^ (1u << random_below(&random, 8))));
        require(images_restore(fd, MAX, "a", at(10), &problem, NULL) == NULL, "byte %zu of %zu is not looked at", where,
                size);
        put_byte(fd, where, byte);
    }
    limits_free(images_restore(fd, MAX, "a", at(10), &problem, NULL));
    ck_assert_ptr_null(problem);
    close(fd);
    limits_free(limits);
}
END_TEST

/* ---- other files ---- */

static void foreign(int fd, const char *expected)
{
    const char    *problem = NULL;
    struct limits *limits = images_restore(fd, MAX, "a", at(10), &problem, NULL);

    ck_assert_ptr_null(limits);
    ck_assert_str_eq(problem, expected);
    close(fd);
}

START_TEST(test_foreign)
{
    static const char  version[] = "it is of another version, or no file of counters";
    static const char  short_one[] = "it cannot be read, or is too short";
    char               bytes[8192] = "SQLite format 3";
    int                live, fd;
    struct limits     *limits = used_table(&live);
    static const off_t of_version[] = { 0, 14, 15, 16, 20, 24, 28, 32, 36 }; /* its name and sizes */

    foreign(images_file(), short_one);
    foreign(open("/dev/null", O_RDONLY), short_one);
    foreign(open("/", O_RDONLY), short_one);
    foreign(images_copy(live, 100), short_one);
    foreign(open("/dev/zero", O_RDONLY), version);
    fd = images_file();
    ck_assert_int_eq(write(fd, bytes, sizeof bytes), sizeof bytes);
    foreign(fd, version);
    for (size_t i = 0; i < COUNT(of_version); i++) {
        fd = images_snapshot(limits, "a", at(10));
        put_byte(fd, (size_t)of_version[i], (unsigned char)(get_byte(fd, (size_t)of_version[i]) + 1));
        foreign(fd, version);
    }
    limits_free(limits);
}
END_TEST

/* ---- live images ---- */

static void sights(struct limits *limits, struct limit_use before[N])
{
    for (uint64_t key = 0; key < N; key++)
        before[key] = look(limits, key);
}

START_TEST(test_live_truncated)
{
    int              live;
    struct limits   *limits = used_table(&live);
    struct limit_use before[N];
    size_t           size = images_size(live);

    sights(limits, before);
    for (size_t n = 0; n <= size; n += 501) {
        int            copy = images_copy(live, n);
        bool           all;
        struct limits *other = images_restore(copy, MAX, "a", at(10), NULL, &all);

        if (other != NULL) {
            known_or_not(other, before, "truncated", n);
            ck_assert(!all || changed(other, before) == 0);
            use_table(other, true);
        }
        limits_free(other);
        close(copy);
    }
    limits_free(limits);
}
END_TEST

START_TEST(test_live_flipped)
{
    int              live, fd;
    struct limits   *limits = used_table(&live);
    struct limit_use before[N];
    size_t           size = images_size(live), states = TABLE_HEADER_SIZE, parts = table_layout(MAX, 0).slots[0];
    struct random    random = { (uint64_t)_i };

    sights(limits, before);
    fd = images_copy(live, SIZE_MAX);
    for (size_t where = (size_t)_i * 15; where < size; where += 105) {
        unsigned char  byte = get_byte(fd, where);
        struct limits *other;

        put_byte(fd, where, (unsigned char)(byte ^ (1u << random_below(&random, 8))));
        other = images_restore(fd, MAX, "a", at(10), NULL, NULL);
        put_byte(fd, where, byte);
        require(where >= HEADER || other == NULL, "byte %zu of the header is not looked at", where);
        if (other == NULL)
            continue;
        if (where >= parts || where < states)
            require(changed(other, before) <= 1, "byte %zu changes %u", where, changed(other, before));
        else
            known_or_not(other, before, "flipped", where);
        use_table(other, true);
        limits_free(other);
    }
    close(fd);
    limits_free(limits);
}
END_TEST

/* ---- anything ---- */

static void randomise(struct random *random, void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)random_u64(random);
}

/* Random entries, slots, and wide parts, of which some fields are likely ones, so that much of it is taken. */
static void invent(struct random *random, int fd)
{
    struct shard_layout l = table_layout(MAX, 0);
    struct shard_state  state;
    bool                kinds = random_below(random, 2) == 0;

    require(pread(fd, &state, sizeof state, (off_t)l.state) == (ssize_t)sizeof state, "no file");
    state.undo_kind = (uint32_t)random_below(random, 4);
    state.undo_cell = (uint32_t)random_below(random, 4 * MAX);
    randomise(random, &state.undo_slot, sizeof state - offsetof(struct shard_state, undo_slot));
    state.wide_used = (uint32_t)random_below(random, MAX + 1);
    require(pwrite(fd, &state, sizeof state, (off_t)l.state) == (ssize_t)sizeof state, "no file");
    for (uint32_t i = 0; i < state.used[POOL_COUNTERS]; i++) {
        off_t       at_slot = (off_t)(l.slots[0] + i * sizeof(struct slot)), at_cell = (off_t)(l.cells[0] + i * 64);
        struct slot slot, was;
        char        entry[56];

        require(pread(fd, &was, sizeof was, at_slot) == (ssize_t)sizeof was, "no file");
        randomise(random, &slot, sizeof slot);
        slot.period_s = was.period_s;
        slot.algorithm = kinds ? was.algorithm : (unsigned)random_below(random, 3);
        slot.share = (unsigned)random_below(random, SHARE_USED_UP + 1);
        slot.wide = random_below(random, 2) == 0 ? 0 : (unsigned)random_below(random, MAX) & 0xFFFFFF;
        require(pwrite(fd, &slot, sizeof slot, at_slot) == (ssize_t)sizeof slot, "no file");
        randomise(random, entry, sizeof entry);
        if (random_below(random, 2) == 0)
            memset(entry + 4, 0, 4); /* a time that is not far off */
        if (random_below(random, 2) == 0)
            memset(entry, 0, (size_t)random_below(random, (int64_t)sizeof entry));
        require(pwrite(fd, entry, sizeof entry, at_cell + 8) == (ssize_t)sizeof entry, "no file");
        randomise(random, entry, sizeof entry);
        entry[4] = (char)(random_below(random, 2) == 0 ? random_below(random, 20) : random_below(random, 256));
        require(pwrite(fd, entry, sizeof entry, (off_t)(l.wides + i * 64)) == (ssize_t)sizeof entry, "no file");
    }
    for (uint32_t i = 0; i < state.used[POOL_BANS]; i++) {
        uint64_t until = random_u64(random) >> random_below(random, 64);

        require(pwrite(fd, &until, sizeof until, (off_t)(l.cells[1] + i * 16 + 8)) == (ssize_t)sizeof until, "no file");
    }
}

START_TEST(test_invented)
{
    int            live;
    struct limits *limits = used_table(&live);
    struct random  random = { 1 };
    uint64_t       taken = 0;

    for (int round = 0; round < 300; round++) {
        int            fd = images_copy(live, SIZE_MAX), again;
        struct limits *other;
        char           bytes[TABLE_HEADER_SIZE];

        if (round % 10 == 0) {
            for (off_t where = TABLE_HEADER_SIZE; (size_t)where < images_size(fd); where += (off_t)sizeof bytes) {
                randomise(&random, bytes, sizeof bytes);
                require(pwrite(fd, bytes, sizeof bytes, where) == (ssize_t)sizeof bytes, "no file");
            }
        } else {
            invent(&random, fd);
        }
        other = images_restore(fd, round % 3 == 0 ? MAX / 4 : MAX, "a", at(10), NULL, NULL);
        ck_assert_ptr_nonnull(other);
        taken += limits_counts(other).counters;
        use_table(other, round % 2 == 0);
        again = images_snapshot(other, "a", at(10));
        limits_free(other);
        other = images_restore(again, MAX, "a", at(10), NULL, NULL);
        ck_assert_ptr_nonnull(other);
        use_table(other, true);
        limits_free(other);
        close(again);
        close(fd);
    }
    ck_assert_uint_gt(taken, 300 * N / 20);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_image_damaged");
    TCase   *tcase = tcase_create("damaged");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, test_snapshot);
    tcase_add_test(tcase, test_foreign);
    tcase_add_test(tcase, test_live_truncated);
    tcase_add_loop_test(tcase, test_live_flipped, 0, 7);
    tcase_add_test(tcase, test_invented);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
