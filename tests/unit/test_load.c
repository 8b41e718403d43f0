/* What measurements rest on: NOTIFYs that are what they should be. (Quantiles: test_tally_histogram.c.) */
#include <arpa/inet.h>
#include <check.h>
#include <string.h>

#include "lib/notifies.h"
#include "spop/frame.h"
#include "spop/message.h"

/* Takes one off `notifies` and reads it: its ids must be these. The first argument, which is src, in host order. */
static uint32_t read_next(struct notifies *notifies, uint32_t stream, uint32_t id)
{
    char                bytes[NOTIFY_MAX];
    struct span         in = { bytes, notifies_next(notifies, bytes, stream, id) }, name;
    struct spop_frame   frame;
    struct spop_message message;
    struct spop_value   value, src;
    unsigned            args = 0;

    ck_assert_int_eq(spop_frame_next(&in, NOTIFY_MAX, &frame), SPOP_NEXT_FRAME);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_uint_eq(frame.type, SPOP_FRAME_NOTIFY);
    ck_assert_uint_eq(frame.flags, SPOP_FLAG_FIN);
    ck_assert_uint_eq(frame.stream_id, NOTIFY_FIRST_ID + stream);
    ck_assert_uint_eq(frame.frame_id, NOTIFY_FIRST_ID + id);
    spop_message_init(&message, frame.payload);
    ck_assert_int_eq(spop_message_next(&message), SPOP_ITEM);
    ck_assert(span_eq(message.name, SPAN_LITERAL("check-request")));
    ck_assert_int_eq(spop_arg_next(&message, &name, &src), SPOP_ITEM);
    ck_assert(span_eq(name, SPAN_LITERAL("src")));
    ck_assert_int_eq(src.type, SPOP_IPV4);
    while (spop_arg_next(&message, &name, &value) == SPOP_ITEM)
        args++;
    ck_assert_uint_eq(args, 6);
    ck_assert_int_eq(spop_message_next(&message), SPOP_END);
    return ntohl(src.ipv4.s_addr);
}

START_TEST(notifies_are_whole)
{
    struct notifies *mixed = notifies_mixed(100, 10), *distinct = notifies_distinct();

    /* More than there are, so that it starts over. */
    for (uint32_t i = 0; i < 30000; i++) {
        uint32_t src = read_next(mixed, i % NOTIFY_IDS, NOTIFY_IDS - 1 - i);

        ck_assert_uint_ge(src, 0x0A000000);
        ck_assert_uint_lt(src, 0x0A000000 + 10);
    }
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(read_next(distinct, 0, NOTIFY_IDS - 1), 0x01000000 + i);
    notifies_free(mixed);
    notifies_free(distinct);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("load");
    TCase   *tcase = tcase_create("load");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, notifies_are_whole);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
