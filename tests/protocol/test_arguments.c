/* What a NOTIFY may hold: ids, messages, arguments of all types. */
#include "expect.h"

#include "server/worker.h"

static const char rules[] =
    "INSERT INTO rules(id, path, action, status) VALUES (1, '/denied', 'deny', NULL), (2, '/gone', 'deny', 410);"
    "INSERT INTO rules(id, src, action) VALUES (30, '198.51.100.0/24', 'deny'), (31, '2001:db8:dead::/48', 'deny');"
    "INSERT INTO rules(id, match, action) VALUES (40, '{\"n\":\"-5\"}', 'deny'), (41, '{\"flag\":\"true\"}', 'deny'),"
    "  (42, '{\"flag\":\"false\"}', 'deny'), (43, '{\"n\":\"18446744073709551615\"}', 'deny'),"
    "  (44, '{\"n\":\"-9223372036854775808\"}', 'deny'), (45, '{\"n\":\"0\"}', 'deny'), (46, '{\"n\":\"192.0.2.9\"}', "
    "'deny'),"
    "  (47, '{\"n\":\"2001:db8::1\"}', 'deny'), (48, '{\"n\":\"*\",\"flag\":\"!*\"}', 'deny');"
    "INSERT INTO rules(id, path, match, action) VALUES (49, '/absent', '{\"n\":\"!*\"}', 'deny');";

static struct agent agent;

static void start(void)
{
    agent_run(&agent, rules, NULL);
}

static int stop(void)
{
    return ends_badly(&agent);
}

/* ---- ids ---- */

START_TEST(ids_are_echoed)
{
    static const uint64_t ids[] = {
        0, 1, 239, 240, 2287, 2288, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX
    };
    char bytes[512];
    int  fd = opened(&agent);

    for (size_t i = 0; i < COUNT(ids); i++) {
        for (size_t j = 0; j < COUNT(ids); j++) {
            say(fd, bytes, notify_put(bytes, sizeof bytes, ids[i], ids[j], "path=/denied"));
            expect_ack(fd);
            ck_assert(reply.frame.stream_id == ids[i] && reply.frame.frame_id == ids[j]);
            expect_verdict("deny");
        }
    }
    close(fd);
}
END_TEST

/* ---- arguments ---- */

static struct spop_value uint_value(enum spop_type type, uint64_t value)
{
    return (struct spop_value){ .type = type, .uint = value };
}

static struct spop_value sint_value(enum spop_type type, int64_t value)
{
    return (struct spop_value){ .type = type, .sint = value };
}

static void notify(int fd, const char *message, const struct spop_client_arg *args, size_t n)
{
    char bytes[FRAME_MAX + 8];

    say(fd, bytes, spop_client_notify_put(bytes, sizeof bytes, 3, 4, message, args, n));
    expect_ack(fd);
}

/* The rule that denied, or 0. */
static int64_t denied_by(int fd, const struct spop_client_arg *args, size_t n)
{
    notify(fd, "check-request", args, n);
    return is_text("verdict", "deny") ? number("rule") : 0;
}

START_TEST(types_of_arguments)
{
    struct spop_client_arg arg = { .name = "n" };
    int                    fd = opened(&agent);

    const struct {
        int64_t           rule;
        struct spop_value value;
    } cases[] = {
        { 40, sint_value(SPOP_INT64, -5) },
        { 40, sint_value(SPOP_INT32, -5) },
        { 44, sint_value(SPOP_INT64, INT64_MIN) },
        { 45, uint_value(SPOP_UINT32, 0) },
        { 45, uint_value(SPOP_UINT64, 0) },
        { 43, uint_value(SPOP_UINT64, UINT64_MAX) },
        { 40, { .type = SPOP_STRING, .text = span_of("-5") } },
        { 40, { .type = SPOP_BINARY, .text = span_of("-5") } },
        { 48, { .type = SPOP_STRING, .text = span_of("-05") } },
        { 48, { .type = SPOP_BOOL, .boolean = true } },
        { 46, spop_client_arg_ip("n", "192.0.2.9").value },
        { 46, spop_client_arg_ip("n", "::ffff:192.0.2.9").value },
        { 47, spop_client_arg_ip("n", "2001:db8::1").value },
        { 0, { .type = SPOP_NULL } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        arg.value = cases[i].value;
        ck_assert_msg(denied_by(fd, &arg, 1) == cases[i].rule, "case %zu", i);
    }
    ck_assert_int_eq(denied_by(fd, &SPOP_ARG_BOOL("flag", true), 1), 41);
    ck_assert_int_eq(denied_by(fd, &SPOP_ARG_BOOL("flag", false), 1), 42);
    ck_assert_int_eq(denied_by(fd, (struct spop_client_arg[]){ SPOP_ARG_STR("path", "/absent") }, 1), 49);
    ck_assert_int_eq(
        denied_by(fd, (struct spop_client_arg[]){ SPOP_ARG_STR("path", "/absent"), SPOP_ARG_NULL("n") }, 2), 49);
    close(fd);
}
END_TEST

START_TEST(sources)
{
    static const struct {
        const char *src;
        int64_t     rule;
    } cases[] = {
        { "198.51.100.7", 30 },
        { "198.51.101.7", 0 },
        { "::ffff:198.51.100.7", 30 },
        { "2001:db8:dead::beef", 31 },
        { "2001:db8:deae::1", 0 },
        { "::198.51.100.7", 0 },
        { "2001:DB8:DEAD:0:0::BEEF", 31 },
    };
    int fd = opened(&agent);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spop_client_arg args[] = { spop_client_arg_ip("src", cases[i].src), SPOP_ARG_STR("src", cases[i].src) };

        ck_assert_msg(denied_by(fd, &args[0], 1) == cases[i].rule, "%s as an address", cases[i].src);
        ck_assert_msg(denied_by(fd, &args[1], 1) == cases[i].rule, "%s as text", cases[i].src);
    }
    ck_assert_int_eq(denied_by(fd, &SPOP_ARG_STR("src", "no address"), 1), 0);
    ck_assert_int_eq(denied_by(fd, &SPOP_ARG_STR("src", ""), 1), 0);
    ck_assert_int_eq(denied_by(fd, &SPOP_ARG_INT("src", -1), 1), 0);
    close(fd);
}
END_TEST

/* An address of the peer's choice may not be told twice, nor may any other attribute: the first counts. */
START_TEST(the_first_of_a_name_counts)
{
    struct spop_client_arg args[] = { SPOP_ARG_STR("path", "/gone"), SPOP_ARG_STR("path", "/denied"),
                                      SPOP_ARG_STR("path", "/"), spop_client_arg_ip("src", "198.51.100.7") };
    int                    fd = opened(&agent);

    ck_assert_int_eq(denied_by(fd, args, 3), 2);
    ck_assert_int_eq(denied_by(fd, args + 1, 2), 1);
    ck_assert_int_eq(denied_by(fd, args + 2, 1), 0);
    /* One that is absent does not take the place. */
    args[0] = SPOP_ARG_NULL("path");
    ck_assert_int_eq(denied_by(fd, args, 2), 1);
    close(fd);
}
END_TEST

START_TEST(many_arguments)
{
    static char            names[255][8];
    struct spop_client_arg args[255];
    int                    fd = opened(&agent);

    for (size_t i = 0; i < COUNT(args); i++) {
        snprintf(names[i], sizeof names[i], "x%zu", i);
        args[i] = SPOP_ARG_INT(names[i], (int64_t)i);
    }
    args[254] = SPOP_ARG_STR("path", "/denied");
    ck_assert_int_eq(denied_by(fd, args, 255), 1);
    /* All the same attribute: what it takes on the way is bounded by what it has when it arrives. */
    for (size_t i = 0; i < 254; i++)
        args[i] = SPOP_ARG_INT("n", INT64_MIN + 1);
    ck_assert_int_eq(denied_by(fd, args, 255), 1);
    for (size_t i = 0; i < 254; i++)
        args[i] = spop_client_arg_ip(i % 2 == 0 ? "n" : "src", "2001:db8:1111:2222:3333:4444:5555:6666");
    ck_assert_int_eq(denied_by(fd, args, 255), 1);
    close(fd);
}
END_TEST

/* The longest frame, and in it what grows most on its way to the rules. */
START_TEST(long_values)
{
    static char            text[FRAME_MAX];
    struct spop_client_arg arg = { "path", { .type = SPOP_STRING } };
    int                    fd = opened(&agent);

    for (int fill = 0; fill < 256; fill += 85) {
        memset(text, fill, sizeof text);
        arg.value.text = (struct span){ text, sizeof text - 40 };
        for (size_t i = 0; i < 3; i++) {
            static const char *const names[] = { "path", "host", "src" };

            arg.name = names[i];
            ck_assert_int_eq(denied_by(fd, &arg, 1), 0);
        }
    }
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "/../.%2e/"[i % 9];
    arg.name = "path";
    ck_assert_int_eq(denied_by(fd, &arg, 1), 0);
    memset(text, '/', sizeof text);
    memcpy(text + arg.value.text.n - 6, "denied", 6);
    ck_assert_int_eq(denied_by(fd, &arg, 1), 1);
    close(fd);
}
END_TEST

/* ---- messages ---- */

START_TEST(unknown_messages_and_frames_are_skipped)
{
    static const char      unknown[] = "\0\0\0\x09\x2A\0\0\0\0\x01\x01\xFF\xFF"
                                       "\0\0\0\x07\x67\0\0\0\x01\0\0"
                                       "\0\0\0\x08\xFF\xFF\xFF\xFF\xFF\x01\x01z";
    struct spop_client_arg denied = SPOP_ARG_STR("path", "/denied");
    char                   bytes[512];
    struct spop_writer     w;
    int                    fd = opened(&agent);

    say(fd, unknown, sizeof unknown - 1);
    /* Nothing that it knows: allowed, and still not empty. */
    notify(fd, "check-response", &denied, 1);
    ck_assert_uint_eq(reply.ack.n, 1);
    expect_verdict("allow");
    spop_frame_begin(&w, bytes, sizeof bytes, SPOP_FRAME_NOTIFY, SPOP_FLAG_FIN, 9, 9);
    say(fd, bytes, spop_frame_end(&w)); /* no message at all */
    expect_ack(fd);
    expect_verdict("allow");
    /* Before and behind the one that it knows; a second one of the name is not decided. */
    spop_frame_begin(&w, bytes, sizeof bytes, SPOP_FRAME_NOTIFY, SPOP_FLAG_FIN, 9, 9);
    spop_client_message_put(&w, "check-requests", NULL, 0);
    spop_client_message_put(&w, "", &denied, 1);
    spop_client_message_put(&w, "check-request", &denied, 1);
    spop_client_message_put(&w, "check-request", NULL, 0);
    spop_client_message_put(&w, "check-request\n", &denied, 1);
    say(fd, bytes, spop_frame_end(&w));
    expect_ack(fd);
    expect_verdict("deny");
    ck_assert_int_eq(number("rule"), 1);
    close(fd);
}
END_TEST

START_TEST(reserved_flags)
{
    char   bytes[512];
    int    fd = opened(&agent);
    size_t n = notify_put(bytes, sizeof bytes, 1, 1, "path=/denied");

    memcpy(bytes + 5, "\xFF\xFF\xFF\xFD", 4); /* all but ABORT */
    say(fd, bytes, n);
    expect_ack(fd);
    expect_verdict("deny");
    close(fd);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, ids_are_echoed);
    tcase_add_test(cases, types_of_arguments);
    tcase_add_test(cases, sources);
    tcase_add_test(cases, the_first_of_a_name_counts);
    tcase_add_test(cases, many_arguments);
    tcase_add_test(cases, long_values);
    tcase_add_test(cases, unknown_messages_and_frames_are_skipped);
    tcase_add_test(cases, reserved_flags);
}

int main(void)
{
    return run_suite("arguments", add, start, stop);
}
