/* Integers, typed values and the cutting of frames. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>

#include "spop/frame.h"
#include "spop/value.h"
#include "spop/varint.h"
#include "spop/writer.h"

/* clang-format off */
/* A span that a static table may hold. */
#define BYTES(s) { (s), sizeof(s) - 1 }
/* clang-format on */

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* A block of just this size, so that a sanitizer sees any byte that is read beyond. */
static char *exact_copy(const char *bytes, size_t n)
{
    char *copy = malloc(n == 0 ? 1 : n);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, n);
    return n == 0 ? copy + 1 : copy;
}

static void exact_free(char *copy, size_t n)
{
    free(n == 0 ? copy - 1 : copy);
}

/* ---- integers ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    uint64_t    value;
    struct span bytes;
} varints[] = {
    { 0, BYTES("\x00") },
    { 1, BYTES("\x01") },
    { 239, BYTES("\xef") },
    { 240, BYTES("\xf0\x00") },
    { 255, BYTES("\xff\x00") },
    { 256, BYTES("\xf0\x01") },
    { 2287, BYTES("\xff\x7f") },
    { 2288, BYTES("\xf0\x80\x00") },
    { 264431, BYTES("\xff\xff\x7f") },
    { 264432, BYTES("\xf0\x80\x80\x00") },
    { 33818863, BYTES("\xff\xff\xff\x7f") },
    { 33818864, BYTES("\xf0\x80\x80\x80\x00") },
    { INT32_MAX, BYTES("\xff\xf0\xfe\xfe\x3e") },
    { UINT32_MAX, BYTES("\xff\xf0\xfe\xfe\x7e") },
    { 4328786159, BYTES("\xff\xff\xff\xff\x7f") },
    { 4328786160, BYTES("\xf0\x80\x80\x80\x80\x00") },
    { 554084600047, BYTES("\xff\xff\xff\xff\xff\x7f") },
    { 1161999626690365679, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7f") },
    { 1161999626690365680, BYTES("\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x00") },
    { INT64_MAX, BYTES("\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06") },
    { (uint64_t)INT64_MIN, BYTES("\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06") },
    { (uint64_t)-5, BYTES("\xfb\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") },
    { UINT64_MAX, BYTES("\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e") },
};
/* clang-format on */

START_TEST(varint_values)
{
    struct span want = varints[_i].bytes;
    char        out[SPOP_VARINT_MAX], with_more[SPOP_VARINT_MAX + 1];
    struct span in = { with_more, want.n + 1 };
    uint64_t    v;

    ck_assert_uint_eq(spop_varint_put(out, varints[_i].value), want.n);
    ck_assert_mem_eq(out, want.p, want.n);

    memcpy(with_more, want.p, want.n);
    with_more[want.n] = '\x55';
    ck_assert(spop_varint_get(&in, &v));
    ck_assert_uint_eq(v, varints[_i].value);
    ck_assert_ptr_eq(in.p, with_more + want.n);
    ck_assert_uint_eq(in.n, 1);
}
END_TEST

START_TEST(varint_truncated)
{
    for (size_t cut = 0; cut < varints[_i].bytes.n; cut++) {
        char       *copy = exact_copy(varints[_i].bytes.p, cut);
        struct span in = { copy, cut };
        uint64_t    v = 77;

        ck_assert_msg(!spop_varint_get(&in, &v), "cut at %zu", cut);
        ck_assert_uint_eq(v, 77);
        ck_assert(in.p == copy && in.n == cut);
        exact_free(copy, cut);
    }
}
END_TEST

/* clang-format off */
/* Each is just above 2^64 - 1, or has no end. */
static const struct span varints_too_big[] = {
    BYTES("\xff\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), /* the sum carries over the top, no shift does */
    BYTES("\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x0f"),
    BYTES("\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x10"), /* the shift loses bits */
    BYTES("\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x7f"),
    BYTES("\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* eleven bytes */
    BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
};
/* clang-format on */

START_TEST(varint_too_big)
{
    struct span in = varints_too_big[_i];
    uint64_t    v = 77;

    ck_assert(!spop_varint_get(&in, &v));
    ck_assert_uint_eq(v, 77);
    ck_assert(in.p == varints_too_big[_i].p && in.n == varints_too_big[_i].n);
}
END_TEST

/* ---- values --------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    struct span       bytes;
    struct spop_value value;
} values[] = {
    { BYTES("\x00"), { .type = SPOP_NULL } },
    { BYTES("\x11"), { .type = SPOP_BOOL, .boolean = true } },
    { BYTES("\x01"), { .type = SPOP_BOOL, .boolean = false } },
    { BYTES("\x02\x07"), { .type = SPOP_INT32, .sint = 7 } },
    { BYTES("\x02\xff\xf0\xfe\xfe\x3e"), { .type = SPOP_INT32, .sint = INT32_MAX } },
    { BYTES("\x02\xf0\xf1\xfe\xfe\xbe\xfe\xfe\xfe\xfe\x0e"), { .type = SPOP_INT32, .sint = INT32_MIN } },
    { BYTES("\x03\xff\xf0\xfe\xfe\x7e"), { .type = SPOP_UINT32, .uint = UINT32_MAX } },
    { BYTES("\x04\xef"), { .type = SPOP_INT64, .sint = 239 } },
    { BYTES("\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), { .type = SPOP_INT64, .sint = -1 } },
    { BYTES("\x04\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06"), { .type = SPOP_INT64, .sint = INT64_MIN } },
    { BYTES("\x05\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), { .type = SPOP_UINT64, .uint = UINT64_MAX } },
    { BYTES("\x06\xc0\x00\x02\x01"), { .type = SPOP_IPV4, .ipv4 = { 0 } } },
    { BYTES("\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), { .type = SPOP_IPV6, .ipv4 = { 0 } } },
    { BYTES("\x08\x00"), { .type = SPOP_STRING, .text = { "", 0 } } },
    { BYTES("\x08\x03" "a\0b"), { .type = SPOP_STRING, .text = { "a\0b", 3 } } },
    { BYTES("\x09\x02\xff\xfe"), { .type = SPOP_BINARY, .text = { "\xff\xfe", 2 } } },
};
/* clang-format on */

static void check_value(const struct spop_value *got, const struct spop_value *want)
{
    char text[INET6_ADDRSTRLEN];

    ck_assert_int_eq(got->type, want->type);
    switch (want->type) {
    case SPOP_NULL:
        break;
    case SPOP_BOOL:
        ck_assert_int_eq(got->boolean, want->boolean);
        break;
    case SPOP_INT32:
    case SPOP_INT64:
        ck_assert_int_eq(got->sint, want->sint);
        break;
    case SPOP_UINT32:
    case SPOP_UINT64:
        ck_assert_uint_eq(got->uint, want->uint);
        break;
    case SPOP_IPV4:
        ck_assert_str_eq(inet_ntop(AF_INET, &got->ipv4, text, sizeof text), "192.0.2.1");
        break;
    case SPOP_IPV6:
        ck_assert_str_eq(inet_ntop(AF_INET6, &got->ipv6, text, sizeof text), "2001:db8::1");
        break;
    case SPOP_STRING:
    case SPOP_BINARY:
        ck_assert_ptr_nonnull(got->text.p);
        ck_assert(span_eq(got->text, want->text));
        break;
    }
}

START_TEST(value_round_trip)
{
    struct span        bytes = values[_i].bytes;
    char              *copy = exact_copy(bytes.p, bytes.n);
    struct span        in = { copy, bytes.n };
    struct spop_value  value;
    char               out[32];
    struct spop_writer w = { .buf = out, .cap = sizeof out };

    ck_assert(spop_value_get(&in, &value));
    ck_assert_uint_eq(in.n, 0);
    check_value(&value, &values[_i].value);
    spop_write_value(&w, &value);
    ck_assert_uint_eq(w.used, bytes.n);
    ck_assert_mem_eq(out, bytes.p, bytes.n);
    exact_free(copy, bytes.n);
}
END_TEST

START_TEST(value_truncated)
{
    for (size_t cut = 0; cut < values[_i].bytes.n; cut++) {
        char             *copy = exact_copy(values[_i].bytes.p, cut);
        struct span       in = { copy, cut };
        struct spop_value value;

        ck_assert_msg(!spop_value_get(&in, &value), "cut at %zu", cut);
        exact_free(copy, cut);
    }
}
END_TEST

/* clang-format off */
static const struct span values_bad[] = {
    BYTES("\x0a\x00"),
    BYTES("\x0f\x00"),
    BYTES("\x02\xf0\xf1\xfe\xfe\x3e"),                 /* INT32_MAX + 1 */
    BYTES("\x02\xff\xf0\xfe\xfe\xbe\xfe\xfe\xfe\xfe\x0e"), /* INT32_MIN - 1 */
    BYTES("\x03\xf0\xf1\xfe\xfe\x7e"),                 /* UINT32_MAX + 1 */
    BYTES("\x08\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e" "abc"), /* 2^64 - 1 bytes, of which three are here */
    BYTES("\x09\x04" "abc"),
    BYTES("\x08\xf3\xf1\xfe\xfe\x7e" "abc"), /* 2^32 + 3 */
};
/* clang-format on */

START_TEST(value_bad)
{
    struct span       in = values_bad[_i];
    struct spop_value value;

    ck_assert(!spop_value_get(&in, &value));
}
END_TEST

START_TEST(value_flags_without_meaning)
{
    struct span       in = SPAN_LITERAL("\xf8\x01z\xe1\xf1");
    struct spop_value value;

    ck_assert(spop_value_get(&in, &value) && value.type == SPOP_STRING && span_eq(value.text, SPAN_LITERAL("z")));
    ck_assert(spop_value_get(&in, &value) && value.type == SPOP_BOOL && !value.boolean);
    ck_assert(spop_value_get(&in, &value) && value.type == SPOP_BOOL && value.boolean);
}
END_TEST

/* ---- frames --------------------------------------------------------------------------------- */

/* clang-format off */
/* A NOTIFY with the largest ids, then an empty frame of a type that nobody knows. */
static const struct span two_frames = BYTES("\0\0\0\x1b\x03\0\0\0\x01"
                                            "\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"
                                            "\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"
                                            "xy"
                                            "\0\0\0\x07\xc8\x80\0\0\x02\x05\x06");
/* clang-format on */
#define FIRST_SIZE 31

START_TEST(frames_of_a_stream)
{
    struct span       in = two_frames;
    struct spop_frame frame;

    ck_assert_uint_eq(spop_frame_size(in), FIRST_SIZE);
    ck_assert_int_eq(spop_frame_next(&in, 27, &frame), SPOP_NEXT_FRAME);
    ck_assert_uint_eq(frame.type, SPOP_FRAME_NOTIFY);
    ck_assert_uint_eq(frame.flags, SPOP_FLAG_FIN);
    ck_assert_uint_eq(frame.stream_id, UINT64_MAX);
    ck_assert_uint_eq(frame.frame_id, UINT64_MAX);
    ck_assert(span_eq(frame.payload, SPAN_LITERAL("xy")));

    ck_assert_uint_eq(spop_frame_size(in), 11);
    ck_assert_int_eq(spop_frame_next(&in, 27, &frame), SPOP_NEXT_FRAME);
    ck_assert_uint_eq(frame.type, 200);
    ck_assert_uint_eq(frame.flags, 0x80000000u | SPOP_FLAG_ABORT);
    ck_assert_uint_eq(frame.stream_id, 5);
    ck_assert_uint_eq(frame.frame_id, 6);
    ck_assert(frame.payload.p != NULL && frame.payload.n == 0);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_int_eq(spop_frame_next(&in, 27, &frame), SPOP_NEXT_PARTIAL);
    ck_assert_uint_eq(spop_frame_size(in), 0);
}
END_TEST

START_TEST(frame_partial_at_every_byte)
{
    for (size_t cut = 0; cut < FIRST_SIZE; cut++) {
        char             *copy = exact_copy(two_frames.p, cut);
        struct span       in = { copy, cut };
        struct spop_frame frame;

        ck_assert_msg(spop_frame_next(&in, 27, &frame) == SPOP_NEXT_PARTIAL, "cut at %zu", cut);
        ck_assert(in.p == copy && in.n == cut);
        ck_assert_uint_eq(spop_frame_size(in), cut < SPOP_PREFIX_SIZE ? 0 : FIRST_SIZE);
        exact_free(copy, cut);
    }
}
END_TEST

/* clang-format off */
static const struct {
    const char    *what;
    struct span    bytes;
    enum spop_next expected;
} faults[] = {
    { "one byte over the limit", BYTES("\0\0\0\x1c"), SPOP_NEXT_TOO_BIG },
    { "longest", BYTES("\xff\xff\xff\xff\x03"), SPOP_NEXT_TOO_BIG },
    { "empty", BYTES("\0\0\0\0"), SPOP_NEXT_INVALID },
    { "no room for ids", BYTES("\0\0\0\x06"), SPOP_NEXT_INVALID },
    { "least length, not yet there", BYTES("\0\0\0\x07"), SPOP_NEXT_PARTIAL },
    { "stream-id goes on", BYTES("\0\0\0\x07\x03\0\0\0\x01\xf0\x80\0\0"), SPOP_NEXT_INVALID },
    { "frame-id goes on", BYTES("\0\0\0\x07\x03\0\0\0\x01\x01\xf0\0\0"), SPOP_NEXT_INVALID },
    { "no frame-id", BYTES("\0\0\0\x07\x03\0\0\0\x01\xf0\0\x05\0"), SPOP_NEXT_INVALID },
    { "stream-id above 64 bits",
      BYTES("\0\0\0\x10\x03\0\0\0\x01\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x0f\x01"), SPOP_NEXT_INVALID },
};
/* clang-format on */

START_TEST(frame_faults)
{
    char             *copy = exact_copy(faults[_i].bytes.p, faults[_i].bytes.n);
    struct span       in = { copy, faults[_i].bytes.n };
    struct spop_frame frame;

    ck_assert_msg(spop_frame_next(&in, 27, &frame) == faults[_i].expected, "%s", faults[_i].what);
    ck_assert(in.p == copy && in.n == faults[_i].bytes.n);
    exact_free(copy, faults[_i].bytes.n);
}
END_TEST

START_TEST(frame_encoding)
{
    char               out[64];
    struct spop_writer w;

    spop_frame_begin(&w, out, sizeof out, SPOP_FRAME_NOTIFY, SPOP_FLAG_FIN, UINT64_MAX, UINT64_MAX);
    ck_assert_uint_eq(w.used, SPOP_HEAD_MAX);
    spop_write_bytes(&w, "xy", 2);
    ck_assert_uint_eq(spop_frame_end(&w), FIRST_SIZE);
    ck_assert_mem_eq(out, two_frames.p, FIRST_SIZE);
}
END_TEST

START_TEST(writer_leaves_out_all_after_the_first_that_does_not_fit)
{
    char               out[4] = "....";
    struct spop_writer w = { .buf = out, .cap = 3 };

    spop_write_byte(&w, 'a');
    spop_write_bytes(&w, "bcd", 3);
    ck_assert(w.full);
    spop_write_byte(&w, 'e');
    ck_assert_uint_eq(w.used, 1);
    ck_assert_mem_eq(out, "a...", 4);
}
END_TEST

START_TEST(status_texts)
{
    ck_assert_str_eq(spop_status_text(SPOP_STATUS_NORMAL), "normal");
    for (uint32_t i = SPOP_STATUS_IO; i <= SPOP_STATUS_RESOURCE; i++) {
        for (uint32_t j = 0; j < i; j++)
            ck_assert_str_ne(spop_status_text(i), spop_status_text(j));
        ck_assert_str_ne(spop_status_text(i), "unassigned status");
    }
    ck_assert_str_eq(spop_status_text(99), "an unknown error occurred");
    ck_assert_str_eq(spop_status_text(14), "unassigned status");
    ck_assert_str_eq(spop_status_text(UINT32_MAX), "unassigned status");
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("spop codec");
    TCase   *tc = tcase_create("all");
    SRunner *runner;
    int      failed;

    tcase_add_loop_test(tc, varint_values, 0, (int)ROWS(varints));
    tcase_add_loop_test(tc, varint_truncated, 0, (int)ROWS(varints));
    tcase_add_loop_test(tc, varint_too_big, 0, (int)ROWS(varints_too_big));
    tcase_add_loop_test(tc, value_round_trip, 0, (int)ROWS(values));
    tcase_add_loop_test(tc, value_truncated, 0, (int)ROWS(values));
    tcase_add_loop_test(tc, value_bad, 0, (int)ROWS(values_bad));
    tcase_add_test(tc, value_flags_without_meaning);
    tcase_add_test(tc, frames_of_a_stream);
    tcase_add_test(tc, frame_partial_at_every_byte);
    tcase_add_loop_test(tc, frame_faults, 0, (int)ROWS(faults));
    tcase_add_test(tc, frame_encoding);
    tcase_add_test(tc, writer_leaves_out_all_after_the_first_that_does_not_fit);
    tcase_add_test(tc, status_texts);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
