/* Walking through the messages of a NOTIFY. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/spop_client.h"
#include "spop/message.h"

/* clang-format off */
/* A span that a static table may hold. */
#define BYTES(s) { (s), sizeof(s) - 1 }
/* clang-format on */

static char buf[16384];

static const char *const three_names[] = { "one", "", "three" };
static const unsigned    three_args[] = { 2, 0, 1 };

/* "one" with two arguments, "" with none, "three" with one; where each starts and the last ends goes to `bounds`. */
static struct span three_messages(size_t bounds[4])
{
    struct spop_client_arg args[] = { SPOP_ARG_STR("path", "/items/1"), SPOP_ARG_INT("", -1) };
    struct spop_writer     w = { .buf = buf, .cap = sizeof buf };

    for (size_t i = 0; i < 3; i++) {
        bounds[i] = w.used;
        spop_client_message_put(&w, three_names[i], args, three_args[i]);
    }
    bounds[3] = w.used;
    ck_assert(!w.full);
    return (struct span){ buf, w.used };
}

START_TEST(empty_payload_has_no_messages)
{
    struct spop_message m;
    struct span         name;
    struct spop_value   value;

    spop_message_init(&m, (struct span){ buf, 0 });
    ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_END);
    ck_assert_int_eq(spop_message_next(&m), SPOP_END);
    ck_assert_int_eq(spop_message_next(&m), SPOP_END);
}
END_TEST

START_TEST(messages_and_arguments)
{
    size_t              bounds[4];
    struct spop_message m;
    struct span         name;
    struct spop_value   value;

    spop_message_init(&m, three_messages(bounds));
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(spop_message_next(&m), SPOP_ITEM);
        ck_assert(span_eq(m.name, span_of(three_names[i])));
        ck_assert_uint_eq(m.args, three_args[i]);
        if (three_args[i] >= 1) {
            ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_ITEM);
            ck_assert(span_eq(name, SPAN_LITERAL("path")));
            ck_assert(value.type == SPOP_STRING && span_eq(value.text, SPAN_LITERAL("/items/1")));
        }
        if (three_args[i] >= 2) {
            ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_ITEM);
            ck_assert(name.p != NULL && name.n == 0);
            ck_assert(value.type == SPOP_INT64 && value.sint == -1);
        }
        ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_END);
        ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_END);
    }
    ck_assert_int_eq(spop_message_next(&m), SPOP_END);
}
END_TEST

/* With `read` of the arguments of each message looked at, the next message is still the next message. */
START_TEST(messages_are_skipped)
{
    size_t              bounds[4];
    struct spop_message m;
    struct span         name;
    struct spop_value   value;

    spop_message_init(&m, three_messages(bounds));
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(spop_message_next(&m), SPOP_ITEM);
        ck_assert(span_eq(m.name, span_of(three_names[i])));
        for (int read = 0; read < _i && (unsigned)read < three_args[i]; read++)
            ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_ITEM);
    }
    ck_assert_int_eq(spop_message_next(&m), SPOP_END);
}
END_TEST

static enum spop_iter walk(struct span payload, bool look, size_t *messages)
{
    struct spop_message m;
    struct span         name;
    struct spop_value   value;
    enum spop_iter      r;

    *messages = 0;
    spop_message_init(&m, payload);
    while ((r = spop_message_next(&m)) == SPOP_ITEM) {
        ++*messages;
        while (look && (r = spop_arg_next(&m, &name, &value)) == SPOP_ITEM)
            continue;
    }
    if (r == SPOP_BAD) {
        ck_assert_int_eq(spop_message_next(&m), SPOP_BAD);
        ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_BAD);
    }
    return r;
}

START_TEST(truncated_at_every_byte)
{
    size_t      bounds[4], whole = 0;
    struct span payload = three_messages(bounds);

    for (size_t cut = 0; cut <= payload.n; cut++) {
        char          *copy = malloc(cut + 1);
        enum spop_iter expected = cut == bounds[whole] ? SPOP_END : SPOP_BAD;
        size_t         messages;

        /* At the end of the block, so that a sanitizer sees any byte that is read beyond. */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy + 1, payload.p, cut);
        ck_assert_msg(walk((struct span){ copy + 1, cut }, _i == 1, &messages) == expected, "cut at %zu", cut);
        if (expected == SPOP_END)
            ck_assert_uint_eq(messages, whole++);
        free(copy);
    }
    ck_assert_uint_eq(whole, 4);
}
END_TEST

START_TEST(most_arguments)
{
    char                   names[255][16];
    struct spop_client_arg args[255];
    struct spop_writer     w = { .buf = buf, .cap = sizeof buf };
    struct spop_message    m;
    struct span            name;
    struct spop_value      value;

    for (int i = 0; i < 255; i++) {
        snprintf(names[i], sizeof names[i], "a%d", i);
        args[i] = SPOP_ARG_INT(names[i], i);
    }
    spop_client_message_put(&w, "check-request", args, 255);
    ck_assert(!w.full);
    spop_message_init(&m, (struct span){ buf, w.used });
    ck_assert_int_eq(spop_message_next(&m), SPOP_ITEM);
    ck_assert_uint_eq(m.args, 255);
    for (int i = 0; i < 255; i++) {
        ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_ITEM);
        ck_assert(span_eq(name, span_of(names[i])) && value.sint == i);
    }
    ck_assert_int_eq(spop_arg_next(&m, &name, &value), SPOP_END);
    ck_assert_int_eq(spop_message_next(&m), SPOP_END);
}
END_TEST

/* clang-format off */
static const struct {
    const char *what;
    struct span payload;
} bad[] = {
    { "name longer than the payload", BYTES("\x05" "abc") },
    { "name of 2^64 - 1 bytes", BYTES("\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e" "abc") },
    { "name without a number of arguments", BYTES("\x03" "abc") },
    { "fewer arguments than announced", BYTES("\x01m\x02\x01" "a\x00") },
    { "more arguments than announced", BYTES("\x01m\x00\x01" "a\x08\x09" "b") },
    { "unassigned type", BYTES("\x01m\x01\x01" "a\x0a") },
    { "argument's name longer than the payload", BYTES("\x01m\x01\x09" "a\x00") },
    { "argument's value longer than the payload", BYTES("\x01m\x01\x01" "a\x08\x02x") },
};
/* clang-format on */

START_TEST(bad_payloads)
{
    size_t messages;

    ck_assert_msg(walk(bad[_i].payload, true, &messages) == SPOP_BAD, "%s", bad[_i].what);
    ck_assert_msg(walk(bad[_i].payload, false, &messages) == SPOP_BAD, "%s, skipping", bad[_i].what);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("spop messages");
    TCase   *tc = tcase_create("all");
    SRunner *runner;
    int      failed;

    tcase_add_test(tc, empty_payload_has_no_messages);
    tcase_add_test(tc, messages_and_arguments);
    tcase_add_loop_test(tc, messages_are_skipped, 0, 3);
    tcase_add_loop_test(tc, truncated_at_every_byte, 0, 2);
    tcase_add_test(tc, most_arguments);
    tcase_add_loop_test(tc, bad_payloads, 0, (int)(sizeof bad / sizeof bad[0]));
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
