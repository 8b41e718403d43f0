/* Rules that change under way: in force soon, whole, and without a wrong answer. And counters that workers share. */
#include "expect.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

static struct agent agent;
static int          fd; /* one connection, from before all changes */

static void start(void)
{
    agent_run(&agent, "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')",
              (const char *const[]){ "--threads", "2", NULL });
    fd = opened(&agent);
}

static void stop(void)
{
    close(fd);
    finish(&agent);
}

static void move(const char *from, const char *to)
{
    ck_assert_msg(rename(from, to) == 0, "%s: %s", from, strerror(errno));
}

/* A rule that only the present file has. */
static void takes_a_new_rule(const char *path)
{
    char sql[128], attributes[64];

    snprintf(sql, sizeof sql, "INSERT INTO rules(path, action) VALUES ('%s', 'deny')", path);
    snprintf(attributes, sizeof attributes, "path=%s", path);
    ask_verdict(fd, attributes, "allow");
    agent_sql(&agent, sql);
    await_verdict(fd, attributes, "deny");
}

/* For one of the agent's looks at the file at least. */
static void stays_in_force(void)
{
    for (int i = 0; i < 15; i++) {
        ask_verdict(fd, "path=/denied", "deny");
        ask_verdict(fd, "path=/", "allow");
        usleep(20000);
    }
}

START_TEST(changes_come_into_force)
{
    takes_a_new_rule("/a");
    agent_sql(&agent, "UPDATE rules SET path = '/b' WHERE path = '/a'");
    await_verdict(fd, "path=/b", "deny");
    ask_verdict(fd, "path=/a", "allow");
    agent_sql(&agent, "UPDATE rules SET enabled = 0 WHERE path = '/b'");
    await_verdict(fd, "path=/b", "allow");
    agent_sql(&agent, "DELETE FROM rules");
    await_verdict(fd, "path=/denied", "allow");
    agent_sql(
        &agent,
        "INSERT INTO lists VALUES ('bad', '192.0.2.0/24'); INSERT INTO rules(src, action) VALUES ('@bad', 'deny')");
    await_verdict(fd, "src=192.0.2.1", "deny");
    agent_sql(&agent, "UPDATE lists SET entry = '198.51.100.1'");
    await_verdict(fd, "src=192.0.2.1", "allow");
    ask_verdict(fd, "src=198.51.100.1", "deny");
}
END_TEST

/* Attributes are numbered anew with each set: the same frame means the same before and after. */
START_TEST(attributes_come_and_go)
{
    ask_verdict(fd, "a=1 b=2 c=3", "allow");
    agent_sql(&agent, "INSERT INTO rules(match, action, status) VALUES ('{\"c\":\"3\"}', 'deny', 410)");
    await_verdict(fd, "a=1 b=2 c=3", "deny");
    agent_sql(
        &agent,
        "INSERT INTO rules(priority, match, action, status) VALUES (1, '{\"a\":\"1\",\"b\":\"2\"}', 'deny', 401)");
    while (ask(fd, "a=1 b=2 c=3"), number("status") != 401)
        usleep(10000);
    ask_verdict(fd, "a=1 b=3 c=3", "deny");
    ck_assert_int_eq(number("status"), 410);
    agent_sql(&agent, "DELETE FROM rules WHERE status = 410");
    await_verdict(fd, "a=1 b=3 c=3", "allow");
    ask_verdict(fd, "a=1 b=2 c=3", "deny");
}
END_TEST

START_TEST(replaced_by_rename)
{
    struct agent other;

    agent_init(&other);
    agent_sql(&other, "INSERT INTO rules(path, action) VALUES ('/denied', 'deny'), ('/other', 'deny')");
    ask_verdict(fd, "path=/other", "allow");
    move(other.rules, agent.rules);
    await_verdict(fd, "path=/other", "deny");
    ask_verdict(fd, "path=/denied", "deny");
    takes_a_new_rule("/a");
    agent_fini(&other);
}
END_TEST

static const struct {
    const char *sql, *logged, *undo;
} invalid[] = {
    { "INSERT INTO rules(id, path, action) VALUES (77, '~(', 'deny')", "rule 77: path '~('",
      "DELETE FROM rules WHERE id = 77" },
    { "INSERT INTO rules(id, src, action) VALUES (77, '@nobody', 'deny')", "rule 77: src '@nobody'",
      "DELETE FROM rules WHERE id = 77" },
    { "PRAGMA ignore_check_constraints = ON; INSERT INTO rules(id, requests, period) VALUES (77, 0, 60)",
      "rule 77: requests '0'", "DELETE FROM rules WHERE id = 77" },
    { "PRAGMA user_version = 9", "version 9", "PRAGMA user_version = 1" },
    { "ALTER TABLE rules RENAME TO rulez", "no such table: rules", "ALTER TABLE rulez RENAME TO rules" },
    { "PRAGMA journal_mode = WAL", "WAL", "PRAGMA journal_mode = DELETE" },
};

START_TEST(invalid_sets_are_not_taken)
{
    agent_sql(&agent, invalid[_i].sql);
    ck_assert_msg(agent_log_has(&agent, invalid[_i].logged), "%s: %s", invalid[_i].sql, agent_log(&agent));
    ck_assert(agent_log_has(&agent, "not taken over"));
    /* Neither what is wrong nor what is right in it. */
    if (_i < 3)
        agent_sql(&agent, "INSERT INTO rules(path, action) VALUES ('/', 'deny')");
    stays_in_force();
    if (_i < 3)
        agent_sql(&agent, "DELETE FROM rules WHERE path = '/'");
    agent_sql(&agent, invalid[_i].undo);
    takes_a_new_rule("/a");
}
END_TEST

START_TEST(the_file_goes_and_comes_back)
{
    char aside[128];

    snprintf(aside, sizeof aside, "%s/aside", agent.dir);
    move(agent.rules, aside);
    ck_assert(agent_log_has(&agent, "gone"));
    stays_in_force();
    move(aside, agent.rules);
    takes_a_new_rule("/a");

    move(agent.rules, aside);
    ck_assert_int_eq(mkdir(agent.rules, 0755), 0);
    ck_assert(agent_log_has(&agent, "not a file"));
    stays_in_force();
    ck_assert_int_eq(rmdir(agent.rules), 0);
    move(aside, agent.rules);
    takes_a_new_rule("/b");

    move(agent.rules, aside);
    ck_assert_int_eq(mkfifo(agent.rules, 0600), 0);
    stays_in_force();
    unlink(agent.rules);
    ck_assert_int_eq(symlink(agent.rules, agent.rules), 0);
    stays_in_force();
    unlink(agent.rules);
    move(aside, agent.rules);
    takes_a_new_rule("/c");
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    char command[300];

    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_file_that_breaks)
{
    char        aside[128];
    struct stat st;

    snprintf(aside, sizeof aside, "%s/aside", agent.dir);
    agent_sql(&agent, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
                      " INSERT INTO rules(path, action) SELECT '/p' || i, 'deny' FROM n");
    await_verdict(fd, "path=/p1000", "deny");
    copy_file(agent.rules, aside);
    ck_assert_int_eq(stat(agent.rules, &st), 0);
    for (int part = 2; part >= 0; part -= 2) {
        ck_assert_int_eq(truncate(agent.rules, st.st_size * part / 4), 0);
        ck_assert(agent_log_has(&agent, "not taken over"));
        stays_in_force();
        ask_verdict(fd, "path=/p1000", "deny");
    }
    /* Written over in place, as `cp` does. */
    copy_file(aside, agent.rules);
    takes_a_new_rule("/a");
    ask_verdict(fd, "path=/p1000", "deny");
}
END_TEST

static void run_sql(sqlite3 *db, const char *sql)
{
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
}

/* An operator's long transaction: nothing of it before its end, all of it after. */
START_TEST(locked_by_a_writer)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(agent.rules, &db), SQLITE_OK);
    run_sql(db, "BEGIN EXCLUSIVE; INSERT INTO rules(path, action) VALUES ('/new', 'deny')");
    for (int64_t end = clock_ms() + 1000; clock_ms() < end; usleep(20000)) {
        ask_verdict(fd, "path=/denied", "deny");
        ask_verdict(fd, "path=/new", "allow");
    }
    run_sql(db, "COMMIT");
    await_verdict(fd, "path=/new", "deny");
    run_sql(db, "BEGIN EXCLUSIVE; DELETE FROM rules; ROLLBACK");
    stays_in_force();
    sqlite3_close(db);
    takes_a_new_rule("/a");
}
END_TEST

/* A writer that dies in the middle leaves a journal: what it had not committed must never be in force. */
START_TEST(a_writer_that_dies)
{
    pid_t pid = fork();

    if (pid == 0) {
        sqlite3 *db;

        if (sqlite3_open(agent.rules, &db) != SQLITE_OK)
            _exit(1);
        sqlite3_exec(db,
                     "PRAGMA cache_size = 2; BEGIN; UPDATE rules SET path = '/gone';"
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
                     " INSERT INTO rules(path, action) SELECT '/p' || i, 'deny' FROM n",
                     NULL, NULL, NULL);
        _exit(0); /* pages are in the file, the journal beside it */
    }
    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        ask_verdict(fd, "path=/denied", "deny");
        ask_verdict(fd, "path=/p1", "allow");
    }
    stays_in_force();
    ask_verdict(fd, "path=/p1", "allow");
    takes_a_new_rule("/a");
    ask_verdict(fd, "path=/p1", "allow");
    ask_verdict(fd, "path=/denied", "deny");
}
END_TEST

START_TEST(counters_survive)
{
    agent_sql(&agent, "INSERT INTO rules(id, path, requests, period) VALUES (50, '/limit', 3, 600)");
    while (ask(fd, "path=/limit"), !has("remaining"))
        usleep(10000);
    ck_assert_int_eq(number("remaining"), 2);
    ask_verdict(fd, "path=/limit", "allow");
    ask_verdict(fd, "path=/limit", "allow");
    ask_verdict(fd, "path=/limit", "deny");
    agent_sql(&agent, "UPDATE rules SET requests = 5, name = 'more', priority = 7 WHERE id = 50");
    await_verdict(fd, "path=/limit", "allow");
    ck_assert_int_eq(number("remaining"), 1);
    ask_verdict(fd, "path=/limit", "allow");
    ask_verdict(fd, "path=/limit", "deny");
    agent_sql(&agent, "UPDATE rules SET requests = 2 WHERE id = 50");
    while (ask(fd, "path=/limit"), number("limit") != 2)
        usleep(10000);
    expect_verdict("deny");
    ck_assert_int_eq(number("remaining"), 0);
}
END_TEST

/* Hundreds of commits, each with a rule more and a limit changed, while two connections ask. */
START_TEST(a_storm_of_commits)
{
    int  second = opened(&agent);
    char sql[256], attributes[64];
    long before_kb;

    agent_sql(&agent, "INSERT INTO rules(id, path, requests, period) VALUES (50, '/limit', 1000000, 600)");
    agent_sql(&agent, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
                      " INSERT INTO rules(path, action) SELECT '/many/' || i, 'deny' FROM n");
    await_verdict(fd, "path=/many/2000", "deny");
    before_kb = agent_rss_kb(&agent);
    for (int i = 0; i < 200; i++) {
        snprintf(sql, sizeof sql,
                 "BEGIN; INSERT INTO rules(path, action) VALUES ('/storm/%d', 'deny');"
                 "UPDATE rules SET requests = %d WHERE id = 50; COMMIT",
                 i, 1000000 - i);
        agent_sql(&agent, sql);
        for (int j = 0; j < 5; j++) {
            ask_verdict(j % 2 == 0 ? fd : second, "path=/denied", "deny");
            ask_verdict(j % 2 == 0 ? fd : second, "path=/", "allow");
            ask_verdict(j % 2 == 0 ? fd : second, "path=/many/7", "deny");
            ask_verdict(j % 2 == 0 ? fd : second, "path=/limit", "allow");
            ck_assert_int_ge(number("limit"), 1000000 - i);
        }
    }
    snprintf(attributes, sizeof attributes, "path=/storm/%d", 199);
    await_verdict(fd, attributes, "deny");
    ask_verdict(fd, "path=/limit", "allow");
    ck_assert_int_eq(number("limit"), 1000000 - 199);
    ck_assert_int_eq(number("remaining"), 1000000 - 199 - 1001); /* not one was counted twice or lost */
    /* Old sets are freed: two hundred of them, each of 2,000 rules, would be a hundred megabytes. */
    if (!with_sanitizer())
        ck_assert_int_lt(agent_rss_kb(&agent) - before_kb, 16 * 1024);
    close(second);
}
END_TEST

/* Sixteen connections on two workers at one limit: as many as it allows, to the very request. */
START_TEST(one_limit_and_many_connections)
{
    enum { CONNECTIONS = 16, EACH = 150, LIMIT = 1000 };
    static char bytes[EACH * 64];
    int         fds[CONNECTIONS], allowed = 0;
    size_t      n = 0;

    agent_sql(&agent, "INSERT INTO rules(path, requests, period) VALUES ('/limit', 1000, 600)");
    while (ask(fd, "path=/limit"), !has("limit"))
        usleep(10000);
    for (unsigned i = 0; i < EACH; i++)
        n += notify_put(bytes + n, sizeof bytes - n, i, 1, "path=/limit");
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = opened(&agent);
    /* In pieces, so that the workers are at it at the same time. */
    for (size_t at = 0; at < n; at += 500)
        for (size_t i = 0; i < CONNECTIONS; i++)
            say(fds[i], bytes + at, n - at < 500 ? n - at : 500);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        for (int j = 0; j < EACH; j++) {
            expect_ack(fds[i]);
            allowed += is_text("verdict", "allow");
        }
        close(fds[i]);
    }
    ck_assert_int_eq(allowed, LIMIT - 1);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, stop);
    tcase_add_test(cases, changes_come_into_force);
    tcase_add_test(cases, attributes_come_and_go);
    tcase_add_test(cases, replaced_by_rename);
    tcase_add_loop_test(cases, invalid_sets_are_not_taken, 0, (int)COUNT(invalid));
    tcase_add_test(cases, the_file_goes_and_comes_back);
    tcase_add_test(cases, a_file_that_breaks);
    tcase_add_test(cases, locked_by_a_writer);
    tcase_add_test(cases, a_writer_that_dies);
    tcase_add_test(cases, counters_survive);
    tcase_add_test(cases, a_storm_of_commits);
    tcase_add_test(cases, one_limit_and_many_connections);
}

int main(void)
{
    return run_suite("reload", add, NULL, NULL);
}
