/* Heavy hitters against exact counts: each bound and each total that topk.h promises, for streams that are kind,
 * hostile and in between, for merges in any order, and after they were kept elsewhere. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/random.h"
#include "lib/require.h"
#include "tally/topk.h"

enum { KEYS = 3000, TEXT_MAX = 64 }; /* keys there are in all */

static struct random random_state;

static uint64_t below(uint64_t n)
{
    return random_below(&random_state, n);
}

/* One key of a stream. Every third text is too long to be kept whole, but says early whose it is. With `collide` all
 * ids look alike in the bits that a hash table would use. */
static uint64_t key_of(unsigned key, bool collide, char text[128], struct span *span)
{
    int n = snprintf(
        text, 128, "/%u/%.*s", key, key % 3 == 0 ? 90 : 0,
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");

    *span = (struct span){ text, (size_t)n };
    if (collide)
        return key % 3 + ((uint64_t)key << (key % 2 ? 32 : 48));
    return tally_id_of(*span, 7);
}

/* A summary, and the truth about it. */
struct pair {
    struct topk *t;
    uint32_t     keys; /* least of any that was merged in */
    bool         collide;
    uint64_t     total, totals[TOPK_SUMS], counts[KEYS], sums[KEYS][TOPK_SUMS];
};

static struct pair *pair_new(uint32_t keys, bool collide)
{
    struct pair *p = calloc(1, sizeof *p);

    ck_assert_ptr_nonnull(p);
    p->t = topk_new(keys, TEXT_MAX);
    ck_assert_ptr_nonnull(p->t);
    p->keys = keys;
    p->collide = collide;
    return p;
}

static void pair_free(struct pair *p)
{
    topk_free(p->t);
    free(p);
}

static void pair_clear(struct pair *p)
{
    topk_clear(p->t);
    p->total = 0;
    memset(p->totals, 0, sizeof p->totals);
    memset(p->counts, 0, sizeof p->counts);
    memset(p->sums, 0, sizeof p->sums);
}

static void pair_add(struct pair *p, unsigned key, uint64_t count, uint64_t denied, uint64_t ms)
{
    uint64_t    sums[TOPK_SUMS] = { denied, ms, ms > 0 };
    char        text[128];
    struct span span;
    uint64_t    id = key_of(key, p->collide, text, &span);

    topk_add(p->t, id, count > 0 ? span : SPAN_ABSENT, count, sums);
    p->total += count;
    p->counts[key] += count;
    for (int i = 0; i < TOPK_SUMS; i++) {
        p->totals[i] += sums[i];
        p->sums[key][i] += sums[i];
    }
}

static void pair_merge(struct pair *into, const struct pair *from)
{
    topk_merge(into->t, from->t);
    into->keys = from->keys < into->keys ? from->keys : into->keys;
    into->total += from->total;
    for (int i = 0; i < TOPK_SUMS; i++)
        into->totals[i] += from->totals[i];
    for (unsigned key = 0; key < KEYS; key++) {
        into->counts[key] += from->counts[key];
        for (int i = 0; i < TOPK_SUMS; i++)
            into->sums[key][i] += from->sums[key][i];
    }
}

static void check_row(const struct pair *p, const struct topk_row *row, unsigned key)
{
    char        text[128];
    struct span span;
    uint64_t    id = key_of(key, p->collide, text, &span);

    require(row->id == id, "%s has another's id", text);
    if (span.n <= TEXT_MAX)
        require(span_eq(row->text, span), "%s: text", text);
    else
        require(row->text.n == TEXT_MAX && memcmp(row->text.p, text, TEXT_MAX - 19) == 0, "%s: shortened text", text);
    require(row->count <= p->counts[key] && p->counts[key] <= row->count + row->error, "%s: %ju..+%ju, in truth %ju",
            text, row->count, row->error, p->counts[key]);
    require(row->error <= topk_floor(p->t), "%s: error", text);
    require(row->count + row->error >= topk_floor(p->t), "%s: kept below the floor", text);
    /* Each one counted denies at most one, so denied is short of no more. */
    require(row->sums[0] <= p->sums[key][0] && p->sums[key][0] <= row->sums[0] + row->error, "%s: denied", text);
    require(row->sums[1] <= p->sums[key][1] && row->sums[2] <= p->sums[key][2], "%s: later sums", text);
}

static void check_other(const struct pair *p, const struct topk_row *rows, size_t n)
{
    struct topk_row other = topk_other(p->t, rows, n);
    uint64_t        count = other.count, truth = p->total, sums[TOPK_SUMS];

    memcpy(sums, other.sums, sizeof sums);
    for (size_t r = 0; r < n; r++) {
        count += rows[r].count;
        truth -= p->counts[atoi(rows[r].text.p + 1)];
        for (int i = 0; i < TOPK_SUMS; i++)
            sums[i] += rows[r].sums[i];
    }
    require(count == p->total && memcmp(sums, p->totals, sizeof sums) == 0, "%zu rows and other are not all", n);
    require(truth <= other.count && other.count <= truth + other.error,
            "other of %zu rows: %ju, %ju too many at most, of %ju", n, other.count, other.error, truth);
}

/* Everything that the header says. */
static void pair_check(const struct pair *p)
{
    size_t           n = topk_size(p->t);
    struct topk_row *rows = calloc(n + 1, sizeof *rows);
    bool             kept[KEYS] = { false };
    uint64_t         not_kept;

    topk_rows(p->t, rows);
    for (size_t r = 0; r < n; r++) {
        unsigned key = (unsigned)atoi(rows[r].text.p + 1);

        require(key < KEYS && !kept[key], "%u: twice, or nobody's", key);
        kept[key] = true;
        check_row(p, &rows[r], key);
        require(r == 0 || rows[r].count <= rows[r - 1].count, "row %zu: order", r);
    }
    require(topk_floor(p->t) <= p->total / p->keys, "floor %ju of %ju, %u keys", topk_floor(p->t), p->total, p->keys);
    for (unsigned key = 0; key < KEYS; key++)
        require(kept[key] || p->counts[key] <= topk_floor(p->t), "%u is not kept: %ju", key, p->counts[key]);
    not_kept = topk_other(p->t, rows, n).count;
    require(topk_floor(p->t) <= not_kept, "floor %ju, other %ju", topk_floor(p->t), not_kept);
    require(topk_other(p->t, rows, n).error <= not_kept && topk_other(p->t, rows, n / 2).error <= not_kept,
            "more is missing than there is");
    check_other(p, rows, 0);
    check_other(p, rows, n / 3);
    check_other(p, rows, n);
    free(rows);
}

enum stream { ZIPF, UNIFORM, FLOOD, ONE_TOO_MANY, RUNS, ASCENDING, WEIGHTED, STREAMS };

static unsigned next_key(enum stream stream, unsigned i, unsigned n, uint32_t keys)
{
    switch (stream) {
    case UNIFORM:
    case WEIGHTED:
        return (unsigned)below(KEYS);
    case FLOOD: /* a few that come back, among ever new ones */
        return i % 4 == 0 ? (unsigned)below(3) : i % KEYS;
    case ONE_TOO_MANY: /* the worst for those that keep the latest */
        return i % (keys + 1) % KEYS;
    case RUNS:
        return i / 7 % KEYS;
    case ASCENDING: /* the heavier the later */
        return (unsigned)((double)KEYS * i / n * i / n);
    default: { /* 1, 1/2, 1/3 ... nearly */
        double x = random_share(&random_state);

        for (unsigned steps = (unsigned)below(12); steps > 0; steps--)
            x *= 0.5;
        return (unsigned)(x * KEYS);
    }
    }
}

static void feed(struct pair *p, enum stream stream, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned key = next_key(stream, i, n, p->keys);
        uint64_t count = stream == WEIGHTED ? 1 + below(50) : 1;

        pair_add(p, key, count, below(count + 1), below(3) == 0 ? below(1000) : 0);
        if (i % 5 == 0)
            pair_add(p, (unsigned)below(KEYS), 0, 0, 1 + below(1000));
    }
}

static const uint32_t capacities[] = { 1, 2, 3, 10, 63, 64, 65, 500, 1000, KEYS };

#define CAPACITIES (sizeof capacities / sizeof capacities[0])

START_TEST(test_streams)
{
    random_state.state = 1 + (uint64_t)_i;
    for (size_t c = 0; c < CAPACITIES; c++) {
        for (int collide = 0; collide < (capacities[c] <= 64 ? 2 : 1); collide++) {
            struct pair *p = pair_new(capacities[c], collide);

            pair_check(p);
            for (unsigned part = 1; part <= 6; part++) {
                feed(p, (enum stream)_i, 7u << (2 * part - 1));
                pair_check(p);
            }
            if (capacities[c] < KEYS && _i != ONE_TOO_MANY && _i != ASCENDING)
                ck_assert_uint_gt(topk_floor(p->t), 0); /* else nothing was evicted */
            if (capacities[c] == KEYS)
                ck_assert_uint_eq(topk_floor(p->t), 0);
            pair_clear(p);
            feed(p, UNIFORM, 5000);
            pair_check(p);
            pair_free(p);
        }
    }
}
END_TEST

/* Merged in a random order, of different sizes, fed again after a merge, and merged again. */
START_TEST(test_merges)
{
    enum { N = 12 };

    struct pair *pairs[N];
    uint32_t     least = 1u + (uint32_t)_i * 7 % 150;

    random_state.state = 100 + (uint64_t)_i;
    for (int i = 0; i < N; i++) {
        pairs[i] = pair_new(least * (uint32_t)(1 + below(3)), _i % 2);
        feed(pairs[i], (enum stream)below(STREAMS), (unsigned)below(4000));
    }
    for (int n = N; n > 1; n--) {
        int into = (int)below((uint64_t)n), from = (int)below((uint64_t)n - 1);

        from += from >= into;
        pair_merge(pairs[into], pairs[from]);
        pair_check(pairs[into]);
        feed(pairs[into], (enum stream)below(STREAMS), (unsigned)below(1500));
        pair_check(pairs[into]);
        pair_free(pairs[from]);
        pairs[from] = pairs[n - 1];
    }
    pair_free(pairs[0]);
}
END_TEST

/* What every client sends is known exactly as long as all find room, merged or not. */
START_TEST(test_exact)
{
    struct pair *a = pair_new(50, false), *b = pair_new(50, false);

    for (unsigned i = 0; i < 1000; i++) {
        pair_add(a, i % 30, 1, i % 2, 5);
        pair_add(b, 20 + i % 30, 1, 1, 7);
    }
    pair_merge(a, b);
    pair_check(a);
    ck_assert_uint_eq(topk_size(a->t), 50);
    ck_assert_uint_eq(topk_floor(a->t), 0);
    ck_assert_uint_eq(topk_other(a->t, NULL, 0).count, 2000);
    pair_free(b);
    /* One key more than there is room for, in a summary that is not full itself. */
    b = pair_new(50, false);
    pair_add(b, 2000, 3, 3, 0);
    pair_merge(a, b);
    pair_check(a);
    ck_assert_uint_eq(topk_floor(a->t), 3);
    pair_free(a);
    pair_free(b);
}
END_TEST

/* A key that both keep goes because heavier ones of the other summary come, before its turn in that summary. */
START_TEST(test_merge_drops_common)
{
    struct pair *a = pair_new(2, false), *b = pair_new(4, false);

    pair_add(a, 1, 2, 0, 0);
    pair_add(a, 2, 9, 0, 0);
    pair_add(b, 10, 50, 0, 0);
    pair_add(b, 11, 40, 0, 0);
    pair_add(b, 1, 2, 0, 0);
    pair_merge(a, b);
    pair_check(a);
    ck_assert_uint_eq(topk_floor(a->t), 9);
    pair_free(a);
    pair_free(b);
}
END_TEST

/* More than 32 bits of what is not kept: at once, bit by bit, and of a kept one that goes. */
START_TEST(test_great_counts)
{
    const uint64_t many = UINT64_C(4000000000);

    for (uint32_t keys = 1; keys <= 3; keys++) {
        struct pair *p = pair_new(keys, false);

        for (uint32_t key = 0; key < keys; key++)
            pair_add(p, key, 5 * many, 0, 0);
        for (int i = 0; i < 4; i++) {
            pair_add(p, 9, many, 0, 0);
            pair_check(p);
        }
        ck_assert_uint_eq(topk_floor(p->t), 4 * many);
        pair_add(p, 10, 4 * many, 0, 0);
        pair_add(p, 11, 6 * many, 0, 0);
        pair_check(p);
        feed(p, UNIFORM, 1000);
        pair_check(p);
        pair_free(p);
    }
}
END_TEST

START_TEST(test_rows)
{
    static const struct {
        const char *text;
        uint64_t    count;
    } adds[] = { { "b", 2 }, { "a", 2 }, { "", 2 }, { "ab", 2 }, { "z", 9 }, { "c", 1 } };
    static const char *const order[] = { "z", "", "a", "ab", "b", "c" };
    const uint64_t           sums[TOPK_SUMS] = { 0 };
    struct topk             *t = topk_new(10, 48), *copy = topk_new(10, 48);
    struct topk_row          rows[10];

    for (size_t i = 0; i < 6; i++)
        topk_add(t, tally_id_of(span_of(adds[i].text), 0), span_of(adds[i].text), adds[i].count, sums);
    topk_add(copy, tally_id_of(span_of("gone"), 0), span_of("gone"), 1, sums);
    topk_copy(copy, t);
    for (int i = 0; i < 20; i++)
        topk_add(t, (uint64_t)i << 32, SPAN_LITERAL("later"), 100, sums);
    ck_assert_uint_eq(topk_size(copy), 6);
    topk_rows(copy, rows);
    for (size_t i = 0; i < 6; i++)
        ck_assert(span_eq(rows[i].text, span_of(order[i])));
    ck_assert_uint_eq(topk_other(copy, rows, 2).count, 7);

    topk_clear(t);
    ck_assert_uint_eq(topk_size(t), 0);
    ck_assert_uint_eq(topk_other(t, NULL, 0).count, 0);
    topk_add(t, rows[0].id, rows[0].text, 1, sums);
    ck_assert_uint_eq(topk_size(t), 1);
    topk_free(t);
    topk_free(copy);
    topk_free(NULL);
}
END_TEST

/* Paths that differ only behind what is kept stay two rows, with two texts. */
START_TEST(test_long_texts)
{
    static const size_t lengths[] = { 255, 256, 257, 2048, 6145 };
    const uint64_t      sums[TOPK_SUMS] = { 0 };
    struct topk        *t = topk_new(10, 256);
    struct topk_row     rows[10];
    char                path[6145], suffix[20];

    memset(path, 'x', sizeof path);
    for (size_t i = 0; i < 5; i++) {
        struct span text = { path, lengths[i] };

        topk_add(t, tally_id_of(text, 1), text, 10 - i, sums);
    }
    path[6144] = 'y';
    topk_add(t, tally_id_of((struct span){ path, 6145 }, 1), (struct span){ path, 6145 }, 1, sums);
    ck_assert_uint_eq(topk_size(t), 6);
    topk_rows(t, rows);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(rows[i].text.n, i == 0 ? 255 : 256);
        snprintf(suffix, sizeof suffix, "\xE2\x80\xA6%016jx", rows[i].id);
        ck_assert_int_eq(memcmp(rows[i].text.p + rows[i].text.n - 19, suffix, 19) == 0, i >= 2);
        ck_assert_int_eq(memcmp(rows[i].text.p, path, 237), 0);
        for (size_t other = 0; other < i; other++)
            ck_assert(!span_eq(rows[i].text, rows[other].text));
    }
    topk_free(t);
}
END_TEST

static struct pair *make_pair(unsigned seed, uint32_t keys, unsigned n)
{
    struct pair *p = pair_new(keys, false);

    random_state.state = seed;
    feed(p, ZIPF, n);
    return p;
}

static void restore(struct pair *p, uint32_t keys)
{
    struct topk     *t = topk_new(keys, TEXT_MAX);
    struct topk_row *rows = calloc(topk_size(p->t) + 1, sizeof *rows), total = topk_other(p->t, NULL, 0);

    topk_rows(p->t, rows);
    total.error = topk_floor(p->t);
    topk_add(t, 77, SPAN_LITERAL("nothing is left of it"), 99, total.sums);
    topk_restore(t, &total, rows, topk_size(p->t));
    topk_free(p->t);
    p->t = t;
    p->keys = keys < p->keys ? keys : p->keys;
    free(rows);
}

START_TEST(test_restore)
{
    static const uint32_t rooms[] = { 100, 150, 30 }; /* as before, more, less */

    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        struct pair *p = make_pair(5, 100, (unsigned)_i * 60);
        size_t       size = topk_size(p->t);

        restore(p, rooms[i]);
        ck_assert_uint_eq(topk_size(p->t), size < rooms[i] ? size : rooms[i]);
        pair_check(p);
        feed(p, UNIFORM, 300);
        pair_check(p);
        pair_free(p);
    }
}
END_TEST

/* Whatever the numbers, what was restored can be used, and its columns add up. */
static void use(struct topk *t)
{
    const uint64_t   sums[TOPK_SUMS] = { 1, 2, 3 };
    struct topk     *other = topk_new(40, TEXT_MAX);
    struct topk_row *rows, rest;

    for (unsigned key = 0; key < 100; key++) {
        char        text[128];
        struct span span;
        uint64_t    id = key_of(key, false, text, &span);

        topk_add(t, id, span, 1, sums);
        topk_add(other, id, span, 100 - key, sums);
    }
    topk_merge(other, t);
    topk_merge(t, other);
    rows = calloc(topk_size(t) + 1, sizeof *rows);
    topk_rows(t, rows);
    rest = topk_other(t, rows, topk_size(t));
    require(rest.count <= topk_other(t, NULL, 0).count && topk_floor(t) <= rest.count, "more than all");
    for (size_t r = 0; r < topk_size(t); r++)
        require(rows[r].error <= topk_floor(t) && rows[r].count <= topk_other(t, NULL, 0).count, "row %zu", r);
    free(rows);
    topk_free(other);
}

static uint64_t any_number(void)
{
    return below(3) ? below(30) : below(UINT64_C(1) << below(58));
}

START_TEST(test_restore_anything)
{
    struct topk_row rows[60], total;

    random_state.state = 8;
    for (int round = 0; round < 5000; round++) {
        struct topk *t = topk_new(40, TEXT_MAX);
        size_t       n = below(60);

        for (size_t i = 0; i <= n; i++) {
            struct topk_row *row = i < n ? &rows[i] : &total;

            *row = (struct topk_row){ .id = below(50), .count = any_number(), .error = any_number() };
            row->text = (struct span){ "0123456789", below(10) };
            for (int s = 0; s < TOPK_SUMS; s++)
                row->sums[s] = any_number();
        }
        topk_restore(t, &total, rows, n);
        ck_assert_uint_eq(topk_other(t, NULL, 0).count, total.count);
        use(t);
        topk_free(t);
    }
}
END_TEST

/* One lie at a time, in otherwise correct rows: they count as not kept. */
START_TEST(test_restore_lies)
{
    static const struct topk_row total = { .count = 20, .error = 3, .sums = { 4, 5, 6 } };
    static const struct topk_row honest = { .id = 2, .count = 9, .error = 3, .sums = { 3, 2, 1 } };
    struct topk_row              rows[2] = { { .id = 1, .count = 7, .error = 1, .sums = { 1, 1, 1 } } };
    struct topk                 *t = topk_new(40, TEXT_MAX);

    for (int lie = 0; lie <= 7; lie++) {
        rows[1] = honest;
        switch (lie) {
        case 1:
            rows[1].id = rows[0].id;
            break;
        case 2:
            rows[1].error = 4; /* above the floor */
            break;
        case 3:
            rows[1].count = 14; /* above the total */
            break;
        case 4:
            rows[1].count = 2; /* below the floor, with its error */
            rows[1].error = 0;
            break;
        case 5:
            rows[1].sums[0] = 4; /* a sum above the total */
            break;
        case 6:
            rows[1].sums[2] = 6;
            break;
        case 7:
            rows[1].count = 11; /* leaves less for the rest than the floor */
            break;
        }
        topk_restore(t, &total, rows, 2);
        ck_assert_msg(topk_size(t) == (lie == 0 ? 2 : 1), "lie %d", lie);
        ck_assert_uint_eq(topk_floor(t), 3);
        ck_assert_uint_eq(topk_other(t, NULL, 0).count, 20);
    }
    topk_free(t);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("tally_topk");
    TCase   *tcase = tcase_create("truth"), *restored = tcase_create("restore");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_streams, 0, STREAMS);
    tcase_add_loop_test(tcase, test_merges, 0, 60);
    tcase_add_test(tcase, test_exact);
    tcase_add_test(tcase, test_merge_drops_common);
    tcase_add_test(tcase, test_great_counts);
    tcase_add_test(tcase, test_rows);
    tcase_add_test(tcase, test_long_texts);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(restored, test_restore, 0, 20);
    tcase_add_test(restored, test_restore_anything);
    tcase_add_test(restored, test_restore_lies);
    suite_add_tcase(suite, restored);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
