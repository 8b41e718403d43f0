/* The bytes of an ACK, and a buffer that is too small for it. */
#include <check.h>
#include <stdlib.h>

#include "lib/spop_client.h"
#include "spop/ack.h"

/* clang-format off */
/* A span that a static table may hold. */
#define BYTES(s) { (s), sizeof(s) - 1 }
/* clang-format on */

#define TXN SPOP_SCOPE_TXN

/* clang-format off */
/* Every kind of value and every scope, as HAProxy has to see it. */
static const struct span golden = BYTES("\0\0\0\x64\x67\0\0\0\x01\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e\x07"
                                        "\x01\x03\x02\x07verdict\x08\x04" "deny"
                                        "\x01\x03\x02\x06status\x04\xfd\x0b"
                                        "\x01\x03\x03\x01n\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"
                                        "\x01\x03\x04\x01t\x11"
                                        "\x01\x03\x00\x01" "f\x01"
                                        "\x01\x03\x01\x05" "empty\x08\x00"
                                        "\x01\x03\x02\x09remaining\x04\x00");
/* clang-format on */

static size_t put_all(char *out, size_t cap)
{
    struct spop_ack ack;

    spop_ack_begin(&ack, out, cap, UINT64_MAX, 7);
    spop_ack_set_str(&ack, TXN, SPAN_LITERAL("verdict"), SPAN_LITERAL("deny"));
    spop_ack_set_int(&ack, TXN, SPAN_LITERAL("status"), 429);
    spop_ack_set_int(&ack, SPOP_SCOPE_REQ, SPAN_LITERAL("n"), -1);
    spop_ack_set_bool(&ack, SPOP_SCOPE_RES, SPAN_LITERAL("t"), true);
    spop_ack_set_bool(&ack, SPOP_SCOPE_PROC, SPAN_LITERAL("f"), false);
    spop_ack_set_str(&ack, SPOP_SCOPE_SESS, SPAN_LITERAL("empty"), SPAN_LITERAL(""));
    spop_ack_set_int(&ack, TXN, SPAN_LITERAL("remaining"), 0);
    return spop_ack_end(&ack);
}

START_TEST(bytes_of_an_ack)
{
    char out[256];

    ck_assert_uint_eq(put_all(out, sizeof out), golden.n);
    ck_assert_mem_eq(out, golden.p, golden.n);
}
END_TEST

/* The block is just as big as it says, so that a sanitizer sees any byte that is written beyond. */
START_TEST(every_capacity)
{
    for (size_t cap = 0; cap <= golden.n + 1; cap++) {
        char *out = malloc(cap);

        ck_assert(cap == 0 || out != NULL);
        ck_assert_msg(put_all(out, cap) == (cap < golden.n ? 0 : golden.n), "capacity %zu", cap);
        free(out);
    }
}
END_TEST

/* What did not fit keeps out also what would: half an answer is none. */
START_TEST(overflow_is_for_good)
{
    char            out[32];
    struct spop_ack ack;

    spop_ack_begin(&ack, out, sizeof out, 1, 1);
    spop_ack_set_str(&ack, TXN, SPAN_LITERAL("verdict"), SPAN_LITERAL("a text that does not fit"));
    spop_ack_set_bool(&ack, TXN, SPAN_LITERAL("b"), true);
    ck_assert_uint_eq(spop_ack_end(&ack), 0);
    spop_ack_begin(&ack, out, sizeof out, 1, 1);
    spop_ack_set_bool(&ack, TXN, SPAN_LITERAL("b"), true);
    ck_assert_uint_eq(spop_ack_end(&ack), 17);
}
END_TEST

START_TEST(the_other_side_reads_it)
{
    char                     out[256];
    struct span              in = { out, put_all(out, sizeof out) };
    struct spop_frame        frame;
    struct spop_client_ack   ack;
    const struct spop_value *v;

    ck_assert_int_eq(spop_frame_next(&in, sizeof out, &frame), SPOP_NEXT_FRAME);
    ck_assert_uint_eq(frame.stream_id, UINT64_MAX);
    ck_assert_uint_eq(frame.frame_id, 7);
    ck_assert(spop_client_ack_parse(&frame, &ack));
    ck_assert_uint_eq(ack.n, 7);
    v = spop_client_ack_find(&ack, "verdict");
    ck_assert(v != NULL && v->type == SPOP_STRING && span_eq(v->text, SPAN_LITERAL("deny")));
    v = spop_client_ack_find(&ack, "status");
    ck_assert(v != NULL && v->type == SPOP_INT64 && v->sint == 429);
    ck_assert_ptr_null(spop_client_ack_find(&ack, "n")); /* it is in another scope */
    ck_assert_ptr_null(spop_client_ack_find(&ack, "absent"));
    ck_assert(ack.vars[3].scope == SPOP_SCOPE_RES && ack.vars[3].value.boolean);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("spop ack");
    TCase   *tc = tcase_create("all");
    SRunner *runner;
    int      failed;

    tcase_add_test(tc, bytes_of_an_ack);
    tcase_add_test(tc, every_capacity);
    tcase_add_test(tc, overflow_is_for_good);
    tcase_add_test(tc, the_other_side_reads_it);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
