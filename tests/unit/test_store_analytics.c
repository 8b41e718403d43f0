/* analytics.db as a file: made, migrated, refused, read while it is written, left readable. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/analytics_file.h"

extern const char analytics_sql[], analytics_2_sql[];

static char dir[32], path[64], error[256];

static void begin(void)
{
    strcpy(dir, "/tmp/spoa-analytics-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/analytics.db", dir);
    error[0] = '\0';
}

static void end(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void sql(sqlite3 *db, const char *text)
{
    char *message = NULL;

    sqlite3_exec(db, text, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s: %s", text, message);
}

/* The first column of the first row as text; static. */
static const char *ask(sqlite3 *db, const char *text)
{
    static char   answer[64];
    sqlite3_stmt *statement;

    ck_assert_msg(sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return answer;
}

/* Runs SQL on a file that need not be ours. */
static void file_sql(const char *text)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sql(db, text);
    sqlite3_close(db);
}

static sqlite3 *writer(void)
{
    sqlite3 *db = analytics_open_writer(path, error, sizeof error);

    ck_assert_msg(db != NULL, "%s", error);
    return db;
}

static sqlite3 *reader(void)
{
    sqlite3 *db = analytics_open_reader(path, error, sizeof error);

    ck_assert_msg(db != NULL, "%s", error);
    return db;
}

static bool exists(const char *ending)
{
    char        name[80];
    struct stat st;

    snprintf(name, sizeof name, "%s%s", path, ending);
    return stat(name, &st) == 0;
}

START_TEST(makes_what_is_missing)
{
    struct stat st;
    mode_t      mask = umask(0);
    sqlite3    *db = writer();

    umask(mask);
    ck_assert_str_eq(ask(db, "PRAGMA journal_mode"), "wal");
    ck_assert_str_eq(ask(db, "PRAGMA auto_vacuum"), "2");
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "2");
    sql(db, "INSERT INTO days (day, denied) VALUES ('2026-11-20', 3)");
    analytics_close_writer(db);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640);

    /* What is there stays. */
    analytics_close_writer(writer());
    db = reader();
    ck_assert_str_eq(ask(db, "SELECT denied FROM daily_summary"), "3");
    analytics_close_reader(db);
}
END_TEST

START_TEST(takes_an_empty_file)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fclose(file);
    analytics_close_writer(writer());
    analytics_close_reader(reader());
}
END_TEST

START_TEST(is_out_of_wal_mode_after_a_clean_stop)
{
    sqlite3 *db = writer();

    sql(db, "INSERT INTO days (day) VALUES ('2026-11-20')");
    ck_assert(exists("-wal"));
    analytics_close_writer(db);
    ck_assert(!exists("-wal"));
    ck_assert(!exists("-shm"));
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_str_eq(ask(db, "PRAGMA journal_mode"), "delete");
    sqlite3_close(db);
    analytics_close_writer(NULL);
}
END_TEST

START_TEST(reads_one_moment)
{
    sqlite3 *db = writer(), *late, *early;

    sql(db, "INSERT INTO days (day, denied) VALUES ('2026-11-20', 1)");
    early = reader();
    sql(db, "UPDATE days SET denied = 2");
    late = reader();
    sql(db, "UPDATE days SET denied = 3");
    ck_assert_str_eq(ask(early, "SELECT denied FROM days"), "1");
    ck_assert_str_eq(ask(late, "SELECT denied FROM days"), "2");
    ck_assert_int_eq(sqlite3_exec(late, "UPDATE days SET denied = 4", NULL, NULL, NULL), SQLITE_READONLY);
    ck_assert_str_eq(analytics_reason(late), "attempt to write a readonly database");
    analytics_close_reader(early);
    analytics_close_reader(late);
    analytics_close_writer(db);
}
END_TEST

START_TEST(a_reader_does_not_hinder_the_end)
{
    sqlite3 *db = writer(), *other;

    sql(db, "INSERT INTO days (day, denied) VALUES ('2026-11-20', 1)");
    other = reader();
    analytics_close_writer(db);
    ck_assert_str_eq(ask(other, "SELECT denied FROM days"), "1");
    analytics_close_reader(other);
    db = writer();
    ck_assert_str_eq(ask(db, "SELECT denied FROM days"), "1");
    analytics_close_writer(db);
    ck_assert(!exists("-wal"));
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *sql, *reason;
} refused[] = {
    { "CREATE TABLE t (x)", "not an analytics database" },
    { "CREATE TABLE t (x); PRAGMA user_version = 1", "not an analytics database" },
    { "PRAGMA application_id = 0x53504F41; PRAGMA user_version = 1", "not an analytics database" },
    { "PRAGMA application_id = 0x53504F4E; CREATE TABLE t (x)", "not an analytics database" },
    { "PRAGMA application_id = 0x53504F4E; PRAGMA user_version = -1", "not an analytics database" },
    { "PRAGMA application_id = -5; CREATE TABLE t (x)", "not an analytics database" },
    { "PRAGMA application_id = 0x53504F4E; PRAGMA user_version = 3",
      "its schema has version 3, and this program knows 2: upgrade the program" },
};

/* By both, and left as it is. */
START_TEST(refuses)
{
    char   expected[256];
    char  *before, *after;
    size_t before_n, after_n;
    FILE  *file;
    struct {
        char bytes[65536];
    } *content = calloc(2, sizeof *content);

    ck_assert_ptr_nonnull(content);
    before = content[0].bytes;
    after = content[1].bytes;
    file_sql(refused[_i].sql);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    before_n = fread(before, 1, 65536, file);
    fclose(file);
    snprintf(expected, sizeof expected, "%s: %s", path, refused[_i].reason);
    ck_assert_ptr_null(analytics_open_reader(path, error, sizeof error));
    ck_assert_str_eq(error, expected);
    ck_assert_ptr_null(analytics_open_writer(path, error, sizeof error));
    ck_assert_str_eq(error, expected);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    after_n = fread(after, 1, 65536, file);
    fclose(file);
    ck_assert_uint_eq(before_n, after_n);
    ck_assert_mem_eq(before, after, before_n);
    free(content);
}
END_TEST

START_TEST(refuses_what_is_no_database)
{
    char  expected[256];
    FILE *file;

    snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    ck_assert_ptr_null(analytics_open_reader(path, error, sizeof error));
    ck_assert_str_eq(error, expected);
    ck_assert(!exists(""));

    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 2000; i++)
        fputs("text\n", file);
    fclose(file);
    snprintf(expected, sizeof expected, "%s: file is not a database", path);
    ck_assert_ptr_null(analytics_open_reader(path, error, sizeof error));
    ck_assert_str_eq(error, expected);
    ck_assert_ptr_null(analytics_open_writer(path, error, sizeof error));
    ck_assert_str_eq(error, expected);

    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(expected, sizeof expected, "%s: not a file but a directory: move it away", path);
    ck_assert_ptr_null(analytics_open_reader(path, error, sizeof error));
    ck_assert_str_eq(error, expected);
    ck_assert_ptr_null(analytics_open_writer(path, error, sizeof error));
    ck_assert_str_eq(error, expected);

    ck_assert_ptr_null(analytics_open_writer("/nowhere/analytics.db", error, sizeof error));
    ck_assert_str_eq(error, "/nowhere/analytics.db: No such file or directory");
}
END_TEST

/* ---- migration ---- */

static const char third[] =
    "BEGIN; ALTER TABLE rule_names ADD COLUMN seen TEXT; DROP VIEW denials; PRAGMA user_version = 3; COMMIT";
static const char fourth[] = "BEGIN; CREATE TABLE more (x INTEGER) STRICT; PRAGMA user_version = 4; COMMIT";
static const char wrong[] =
    "BEGIN; CREATE TABLE less (x INTEGER) STRICT; CREATE TABLE less (x); PRAGMA user_version = 4; COMMIT";

START_TEST(migrates_step_by_step)
{
    const char *const steps[] = { analytics_sql, analytics_2_sql, third, fourth };
    sqlite3          *db = writer();

    sql(db, "INSERT INTO rule_names VALUES (1, 'kept')");
    ck_assert_msg(analytics_migrate(db, steps, 4, error, sizeof error), "%s", error);
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "4");
    ck_assert_str_eq(ask(db, "SELECT name || count(seen) FROM rule_names"), "kept0");
    ck_assert_str_eq(ask(db, "SELECT count(*) FROM more"), "0");
    /* Once is enough. */
    ck_assert(analytics_migrate(db, steps, 4, error, sizeof error));
    /* And the program of before does not know it any more. */
    ck_assert(!analytics_migrate(db, steps, 3, error, sizeof error));
    ck_assert_str_eq(error, "its schema has version 4, and this program knows 3: upgrade the program");
    analytics_close_writer(db);
}
END_TEST

START_TEST(makes_the_newest_at_once)
{
    const char *const steps[] = { analytics_sql, analytics_2_sql, third, fourth };
    sqlite3          *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(analytics_migrate(db, steps, 4, error, sizeof error), "%s", error);
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "4");
    ck_assert_str_eq(ask(db, "SELECT count(*) FROM more"), "0");
    sqlite3_close(db);
}
END_TEST

START_TEST(a_step_that_fails_leaves_nothing)
{
    const char *const steps[] = { analytics_sql, analytics_2_sql, third, wrong };
    sqlite3          *db = writer();

    ck_assert(!analytics_migrate(db, steps, 4, error, sizeof error));
    ck_assert_str_eq(error, "cannot be brought to version 4: table less already exists");
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "3");
    ck_assert_str_eq(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'less'"), "0");
    sql(db, "BEGIN; COMMIT"); /* no transaction is left open */
    analytics_close_writer(db);
}
END_TEST

/* A file as version 1 of the schema has it, with a day in it and its log feed: all of it is still there, what follows is
 * behind it, and what version 1 did not count is not known. */
START_TEST(takes_over_version_1)
{
    sqlite3 *db;

    file_sql(analytics_sql);
    file_sql(
        "INSERT INTO days (day, allowed, denied) VALUES ('2026-11-20', 5, 3);"
        "INSERT INTO hours (day, hour, allowed, denied) VALUES ('2026-11-20', 9, 5, 3);"
        "INSERT INTO hour_responses (day, hour, status_4xx, aborted, duration_p95_ms)"
        "  VALUES ('2026-11-20', 9, 4, 1, 29951.0);"
        "INSERT INTO day_responses (day, status_4xx, aborted, duration_p95_ms) VALUES ('2026-11-20', 4, 1, 29951.0);"
        "CREATE VIEW theirs AS SELECT day, status_4xx FROM daily_summary");
    ck_assert_ptr_null(analytics_open_reader(path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error,
                                 ": its schema has version 1, and this program reads 2: the agent brings it up to "
                                 "date when it starts"));
    db = writer();
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "2");
    ck_assert_str_eq(ask(db, "PRAGMA integrity_check"), "ok");
    analytics_close_writer(db);
    /* Views of the file are for others: the agent runs none. */
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_str_eq(ask(db,
                         "SELECT requests || ' ' || status_4xx || ' ' || duration_p95_ms || ' ' || aborted ||"
                         "  iif(tunnels IS NULL AND streams IS NULL AND origin_4xx IS NULL AND origin_404 IS NULL"
                         "      AND origin_5xx IS NULL AND refused_4xx IS NULL AND refused_5xx IS NULL, '', 'known')"
                         "  FROM daily_summary"),
                     "8 4 29951.0 1");
    ck_assert_str_eq(ask(db, "SELECT requests || ' ' || status_4xx || ' ' || aborted || typeof(refused_4xx)"
                             "  FROM hourly_summary"),
                     "8 4 1null");
    ck_assert_str_eq(ask(db, "SELECT status_4xx FROM theirs"), "4");
    sqlite3_close(db);
}
END_TEST

/* A reader that is in the middle of something delays it, and nothing is half done. */
START_TEST(a_reader_delays_it)
{
    sqlite3 *reading, *db;

    file_sql(analytics_sql);
    ck_assert_int_eq(sqlite3_open(path, &reading), SQLITE_OK);
    sql(reading, "BEGIN; SELECT * FROM days");
    ck_assert_ptr_null(analytics_open_writer(path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, ": cannot be brought to version 2: database is locked"));
    ck_assert_str_eq(ask(reading, "PRAGMA user_version"), "1");
    sql(reading, "COMMIT");
    db = writer();
    ck_assert_str_eq(ask(db, "PRAGMA user_version"), "2");
    analytics_close_writer(db);
    sqlite3_close(reading);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store/analytics_file");
    TCase   *file = tcase_create("file");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(file, begin, end);
    tcase_add_test(file, makes_what_is_missing);
    tcase_add_test(file, takes_an_empty_file);
    tcase_add_test(file, is_out_of_wal_mode_after_a_clean_stop);
    tcase_add_test(file, reads_one_moment);
    tcase_add_test(file, a_reader_does_not_hinder_the_end);
    tcase_add_loop_test(file, refuses, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(file, refuses_what_is_no_database);
    tcase_add_test(file, migrates_step_by_step);
    tcase_add_test(file, makes_the_newest_at_once);
    tcase_add_test(file, a_step_that_fails_leaves_nothing);
    tcase_add_test(file, takes_over_version_1);
    tcase_add_test(file, a_reader_delays_it);
    suite_add_tcase(suite, file);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
