/* What an ACK says: the verdict, and exactly the variables that belong to it. */
#include "expect.h"

static const char rules[] =
    "INSERT INTO rules(id, path, action, status) VALUES (1, '/denied', 'deny', NULL), (2, '/gone', 'deny', 410);"
    "INSERT INTO rules(id, path, action) VALUES (3, '/free', 'allow');"
    "INSERT INTO rules(id, path, per, requests, period) VALUES (10, '/two', 'src', 2, 60), (11, '/both', 'src', 3, "
    "600),"
    "  (12, '/both', 'src', 2, 60), (13, '/tie', 'src', 2, 60), (14, '/tie', 'src', 2, 600);"
    "INSERT INTO rules(id, path, per, requests, period, status) VALUES (15, '/status', 'src', 1, 60, 503);"
    "INSERT INTO rules(id, path, per, requests, period, over) VALUES (16, '/slow', 'src', 1, 60, 'slow');"
    "INSERT INTO rules(id, path, per, requests, period, ban) VALUES (17, '/ban', 'src', 1, 60, 300),"
    "  (18, '/shortban', 'src', 1, 60, 4), (19, '/pathban', 'path', 1, 60, 300);"
    "INSERT INTO rules(id, path, per, requests, period, algorithm, burst) VALUES (20, '/token', 'src', 60, 60, "
    "'token', 5);"
    "INSERT INTO rules(id, path, per, requests, period, shadow) VALUES (21, '/shadow', 'src', 1, 60, 1);"
    "INSERT INTO rules(id, path, per, requests, period, policy) VALUES (9007199254740991, '/bigid', 'src', 1, 2592000, "
    "'p');"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 64) INSERT INTO rules(id, path, "
    "requests, period)"
    "  SELECT 1000 + i, iif(i < 64, '/6[45]', '/65'), 9, 60 FROM n;";

static struct agent agent;

static void start(void)
{
    agent_run(&agent, rules, NULL);
}

static int stop(void)
{
    return ends_badly(&agent);
}

/* Exactly these, in any order. */
static void expect_vars(const char *names)
{
    char   copy[256], *save;
    size_t n = 0;

    strcpy(copy, names);
    for (char *name = strtok_r(copy, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save), n++)
        ck_assert_msg(has(name), "no variable %s", name);
    ck_assert_msg(reply.ack.n == n, "%zu variables instead of %s", reply.ack.n, names);
}

#define LIMIT_VARS "rule limit remaining reset window policy"

/* Sixty seconds that began a moment ago, and end 2 % later at most. */
#define expect_minute(name)                                                                                            \
    do {                                                                                                               \
        ck_assert_int_ge(number(name), 20);                                                                            \
        ck_assert_int_le(number(name), 62);                                                                            \
    } while (0)

START_TEST(without_a_limit)
{
    int fd = opened(&agent);

    ask_verdict(fd, "src=192.0.2.1 path=/none", "allow");
    expect_vars("verdict");
    ask_verdict(fd, "src=192.0.2.1 path=/free", "allow");
    expect_vars("verdict");
    ask_verdict(fd, "src=192.0.2.1 path=/denied", "deny");
    expect_vars("verdict status rule");
    ck_assert_int_eq(number("status"), 403);
    ck_assert_int_eq(number("rule"), 1);
    ask_verdict(fd, "src=192.0.2.1 path=/gone", "deny");
    expect_vars("verdict status rule");
    ck_assert_int_eq(number("status"), 410);
    for (int i = 0; i < 3; i++)
        ask_verdict(fd, "src=192.0.2.1 path=/shadow", "allow");
    expect_vars("verdict");
    ask_verdict(fd, "path=/two", "allow"); /* nobody to count */
    expect_vars("verdict");
    close(fd);
}
END_TEST

START_TEST(a_limit_with_and_without_room)
{
    int fd = opened(&agent);

    for (int left = 1; left >= 0; left--) {
        ask_verdict(fd, "src=192.0.2.1 path=/two", "allow");
        expect_vars("verdict " LIMIT_VARS);
        ck_assert_int_eq(number("rule"), 10);
        ck_assert_int_eq(number("limit"), 2);
        ck_assert_int_eq(number("remaining"), left);
        ck_assert_int_eq(number("window"), 60);
        ck_assert(is_text("policy", "r10"));
        expect_minute("reset");
    }
    for (int i = 0; i < 3; i++) {
        ask_verdict(fd, "src=192.0.2.1 path=/two", "deny");
        expect_vars("verdict status retry_after " LIMIT_VARS);
        ck_assert_int_eq(number("status"), 429);
        ck_assert_int_eq(number("remaining"), 0);
        expect_minute("retry_after");
        expect_minute("reset");
    }
    ask_verdict(fd, "src=192.0.2.2 path=/two", "allow");
    ask_verdict(fd, "src=192.0.2.3 path=/status", "allow");
    ask_verdict(fd, "src=192.0.2.3 path=/status", "deny");
    ck_assert_int_eq(number("status"), 503);
    close(fd);
}
END_TEST

START_TEST(the_tightest_limit)
{
    int fd = opened(&agent);

    ask_verdict(fd, "src=192.0.2.1 path=/both", "allow");
    ck_assert_int_eq(number("rule"), 12);
    ck_assert_int_eq(number("remaining"), 1);
    ck_assert(is_text("policy", "r12"));
    ask_verdict(fd, "src=192.0.2.1 path=/both", "allow");
    ask_verdict(fd, "src=192.0.2.1 path=/both", "deny");
    ck_assert_int_eq(number("rule"), 12);
    expect_minute("retry_after");
    ask_verdict(fd, "src=192.0.2.1 path=/tie", "allow");
    ck_assert_int_eq(number("rule"), 14); /* the longest reset */
    ask_verdict(fd, "src=192.0.2.1 path=/tie", "allow");
    ask_verdict(fd, "src=192.0.2.1 path=/tie", "deny");
    ck_assert_int_ge(number("retry_after"), 500); /* the longest of all that are used up */
    close(fd);
}
END_TEST

START_TEST(slow_and_token)
{
    int fd = opened(&agent);

    ask_verdict(fd, "src=192.0.2.1 path=/slow", "allow");
    ask_verdict(fd, "src=192.0.2.1 path=/slow", "slow");
    expect_vars("verdict " LIMIT_VARS);
    ck_assert_int_eq(number("rule"), 16);
    ck_assert_int_eq(number("remaining"), 0);
    ask_verdict(fd, "src=192.0.2.1 path=/token", "allow");
    ck_assert_int_eq(number("limit"), 5);
    ck_assert_int_eq(number("remaining"), 4);
    ck_assert_int_eq(number("window"), 60);
    close(fd);
}
END_TEST

START_TEST(bans)
{
    int fd = opened(&agent);

    ask_verdict(fd, "src=192.0.2.1 path=/ban", "allow");
    expect_vars("verdict " LIMIT_VARS);
    for (int i = 0; i < 2; i++) {
        ask_verdict(fd, "src=192.0.2.1 path=/ban", "deny");
        expect_vars("verdict status retry_after ban " LIMIT_VARS);
        ck_assert_int_eq(number("ban"), 10);
        ck_assert_int_ge(number("retry_after"), 260);
        ck_assert_int_le(number("retry_after"), 300);
    }
    ask_verdict(fd, "src=192.0.2.1 path=/shortban", "allow");
    ask_verdict(fd, "src=192.0.2.1 path=/shortban", "deny");
    ck_assert_int_ge(number("ban"), 1);
    ck_assert_int_le(number("ban"), 4); /* never longer than the ban itself */
    ask_verdict(fd, "src=192.0.2.1 path=/pathban", "allow");
    ask_verdict(fd, "src=192.0.2.2 path=/pathban", "deny");
    expect_vars("verdict status retry_after " LIMIT_VARS); /* the ban is not this client's */
    /* One client, however its address is written; an IPv6 one is its network. */
    ask_verdict(fd, "src=::ffff:192.0.2.1 path=/ban", "deny");
    ask_verdict(fd, "src=2001:db8::1 path=/ban", "allow");
    ask_verdict(fd, "src=2001:db8::ffff:2 path=/ban", "deny");
    ask_verdict(fd, "src=2001:db8:0:1::1 path=/ban", "allow");
    close(fd);
}
END_TEST

/* More rules apply than can be counted together: nobody passes, and the worker goes on. */
START_TEST(rules_without_end)
{
    int fd = opened(&agent);

    ask_verdict(fd, "path=/64", "allow");
    ck_assert_int_eq(number("remaining"), 8);
    ask_verdict(fd, "path=/65", "deny");
    ck_assert_int_eq(number("status"), 503);
    ask_verdict(fd, "path=/64", "allow");
    ck_assert_int_eq(number("remaining"), 7); /* the refused one was not charged */
    close(fd);
}
END_TEST

/* The longest ACK fits the smallest frame. */
START_TEST(all_variables_in_256_bytes)
{
    struct spop_client_hello hello = { "2.0", 256, "", false, NULL };
    char                     bytes[512];
    int                      fd = spop_client_open(agent.address, &hello, AGENT_PATIENCE_MS);

    ask_verdict(fd, "src=192.0.2.9 path=/ban", "allow");
    ask_verdict(fd, "src=192.0.2.9 path=/bigid", "allow");
    ck_assert(is_text("policy", "r9007199254740991"));
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? "src=192.0.2.9 path=/ban" : "src=192.0.2.9 path=/bigid";

        say(fd, bytes, notify_put(bytes, sizeof bytes, UINT64_MAX, UINT64_MAX, path));
        expect_ack(fd);
        expect_verdict("deny");
    }
    ck_assert_int_eq(number("rule"), 9007199254740991);
    close(fd);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, without_a_limit);
    tcase_add_test(cases, a_limit_with_and_without_room);
    tcase_add_test(cases, the_tightest_limit);
    tcase_add_test(cases, slow_and_token);
    tcase_add_test(cases, bans);
    tcase_add_test(cases, rules_without_end);
    tcase_add_test(cases, all_variables_in_256_bytes);
}

int main(void)
{
    return run_suite("answers", add, start, stop);
}
