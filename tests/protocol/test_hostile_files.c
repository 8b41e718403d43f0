/* FIFOs, directories, sockets and devices in the place of files, and a rules.db that would never end, at start and while the
 * agent serves: it goes on to decide, says what is wrong once, and ends when it is told to. */
#include "hostile.h"

/* ---- what is no file ---- */

static void make_fifo(const char *name)
{
    ck_assert_msg(mkfifo(name, 0666) == 0, "%s: %s", name, strerror(errno));
}

static void make_directory(const char *name)
{
    ck_assert_msg(mkdir(name, 0777) == 0, "%s: %s", name, strerror(errno));
}

static void make_socket(const char *name)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_uint_lt(strlen(name), sizeof sun.sun_path);
    strcpy(sun.sun_path, name);
    ck_assert_msg(bind(fd, (const struct sockaddr *)&sun, sizeof sun) == 0, "%s: %s", name, strerror(errno));
    close(fd);
}

/* The link leads to one, which a test can make without being root. */
static void make_device(const char *name)
{
    ck_assert_msg(symlink("/dev/zero", name) == 0, "%s: %s", name, strerror(errno));
}

static const struct {
    void (*make)(const char *name);
    const char *called;
} kinds[] = {
    { make_fifo, "FIFO" },
    { make_directory, "directory" },
    { make_socket, "socket" },
    { make_device, "device" },
};

/* In the place of analytics.db: while it runs, over a SIGHUP, over a stop, at start. */
START_TEST(analytics_is_no_file)
{
    char said[128];

    begin();
    ck_assert_int_eq(rename(path, beside("aside")), 0);
    kinds[_i].make(path);
    snprintf(said, sizeof said, "analytics.db: not a file but a %s: move it away; decisions go on", kinds[_i].called);
    serve_until(said, 1);
    kill(agent.pid, SIGHUP);
    serve_until("reloading", 1);
    serve_on(1200);
    expect_log(said, 1);
    stop();
    expect_log("decisions are not in it", 1);
    start();
    serve_until(said, 1);
    serve_on(1200);
    expect_log("analytics.db", 1);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(rename(beside("aside"), path), 0);
    serve_until("written again", 1);
    stop();
    expect_db("PRAGMA integrity_check", "ok");
    expect_sums_agree();
    agent_fini(&agent);
}
END_TEST

/* The same of the log, the shared memory and the journal that would be opened with it. */
static const char *const parts[] = { "-wal", "-shm", "-journal" };

START_TEST(beside_analytics_is_no_file)
{
    char name[192], said[128];

    begin();
    stop();
    snprintf(name, sizeof name, "%s%s", path, parts[_i]);
    for (size_t i = 0; i < 2; i++) {
        kinds[i].make(name);
        snprintf(said, sizeof said, "analytics.db: the %s beside it is not a file but a %s: move it away", parts[_i],
                 kinds[i].called);
        start();
        serve_until(said, 1);
        serve_on(1200);
        expect_log("analytics.db", 1);
        if (i == 0) {
            stop();
            ck_assert_int_eq(remove(name), 0);
            sent = atol(ask_db(TOTAL));
        }
    }
    ck_assert_int_eq(remove(name), 0);
    serve_until("written again", 1);
    ends_whole();
}
END_TEST

/* ---- rules.db ---- */

/* Not to be started with. While it runs the rules in force stay, and a change after it is taken over. */
static void refuses_rules(const char *said)
{
    int fd;

    refuses(&agent, NULL, said);
    ck_assert_int_eq(remove(agent.rules), 0);
    ck_assert_int_eq(rename(beside("rules"), agent.rules), 0);
    start();
    fd = opened(&agent);
    ask_verdict(fd, "path=/deny", "deny");
    close(fd);
}

static void comes_into_force(void)
{
    int fd = opened(&agent);

    agent_sql(&agent, "INSERT INTO rules(path, action) VALUES ('/new', 'deny')");
    await_verdict(fd, "path=/new", "deny");
    ask_verdict(fd, "path=/deny", "deny");
    close(fd);
    ck_assert_int_eq(agent_stop(&agent), 0);
    agent_fini(&agent);
}

START_TEST(rules_are_no_file)
{
    char said[128];

    prepare();
    ck_assert_int_eq(rename(agent.rules, beside("rules")), 0);
    kinds[_i].make(agent.rules);
    snprintf(said, sizeof said, "rules.db: not a file but a %s: move it away", kinds[_i].called);
    refuses_rules(said);
    ck_assert_int_eq(rename(agent.rules, beside("rules")), 0);
    kinds[_i].make(agent.rules);
    ck_assert_msg(agent_log_has(&agent, said), "%s", agent_log(&agent));
    kill(agent.pid, SIGHUP);
    ck_assert_msg(agent_log_has(&agent, "reloading"), "%s", agent_log(&agent));
    ck_assert_int_eq(remove(agent.rules), 0);
    ck_assert_int_eq(rename(beside("rules"), agent.rules), 0);
    comes_into_force();
}
END_TEST

/* SQLite reads a journal that it finds beside the database. */
START_TEST(beside_rules_is_no_file)
{
    char name[128], said[128];

    prepare();
    start();
    snprintf(name, sizeof name, "%s-journal", agent.rules);
    kinds[_i].make(name);
    kill(agent.pid, SIGHUP);
    snprintf(said, sizeof said, "rules.db: the -journal beside it is not a file but a %s: move it away",
             kinds[_i].make == make_device ? "symbolic link" : kinds[_i].called);
    ck_assert_msg(agent_log_has(&agent, said), "%s", agent_log(&agent));
    ck_assert_int_eq(agent_stop(&agent), 0);
    refuses(&agent, NULL, said);
    ck_assert_int_eq(remove(name), 0);
    start();
    comes_into_force();
}
END_TEST

/* Objects that SQLite would run. */
static const struct {
    const char *sql, *said;
} objects[] = {
    { "ALTER TABLE rules RENAME TO mine; CREATE VIEW rules AS " FOREVER
      "SELECT i AS id, mine.name, mine.enabled, priority, src, method, host, path, match, action, requests, period, "
      "per,"
      " algorithm, burst, over, status, ban, shadow, policy, valid_from, valid_until, note FROM n, mine",
      "rules is not a table, its kind is: view" },
    { "DROP TABLE lists; CREATE VIEW lists AS " FOREVER "SELECT 'l' AS list, '10.0.0.' || i AS entry FROM n",
      "lists is not a table, its kind is: view" },
    { "DROP TABLE lists; CREATE TABLE lists(list, entry AS (hex(zeroblob(length(list) * 1000000))))",
      "table lists: column entry is generated" },
};

START_TEST(rules_of_another_kind)
{
    char command[512];

    prepare();
    agent_sql(&agent,
              "INSERT INTO lists VALUES ('l', '192.0.2.1'); INSERT INTO rules(src, action) VALUES ('@l', 'deny')");
    snprintf(command, sizeof command, "cp %s %s", agent.rules, beside("rules"));
    ck_assert_int_eq(system(command), 0);
    agent_file_sql(agent.rules, "PRAGMA legacy_alter_table = ON");
    agent_file_sql(agent.rules, objects[_i].sql);
    refuses_rules(objects[_i].said);
    snprintf(command, sizeof command, "cp %s %s", agent.rules, beside("rules"));
    ck_assert_int_eq(system(command), 0);
    agent_file_sql(agent.rules, objects[_i].sql);
    ck_assert_msg(agent_log_has(&agent, objects[_i].said), "%s", agent_log(&agent));
    kill(agent.pid, SIGHUP);
    ck_assert_msg(agent_log_has(&agent, "reloading"), "%s", agent_log(&agent));
    ck_assert_int_eq(agent_stop(&agent), 0);
    ck_assert_int_eq(rename(beside("rules"), agent.rules), 0);
    start();
    comes_into_force();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_loop_test(cases, analytics_is_no_file, 0, (int)COUNT(kinds));
    tcase_add_loop_test(cases, beside_analytics_is_no_file, 0, (int)COUNT(parts));
    tcase_add_loop_test(cases, rules_are_no_file, 0, (int)COUNT(kinds));
    tcase_add_loop_test(cases, beside_rules_is_no_file, 0, (int)COUNT(kinds));
    tcase_add_loop_test(cases, rules_of_another_kind, 0, (int)COUNT(objects));
}

int main(void)
{
    return run_suite("hostile_files", add, NULL, NULL);
}
