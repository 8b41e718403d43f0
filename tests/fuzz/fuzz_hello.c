/* The payloads of HELLO and DISCONNECT: results within their bounds, the same in any order of keys, and answers that
 * the other side understands. */
#include <assert.h>
#include <stdlib.h>

#include "lib/spop_client.h"
#include "spop/hello.h"

#define OWN_MAX_FRAME 16380
#define PAIRS_MAX     64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
    struct span       name;
    struct spop_value value;
};

/* The list's pairs, read apart from the parser under test. False when it is malformed. */
static bool pairs_get(struct span list, struct pair *pairs, size_t *n)
{
    for (*n = 0; list.n > 0; ++*n) {
        struct pair pair;

        if (!spop_name_get(&list, &pair.name) || !spop_value_get(&list, &pair.value))
            return false;
        if (*n < PAIRS_MAX)
            pairs[*n] = pair;
    }
    return true;
}

static void pair_put(struct spop_writer *w, const struct pair *pair)
{
    spop_write_name(w, pair->name);
    spop_write_value(w, &pair->value);
}

static void check_same(struct span list, enum spop_status expected, const struct spop_hello *hello)
{
    struct spop_hello other;

    assert(spop_hello_parse(list, OWN_MAX_FRAME, &other) == expected);
    if (expected != SPOP_STATUS_NORMAL)
        return;
    assert(other.max_frame_size == hello->max_frame_size && other.pipelining == hello->pipelining);
    assert(other.healthcheck == hello->healthcheck && span_eq(other.engine_id, hello->engine_id));
    assert((other.engine_id.p == NULL) == (hello->engine_id.p == NULL));
}

/* Neither the order of the keys nor one that nobody knows changes anything; a key that comes twice is a fault. */
static void check_variants(const struct pair *pairs, size_t n, size_t size, enum spop_status status,
                           const struct spop_hello *hello)
{
    const struct pair  unknown = { .name = SPAN_LITERAL("x"), .value.type = SPOP_NULL };
    struct spop_writer w = { .cap = 2 * size + 16 };

    w.buf = malloc(w.cap);
    assert(w.buf != NULL);
    for (size_t i = n; i-- > 0;)
        pair_put(&w, &pairs[i]);
    pair_put(&w, &unknown);
    assert(!w.full);
    check_same((struct span){ w.buf, w.used }, status, hello);
    for (size_t i = 0; i < n && status == SPOP_STATUS_NORMAL; i++) {
        if (span_eq(pairs[i].name, SPAN_LITERAL("capabilities"))) {
            pair_put(&w, &pairs[i]);
            check_same((struct span){ w.buf, w.used }, SPOP_STATUS_INVALID, hello);
        }
    }
    free(w.buf);
}

static void check_answer(struct span list, const struct spop_hello *hello)
{
    char                           buf[SPOP_AGENT_HELLO_MAX];
    struct span                    in = { buf, 0 };
    struct spop_frame              frame;
    struct spop_client_agent_hello answer;
    struct spop_hello              wide, narrow;

    assert(hello->max_frame_size >= SPOP_FRAME_SIZE_MIN && hello->max_frame_size <= OWN_MAX_FRAME);
    assert(hello->engine_id.p == NULL ||
           (hello->engine_id.p >= list.p && hello->engine_id.p + hello->engine_id.n <= list.p + list.n));
    assert(spop_hello_parse(list, UINT32_MAX, &wide) == SPOP_STATUS_NORMAL);
    assert(spop_hello_parse(list, SPOP_FRAME_SIZE_MIN, &narrow) == SPOP_STATUS_NORMAL);
    assert(narrow.max_frame_size == SPOP_FRAME_SIZE_MIN);
    assert(hello->max_frame_size == (wide.max_frame_size < OWN_MAX_FRAME ? wide.max_frame_size : OWN_MAX_FRAME));

    in.n = spop_agent_hello_put(buf, sizeof buf, hello->max_frame_size, hello->pipelining);
    assert(spop_frame_next(&in, sizeof buf, &frame) == SPOP_NEXT_FRAME && in.n == 0);
    assert(spop_client_agent_hello_parse(&frame, &answer) && span_eq(answer.version, SPAN_LITERAL("2.0")));
    assert(answer.max_frame_size == hello->max_frame_size);
    assert(span_eq(answer.capabilities, hello->pipelining ? SPAN_LITERAL("pipelining") : SPAN_LITERAL("")));
}

static void check_disconnect(enum spop_status status)
{
    char              buf[SPOP_AGENT_DISCONNECT_MAX];
    struct span       in = { buf, 0 }, message, ours;
    struct spop_frame frame;
    uint32_t          code, ours_code;

    in.n = spop_agent_disconnect_put(buf, sizeof buf, status, NULL);
    assert(spop_frame_next(&in, sizeof buf, &frame) == SPOP_NEXT_FRAME && in.n == 0);
    assert(spop_client_agent_disconnect_parse(&frame, &code, &message) && code == (uint32_t)status);
    assert(spop_disconnect_parse(frame.payload, &ours_code, &ours) && ours_code == code && span_eq(ours, message));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             *copy = malloc(size); /* just this size, so that a sanitizer sees any byte read beyond */
    struct span       list = { copy, size }, message;
    struct pair       pairs[PAIRS_MAX];
    struct spop_hello hello;
    enum spop_status  status;
    uint32_t          code;
    size_t            n;
    bool              well_formed;

    assert(size == 0 || copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    well_formed = pairs_get(list, pairs, &n);
    status = spop_hello_parse(list, OWN_MAX_FRAME, &hello);
    assert(status == SPOP_STATUS_NORMAL || (status >= SPOP_STATUS_INVALID && status <= SPOP_STATUS_BAD_FRAME_SIZE));
    assert(well_formed || status == SPOP_STATUS_INVALID);
    if (status == SPOP_STATUS_NORMAL)
        check_answer(list, &hello);
    if (well_formed && n <= PAIRS_MAX)
        check_variants(pairs, n, size, status, &hello);
    check_disconnect(status);

    if (spop_disconnect_parse(list, &code, &message)) {
        assert(well_formed);
        assert(message.p == NULL || (message.p >= copy && message.p + message.n <= copy + size));
        check_disconnect((enum spop_status)code);
    }
    free(copy);
    return 0;
}
