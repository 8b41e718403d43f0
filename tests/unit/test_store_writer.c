/* The analytics thread: what it is given is in the file, exactly, whatever happens to the file; and once. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "lib/db.h"
#include "store/analytics.h"

#define PATIENCE_US 180000000

static char                dir[32], path[64], log_path[64];
static struct analytics   *analytics;
static struct decisions   *tallies[2];
static struct ruleset_slot slot;
static struct rule         rule_7 = { .id = 7, .action = RULE_DENY };
static struct ruleset      set = { .rules = &rule_7, .n = 1 };
static int64_t             now_us;
static uint64_t            clients; /* from which the next one is made */

static void begin(void)
{
    int fd;

    strcpy(dir, "/tmp/spoa-writer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/analytics.db", dir);
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    close(fd);
    ruleset_slot_init(&slot, calloc(1, sizeof(struct ruleset)));
    now_us = moment_now().unix_us;
    clients = 1;
}

static void end(void)
{
    char command[64];

    ruleset_slot_fini(&slot);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void start_with(struct analytics_options options)
{
    options.data = dir;
    analytics = analytics_open(&options);
    ck_assert_ptr_nonnull(analytics);
    for (int i = 0; i < 2; i++)
        tallies[i] = decisions_new(analytics_seed(analytics), 64);
    ck_assert(analytics_start(analytics, tallies, 2, NULL, &slot));
}

static void start(void)
{
    start_with((struct analytics_options){ .keep_hours = 30, .keep_days = 400 });
}

static void stop(void)
{
    analytics_close(analytics);
    for (int i = 0; i < 2; i++)
        decisions_free(tallies[i]);
}

/* So many requests of one client, every fourth denied. */
static void requests(int worker, uint64_t client, int n, int64_t unix_us)
{
    const uint8_t   bytes[4] = { 10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client };
    struct decision allow = { .verdict = VERDICT_ALLOW };
    struct decision deny = { .verdict = VERDICT_DENY, .status = 403, .rule = &rule_7, .end = &rule_7 };
    char            text[32];

    deny.applied[0] = &rule_7;
    deny.applied_n = 1;
    snprintf(text, sizeof text, "/%d", (int)client);
    for (int i = 0; i < n; i++) {
        const struct request request = { .src = address_from_v4(bytes), .value[ATTRIBUTE_PATH] = span_of(text) };
        struct tally_request noted;

        decisions_note(tallies[worker], &noted, &request, i % 4 == 0 ? &deny : &allow);
        decisions_begin(tallies[worker], (struct moment){ .unix_us = unix_us },
                        &(struct ruleset_view){ .held = &set, .generation = 1 });
        decisions_add(tallies[worker], &noted, i % 4 == 0 ? &deny : &allow);
        decisions_end(tallies[worker]);
    }
}

/* ---- what is in the file ---- */

#define expect(sql, wanted) ck_assert_str_eq(db_ask(path, (sql)), (wanted))

static void await_sql(const char *sql, const char *wanted)
{
    for (int waited_us = 0; strcmp(db_ask(path, sql), wanted) != 0; waited_us += 50000) {
        ck_assert_msg(waited_us < PATIENCE_US, "%s: %s", sql, db_ask(path, sql));
        usleep(50000);
    }
}

#define TOTAL               "SELECT sum(allowed + slowed + denied) FROM hours"

#define expect_sums_agree() ck_assert_str_eq(db_disagreements(path), "")

static void run_sql(const char *sql)
{
    sqlite3 *db;
    char    *message = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_US / 1000);
    sqlite3_exec(db, sql, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s: %s", sql, message);
    sqlite3_close(db);
}

/* How often a line of the log holds `text`. */
static int log_count(const char *text)
{
    char  line[4096];
    int   n = 0;
    FILE *log = fopen(log_path, "r");

    while (fgets(line, sizeof line, log) != NULL)
        n += strstr(line, text) != NULL;
    fclose(log);
    return n;
}

static void await_log(const char *text)
{
    for (int waited_us = 0; log_count(text) == 0; waited_us += 50000) {
        ck_assert_msg(waited_us < PATIENCE_US, "the log never has: %s", text);
        usleep(50000);
    }
}

/* ---- when all is well ---- */

START_TEST(what_was_decided_is_in_the_file)
{
    start();
    requests(0, 1, 40, now_us);
    requests(1, 1, 4, now_us);
    requests(1, 2, 8, now_us);
    await_sql(TOTAL, "52");
    expect("SELECT denied FROM daily_summary", "13");
    expect("SELECT src || ' ' || requests || ' ' || denied FROM daily_clients", "10.0.0.1 44 11 10.0.0.2 8 2");
    expect("SELECT path || ' ' || requests FROM daily_paths", "/1 44 /2 8");
    expect("SELECT rule || ' ' || matched || ' ' || allowed || ' ' || denied FROM daily_rules", "0 39 39 0 7 13 0 13");
    expect("SELECT clients FROM hourly_summary", "2");
    expect("SELECT count(*) FROM denials WHERE rule = 7 AND status = 403 AND retry_after IS NULL", "13");
    expect_sums_agree();
    requests(0, 3, 100, now_us); /* the last words are written, too */
    stop();
    expect(TOTAL, "152");
    expect("SELECT requests FROM daily_clients WHERE src = '10.0.0.3'", "100");
    expect("PRAGMA journal_mode", "delete");
    expect_sums_agree();
    ck_assert_int_eq(log_count(""), 0);
}
END_TEST

/* After a restart the same clients go on in their rows, with the bounds that they had. */
START_TEST(goes_on_after_a_restart)
{
    char before[32];

    for (int i = 0; i < 3; i++) {
        start();
        requests(0, 1, 4000, now_us);
        for (uint64_t c = 1; c <= 1500; c++)
            requests((int)(c % 2), 1000 + c, 1, now_us);
        stop();
        expect_sums_agree();
        if (i == 0)
            snprintf(before, sizeof before, "%s", db_ask(path, "SELECT error_bound FROM day_clients WHERE rest = 1"));
    }
    expect(TOTAL, "16500");
    expect("SELECT requests + error_bound >= 12000 AND requests <= 12000 FROM day_clients WHERE src = '10.0.0.1'", "1");
    expect("SELECT requests + error_bound >= 12000 AND requests <= 12000 FROM hour_clients WHERE src = '10.0.0.1'",
           "1");
    expect("SELECT count(*) FROM day_clients", "1001");
    expect("SELECT error_bound * 1000 <= 16500 FROM day_clients WHERE rest = 1", "1");
    ck_assert_int_ge(atoi(db_ask(path, "SELECT error_bound FROM day_clients WHERE rest = 1")), atoi(before));
    /* 1,501 distinct ones, to 2 %. */
    expect("SELECT clients BETWEEN 1470 AND 1532 FROM days", "1");
    expect("SELECT clients BETWEEN 1470 AND 1532 FROM hours", "1");
}
END_TEST

/* Totals of a second are there after kill -9; whose the last requests were is not, and the bounds say so. */
START_TEST(killed)
{
    pid_t pid = fork();

    if (pid == 0) {
        start();
        requests(0, 1, 100, now_us);
        await_sql(TOTAL, "100");
        requests(0, 2, 50, now_us);
        await_sql(TOTAL, "150"); /* details not before 5 s have passed */
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    expect(TOTAL, "150");
    expect_sums_agree();
    start();
    requests(0, 1, 10, now_us);
    stop();
    expect_sums_agree();
    expect(TOTAL, "160");
    expect("SELECT src || ' ' || requests || ' ' || ifnull(error_bound, '-') FROM daily_clients",
           "10.0.0.1 110 50 other 50 -");
    expect("SELECT error_bound FROM hour_clients WHERE rest = 1", "50");
}
END_TEST

/* What the running hour had is in the tables of hours and days once another runs. */
START_TEST(an_hour_is_over)
{
    static const char *const tables[] = { "hours",     "days",         "minutes",       "hour_rules",
                                          "day_rules", "hour_clients", "day_clients",   "hour_paths",
                                          "day_paths", "running",      "hour_sketches", "day_sketches" };
    char                     sql[128];

    start();
    requests(0, 1, 8, now_us);
    requests(0, 1, 4, now_us - HOUR_US); /* an hour late: in these tables at once */
    stop();
    expect("SELECT sum(matched) FROM hour_rules", "4");
    expect("SELECT rule || ' ' || sum(matched) || ' ' || sum(denied) FROM daily_rules GROUP BY rule", "0 9 0 7 3 3");
    expect_sums_agree();
    /* All of it was yesterday. */
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(sql, sizeof sql, "UPDATE %s SET day = date(day, '-1 day')", tables[i]);
        run_sql(sql);
    }
    start();
    requests(0, 1, 20, now_us);
    stop();
    expect("SELECT sum(matched) FROM hour_rules", "12");
    expect("SELECT sum(matched) FROM day_rules", "12");
    expect("SELECT sum(matched) FROM running_rules", "20");
    expect_sums_agree();
}
END_TEST

/* Over midnight, back, and over it again. */
START_TEST(the_clock_steps_over_midnight)
{
    const int64_t midnight = (now_us / (24 * HOUR_US) + 1) * 24 * HOUR_US;

    start();
    requests(0, 1, 4, midnight - 1);
    requests(0, 1, 8, midnight);
    requests(0, 2, 16, midnight - 1);
    requests(1, 1, 32, midnight + HOUR_US);
    await_sql(TOTAL, "60");
    requests(0, 1, 64, midnight - 1);
    requests(1, 2, 128, midnight);
    stop();
    expect("SELECT requests FROM daily_summary", "84 168");
    expect("SELECT hour || ':' || requests FROM hourly_summary", "23:84 0:136 1:32");
    expect("SELECT minute || ':' || requests FROM minutes", "1439:84 0:136 60:32");
    expect("SELECT requests FROM hour_clients WHERE hour = 23 ORDER BY src", "68 16");
    expect("SELECT requests FROM daily_clients WHERE src = '10.0.0.1'", "68 40");
    expect_sums_agree();
}
END_TEST

/* ---- faults ---- */

START_TEST(a_lock_is_held)
{
    sqlite3 *db;

    start();
    requests(0, 1, 4, now_us);
    await_sql(TOTAL, "4");
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_US / 1000);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    requests(0, 1, 8, now_us);
    await_log("locked");
    requests(1, 2, 16, now_us);
    usleep(2500000);
    expect(TOTAL, "4");
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    await_sql(TOTAL, "28");
    await_log("written again");
    stop();
    expect("SELECT requests FROM daily_clients", "16 12");
    expect_sums_agree();
    ck_assert_int_eq(log_count("locked"), 1);
    ck_assert_int_eq(log_count("written again"), 1);
    ck_assert_int_eq(log_count(""), 2);
}
END_TEST

/* A reader that stays in its transaction keeps nobody from writing. */
START_TEST(a_long_reader)
{
    sqlite3 *db;

    start();
    requests(0, 1, 4, now_us);
    await_sql(TOTAL, "4");
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "BEGIN; SELECT count(*) FROM hours", NULL, NULL, NULL);
    requests(0, 1, 8, now_us);
    await_sql(TOTAL, "12");
    stop();
    sqlite3_close(db);
    expect_sums_agree();
    ck_assert_int_eq(log_count(""), 0);
}
END_TEST

/* No file may grow: what a full disk is, for SQLite and for this process alone. */
START_TEST(the_disk_is_full)
{
    struct rlimit none = { 0, RLIM_INFINITY }, any = { RLIM_INFINITY, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    start();
    requests(0, 1, 4, now_us);
    await_sql(TOTAL, "4");
    none.rlim_cur = 8192; /* the log still fits */
    setrlimit(RLIMIT_FSIZE, &none);
    for (uint64_t c = 0; c < 2000; c++)
        requests((int)(c % 2), 10 + c, 8, now_us);
    await_log("decisions go on");
    usleep(2500000);
    requests(0, 1, 4, now_us);
    setrlimit(RLIMIT_FSIZE, &any);
    await_sql(TOTAL, "16008");
    stop();
    expect("SELECT error_bound BETWEEN 8 AND 16 FROM day_clients WHERE rest = 1", "1");
    expect_sums_agree();
    ck_assert_int_eq(log_count("decisions go on"), 1);
    ck_assert_int_eq(log_count("written again"), 1);
}
END_TEST

/* Root writes anywhere: a directory in the file's place is what it cannot write to either. */
START_TEST(cannot_be_opened_at_first)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    start();
    requests(0, 1, 4, now_us);
    await_log("decisions go on");
    usleep(2000000);
    requests(1, 1, 8, now_us - HOUR_US);
    usleep(1200000);
    ck_assert_int_eq(rmdir(path), 0);
    await_log("written again");
    expect(TOTAL, "12");
    stop();
    expect("SELECT sum(requests) FROM hour_clients WHERE rest = 0", "12");
    expect_sums_agree();
    ck_assert_int_eq(log_count(""), 2);
}
END_TEST

START_TEST(damaged_at_start)
{
    FILE *file = fopen(path, "w");
    char  aside[256];

    for (int i = 0; i < 1000; i++)
        fputs("this is no database, whatever it is called; ", file);
    fclose(file);
    start();
    requests(0, 1, 4, now_us);
    stop();
    expect(TOTAL, "4");
    ck_assert_int_eq(log_count("moved to"), 1);
    snprintf(aside, sizeof aside, "ls %s.damaged-* > /dev/null", path);
    ck_assert_int_eq(system(aside), 0);
}
END_TEST

/* Who owns a file that is a good database, but not this one, wants it to stay as it is. */
START_TEST(somebody_elses)
{
    run_sql("CREATE TABLE mine (a)");
    start();
    requests(0, 1, 4, now_us);
    await_log("not an analytics database");
    stop();
    expect("SELECT count(*) FROM sqlite_schema", "1");
    ck_assert_int_eq(log_count("4 decisions are not in it"), 1);
}
END_TEST

/* What was in it is gone; what comes from then on is counted, once. */
START_TEST(damaged_while_it_runs)
{
    char     noise[4096];
    sqlite3 *db;
    int      fd;

    start();
    for (uint64_t c = 0; c < 500; c++)
        requests(0, 10 + c, 4, now_us);
    await_sql(TOTAL, "2000");
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    memset(noise, 0xA5, sizeof noise);
    fd = open(path, O_WRONLY);
    for (int i = 1; i < 40; i++)
        ck_assert_int_eq(pwrite(fd, noise, sizeof noise, i * 4096), sizeof noise);
    close(fd);
    sqlite3_close(db);
    /* The writer has pages of it in memory: whatever makes it read others. */
    for (uint64_t c = 0; c < 3000 && log_count("damaged") == 0; c++) {
        requests(0, 10, 4, now_us - (int64_t)(c % 7) * HOUR_US);
        usleep(10000);
    }
    await_log("damaged; moved to");
    await_sql("SELECT count(*) > 0 FROM hours", "1");
    requests(1, 5, 4, now_us);
    stop();
    expect_sums_agree();
    expect("PRAGMA integrity_check", "ok");
}
END_TEST

START_TEST(removed_while_it_runs)
{
    start();
    requests(0, 1, 4, now_us);
    await_sql(TOTAL, "4");
    ck_assert_int_eq(unlink(path), 0);
    await_log("removed or replaced");
    requests(0, 1, 8, now_us);
    await_sql(TOTAL, "8");
    stop();
    expect("SELECT requests FROM daily_clients", "8");
    expect_sums_agree();
}
END_TEST

/* ---- keeping ---- */

#define OLD_DAYS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"

static void fill_old_days(void)
{
    start();
    stop();
    run_sql(OLD_DAYS " INSERT INTO days (day, denied) SELECT date('now', -i || ' days'), 5 FROM n");
    run_sql(OLD_DAYS " INSERT INTO hours (day, hour, denied) SELECT date('now', -i || ' days'), 7, 5 FROM n");
    run_sql(OLD_DAYS " INSERT INTO day_rules (day, rule, denied) SELECT date('now', -i || ' days'), i, 5 FROM n");
    run_sql(OLD_DAYS
            " INSERT INTO hour_rules (day, hour, rule, denied) SELECT date('now', -i || ' days'), 7, i, 5 FROM n");
    run_sql(OLD_DAYS " INSERT INTO minutes SELECT date('now', -i || ' days'), 430, 5, 5 FROM n");
    run_sql(OLD_DAYS " INSERT INTO rule_names SELECT i, 'rule ' || i FROM n");
    run_sql(OLD_DAYS
            " INSERT INTO hour_sketches SELECT date('now', -i || ' days'), 7, 'clients', zeroblob(100000) FROM n");
    run_sql(OLD_DAYS " INSERT INTO denial_log (time, path, rule, status)"
                     " SELECT date('now', -i || ' days') || 'T07:10:00.000Z', '/', i, 403 FROM n");
}

START_TEST(old_rows_go)
{
    struct stat before, after;

    fill_old_days();
    stat(path, &before);
    start_with((struct analytics_options){ .keep_hours = 3, .keep_days = 20 });
    await_sql("SELECT count(*) FROM rule_names", "20");
    await_sql("SELECT freelist_count <= 512 FROM pragma_freelist_count", "1");
    stop();
    expect("SELECT count(*) FROM hours", "3");
    expect("SELECT count(*) FROM hour_rules", "3");
    expect("SELECT count(*) FROM minutes", "3");
    expect("SELECT count(*) FROM hour_sketches", "3");
    expect("SELECT count(*) FROM days", "20");
    expect("SELECT count(*) FROM day_rules", "20");
    expect("SELECT count(*) FROM denial_log", "20");
    expect("SELECT min(day) = date('now', '-20 days') FROM days", "1");
    stat(path, &after);
    ck_assert_int_lt(after.st_size, before.st_size);
    ck_assert_int_eq(log_count(""), 0);
}
END_TEST

START_TEST(a_bound_on_the_size)
{
    fill_old_days();
    start_with((struct analytics_options){ .keep_hours = 300, .keep_days = 400, .max_bytes = 2 << 20 });
    await_sql("SELECT count(*) < 25 FROM hours", "1");
    await_sql("SELECT freelist_count <= 512 FROM pragma_freelist_count", "1");
    stop();
    expect("SELECT count(*) BETWEEN 10 AND 20 FROM hours", "1"); /* 100 kB each */
    expect("SELECT max(day) = date('now', '-1 days') FROM hours", "1");
    expect("SELECT count(*) FROM days", "40");
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store_writer");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, what_was_decided_is_in_the_file);
    tcase_add_test(tcase, goes_on_after_a_restart);
    tcase_add_test(tcase, killed);
    tcase_add_test(tcase, an_hour_is_over);
    tcase_add_test(tcase, the_clock_steps_over_midnight);
    tcase_add_test(tcase, a_lock_is_held);
    tcase_add_test(tcase, a_long_reader);
    tcase_add_test(tcase, the_disk_is_full);
    tcase_add_test(tcase, cannot_be_opened_at_first);
    tcase_add_test(tcase, damaged_at_start);
    tcase_add_test(tcase, somebody_elses);
    tcase_add_test(tcase, damaged_while_it_runs);
    tcase_add_test(tcase, removed_while_it_runs);
    tcase_add_test(tcase, old_rows_go);
    tcase_add_test(tcase, a_bound_on_the_size);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
