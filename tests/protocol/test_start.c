/* Options, databases and surroundings that the agent starts with, or does not. */
#include "expect.h"

#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;

/* In the agent's directory; static, two at a time. */
static const char *in_dir(const char *prefix, const char *name)
{
    static char paths[2][128];
    static int  which;
    char       *path = paths[which++ % 2];

    snprintf(path, sizeof paths[0], "%s%s/%s", prefix, agent.dir, name);
    return path;
}

START_TEST(bad_options)
{
    static const char *const bad[][3] = {
        { "--threads", "0" },      { "--threads", "1x" },         { "--threads", "" },
        { "--threads", "99999" },  { "--max-connections", "-1" }, { "--max-connections", "18446744073709551617" },
        { "--max-counters", "0" }, { "--ipv6-prefix", "129" },    { "--ipv6-prefix", "0" },
        { "--log-level", "loud" }, { "--log-level", "" },
    };

    agent_init(&agent);
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(&agent, &(struct agent_options){ .args = bad[i] }, bad[i][0]);
    refuses(&agent, &(struct agent_options){ .args = (const char *const[]){ "more", NULL } }, "'more'");
    refuses(&agent, &(struct agent_options){ .args = (const char *const[]){ "--data", "/nonexistent/dir", NULL } },
            "/nonexistent/dir");
    refuses(&agent, &(struct agent_options){ .args = (const char *const[]){ "--data", "/dev/null", NULL } },
            "/dev/null");
    agent_fini(&agent);
}
END_TEST

/* ---- databases ---- */

static void refuses_rules(const char *path)
{
    refuses(&agent, &(struct agent_options){ .args = (const char *const[]){ "--rules", path, NULL } }, path);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    fputs(text, file);
    fclose(file);
}

START_TEST(no_database)
{
    const char *path;
    int         i;

    agent_init(&agent);
    refuses_rules("/nonexistent/dir/rules.db");
    refuses_rules(agent.dir); /* a directory */
    path = in_dir("", "garbage");
    write_file(path, "this is not SQLite\n");
    refuses_rules(path);
    path = in_dir("", "long-garbage");
    write_file(path, "SQLite format 3");
    FILE *file = fopen(path, "a");
    for (i = 0; i < 5000; i++)
        fputc(i % 251, file);
    fclose(file);
    refuses_rules(path);
    path = in_dir("", "fifo"); /* opening one waits for a writer */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refuses_rules(path);
    path = in_dir("", "loop");
    ck_assert_int_eq(symlink(path, path), 0);
    refuses_rules(path);
    agent_fini(&agent);
}
END_TEST

START_TEST(not_to_be_read)
{
    agent_init(&agent);
    agent_sql(&agent, RULES);
    chmod(agent.rules, 0);
    refuses(&agent, &(struct agent_options){ .no_override = true }, agent.rules);
    /* To be read is enough. */
    int code;

    chmod(agent.rules, 0444);
    ck_assert(agent_start(&agent, &(struct agent_options){ .no_override = true }, &code));
    talk_to(agent.address);
    finish(&agent);
}
END_TEST

START_TEST(databases_of_another_kind)
{
    static const char *const bad[] = {
        "PRAGMA user_version = 2",
        "PRAGMA user_version = 2147483647",
        "DROP TABLE rules",
        "PRAGMA journal_mode = WAL",
        ("PRAGMA ignore_check_constraints = ON; DROP TRIGGER rules_inserted;"
         "INSERT INTO rules(requests, period) VALUES (0, 60)"),
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        agent_init(&agent);
        agent_sql(&agent, RULES);
        agent_sql(&agent, bad[i]);
        refuses(&agent, NULL, agent.rules);
        agent_fini(&agent);
    }
}
END_TEST

/* A database that is missing or empty is made, so that the first INSERT at the prompt works. */
START_TEST(a_database_is_created)
{
    int code = 0;

    agent_init(&agent);
    ck_assert(agent_start(&agent, NULL, &code));
    agent_file_sql(agent.rules, RULES);
    int fd = opened(&agent);

    await_verdict(fd, "path=/denied", "deny");
    close(fd);
    finish(&agent);
}
END_TEST

/* ---- odd surroundings ---- */

/* Descriptors 0 to 2 closed: no socket may end up as one of them, or the log is written to a peer. */
START_TEST(without_standard_descriptors)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    int                      code, fd = -1, twice;
    char                     byte;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    agent_start(
        &agent,
        &(struct agent_options){ .no_stderr = true, .args = (const char *const[]){ "--log-level", "debug", NULL } },
        &code);
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; fd < 0 && clock_ms() < end; usleep(10000))
        fd = spop_client_open(agent.address, &hello, AGENT_PATIENCE_MS);
    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 5; i++) {
        twice = opened(&agent);
        say(twice, "\0\0\0\0", 4);
        expect_disconnect(twice, SPOP_STATUS_INVALID);
    }
    usleep(100000);
    ck_assert_int_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    ask_verdict(fd, "path=/denied", "deny");
    close(fd);
    finish(&agent);
}
END_TEST

START_TEST(connection_limit)
{
    int fds[8];

    agent_run(&agent, RULES, (const char *const[]){ "--max-connections", "8", "--threads", "2", NULL });
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(fds); i++) {
            struct spop_client_hello hello = SPOP_CLIENT_HELLO;
            int64_t                  end = clock_ms() + AGENT_PATIENCE_MS;

            /* Those of the round before may not all be gone yet. */
            while ((fds[i] = spop_client_open(agent.address, &hello, AGENT_PATIENCE_MS)) < 0 && clock_ms() < end)
                usleep(1000);
            ck_assert_int_ge(fds[i], 0);
        }
        for (int i = 0; i < 20; i++) {
            expect_too_many(&agent);
            /* HAProxy must not take an agent that has enough to do for one that has failed. */
            expect_healthy(&agent);
        }
        for (size_t i = 0; i < COUNT(fds); i++) {
            ask_verdict(fds[i], "path=/denied", "deny");
            close(fds[i]);
        }
    }
    finish(&agent);
}
END_TEST

/* More connections than descriptors: it says so, serves those that it has, takes more when some have gone, and keeps
 * taking new rules. */
START_TEST(out_of_descriptors)
{
    struct agent_options options = { .files = 40 };
    int                  fds[60], code, fd;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    ck_assert(agent_start(&agent, &options, &code));
    fd = opened(&agent);
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = plain(&agent);
    ck_assert(agent_log_has(&agent, "Too many open files"));
    ask_verdict(fd, "path=/denied", "deny");
    agent_sql(&agent, "INSERT INTO rules(path, action) VALUES ('/new', 'deny')");
    ask_verdict(fd, "path=/denied", "deny");
    usleep(600000); /* two looks at the rules that cannot work */
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    await_verdict(fd, "path=/new", "deny");
    close(fd);
    fd = opened(&agent);
    ask_verdict(fd, "path=/new", "deny");
    close(fd);
    finish(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, bad_options);
    tcase_add_test(cases, no_database);
    tcase_add_test(cases, not_to_be_read);
    tcase_add_test(cases, databases_of_another_kind);
    tcase_add_test(cases, a_database_is_created);
    tcase_add_test(cases, without_standard_descriptors);
    tcase_add_test(cases, connection_limit);
    tcase_add_test(cases, out_of_descriptors);
}

int main(void)
{
    return run_suite("start", add, NULL, NULL);
}
