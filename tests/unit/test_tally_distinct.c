/* The number of distinct ones against the truth, as often and as closely as the theory says. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/random.h"
#include "tally/distinct.h"
#include "tally/id.h"

#define SIGMA (1.04 / 128) /* of the relative error, by Flajolet et al. */

static struct distinct d, e, both;

/* `n` different hashes: SplitMix64 gives each 64-bit number once. */
static void add_random(struct distinct *to, uint64_t seed, uint64_t n)
{
    for (struct random state = { seed << 40 }; n > 0; n--)
        distinct_add(to, random_u64(&state));
}

static const struct {
    uint64_t n;
    int      seeds;
} sizes[] = { { 10, 64 },    { 100, 64 },   { 1000, 64 },   { 10000, 64 },   { 20000, 64 },  { 40000, 64 },
              { 60000, 64 }, { 80000, 64 }, { 100000, 64 }, { 1000000, 32 }, { 10000000, 8 } };

/* Each single error, their mean, and their spread. Fewer than registers are known better than by SIGMA,
 * and a whole number cannot be closer than a half. */
START_TEST(test_error)
{
    double n = (double)sizes[_i].n, sum = 0, squares = 0, seeds = sizes[_i].seeds, spread;

    for (int seed = 1; seed <= sizes[_i].seeds; seed++) {
        double error;

        d = (struct distinct){ 0 };
        add_random(&d, (uint64_t)seed, sizes[_i].n);
        error = ((double)distinct_count(&d) - n) / n;
        ck_assert_msg(fabs(error) < 4 * SIGMA || fabs(error * n) <= 1, "%.0f, seed %d: %+.2f %%", n, seed, 100 * error);
        sum += error;
        squares += error * error;
    }
    spread = sqrt(squares / seeds);
    ck_assert_msg(fabs(sum / seeds) < fmax(3 * SIGMA / sqrt(seeds), 0.5 / n), "%.0f: bias %.2f %%", n,
                  100 * sum / seeds);
    ck_assert_msg(spread < 1.25 * SIGMA || seeds < 30, "%.0f: spread %.2f %%", n, 100 * spread);
    ck_assert_msg(spread > 0.5 * SIGMA || n < DISTINCT_REGISTERS, "%.0f: spread %.2f %%", n, 100 * spread);
}
END_TEST

/* What no test can count up to: registers drawn as so many hashes would leave them, the last ones full. */
START_TEST(test_huge)
{
    static const double sizes_huge[] = { 1e9, 1e12, 1e15, 1e17, 1e18 };
    double              n = sizes_huge[_i], error;
    struct random       state = { 1 };

    for (int i = 0; i < DISTINCT_REGISTERS; i++) {
        double share = random_share(&state);
        int    rank = 1;

        while (rank < DISTINCT_RANK_MAX && share > exp(-n / DISTINCT_REGISTERS * ldexp(1, -rank)))
            rank++;
        d.ranks[i] = (uint8_t)rank;
    }
    error = ((double)distinct_count(&d) - n) / n;
    ck_assert_msg(fabs(error) < 3 * SIGMA, "%.0f: %+.2f %%", n, 100 * error);
}
END_TEST

START_TEST(test_ranks)
{
    static const struct {
        uint64_t hash;
        int      at, rank;
    } cases[] = {
        { 0, 0, 51 },
        { 1, 0, 50 },
        { 2, 0, 49 },
        { UINT64_MAX, 16383, 1 },
        { UINT64_C(1) << 49, 0, 1 },
        { (UINT64_C(1) << 49) - 1, 0, 2 },
        { UINT64_C(1) << 50, 1, 51 },
        { UINT64_C(5) << 50 | 1 << 10, 5, 40 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        d = (struct distinct){ 0 };
        distinct_add(&d, cases[i].hash);
        for (int r = 0; r < DISTINCT_REGISTERS; r++)
            ck_assert_int_eq(d.ranks[r], r == cases[i].at ? cases[i].rank : 0);
        distinct_add(&d, (uint64_t)cases[i].at << 50 | UINT64_C(1) << 49); /* rank 1 changes nothing */
        ck_assert_int_eq(d.ranks[cases[i].at], cases[i].rank);
        ck_assert_uint_eq(distinct_count(&d), 1);
    }
}
END_TEST

/* Ids do, and addresses in a row are no pattern. */
START_TEST(test_addresses)
{
    char text[32];

    for (unsigned i = 0; i < 200000; i++) {
        int n = snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);

        distinct_add(&d, tally_id_of((struct span){ text, (size_t)n }, 3));
    }
    ck_assert_double_lt(fabs((double)distinct_count(&d) / 200000 - 1), 3 * SIGMA);
}
END_TEST

START_TEST(test_merge)
{
    static const uint64_t parts[][2] = { { 0, 0 },     { 0, 5000 },       { 3, 0 },
                                         { 100, 100 }, { 50000, 300000 }, { 1000000, 10 } };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct distinct merged;

        d = e = both = (struct distinct){ 0 };
        add_random(&d, 1, parts[i][0]);
        add_random(&d, 3, 1000); /* common to both */
        add_random(&e, 2, parts[i][1]);
        add_random(&e, 3, 1000);
        add_random(&both, 1, parts[i][0]);
        add_random(&both, 2, parts[i][1]);
        add_random(&both, 3, 1000);
        merged = d;
        distinct_merge(&merged, &e);
        ck_assert_mem_eq(&merged, &both, sizeof both);
        distinct_merge(&merged, &d);
        ck_assert_mem_eq(&merged, &both, sizeof both);
        distinct_merge(&e, &d);
        ck_assert_mem_eq(&e, &both, sizeof both);
    }
}
END_TEST

static bool read_blob(const uint8_t *blob, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1); /* of exactly its size, so that reading past it is found */
    bool     accepted;

    if (n > 0)
        memcpy(copy, blob, n);
    add_random(&e, 9, 100);
    accepted = distinct_read(&e, (struct span){ (char *)copy, n });
    free(copy);
    ck_assert(accepted || distinct_count(&e) == 0);
    return accepted;
}

START_TEST(test_blob)
{
    uint8_t blob[DISTINCT_BLOB_SIZE + 1] = { 0 };

    for (uint64_t n = 0; n <= 1000000; n = n * 10 + 1) {
        add_random(&d, n + 1, n);
        d.ranks[n % DISTINCT_REGISTERS] = DISTINCT_RANK_MAX;
        distinct_write(&d, blob);
        ck_assert(read_blob(blob, DISTINCT_BLOB_SIZE));
        ck_assert_mem_eq(&d, &e, sizeof d);
    }
    ck_assert(!read_blob(blob, sizeof blob));
    for (size_t n = 0; n < DISTINCT_BLOB_SIZE; n = n < 20 ? n + 1 : n + 997)
        ck_assert(!read_blob(blob, n));
    ck_assert(!read_blob(blob, DISTINCT_BLOB_SIZE - 1));
    ck_assert(!distinct_read(&e, SPAN_ABSENT));
    blob[0]++;
    ck_assert(!read_blob(blob, DISTINCT_BLOB_SIZE));
}
END_TEST

/* A rank that no hash has is found wherever it is; any other one counts something. */
START_TEST(test_damaged)
{
    uint8_t       blob[DISTINCT_BLOB_SIZE], damaged[DISTINCT_BLOB_SIZE];
    struct random state = { 4 };
    int           accepted = 0;

    add_random(&d, 1, 1000);
    for (int i = 0; i < DISTINCT_REGISTERS; i += i % 4 == 3 ? 1024 - 3 : 1) {
        struct distinct worse = d;

        worse.ranks[i] = DISTINCT_RANK_MAX + 1;
        distinct_write(&worse, blob);
        ck_assert(!read_blob(blob, sizeof blob));
    }
    distinct_write(&d, blob);
    for (int i = 0; i < 1000; i++) {
        memcpy(damaged, blob, sizeof blob);
        damaged[1 + random_below(&state, sizeof blob - 1)] = (uint8_t)random_u64(&state);
        if (read_blob(damaged, sizeof damaged)) {
            accepted++;
            distinct_write(&e, blob);
            ck_assert_mem_eq(blob, damaged, sizeof blob);
            distinct_merge(&e, &d);
            ck_assert_uint_gt(distinct_count(&e), 900);
        }
    }
    ck_assert_int_gt(accepted, 500);
    ck_assert_int_lt(accepted, 1000);
    memset(d.ranks, DISTINCT_RANK_MAX, sizeof d.ranks);
    distinct_write(&d, blob);
    ck_assert(read_blob(blob, sizeof blob));
    ck_assert_uint_eq(distinct_count(&e), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("tally_distinct");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_error, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_loop_test(tcase, test_huge, 0, 5);
    tcase_add_test(tcase, test_ranks);
    tcase_add_test(tcase, test_addresses);
    tcase_add_test(tcase, test_merge);
    tcase_add_test(tcase, test_blob);
    tcase_add_test(tcase, test_damaged);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
