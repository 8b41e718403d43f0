/* A tally's blob as the analytics database may give it back: t, d or h for the kind of tally, then the blob. What is
 * accepted is written as the same bytes, and can be used. */
#include <assert.h>
#include <stdlib.h>

#include "tally/distinct.h"
#include "tally/histogram.h"
#include "tally/topk.h"

#define KEYS     8
#define TEXT_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct topk *t)
{
    const uint64_t sums[TOPK_SUMS] = { 1, 2, 3 };

    for (uint64_t key = 0; key < 2 * KEYS; key++)
        topk_add(t, (struct tally_id){ key, 0 }, SPAN_LITERAL("/"), 1 + key % 3, sums);
}

/* Rows and `other` are all there is, and no more is missing than the bounds say. */
static void check_rows(const struct topk *t)
{
    struct topk_row rows[KEYS], all = topk_other(t, NULL, 0), other;

    topk_rows(t, rows);
    other = topk_other(t, rows, topk_size(t));
    assert(topk_floor(t) <= other.count && other.error <= other.count && other.count <= all.count);
    for (size_t r = 0; r < topk_size(t); r++) {
        assert(rows[r].error <= topk_floor(t) && rows[r].count <= all.count && rows[r].text.n <= TEXT_MAX);
        assert(r == 0 || rows[r].count <= rows[r - 1].count);
    }
}

static void read_topk(struct span in)
{
    struct topk *t = topk_new(KEYS, TEXT_MAX), *other = topk_new(KEYS, TEXT_MAX);
    char        *again;

    assert(t != NULL && other != NULL);
    if (topk_read(t, in)) {
        again = malloc(topk_blob_max(t));
        assert(again != NULL);
        /* Of more keys than find a place some are gone. */
        assert((topk_write(t, again) == in.n && memcmp(again, in.p, in.n) == 0) || topk_size(t) == KEYS);
        free(again);
        check_rows(t);
        fill(other);
        topk_merge(other, t);
        check_rows(other);
        fill(t);
        topk_merge(t, other);
        check_rows(t);
    } else {
        assert(topk_size(t) == 0);
    }
    topk_free(t);
    topk_free(other);
}

static void read_distinct(struct span in)
{
    static struct distinct d;
    static uint8_t         again[DISTINCT_BLOB_SIZE];

    if (distinct_read(&d, in)) {
        distinct_write(&d, again);
        assert(in.n == sizeof again && memcmp(again, in.p, in.n) == 0);
    }
    distinct_count(&d);
}

static void read_histogram(struct span in)
{
    static struct histogram h;
    static uint8_t          again[HISTOGRAM_BLOB_MAX];

    if (histogram_read(&h, in))
        assert(histogram_write(&h, again) == in.n && memcmp(again, in.p, in.n) == 0);
    assert(histogram_quantile(&h, 1) <= histogram_quantile(&h, 999));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = { (const char *)data + 1, size - 1 };

    if (size == 0)
        return 0;
    if (data[0] == 't')
        read_topk(in);
    else if (data[0] == 'd')
        read_distinct(in);
    else
        read_histogram(in);
    return 0;
}
