/* The file system and the locks under analytics.db, while an agent is asked without a pause: nothing of it keeps an
 * answer waiting, what can be written later is, exactly, and each trouble is told once. */
#include "analytics.h"

#include "small_disk.h"
#include <sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/deny*', 'deny')"

/* Longer than three intervals of the writer's, none of which it can use. */
#define SOME_INTERVALS_MS 3500

static char data[96], filler[128];

static void start(void)
{
    const char *const args[] = { "--threads", "2", "--data", data, "--runtime", data, NULL };
    int               code;

    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
}

/* Rules, counters and analytics in a directory of their own; the log is elsewhere. */
static void begin(void)
{
    agent_init(&agent);
    snprintf(data, sizeof data, "%s/data", agent.dir);
    snprintf(agent.rules, sizeof agent.rules, "%s/data/rules.db", agent.dir);
    snprintf(path, sizeof path, "%s/analytics.db", data);
    snprintf(filler, sizeof filler, "%s/filler", data);
    ck_assert_int_eq(mkdir(data, 0700), 0);
}

static void end(void)
{
    load_closed();
    umount2(data, MNT_DETACH);
    agent_fini(&agent);
}

/* ---- locks ---- */

static sqlite3 *hold(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, AGENT_PATIENCE_MS);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

START_TEST(a_lock_is_held)
{
    sqlite3 *db;
    long     before;

    begin();
    agent_sql(&agent, RULES);
    start();
    load(1000);
    await_all();
    db = hold("BEGIN EXCLUSIVE");
    before = atol(ask_db(TOTAL));
    load_until_log("decisions go on", 1);
    load_for_ms(SOME_INTERVALS_MS);
    expect_count(TOTAL, before);
    sqlite3_close(db);
    load_until_log("written again", 1);
    load(1234);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(sent);
    expect_log("analytics.db", 2);
    expect_log("no total was lost", 1);
    end();
}
END_TEST

/* It ends all the same, and says how many are missing: exactly so many. */
START_TEST(stopped_while_locked)
{
    sqlite3    *db;
    const char *says;
    long        lost;

    begin();
    agent_sql(&agent, RULES);
    start();
    load(1000);
    await_all();
    db = hold("BEGIN EXCLUSIVE");
    load_until_log("decisions go on", 1);
    ck_assert_int_eq(agent_stop(&agent), 0);
    sqlite3_close(db);
    expect_log("decisions are not in it", 1);
    says = strstr(agent_log(&agent), "could not be written to the end; ");
    ck_assert_ptr_nonnull(says);
    lost = atol(says + strlen("could not be written to the end; "));
    ck_assert_int_gt(lost, 0);
    expect_whole(sent - lost);
    load_closed();
    start();
    load(100);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(sent - lost);
    expect_db("PRAGMA journal_mode", "delete");
    end();
}
END_TEST

/* Neither writing nor the end waits for it. */
START_TEST(a_long_reader)
{
    sqlite3 *db;

    begin();
    agent_sql(&agent, RULES);
    start();
    load(1000);
    await_all();
    db = hold("BEGIN; SELECT count(*) FROM hours");
    load_for_ms(SOME_INTERVALS_MS);
    await_all();
    load(1000);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_log("analytics.db", 0);
    expect_count(TOTAL, sent);
    sqlite3_close(db);
    expect_whole(sent);
    end();
}
END_TEST

/* ---- a full disk ---- */

static void fill_disk(void)
{
    static const char zeros[4096];
    int               fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
}

START_TEST(the_disk_is_full)
{
    begin();
    if (!small_disk(data, "size=8m")) {
        end(); /* skipped */
        return;
    }
    agent_sql(&agent, RULES);
    start();
    load(1000);
    await_all();
    for (int i = 1; i <= 2; i++) {
        fill_disk();
        load_until_log("decisions go on", i);
        load_for_ms(SOME_INTERVALS_MS);
        ck_assert_int_eq(unlink(filler), 0);
        load_until_log("written again", i);
        expect_log("decisions go on", i);
    }
    load(1234);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(sent);
    expect_log("analytics.db", 4);
    expect_log("no total was lost", 2);
    end();
}
END_TEST

/* What was in the file before stays, and so do the counters, which are in a file of their own. */
START_TEST(stopped_while_full)
{
    const char *says;
    long        before, lost;

    begin();
    if (!small_disk(data, "size=8m")) {
        end(); /* skipped */
        return;
    }
    agent_sql(&agent, RULES);
    agent_sql(&agent, "INSERT INTO rules(path, requests, period) VALUES ('/two', 2, 86400)");
    start();
    load(1000);
    ask_verdict(load_fd, "path=/two", "allow");
    sent++;
    await_all();
    before = sent;
    fill_disk();
    load_until_log("decisions go on", 1);
    ask_verdict(load_fd, "path=/two", "allow");
    sent++;
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_log("decisions go on", 1);
    says = strstr(agent_log(&agent), "could not be written to the end; ");
    ck_assert_ptr_nonnull(says);
    lost = atol(says + strlen("could not be written to the end; "));
    ck_assert_int_ge(sent - lost, before);
    expect_log("counters.snapshot: No space left on device", 1);
    load_closed();
    /* Nor does it start badly. */
    start();
    sent -= lost;
    load(BATCH);
    ask_verdict(load_fd, "path=/two", "deny");
    sent++;
    ck_assert_int_eq(unlink(filler), 0);
    await_all();
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(sent);
    end();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_lock_is_held);
    tcase_add_test(cases, stopped_while_locked);
    tcase_add_test(cases, a_long_reader);
    tcase_add_test(cases, the_disk_is_full);
    tcase_add_test(cases, stopped_while_full);
}

int main(void)
{
    return run_suite("analytics_disk", add, NULL, NULL);
}
