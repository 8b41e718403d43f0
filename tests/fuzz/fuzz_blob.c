/* A tally's blob as the analytics database may give it back: d or h for the kind of tally, then the blob. What is
 * accepted is written as the same bytes, and can be used. */
#include <assert.h>
#include <stdlib.h>

#include "tally/distinct.h"
#include "tally/histogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    if (data[0] == 'd')
        read_distinct(in);
    else
        read_histogram(in);
    return 0;
}
