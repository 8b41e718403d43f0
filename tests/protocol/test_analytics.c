/* What the agent counts is what it was asked: to the request, with two threads, over a restart in the middle. */
#include "analytics.h"

#define CONNECTIONS 4

/* Of each ten requests, and what becomes of them. The limit lets no one through but for its first. */
#define RULES                                                                                                          \
    "INSERT INTO rules(id, name, path, action) VALUES (1, 'refuse', '/denied', 'deny');"                               \
    "INSERT INTO rules(id, name, path, action, priority) VALUES (2, 'free', '/free', 'allow', 1);"                     \
    "INSERT INTO rules(id, name, path, requests, period) VALUES (3, 'one', '/limited', 1, 86400);"                     \
    "INSERT INTO rules(id, name, path, requests, period, over) VALUES (4, 'slower', '/slow', 1, 86400, 'slow');"       \
    "INSERT INTO rules(id, name, path, action, shadow) VALUES (5, 'trial', '/trial*', 'deny', 1);"                     \
    "INSERT INTO rules(id, name, path, requests, period) VALUES (6, 'wide', '/wide*', 1000000, 60);"

static const char *const requests[] = {
    "src=192.0.2.1 path=/denied",    "src=192.0.2.1 path=/free",
    "src=192.0.2.2 path=/limited",   "src=192.0.2.2 path=/slow",
    "src=2001:db8::1 path=/trial/1", "src=2001:db8::2 path=/wide",
    "src=192.0.2.3 path=/wide//2",   "src=192.0.2.3 path=/other",
    "src=somebody path=/other",      "path=/denied method=GET host=EXAMPLE.com:80",
};

static void start(void)
{
    static const char *const args[] = { "--threads", "2", NULL };

    agent_run(&agent, RULES, args);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
}

static void start_again(void)
{
    static const char *const args[] = { "--threads", "2", NULL };
    int                      code;

    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
}

/* So many in all; with a sanitizer fewer. What is left of a division by ten falls to the first kinds, so that no two
 * numbers are the same by chance. */
static long all(void)
{
    return with_sanitizer() ? 40005 : 1000005;
}

/* Of one of `requests`. */
static long long each(size_t kind)
{
    return all() / (long)COUNT(requests) + ((long)kind < all() % (long)COUNT(requests));
}

/* `n` of them from the first kind on, in batches on each of CONNECTIONS connections. */
static void ask_many(long n)
{
    char bytes[BATCH * 128];
    int  fds[CONNECTIONS];

    for (int c = 0; c < CONNECTIONS; c++)
        fds[c] = opened(&agent);
    for (long asked = 0; asked < n;) {
        long batches[CONNECTIONS];

        for (int c = 0; c < CONNECTIONS; c++) {
            size_t size = 0;

            batches[c] = n - asked < BATCH ? n - asked : BATCH;
            for (long i = 0; i < batches[c]; i++)
                size += notify_put(bytes + size, sizeof bytes - size, (uint64_t)i, 1,
                                   requests[(asked + i) % (long)COUNT(requests)]);
            say(fds[c], bytes, size);
            asked += batches[c];
        }
        for (int c = 0; c < CONNECTIONS; c++)
            expect_acks(fds[c], batches[c]);
    }
    for (int c = 0; c < CONNECTIONS; c++)
        close(fds[c]);
}

static void expect_each_rule(void)
{
    char wanted[512];

    snprintf(wanted, sizeof wanted,
             "0::%lld:%lld:0:0:0 1:refuse:%lld:0:0:%lld:0 2:free:%lld:%lld:0:0:0 3:one:%lld:1:0:%lld:0 "
             "4:slower:%lld:1:%lld:0:0 5:trial:%lld:0:0:0:%lld 6:wide:%lld:%lld:0:0:0",
             each(4) + each(7) + each(8), each(4) + each(7) + each(8), each(0) + each(9), each(0) + each(9), each(1),
             each(1), each(2), each(2) - 1, each(3), each(3) - 1, each(4), each(4), each(5) + each(6),
             each(5) + each(6));
    expect_db("SELECT rule || ':' || name || ':' || sum(matched) || ':' || sum(allowed) || ':' || sum(slowed) || ':' ||"
              " sum(denied) || ':' || sum(shadow_denied) FROM daily_rules GROUP BY rule",
              wanted);
}

/* Each table that has totals, whether the test ran over midnight or not. */
static void expect_totals(void)
{
    static const char *const totals[] = { "daily_summary", "hourly_summary", "daily_clients", "daily_paths",
                                          "hour_clients",  "hour_paths",     "minutes" };
    const long long          denied = each(0) + each(2) - 1 + each(9);
    char                     sql[192], wanted[128];

    for (size_t i = 0; i < COUNT(totals); i++) {
        snprintf(sql, sizeof sql, "SELECT sum(requests) FROM %s", totals[i]);
        expect_count(sql, all());
        snprintf(sql, sizeof sql, "SELECT sum(denied) FROM %s", totals[i]);
        expect_count(sql, denied);
    }
    snprintf(wanted, sizeof wanted, "%lld %lld %lld", all() - denied - each(3) + 1, each(3) - 1, each(4));
    for (size_t i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "SELECT sum(allowed) || ' ' || sum(slowed) || ' ' || sum(shadow_denied) FROM %s",
                 totals[i]);
        expect_db(sql, wanted);
    }
    expect_count("SELECT (SELECT count(*) FROM denials) + (SELECT sum(denials_left_out) FROM hours)", denied);
    expect_count("SELECT (SELECT count(*) FROM denials) + (SELECT sum(denials_left_out) FROM days)", denied);
    expect_sums_agree();
}

static void expect_breakdowns(void)
{
    char wanted[512];

    snprintf(wanted, sizeof wanted,
             ":%lld:%lld 192.0.2.1:%lld:%lld 192.0.2.2:%lld:%lld 192.0.2.3:%lld:0 2001:db8::/64:%lld:0 somebody:%lld:0",
             each(9), each(9), each(0) + each(1), each(0), each(2) + each(3), each(2) - 1, each(6) + each(7),
             each(4) + each(5), each(8));
    expect_db("SELECT src || ':' || sum(requests) || ':' || sum(denied) FROM daily_clients GROUP BY src", wanted);
    snprintf(wanted, sizeof wanted,
             "/denied:%lld /free:%lld /limited:%lld /other:%lld /slow:%lld /trial/1:%lld /wide:%lld /wide/2:%lld",
             each(0) + each(9), each(1), each(2), each(7) + each(8), each(3), each(4), each(5), each(6));
    expect_db("SELECT path || ':' || sum(requests) FROM daily_paths GROUP BY path", wanted);
    /* On the hour there may be two of them. */
    expect_db("SELECT max(clients) FROM daily_summary", "5");
    expect_db("SELECT DISTINCT src || ' ' || path || ' ' || status FROM denials WHERE rule = 3",
              "192.0.2.2 /limited 429");
    expect_db("SELECT DISTINCT method || ' ' || host || ' ' || path FROM denials WHERE src IS NULL",
              "GET example.com /denied");
    expect_db("SELECT DISTINCT rule || ' ' || src || ' ' || status FROM denial_log WHERE shadow = 1",
              "5 2001:db8::/64 403");
}

START_TEST(a_restart_in_the_middle)
{
    const long first = all() / 2 / (long)COUNT(requests) * (long)COUNT(requests);

    start();
    ask_many(first);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_count("SELECT sum(requests) FROM daily_summary", first);
    expect_sums_agree();
    /* The first of each limit was let through: the counters, too, go on. */
    start_again();
    ask_many(all() - first);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_totals();
    expect_each_rule();
    expect_breakdowns();
    agent_fini(&agent);
}
END_TEST

/* At most a second of it is lost, and what is there agrees. */
START_TEST(killed_under_load)
{
    char bytes[256];
    long before = 0;
    int  fd;

    start();
    fd = opened(&agent);
    for (int64_t end = clock_ms() + 4000; clock_ms() < end; sent++) {
        size_t n = notify_put(bytes, sizeof bytes, 1, 1, requests[sent % (long)COUNT(requests)]);

        /* What was answered so long ago is in the file. A machine with other things to do gets one more second. */
        if (clock_ms() < end - 2000)
            before = sent;
        say(fd, bytes, n);
        expect_ack(fd);
    }
    agent_kill(&agent);
    close(fd);
    ck_assert_int_ge(atol(ask_db("SELECT sum(requests) FROM daily_summary")), before);
    ck_assert_int_le(atol(ask_db("SELECT sum(requests) FROM daily_summary")), sent);
    expect_sums_agree();
    start_again();
    finish(&agent);
}
END_TEST

/* Nothing that is wrong with it keeps the agent from answering. */
START_TEST(an_unusable_file)
{
    char command[256];
    int  fd;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    agent_file_sql(path, "CREATE TABLE mine (a)");
    start_again();
    ck_assert(agent_log_has(&agent, "not an analytics database"));
    fd = opened(&agent);
    ask_verdict(fd, "path=/denied", "deny");
    snprintf(command, sizeof command, "rm %s", path);
    ck_assert_int_eq(system(command), 0);
    ck_assert(agent_log_has(&agent, "written again"));
    close(fd);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_db("SELECT denied FROM daily_summary", "1");
    agent_fini(&agent);
}
END_TEST

START_TEST(names_follow_the_rules)
{
    int fd;

    start();
    fd = opened(&agent);
    ask_verdict(fd, "path=/denied", "deny");
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; strcmp(ask_db("SELECT name FROM rule_names"), "refuse") != 0;) {
        ck_assert_int_lt(clock_ms(), end);
        usleep(50000);
    }
    agent_sql(&agent, "UPDATE rules SET name = 'renamed', path = '/elsewhere' WHERE id = 1");
    await_verdict(fd, "path=/elsewhere", "deny");
    close(fd);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_db("SELECT name FROM daily_rules WHERE rule = 1", "renamed");
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_restart_in_the_middle);
    tcase_add_test(cases, killed_under_load);
    tcase_add_test(cases, an_unusable_file);
    tcase_add_test(cases, names_follow_the_rules);
}

int main(void)
{
    return run_suite("analytics", add, NULL, NULL);
}
