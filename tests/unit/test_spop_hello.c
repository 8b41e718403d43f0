/* The handshake with each of its faults, and the end of a connection. */
#include <check.h>
#include <stdlib.h>

#include "lib/spop_client.h"
#include "spop/hello.h"

/* clang-format off */
/* A span that a static table may hold. */
#define BYTES(s) { (s), sizeof(s) - 1 }
/* clang-format on */

#define OWN_MAX 16380

/* clang-format off */
/* Keys as they stand in a payload: a length, the name, a type and the value. */
#define VERSIONS(n, text) "\x12supported-versions\x08" n text
#define V20               VERSIONS("\x03", "2.0")
#define SIZE_16380        "\x0emax-frame-size\x03\xfc\xf0\x06"
#define CAPABILITIES(n, text) "\x0c" "capabilities\x08" n text
#define PIPELINING        CAPABILITIES("\x0a", "pipelining")
#define NO_CAPABILITIES   CAPABILITIES("\x00", "")
#define HEALTHCHECK       "\x0bhealthcheck"
#define ENGINE            "\x09" "engine-id\x08\x04uuid"
#define SIZE(typed)       "\x0emax-frame-size" typed

static const struct {
    const char      *what;
    struct span      payload;
    enum spop_status expected;
} hellos[] = {
    { "2.6 to 3.0", BYTES(V20 SIZE_16380 CAPABILITIES("\x10", "pipelining,async") ENGINE), 0 },
    { "any order", BYTES(ENGINE PIPELINING SIZE_16380 V20), 0 },
    { "health check", BYTES(V20 SIZE_16380 NO_CAPABILITIES HEALTHCHECK "\x11"), 0 },
    { "the specification's example", BYTES(VERSIONS("\x08", "2.0, 1.5") SIZE_16380 PIPELINING), 0 },
    { "the other way round", BYTES(VERSIONS("\x08", "1.5, 2.0") SIZE_16380 PIPELINING), 0 },
    { "blanks all over", BYTES(VERSIONS("\x0c", " \t1.0 , 2.0\t") SIZE_16380 PIPELINING), 0 },
    { "a later minor", BYTES(VERSIONS("\x04", "2.17") SIZE_16380 PIPELINING), 0 },
    { "no minor", BYTES(VERSIONS("\x01", "2") SIZE_16380 PIPELINING), 0 },
    { "unknown keys", BYTES("\x03xyz\x00\x00\x06\x7f\0\0\x01" V20 SIZE_16380 PIPELINING "\x0c" "supported-ve\x00"), 0 },
    { "any integer", BYTES(V20 SIZE("\x04\xfc\xf0\x06") PIPELINING), 0 },
    { "least size", BYTES(V20 SIZE("\x03\xf0\x01") PIPELINING), 0 },
    { "largest size", BYTES(V20 SIZE("\x05\xff\xf0\xfe\xfe\x7e") PIPELINING), 0 },

    { "empty", BYTES(""), 5 },
    { "no versions", BYTES(SIZE_16380 PIPELINING), 5 },
    { "no size", BYTES(V20 PIPELINING), 6 },
    { "no capabilities", BYTES(V20 SIZE_16380), 7 },
    { "health check without capabilities", BYTES(V20 SIZE_16380 HEALTHCHECK "\x11"), 7 },

    { "version 1", BYTES(VERSIONS("\x03", "1.9") SIZE_16380 PIPELINING), 8 },
    { "version 3", BYTES(VERSIONS("\x08", "3.0, 1.0") SIZE_16380 PIPELINING), 8 },
    { "version 20", BYTES(VERSIONS("\x04", "20.0") SIZE_16380 PIPELINING), 8 },
    { "version 12.0", BYTES(VERSIONS("\x04", "12.0") SIZE_16380 PIPELINING), 8 },
    { "no digits after the dot", BYTES(VERSIONS("\x02", "2.") SIZE_16380 PIPELINING), 8 },
    { "no digit after the dot", BYTES(VERSIONS("\x03", "2.x") SIZE_16380 PIPELINING), 8 },
    { "no digit at the end", BYTES(VERSIONS("\x04", "2.0x") SIZE_16380 PIPELINING), 8 },
    { "colon, the byte behind the digits", BYTES(VERSIONS("\x03", "2.:") SIZE_16380 PIPELINING), 8 },
    { "slash, the byte before the digits", BYTES(VERSIONS("\x03", "2./") SIZE_16380 PIPELINING), 8 },
    { "no dot", BYTES(VERSIONS("\x03", "2-0") SIZE_16380 PIPELINING), 8 },
    { "blank inside", BYTES(VERSIONS("\x04", "2. 0") SIZE_16380 PIPELINING), 8 },
    { "no version at all", BYTES(VERSIONS("\x00", "") SIZE_16380 PIPELINING), 8 },
    { "only commas", BYTES(VERSIONS("\x03", ", ,") SIZE_16380 PIPELINING), 8 },
    { "version 3, and no other key", BYTES(VERSIONS("\x03", "3.0")), 8 },

    { "size 255", BYTES(V20 SIZE("\x03\xff\x00") PIPELINING), 9 },
    { "size 0", BYTES(V20 SIZE("\x03\x00") PIPELINING), 9 },
    { "size -1", BYTES(V20 SIZE("\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") PIPELINING), 9 },
    { "size 2^32", BYTES(V20 SIZE("\x05\xf0\xf1\xfe\xfe\x7e") PIPELINING), 9 },
    { "size 2^32 + 256, signed", BYTES(V20 SIZE("\x04\xf0\x81\xff\xfe\x7e") PIPELINING), 9 },
    { "size as text", BYTES(V20 SIZE("\x08\x05" "16380") PIPELINING), 9 },
    { "size as boolean", BYTES(V20 SIZE("\x11") PIPELINING), 9 },

    { "size above its type", BYTES(V20 SIZE("\x03\xf0\xf1\xfe\xfe\x7e") PIPELINING), 4 },
    { "versions twice", BYTES(V20 V20 SIZE_16380 PIPELINING), 4 },
    { "size twice", BYTES(V20 SIZE_16380 SIZE_16380 PIPELINING), 4 },
    { "capabilities twice", BYTES(V20 SIZE_16380 PIPELINING NO_CAPABILITIES), 4 },
    { "health check twice", BYTES(V20 SIZE_16380 PIPELINING HEALTHCHECK "\x01" HEALTHCHECK "\x01"), 4 },
    { "engine-id twice", BYTES(V20 SIZE_16380 PIPELINING ENGINE ENGINE), 4 },
    { "versions as number", BYTES("\x12supported-versions\x03\x02" SIZE_16380 PIPELINING), 4 },
    { "capabilities null", BYTES(V20 SIZE_16380 "\x0c" "capabilities\x00"), 4 },
    { "capabilities binary", BYTES(V20 SIZE_16380 "\x0c" "capabilities\x09\x00"), 4 },
    { "health check as number", BYTES(V20 SIZE_16380 PIPELINING HEALTHCHECK "\x03\x01"), 4 },
    { "engine-id as number", BYTES(V20 SIZE_16380 PIPELINING "\x09" "engine-id\x03\x01"), 4 },
    { "unassigned type", BYTES(V20 SIZE_16380 PIPELINING "\x01x\x0c"), 4 },
    { "key without value", BYTES(V20 SIZE_16380 PIPELINING "\x01x"), 4 },
};
/* clang-format on */

/* A block of just this size, so that a sanitizer sees any byte that is read beyond. */
static enum spop_status parse_exact(const char *bytes, size_t n, struct spop_hello *hello)
{
    char            *copy = malloc(n + 1);
    enum spop_status status;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy + 1, bytes, n);
    status = spop_hello_parse((struct span){ copy + 1, n }, OWN_MAX, hello);
    hello->engine_id = SPAN_ABSENT;
    free(copy);
    return status;
}

START_TEST(hello_status)
{
    struct spop_hello hello;
    enum spop_status  got = parse_exact(hellos[_i].payload.p, hellos[_i].payload.n, &hello);

    ck_assert_msg(got == hellos[_i].expected, "%s: %d", hellos[_i].what, (int)got);
}
END_TEST

static const struct span three_keys = BYTES(V20 SIZE_16380 PIPELINING);

/* Between two keys a cut leaves something missing, elsewhere something malformed. */
START_TEST(hello_truncated_at_every_byte)
{
    size_t after_versions = sizeof V20 - 1;
    size_t after_size = after_versions + sizeof SIZE_16380 - 1;

    for (size_t cut = 0; cut < three_keys.n; cut++) {
        struct spop_hello hello;
        enum spop_status  expected = cut == 0                ? SPOP_STATUS_NO_VERSION
                                     : cut == after_versions ? SPOP_STATUS_NO_FRAME_SIZE
                                     : cut == after_size     ? SPOP_STATUS_NO_CAPABILITIES
                                                             : SPOP_STATUS_INVALID;

        ck_assert_msg(parse_exact(three_keys.p, cut, &hello) == expected, "cut at %zu", cut);
    }
}
END_TEST

/* clang-format off */
static const struct {
    int64_t     offered;
    size_t      own;
    uint32_t    negotiated;
    const char *capabilities;
    bool        pipelining;
} offers[] = {
    { 16380, 16380, 16380, "pipelining,async", true },
    { 16380, 65536, 16380, "async, pipelining", true },
    { 1048572, 65536, 65536, "\tpipelining\t", true },
    { 256, 65536, 256, ",pipelining", true },
    { 300, 256, 256, "", false },
    { UINT32_MAX, UINT32_MAX, UINT32_MAX, "fragmentation,async", false },
    { UINT32_MAX - 1, UINT32_MAX, UINT32_MAX - 1, "pipeliningx,xpipelining", false },
    { 16380, 16379, 16379, "pipelinin g", false },
};
/* clang-format on */

START_TEST(hello_negotiates)
{
    struct spop_client_hello offer = { "2.0", offers[_i].offered, offers[_i].capabilities, _i % 2 == 1, "uuid" };
    char                     buf[256];
    struct span              in = { buf, 0 };
    struct spop_frame        frame;
    struct spop_hello        hello;

    if (_i == 0)
        offer.engine_id = NULL;
    in.n = spop_client_hello_put(buf, sizeof buf, &offer);
    ck_assert_int_eq(spop_frame_next(&in, sizeof buf, &frame), SPOP_NEXT_FRAME);
    ck_assert_int_eq(spop_hello_parse(frame.payload, offers[_i].own, &hello), SPOP_STATUS_NORMAL);
    ck_assert_uint_eq(hello.max_frame_size, offers[_i].negotiated);
    ck_assert_int_eq(hello.pipelining, offers[_i].pipelining);
    ck_assert_int_eq(hello.healthcheck, offer.healthcheck);
    if (_i == 0)
        ck_assert_ptr_null(hello.engine_id.p);
    else
        ck_assert(span_eq(hello.engine_id, SPAN_LITERAL("uuid")));
}
END_TEST

START_TEST(healthcheck_may_be_false)
{
    struct spop_hello hello;

    ck_assert_int_eq(spop_hello_parse(SPAN_LITERAL(V20 SIZE_16380 PIPELINING HEALTHCHECK "\x01"), OWN_MAX, &hello), 0);
    ck_assert(!hello.healthcheck);
}
END_TEST

/* clang-format off */
static const struct span agent_hello_without = BYTES("\0\0\0\x36\x65\0\0\0\x01\0\0"
                                                     "\x07version\x08\x03" "2.0" SIZE_16380 NO_CAPABILITIES);
static const struct span agent_hello_with = BYTES("\0\0\0\x40\x65\0\0\0\x01\0\0"
                                                  "\x07version\x08\x03" "2.0" SIZE_16380 PIPELINING);
/* clang-format on */

START_TEST(bytes_of_an_agent_hello)
{
    struct span want = _i == 1 ? agent_hello_with : agent_hello_without;

    for (size_t cap = 0; cap <= want.n; cap++) {
        char  *out = malloc(cap);
        size_t n = spop_agent_hello_put(out, cap, 16380, _i == 1);

        ck_assert_msg(n == (cap < want.n ? 0 : want.n), "capacity %zu: %zu", cap, n);
        if (n > 0)
            ck_assert_mem_eq(out, want.p, want.n);
        free(out);
    }
}
END_TEST

START_TEST(disconnect_from_the_agent)
{
    static const struct span want = BYTES("\0\0\0\x35\x66\0\0\0\x01\0\0"
                                          "\x0bstatus-code\x03\x04\x07message\x08\x16invalid frame received");
    char                     out[SPOP_AGENT_DISCONNECT_MAX];
    struct span              in = { out, 0 }, message;
    struct spop_frame        frame;
    uint32_t                 status;

    in.n = spop_agent_disconnect_put(out, sizeof out, SPOP_STATUS_INVALID, NULL);
    ck_assert_uint_eq(in.n, want.n);
    ck_assert_mem_eq(out, want.p, want.n);
    ck_assert_uint_eq(spop_agent_disconnect_put(out, want.n - 1, SPOP_STATUS_INVALID, NULL), 0);

    in.n = spop_agent_disconnect_put(out, sizeof out, SPOP_STATUS_UNKNOWN, "draining");
    ck_assert_int_eq(spop_frame_next(&in, sizeof out, &frame), SPOP_NEXT_FRAME);
    ck_assert(spop_client_agent_disconnect_parse(&frame, &status, &message));
    ck_assert_uint_eq(status, 99);
    ck_assert(span_eq(message, SPAN_LITERAL("draining")));
}
END_TEST

START_TEST(answers_fit_their_bounds)
{
    char out[128];

    ck_assert_uint_gt(spop_agent_hello_put(out, SPOP_AGENT_HELLO_MAX, UINT32_MAX, true), 0);
    for (unsigned status = 0; status <= 100; status++)
        ck_assert_uint_gt(spop_agent_disconnect_put(out, SPOP_AGENT_DISCONNECT_MAX, (enum spop_status)status, NULL), 0);
}
END_TEST

#define STATUS  "\x0bstatus-code"
#define MESSAGE "\x07message"

/* clang-format off */
static const struct {
    const char *what;
    struct span payload;
    bool        ok;
    uint32_t    status;
    const char *message; /* NULL: absent */
} disconnects[] = {
    { "as HAProxy sends it", BYTES(STATUS "\x03\x02" MESSAGE "\x08\x03" "abc"), true, 2, "abc" },
    { "the other way round", BYTES(MESSAGE "\x08\x00" STATUS "\x03\x00"), true, 0, "" },
    { "largest status, signed", BYTES(STATUS "\x04\xff\xf0\xfe\xfe\x7e"), true, UINT32_MAX, NULL },
    { "unknown key", BYTES("\x01x\x00" STATUS "\x03\x63"), true, 99, NULL },
    { "empty", BYTES(""), false, 0, NULL },
    { "no status", BYTES(MESSAGE "\x08\x03" "abc"), false, 0, NULL },
    { "status as text", BYTES(STATUS "\x08\x01" "2"), false, 0, NULL },
    { "status -1", BYTES(STATUS "\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), false, 0, NULL },
    { "status 2^32", BYTES(STATUS "\x05\xf0\xf1\xfe\xfe\x7e"), false, 0, NULL },
    { "message as number", BYTES(STATUS "\x03\x02" MESSAGE "\x03\x02"), false, 0, NULL },
    { "status twice", BYTES(STATUS "\x03\x02" STATUS "\x03\x02"), false, 0, NULL },
    { "message cut", BYTES(STATUS "\x03\x02" MESSAGE "\x08\x04" "abc"), false, 0, NULL },
};
/* clang-format on */

START_TEST(disconnect_from_haproxy)
{
    struct span message;
    uint32_t    status;

    ck_assert_msg(spop_disconnect_parse(disconnects[_i].payload, &status, &message) == disconnects[_i].ok, "%s",
                  disconnects[_i].what);
    if (!disconnects[_i].ok)
        return;
    ck_assert_uint_eq(status, disconnects[_i].status);
    if (disconnects[_i].message == NULL)
        ck_assert_ptr_null(message.p);
    else
        ck_assert(message.p != NULL && span_eq(message, span_of(disconnects[_i].message)));
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("spop hello");
    TCase   *tc = tcase_create("all");
    SRunner *runner;
    int      failed;

    tcase_add_loop_test(tc, hello_status, 0, (int)(sizeof hellos / sizeof hellos[0]));
    tcase_add_test(tc, hello_truncated_at_every_byte);
    tcase_add_loop_test(tc, hello_negotiates, 0, (int)(sizeof offers / sizeof offers[0]));
    tcase_add_test(tc, healthcheck_may_be_false);
    tcase_add_loop_test(tc, bytes_of_an_agent_hello, 0, 2);
    tcase_add_test(tc, disconnect_from_the_agent);
    tcase_add_test(tc, answers_fit_their_bounds);
    tcase_add_loop_test(tc, disconnect_from_haproxy, 0, (int)(sizeof disconnects / sizeof disconnects[0]));
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
