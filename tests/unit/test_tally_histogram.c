/* Quantiles against sorted lists, sums against sums, and blobs that are not what they should be. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "lib/random.h"
#include "lib/require.h"
#include "tally/histogram.h"

static struct histogram h, g;

static struct random random_state = { 1 };

static void require_near(uint64_t value, uint64_t truth)
{
    uint64_t error = value > truth ? value - truth : truth - value;

    require(truth < 64 ? error == 0 : 64 * error <= truth, "%ju, in truth %ju", value, truth);
}

/* Every value for a while, then the ends of what may be buckets. */
START_TEST(test_values)
{
    for (uint64_t value = 0; value <= HISTOGRAM_VALUE_MAX; value = value < 300000 ? value + 1 : value + value / 1009) {
        h = (struct histogram){ 0 };
        histogram_add(&h, value);
        require_near(histogram_quantile(&h, 500), value);
        require(h.count == 1 && h.sum == value, "%ju", value);
    }
    for (uint64_t power = 64; power < HISTOGRAM_VALUE_MAX; power *= 2) {
        for (uint64_t value = power; value < 2 * power && value < HISTOGRAM_VALUE_MAX; value += power / 32) {
            for (uint64_t at = value - 1; at <= value + 1; at++) {
                h = (struct histogram){ 0 };
                histogram_add(&h, at);
                require_near(histogram_quantile(&h, 500), at);
            }
        }
    }
}
END_TEST

START_TEST(test_longest)
{
    static const uint64_t longest[] = { HISTOGRAM_VALUE_MAX, HISTOGRAM_VALUE_MAX + 1, UINT32_MAX, UINT64_C(1) << 50 };
    uint8_t               blob[HISTOGRAM_BLOB_MAX];

    for (size_t i = 0; i < 4; i++) {
        h = (struct histogram){ 0 };
        histogram_add(&h, longest[i]);
        ck_assert_uint_eq(h.sum, longest[i]);
        require_near(histogram_quantile(&h, 1000), HISTOGRAM_VALUE_MAX);
        ck_assert(histogram_read(&g, (struct span){ (char *)blob, histogram_write(&h, blob) }));
        ck_assert_mem_eq(&g, &h, sizeof h);
    }
    histogram_add(&h, UINT64_MAX); /* wraps the sum, and nothing else */
    ck_assert_uint_eq(h.buckets[HISTOGRAM_BUCKETS - 1], 2);
}
END_TEST

enum shape { CONSTANT, UNIFORM, TWO_PEAKS, LONG_TAIL, ALL_SCALES, SHAPES };

static uint64_t next_value(enum shape shape)
{
    double x = random_share(&random_state);

    switch (shape) {
    case CONSTANT:
        return 1234567;
    case UNIFORM:
        return (uint64_t)(x * 100000);
    case TWO_PEAKS:
        return x < 0.95 ? 3 + random_below(&random_state, 5) : 30000 + random_below(&random_state, 9000);
    case LONG_TAIL:
        return (uint64_t)fmin(5 / (1 - x), HISTOGRAM_VALUE_MAX);
    default:
        return (uint64_t)exp(x * log(HISTOGRAM_VALUE_MAX));
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* In two halves that are merged, and in one. */
START_TEST(test_quantiles)
{
    static const size_t     sizes[] = { 1, 2, 3, 7, 20, 99, 100, 101, 1000, 20000 };
    static const unsigned   permilles[] = { 1, 7, 70, 250, 333, 500, 501, 900, 950, 990, 999, 1000 };
    static uint64_t         values[20000];
    static struct histogram halves[2];

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t   n = sizes[s];
        uint64_t sum = 0;

        h = halves[0] = halves[1] = (struct histogram){ 0 };
        for (size_t i = 0; i < n; i++) {
            values[i] = next_value((enum shape)_i);
            sum += values[i];
            histogram_add(&h, values[i]);
            histogram_add(&halves[i % 3 == 0], values[i]);
        }
        ck_assert_uint_eq(h.count, n);
        ck_assert_uint_eq(h.sum, sum);
        histogram_merge(&halves[0], &halves[1]);
        ck_assert_mem_eq(&halves[0], &h, sizeof h);
        qsort(values, n, sizeof values[0], compare);
        for (size_t p = 0; p < sizeof permilles / sizeof permilles[0]; p++)
            require_near(histogram_quantile(&h, permilles[p]), values[(n * permilles[p] + 999) / 1000 - 1]);
    }
}
END_TEST

START_TEST(test_empty)
{
    uint8_t blob[HISTOGRAM_BLOB_MAX];

    ck_assert_uint_eq(histogram_quantile(&h, 500), 0);
    ck_assert_uint_eq(histogram_write(&h, blob), 3);
    histogram_add(&g, 5);
    ck_assert(histogram_read(&g, (struct span){ (char *)blob, 3 }));
    ck_assert_mem_eq(&g, &h, sizeof h);
}
END_TEST

static bool read_blob(const uint8_t *blob, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1); /* of exactly its size, so that reading past it is found */
    bool  accepted;

    if (n > 0)
        memcpy(copy, blob, n);
    accepted = histogram_read(&g, (struct span){ copy, n });
    free(copy);
    require(accepted || (g.count == 0 && g.sum == 0 && histogram_quantile(&g, 1000) == 0), "left something");
    return accepted;
}

START_TEST(test_blob)
{
    uint8_t blob[HISTOGRAM_BLOB_MAX + 1];
    size_t  n;

    for (int i = 0; i < 20000; i++) {
        histogram_add(&h, next_value((enum shape)_i));
        if ((i & (i - 1)) == 0) {
            n = histogram_write(&h, blob);
            ck_assert(read_blob(blob, n));
            ck_assert_mem_eq(&g, &h, sizeof h);
        }
    }
    n = histogram_write(&h, blob);
    ck_assert_uint_lt(n, _i == CONSTANT ? 16 : HISTOGRAM_BLOB_MAX / 4);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert(!read_blob(blob, cut));
    blob[n] = 0;
    ck_assert(!read_blob(blob, n + 1));
    /* Every bucket, with large counts. */
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        h.buckets[b] = UINT64_MAX;
    ck_assert_uint_le(histogram_write(&h, blob), HISTOGRAM_BLOB_MAX);
}
END_TEST

/* What is accepted is written as the same bytes, and can be used. */
START_TEST(test_damaged)
{
    uint8_t blob[HISTOGRAM_BLOB_MAX], damaged[HISTOGRAM_BLOB_MAX], again[HISTOGRAM_BLOB_MAX];
    size_t  n;
    int     accepted = 0, rounds = 30000;

    for (int i = 0; i < 100; i++)
        histogram_add(&h, next_value(LONG_TAIL));
    n = histogram_write(&h, blob);
    for (int i = 0; i < rounds; i++) {
        memcpy(damaged, blob, n);
        for (uint64_t bytes = 1 + random_below(&random_state, 3); i % 3 == 0 && bytes > 0; bytes--)
            damaged[random_below(&random_state, n)] = (uint8_t)random_u64(&random_state);
        if (i % 3 == 1) { /* a little of the sum, and where the last bucket is */
            damaged[2] ^= (uint8_t)random_below(&random_state, 64);
            damaged[n - 2] ^= (uint8_t)random_below(&random_state, 2);
        } else if (i % 3 == 2) { /* no blob at all */
            n = 1 + random_below(&random_state, 60);
            for (size_t b = 0; b < n; b++)
                damaged[b] = (uint8_t)(random_u64(&random_state) & (i % 2 ? 255 : 131));
            damaged[0] = 1;
        }
        if (read_blob(damaged, n)) {
            accepted++;
            require(histogram_write(&g, again) == n && memcmp(again, damaged, n) == 0,
                    "accepted, but written otherwise");
        }
        histogram_merge(&g, &h);
        histogram_add(&g, 7);
        require(histogram_quantile(&g, 1) <= histogram_quantile(&g, 500) &&
                    histogram_quantile(&g, 500) <= histogram_quantile(&g, 1000),
                "quantiles");
        n = histogram_write(&h, blob);
    }
    ck_assert_int_gt(accepted, 100);
    ck_assert_int_lt(accepted, rounds / 2);
}
END_TEST

START_TEST(test_lies)
{
    static const struct {
        const char *what;
        bool        accepted;
        size_t      n;
        uint8_t     blob[24];
    } cases[] = {
        { "3 of 2 and 1 of 64", true, 7, { 1, 4, 70, 2, 3, 61, 1 } },
        { "the same, of 65 in fact", true, 7, { 1, 4, 71, 2, 3, 61, 1 } },
        { "sum too small", false, 7, { 1, 4, 69, 2, 3, 61, 1 } },
        { "sum too great", false, 7, { 1, 4, 72, 2, 3, 61, 1 } },
        { "count too small", false, 7, { 1, 3, 70, 2, 3, 61, 1 } },
        { "count too great", false, 7, { 1, 5, 70, 2, 3, 61, 1 } },
        { "version", false, 7, { 2, 4, 70, 2, 3, 61, 1 } },
        { "count of 0", false, 9, { 1, 4, 70, 0, 0, 1, 3, 61, 1 } },
        { "count of 0 at the end", false, 9, { 1, 4, 70, 2, 3, 61, 1, 0, 0 } },
        { "long spelling", false, 8, { 1, 4, 70, 2, 0x83, 0, 61, 1 } },
        { "no last count", false, 6, { 1, 4, 70, 2, 3, 61 } },
        { "no version", false, 0, { 0 } },
        { "no count", false, 1, { 1 } },
        { "no sum", false, 2, { 1, 0 } },
        { "a sum of nothing", false, 3, { 1, 0, 1 } },
        { "the last bucket", true, 9, { 1, 1, 0x80, 0x80, 0x80, 0x29, 0xC9, 5, 1 } },
        { "the last bucket, for days", true, 9, { 1, 1, 0x80, 0x80, 0x80, 0x79, 0xC9, 5, 1 } },
        { "one behind it", false, 9, { 1, 1, 0x80, 0x80, 0x80, 0x29, 0xCA, 5, 1 } },
        { "one behind it in two steps", false, 11, { 1, 2, 0x80, 0x80, 0x80, 0x29, 0xC9, 5, 1, 0, 1 } },
        { "just 20x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x1053",
          true,
          19,
          { 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10 } },
        { "more than 20x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x1053",
          false,
          19,
          { 1, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10 } },
        { "a sum over 64 bits", false, 20, { 1,    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0,
                                             0xC9, 5,    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10 } },
        { "11 bytes", false, 15, { 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 1 } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(read_blob(cases[i].blob, cases[i].n) == cases[i].accepted, "%s", cases[i].what);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("tally_histogram");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, test_values);
    tcase_add_test(tcase, test_longest);
    tcase_add_loop_test(tcase, test_quantiles, 0, SHAPES);
    tcase_add_test(tcase, test_empty);
    tcase_add_loop_test(tcase, test_blob, 0, SHAPES);
    tcase_add_test(tcase, test_damaged);
    tcase_add_test(tcase, test_lies);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
