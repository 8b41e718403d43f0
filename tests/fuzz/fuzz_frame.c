/* A byte stream cut into frames: the same frames however it arrives, and each one encodes back to the same bytes. */
#include <assert.h>
#include <stdlib.h>

#include "spop/frame.h"
#include "spop/writer.h"

#define MAX_FRAME 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the first `n` bytes of a stream give, read from a block of just that size so that a sanitizer sees any byte that
 * is read beyond. */
static enum spop_next verdict_of(const char *stream, size_t n)
{
    char             *copy = malloc(n);
    struct span       in = { copy, n };
    struct spop_frame frame;
    enum spop_next    r;

    assert(n == 0 || copy != NULL);
    if (n > 0)
        memcpy(copy, stream, n);
    r = spop_frame_next(&in, MAX_FRAME, &frame);
    assert(r == SPOP_NEXT_FRAME || (in.p == copy && in.n == n));
    if (r == SPOP_NEXT_PARTIAL)
        assert(n < 4 ? spop_frame_size(in) == 0 : spop_frame_size(in) > n && spop_frame_size(in) <= MAX_FRAME + 4);
    free(copy);
    return r;
}

/* Shorter prefixes of what gave `last` are partial or, once a fault shows, that fault. */
static void check_prefixes(const char *stream, size_t n, enum spop_next last)
{
    enum spop_next before = SPOP_NEXT_PARTIAL;

    for (size_t cut = 0; cut < n; cut++) {
        enum spop_next r;

        if (cut == 48 && n > 96)
            cut = n - 8; /* the inside of a long payload is all the same */
        r = verdict_of(stream, cut);
        assert(r == SPOP_NEXT_PARTIAL || (r == last && r != SPOP_NEXT_FRAME));
        assert(before == SPOP_NEXT_PARTIAL || r == before);
        before = r;
    }
}

static void check_encoding(const struct spop_frame *frame, const char *bytes, size_t n)
{
    char              *again = malloc(n);
    struct spop_writer w;

    assert(again != NULL);
    assert(frame->payload.p >= bytes && frame->payload.p + frame->payload.n == bytes + n);
    spop_frame_begin(&w, again, n, frame->type, frame->flags, frame->stream_id, frame->frame_id);
    spop_write_bytes(&w, frame->payload.p, frame->payload.n);
    assert(spop_frame_end(&w) == n && memcmp(again, bytes, n) == 0);
    spop_frame_begin(&w, again, n - 1, frame->type, frame->flags, frame->stream_id, frame->frame_id);
    spop_write_bytes(&w, frame->payload.p, frame->payload.n);
    assert(spop_frame_end(&w) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             *stream = malloc(size);
    struct span       in = { stream, size };
    struct spop_frame frame;
    enum spop_next    r;

    assert(size == 0 || stream != NULL);
    if (size > 0)
        memcpy(stream, data, size);
    do {
        struct span start = in;
        size_t      total = spop_frame_size(in);

        r = spop_frame_next(&in, MAX_FRAME, &frame);
        if (r == SPOP_NEXT_FRAME) {
            assert(total <= MAX_FRAME + 4 && in.p == start.p + total && in.n == start.n - total);
            assert(verdict_of(start.p, total) == SPOP_NEXT_FRAME);
            check_prefixes(start.p, total, r);
            check_encoding(&frame, start.p, total);
        } else {
            assert(in.p == start.p && in.n == start.n);
            assert(verdict_of(start.p, start.n) == r);
            check_prefixes(start.p, start.n, r);
        }
    } while (r == SPOP_NEXT_FRAME);
    free(stream);
    return 0;
}
