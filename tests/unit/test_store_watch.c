/* What an operator commits is in force within a second; what is wrong leaves what was. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/log.h"
#include "store/rules_db.h"
#include "store/rules_watch.h"

static char                dir[] = "/tmp/spoa-watch-XXXXXX", path[64];
static struct ruleset_slot slot;
static struct rules_watch *watch;
static atomic_int          published;

static void note_publication(void *context)
{
    ck_assert_ptr_eq(context, &published);
    atomic_fetch_add(&published, 1);
}

static void sql(const char *file, const char *text)
{
    sqlite3 *db;
    char    *message = NULL;

    ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_exec(db, text, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s: %s", text, message);
    sqlite3_close(db);
}

static void begin(void)
{
    struct ruleset    *set;
    struct rules_stamp stamp;

    log_set_level(LOG_ERROR);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/rules.db", dir);
    ck_assert(rules_file_create(path, rules_log_problem, NULL));
    stamp = rules_file_stamp(path);
    ck_assert_int_eq(rules_db_load(path, NULL, rules_log_problem, NULL, &set), RULES_LOADED);
    ruleset_slot_init(&slot, set);
    watch = rules_watch_start(path, stamp, &slot, note_publication, &published);
    ck_assert_ptr_nonnull(watch);
}

static void end(void)
{
    char command[64];

    rules_watch_stop(watch);
    ruleset_slot_fini(&slot);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static size_t rules_in_force(void)
{
    struct ruleset_view view = { 0 };
    size_t              n = ruleset_refresh(&slot, &view)->n;

    ruleset_release(&view);
    return n;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* The promise is a second; a machine that is busy with other tests gets three minutes. */
static void wait_for(size_t rules)
{
    for (int i = 0; i < 18000 && rules_in_force() != rules; i++)
        sleep_ms(10);
    ck_assert_uint_eq(rules_in_force(), rules);
}

static void stays_at(size_t rules)
{
    for (int i = 0; i < 60; i++) {
        ck_assert_uint_eq(rules_in_force(), rules);
        sleep_ms(10);
    }
}

START_TEST(commits)
{
    begin();
    sql(path, "INSERT INTO rules(requests, period) VALUES (5, 60)");
    wait_for(1);
    sql(path, "INSERT INTO rules(requests, period) VALUES (5, 60)");
    sql(path, "INSERT INTO rules(requests, period) VALUES (5, 60)");
    wait_for(3);
    stays_at(3);
    /* Nothing changed, so nothing was published again. */
    ck_assert_int_le(atomic_load(&published), 3);
    sql(path, "DELETE FROM rules");
    wait_for(0);
    end();
}
END_TEST

START_TEST(mistakes)
{
    begin();
    sql(path, "INSERT INTO rules(requests, period) VALUES (5, 60)");
    wait_for(1);
    sql(path, "INSERT INTO rules(action) VALUES ('deny'); INSERT INTO rules(src, action) VALUES ('@none', 'deny')");
    stays_at(1);
    sql(path, "INSERT INTO lists VALUES ('none', '192.0.2.1')");
    wait_for(3);
    sql(path, "PRAGMA journal_mode = WAL; DELETE FROM rules WHERE action = 'deny'");
    stays_at(3);
    sql(path, "PRAGMA journal_mode = DELETE");
    wait_for(1);
    end();
}
END_TEST

START_TEST(file_replaced_and_gone)
{
    char other[80];

    begin();
    snprintf(other, sizeof other, "%s.new", path);
    ck_assert(rules_file_create(other, rules_log_problem, NULL));
    sql(other,
        "INSERT INTO rules(requests, period) VALUES (5, 60); INSERT INTO rules(requests, period) VALUES (6, 60)");
    ck_assert_int_eq(rename(other, path), 0);
    wait_for(2);
    ck_assert_int_eq(rename(path, other), 0);
    stays_at(2);
    sql(other, "DELETE FROM rules WHERE requests = 6");
    ck_assert_int_eq(rename(other, path), 0);
    wait_for(1);
    end();
}
END_TEST

/* A file that cannot be looked at is not called gone, and is said once; then it is read again. */
START_TEST(cannot_be_looked_at)
{
    char  aside[80], text[1024] = "", expected[160];
    FILE *told = tmpfile();
    int   kept = dup(STDERR_FILENO);

    begin();
    ck_assert(told != NULL && kept >= 0 && dup2(fileno(told), STDERR_FILENO) >= 0);
    snprintf(aside, sizeof aside, "%s.aside", dir);
    ck_assert_int_eq(rename(dir, aside), 0);
    ck_assert_int_eq(mknod(dir, S_IFREG | 0600, 0), 0);
    stays_at(0);
    ck_assert_int_eq(unlink(dir), 0);
    ck_assert_int_eq(rename(aside, dir), 0);
    sql(path, "INSERT INTO rules(requests, period) VALUES (5, 60)");
    wait_for(1);
    dup2(kept, STDERR_FILENO);
    rewind(told);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, told), 0);
    fclose(told);
    snprintf(expected, sizeof expected, "%s: Not a directory; the rules in force stay as they are\n", path);
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
    ck_assert_msg(strstr(strstr(text, expected) + 1, expected) == NULL, "%s", text);
    end();
}
END_TEST

START_TEST(a_writer_that_takes_its_time)
{
    sqlite3 *db;

    begin();
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db, "BEGIN EXCLUSIVE; INSERT INTO rules(requests, period) VALUES (5, 60)", NULL, NULL, NULL),
        SQLITE_OK);
    /* Looks like a change, so that it is read, which the lock forbids. */
    ck_assert_int_eq(utimensat(AT_FDCWD, path, NULL, 0), 0);
    stays_at(0);
    ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    wait_for(1);
    end();
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("rules_watch");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, commits);
    tcase_add_test(tcase, mistakes);
    tcase_add_test(tcase, file_replaced_and_gone);
    tcase_add_test(tcase, cannot_be_looked_at);
    tcase_add_test(tcase, a_writer_that_takes_its_time);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
