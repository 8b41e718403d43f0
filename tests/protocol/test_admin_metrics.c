/* /metrics: each number is what was sent, however the rules are loaded anew, and what analytics.db says. */
#include "http.h"

#include "lib/db.h"

static char db[128];

static void start(const char *sql, const char *const *more)
{
    start_admin(sql, more);
    snprintf(db, sizeof db, "%s/analytics.db", agent.dir);
}

static void ask_times(int fd, int n, const char *attributes)
{
    while (n-- > 0)
        ask(fd, attributes);
}

/* The schema takes no such name; a table that is not ours may hold it. */
#define RULES                                                                                                          \
    "DROP TRIGGER rules_inserted; PRAGMA ignore_check_constraints = 1;"                                                \
    "INSERT INTO rules(id, path, action) VALUES (1, '/denied', 'deny');"                                               \
    "INSERT INTO rules(id, name, path, per, requests, period) "                                                        \
    "VALUES (2, 'a \"quoted\" \\ name' || char(10) || CAST(x'c328' AS TEXT), '/limited', 'src', 3, 3600);"             \
    "INSERT INTO rules(id, path, requests, period, over) VALUES (3, '/slow', 1, 3600, 'slow');"                        \
    "INSERT INTO rules(id, path, action, shadow) VALUES (4, '/sha*', 'deny', 1);"                                      \
    "INSERT INTO rules(id, name, path, action) VALUES (5, 'never', '/never', 'deny')"

#define NAME2 "a \\\"quoted\\\" \\\\ name\\\\x0A\\\\xC3("

static void send_all(int fd)
{
    ask_times(fd, 4, "path=/denied");
    ask_times(fd, 5, "path=/limited src=192.0.2.1");
    ask_times(fd, 2, "path=/slow");
    ask_times(fd, 3, "path=/shadow");
    ask_times(fd, 6, "path=/nothing");
}

static void expect_rules(void)
{
    /* As in analytics: where only shadow rules apply, none does. */
    await_metric("rule_matched_total{rule=\"0\",name=\"\"}", 9);
    expect_value("rule_matched_total{rule=\"1\",name=\"\"}", 4);
    expect_value("rule_matched_total{rule=\"2\",name=\"" NAME2 "\"}", 5);
    expect_value("rule_matched_total{rule=\"3\",name=\"\"}", 2);
    expect_value("rule_matched_total{rule=\"4\",name=\"\"}", 3);
    ck_assert_msg(strstr(answer.body, "never") == NULL, "a series of a rule that never matched%s", show());
    expect_value("rule_decisions_total{rule=\"0\",name=\"\",verdict=\"allow\"}", 9);
    expect_value("rule_decisions_total{rule=\"1\",name=\"\",verdict=\"deny\"}", 4);
    expect_value("rule_decisions_total{rule=\"2\",name=\"" NAME2 "\",verdict=\"allow\"}", 3);
    expect_value("rule_decisions_total{rule=\"2\",name=\"" NAME2 "\",verdict=\"deny\"}", 2);
    expect_value("rule_decisions_total{rule=\"3\",name=\"\",verdict=\"slow\"}", 1);
    expect_value("rule_shadow_denied_total{rule=\"4\",name=\"\"}", 3);
    expect_value("rule_decisions_total{rule=\"4\",name=\"\",verdict=\"deny\"}", -1);
    expect_value("decisions_total{verdict=\"allow\"}", 13);
    expect_value("decisions_total{verdict=\"slow\"}", 1);
    expect_value("decisions_total{verdict=\"deny\"}", 6);
}

START_TEST(what_was_sent)
{
    char notify[256];
    int  fd, other;

    start(RULES, NULL);
    fd = opened(&agent);
    send_all(fd);
    /* Counted before the answer is sent, but for the answer itself. */
    expect_metric("frames_total{type=\"notify\"}", 20);
    await_metric("acks_total", 20);
    await_metric("decision_duration_seconds_count", 20);
    expect_value("decision_duration_seconds_bucket{le=\"+Inf\"}", 20);
    ck_assert(value_of("decision_duration_seconds_sum") > 0);
    expect_value("frames_total{type=\"hello\"}", 1);
    expect_value("connections", 1);
    expect_rules();
    expect_value("rules", 5);
    expect_value("counters", 2);
    expect_value("build_info{version=\"" SPOA_VERSION "\"}", 1);

    say(fd, notify, spop_client_notify_put(notify, sizeof notify, 1, 1, "other-message", NULL, 0));
    expect_ack(fd);
    expect_metric("undecidable_total{reason=\"no_message\"}", 1);
    expect_value("decisions_total{verdict=\"allow\"}", 13);

    other = opened(&agent);
    expect_metric("connections", 2);
    say(other, "\0\0\0\x08\x03\0\0\0\x01\x01\x01\x01", 12); /* a NOTIFY whose payload ends within a name */
    expect_disconnect(other, SPOP_STATUS_INVALID);
    await_metric("connections", 1);
    expect_value("connections_total", 2);
    expect_value("connection_errors_total{reason=\"invalid\"}", 1);
    close(fd);
    finish(&agent);
}
END_TEST

/* The series by rule, and the rows of the view, are the same numbers. */
START_TEST(as_in_analytics)
{
    char series[256];
    int  fd, rows = 0, found;

    start(RULES, NULL);
    fd = opened(&agent);
    send_all(fd);
    expect_rules();
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS;
         strcmp(db_ask(db, "SELECT sum(requests) FROM daily_summary"), "20") != 0; usleep(20000))
        ck_assert(clock_ms() < end);
    get("/metrics");
    for (int rule = 0; rule <= 5; rule++) {
        char sql[200];
        long matched, denied;

        snprintf(sql, sizeof sql,
                 "SELECT ifnull(sum(matched), -1) || ' ' || ifnull(sum(denied), -1) FROM daily_rules WHERE rule = %d",
                 rule);
        ck_assert_int_eq(sscanf(db_ask(db, sql), "%ld %ld", &matched, &denied), 2);
        snprintf(series, sizeof series, "rule_matched_total{rule=\"%d\",name=\"%s\"}", rule, rule == 2 ? NAME2 : "");
        ck_assert_msg(value_of(series) == (double)matched, "%s: %g, not %ld", series, value_of(series), matched);
        rows += matched >= 0;
        if (rule == 4 || matched < 0)
            continue;
        snprintf(series, sizeof series, "rule_decisions_total{rule=\"%d\",name=\"%s\",verdict=\"deny\"}", rule,
                 rule == 2 ? NAME2 : "");
        ck_assert_msg(value_of(series) == (double)denied, "%s: %g, not %ld", series, value_of(series), denied);
    }
    sum_of("rule_matched_total", &found);
    ck_assert_int_eq(found, rows + 1); /* and the rest */
    expect_value("analytics_up", 1);
    expect_value("analytics_waiting", 0);
    ck_assert(value_of("analytics_commits_total") > 0);
    close(fd);
    finish(&agent);
}
END_TEST

START_TEST(without_analytics)
{
    int fd;

    start(RULES, (const char *const[]){ "--no-analytics", NULL });
    fd = opened(&agent);
    send_all(fd);
    expect_rules();
    send_all(fd); /* the limits are used up now */
    await_metric("rule_matched_total{rule=\"0\",name=\"\"}", 18);
    expect_value("rule_decisions_total{rule=\"2\",name=\"" NAME2 "\",verdict=\"deny\"}", 7);
    ck_assert_msg(strstr(answer.body, "analytics") == NULL, "series of analytics%s", show());
    ck_assert_int_ne(access(db, F_OK), 0);
    close(fd);
    finish(&agent);
}
END_TEST

/* A new rule set has other places for the same rules. */
START_TEST(reloads)
{
    int fd;

    start("INSERT INTO rules(id, name, path, action) VALUES (7, 'seven', '/seven', 'deny'), (8, 'eight', '/eight', "
          "'deny')",
          NULL);
    fd = opened(&agent);
    ask_times(fd, 3, "path=/seven");
    ask_times(fd, 2, "path=/eight");
    agent_sql(&agent, "INSERT INTO rules(id, priority, path, action) VALUES (9, 1, '/nine', 'deny')");
    await_metric("reloads_total{result=\"ok\"}", 1);
    expect_value("rules", 3);
    ask_times(fd, 3, "path=/seven");
    ask_times(fd, 4, "path=/nine");
    await_metric("rule_matched_total{rule=\"9\",name=\"\"}", 4);
    expect_value("rule_matched_total{rule=\"7\",name=\"seven\"}", 6);
    expect_value("rule_matched_total{rule=\"8\",name=\"eight\"}", 2);

    agent_sql(&agent, "UPDATE rules SET path = '@nowhere' WHERE id = 9");
    await_metric("reloads_total{result=\"failed\"}", 1);
    expect_value("rules_current", 0);
    ask_verdict(fd, "path=/nine", "deny");

    /* One that is gone keeps what it has, under the name that it had; one that is renamed goes on under the new one. */
    agent_sql(&agent, "BEGIN; DELETE FROM rules WHERE id >= 8; UPDATE rules SET name = 'sept' WHERE id = 7; COMMIT");
    await_metric("reloads_total{result=\"ok\"}", 2);
    expect_value("rules_current", 1);
    await_metric("rule_matched_total{rule=\"9\",name=\"\"}", 5);
    expect_value("rule_matched_total{rule=\"7\",name=\"sept\"}", 6);
    expect_value("rule_matched_total{rule=\"8\",name=\"eight\"}", 2);
    close(fd);
    finish(&agent);
}
END_TEST

/* Each rule once, in one go. */
static void ask_each(int fd, int from, int n)
{
    static char bytes[64 * 1024];
    char        attributes[64];

    for (int i = from; i < from + n;) {
        size_t size = 0;
        int    batch = 0;

        for (; batch < 200 && i < from + n; batch++, i++) {
            snprintf(attributes, sizeof attributes, "path=/rule/%d", i);
            size += notify_put(bytes + size, sizeof bytes - size, (uint64_t)i + 1, 1, attributes);
        }
        say(fd, bytes, size);
        expect_acks(fd, batch);
    }
}

#define MANY(from, to)                                                                                                 \
    "WITH RECURSIVE n(i) AS (SELECT " #from " UNION ALL SELECT i + 1 FROM n WHERE i + 1 < " #to ") "                   \
    "INSERT INTO rules(id, path, action) SELECT i, '/rule/' || i, 'deny' FROM n"

static void await_sum(double wanted, int series)
{
    int found;

    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS;; usleep(20000)) {
        get("/metrics");
        if (sum_of("rule_matched_total", &found) == wanted)
            break;
        ck_assert_msg(clock_ms() < end, "%g, never %g", sum_of("rule_matched_total", &found), wanted);
    }
    ck_assert_int_eq(found, series);
}

/* More rules than there are rows for: no request is missing, and none is counted twice. */
START_TEST(many_rules)
{
    double rest;
    int    fd;

    start(MANY(1, 1501), NULL);
    fd = opened(&agent);
    ask_each(fd, 1, 1500);
    await_sum(1500, 1001);
    expect_value("rule_matched_total{rule=\"other\",name=\"\"}", 501);
    ask_each(fd, 1, 1500);
    await_sum(3000, 1001);
    expect_value("rule_matched_total{rule=\"other\",name=\"\"}", 1002);
    expect_value("rule_matched_total{rule=\"999\",name=\"\"}", 2);

    /* Those with a row that are gone make room for others, and count with the rest. */
    agent_sql(&agent, "BEGIN; DELETE FROM rules WHERE id < 500; COMMIT;" MANY(2001, 2101));
    await_metric("rules", 1101);
    rest = value_of("rule_matched_total{rule=\"other\",name=\"\"}");
    ck_assert_msg(rest >= 1002 && rest <= 2000, "%g", rest);
    ask_each(fd, 2001, 100);
    await_sum(3100, 1 + 500 + 100 + 1);
    expect_value("rule_matched_total{rule=\"other\",name=\"\"}", 2000);
    expect_value("rule_matched_total{rule=\"2001\",name=\"\"}", 1);
    expect_value("rule_matched_total{rule=\"500\",name=\"\"}", 2);
    close(fd);
    finish(&agent);
}
END_TEST

/* A line of the log feed for a request of now, with its length in front. */
static void say_line(int fd, const char *status, const char *end, const char *verdict, const char *stream)
{
    time_t    now = time(NULL);
    struct tm tm;
    char      stamp[40], message[400], frame[420];

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%d/%b/%Y:%H:%M:%S +0000", &tm);
    snprintf(message, sizeof message,
             "<134>1 - - haproxy 1 - [rules@32473 time=\"%s\" status=\"%s\" bytes=\"1\" end=\"%s\" tc=\"0\" tr=\"1\" "
             "ta=\"29951\" path=\"%%2F\" refused=\"-\" asked=\"1\" error=\"-\" verdict=\"%s\" stream=\"%s\"] x",
             stamp, status, end, verdict, stream);
    snprintf(frame, sizeof frame, "%zu %s", strlen(message), message);
    say(fd, frame, strlen(frame));
}

START_TEST(feed_and_limits)
{
    static const char lines[] = "7 garbage\n";
    struct agent      front;
    char              feed[128];
    int               fd;

    agent_init(&front);
    snprintf(feed, sizeof feed, "unix:%s/feed.sock", front.dir);
    start("INSERT INTO rules(id, per, requests, period, ban) VALUES (1, 'src', 1, 60, 3600)",
          (const char *const[]){ "--log-listen", feed, "--max-connections", "1", NULL });
    fd = spop_client_connect(feed);
    ck_assert_int_ge(fd, 0);
    await_metric("feed_connections", 1);
    say(fd, lines, sizeof lines - 1);
    await_metric("feed_lines_total{result=\"skipped\"}", 1);
    close(fd);
    fd = spop_client_connect(feed);
    ck_assert_int_ge(fd, 0);
    say_line(fd, "200", "--", "allow", "-");
    for (int i = 0; i < 4; i++)
        say_line(fd, "200", "--", "-", "-");
    for (int i = 0; i < 3; i++)
        say_line(fd, "101", "CD", "allow", "-");
    for (int i = 0; i < 2; i++)
        say_line(fd, "200", "cD", "allow", "1");
    say_line(fd, "200", "CD", "allow", "-");
    await_metric("feed_lines_total{result=\"taken\"}", 11);
    expect_metric("feed_undecided_total", 4);
    expect_value("feed_untimed_total{kind=\"tunnel\"}", 3);
    expect_value("feed_untimed_total{kind=\"stream\"}", 2);
    expect_value("feed_untimed_total{kind=\"aborted\"}", 1);
    close(fd);
    await_metric("feed_connections", 0);

    fd = opened(&agent);
    expect_too_many(&agent);
    await_metric("connections_refused_total", 1);
    for (int i = 1; i <= 3; i++) {
        char attributes[64];

        snprintf(attributes, sizeof attributes, "src=192.0.2.%d", i);
        ask_times(fd, 2, attributes);
    }
    expect_metric("bans", 3);
    expect_value("counters", 3);
    close(fd);
    finish(&agent);
    agent_fini(&front);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, what_was_sent);
    tcase_add_test(cases, as_in_analytics);
    tcase_add_test(cases, without_analytics);
    tcase_add_test(cases, reloads);
    tcase_add_test(cases, many_rules);
    tcase_add_test(cases, feed_and_limits);
}

int main(void)
{
    return run_suite("admin: metrics", add, NULL, NULL);
}
