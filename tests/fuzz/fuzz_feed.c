/* The bytes of a log connection: whatever they are, messages lie within them, and what is counted adds up. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "feed/fold.h"
#include "feed/frame.h"

/* That of the corpus, 2026-11-20T09. */
#define HOUR INT64_C(498657)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct responses *r, uint64_t folded)
{
    uint64_t sum = 0, refused = 0;

    for (unsigned i = 0; i < r->n; i++) {
        const struct responses_hour *h = &r->hours[i];

        sum += h->status_1xx + h->status_2xx + h->status_3xx + h->status_4xx + h->status_5xx + h->status_other;
        refused += h->coarse_denied + h->ban_denied + h->undecided;
        assert(h->hour >= HOUR - FEED_PAST_HOURS && h->hour <= HOUR + FEED_FUTURE_HOURS);
        assert(h->not_found <= h->status_4xx && h->origin.count <= h->duration.count);
        assert(topk_other(h->paths, NULL, 0).count <= h->duration.count);
    }
    assert(sum == folded && refused <= sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct responses *r;
    struct span              in = { (const char *)data, size }, message;
    uint64_t                 folded = 0;
    struct response          response;
    const char              *fault;

    if (r == NULL)
        r = responses_new();
    assert(r != NULL);
    while (feed_frame_next(&in, &message) == FEED_NEXT_MESSAGE) {
        assert(message.n <= FEED_MESSAGE_MAX && message.p + message.n == in.p);
        assert(in.p + in.n == (const char *)data + size);
        if (feed_fold(message, r, 1, HOUR, &response, &fault) == FEED_FOLDED)
            folded++;
        else
            assert(fault != NULL);
    }
    check(r, folded);
    responses_clear(r);
    return 0;
}
