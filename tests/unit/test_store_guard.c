/* Connections to databases that others can write: what they open, what they run, when they end. And what the objects of a
 * database are. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/guard.h"
#include "store/schema.h"

#define FOREVER "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
#define READ    (SQLITE_OPEN_READONLY)
#define WRITE   (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)

static char dir[32], path[64], reason[200];

static void begin(void)
{
    strcpy(dir, "/tmp/spoa-guard-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/some.db", dir);
    reason[0] = '\0';
}

static void end(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void run(sqlite3 *db, const char *sql)
{
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
}

/* As somebody else does it. */
static void file_sql(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    run(db, sql);
    sqlite3_close(db);
}

static sqlite3 *opened(int flags)
{
    sqlite3 *db = guard_open(path, flags, reason, sizeof reason);

    ck_assert_msg(db != NULL, "%s", reason);
    return db;
}

/* ---- what is opened ---- */

static void make(const char *name, const char *kind)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int                fd;

    if (strcmp(kind, "FIFO") == 0) {
        ck_assert_int_eq(mkfifo(name, 0600), 0);
    } else if (strcmp(kind, "directory") == 0) {
        ck_assert_int_eq(mkdir(name, 0700), 0);
    } else if (strcmp(kind, "device") == 0) {
        ck_assert_int_eq(symlink("/dev/zero", name), 0);
    } else {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        strcpy(sun.sun_path, name);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sun, sizeof sun), 0);
        close(fd);
    }
}

static const char *const kinds[] = { "FIFO", "directory", "socket", "device" };

/* Looked at before, and also where the look came too early. */
START_TEST(only_files)
{
    char expected[100];

    ck_assert(guard_is_file(path, reason, sizeof reason)); /* none is not wrong */
    make(path, kinds[_i]);
    ck_assert(!guard_is_file(path, reason, sizeof reason));
    snprintf(expected, sizeof expected, "not a file but a %s: move it away", kinds[_i]);
    ck_assert_str_eq(reason, expected);
    ck_assert_ptr_null(guard_open(path, READ, reason, sizeof reason));
    ck_assert_str_ne(reason, expected);
    ck_assert_ptr_null(guard_open(path, WRITE, reason, sizeof reason));
}
END_TEST

START_TEST(only_files_beside_it)
{
    char     name[80];
    sqlite3 *db;

    file_sql("CREATE TABLE t (a)");
    snprintf(name, sizeof name, "%s-journal", path);
    make(name, "FIFO");
    ck_assert(!guard_is_file(path, reason, sizeof reason));
    ck_assert_str_eq(reason, "the -journal beside it is not a file but a FIFO: move it away");
    db = opened(SQLITE_OPEN_READWRITE);
    ck_assert_int_eq(sqlite3_exec(db, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_CANTOPEN);
    sqlite3_close(db);
    ck_assert_int_eq(remove(name), 0);
    ck_assert(guard_is_file(path, reason, sizeof reason));

    file_sql("PRAGMA journal_mode = WAL");
    snprintf(name, sizeof name, "%s-wal", path);
    make(name, "FIFO");
    ck_assert(!guard_is_file(path, reason, sizeof reason));
    db = opened(SQLITE_OPEN_READWRITE);
    ck_assert_int_eq(sqlite3_exec(db, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_CANTOPEN);
    sqlite3_close(db);
}
END_TEST

/* ---- what is run ---- */

START_TEST(nothing_of_the_file_is_run)
{
    sqlite3 *db;

    file_sql("CREATE TABLE t (a); CREATE VIEW v AS SELECT * FROM t;"
             "CREATE TRIGGER mine AFTER INSERT ON t BEGIN SELECT RAISE(ABORT, 'mine'); END");
    db = opened(WRITE);
    run(db, "INSERT INTO t VALUES (1)");
    ck_assert_int_eq(sqlite3_exec(db, "SELECT * FROM v", NULL, NULL, NULL), SQLITE_ERROR);
    run(db, "CREATE TEMP VIEW v AS SELECT * FROM t");
    run(db, "SELECT * FROM v");
    ck_assert_int_eq(sqlite3_exec(db, "ATTACH ':memory:' AS other", NULL, NULL, NULL), SQLITE_ERROR);
    sqlite3_close(db);
}
END_TEST

/* ---- when it ends ---- */

START_TEST(work_has_a_bound)
{
    struct guard guard = { .stop = NULL };
    sqlite3     *db = opened(WRITE);

    guard_begin(&guard, db, 0);
    ck_assert_int_eq(sqlite3_exec(db, FOREVER, NULL, NULL, NULL), SQLITE_INTERRUPT);
    ck_assert(!guard.stopped);
    ck_assert_uint_lt(guard.steps, 1000);
    ck_assert_ptr_nonnull(strstr(guard_reason(db), "more work than what the agent writes can cause"));
    /* Used up is used up, until it begins anew. */
    ck_assert_int_eq(sqlite3_exec(db, FOREVER, NULL, NULL, NULL), SQLITE_INTERRUPT);
    guard_begin(&guard, db, 0);
    run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*) FROM n");
    ck_assert_uint_gt(guard.steps, GUARD_STEPS / 2);
    sqlite3_close(db);

    db = opened(WRITE);
    ck_assert(guard_begin_own(db));
    ck_assert_int_eq(sqlite3_exec(db, FOREVER, NULL, NULL, NULL), SQLITE_INTERRUPT);
    sqlite3_close(db);
}
END_TEST

/* More rows, a larger file: more steps. */
START_TEST(bound_grows_with_the_file)
{
    struct guard guard = { .stop = NULL };
    sqlite3     *db = opened(WRITE);
    uint64_t     small, rows = guard_rows(db);

    run(db, "CREATE TABLE t (a)");
    guard_begin(&guard, db, 0);
    small = guard.steps;
    ck_assert_uint_ge(small, GUARD_STEPS);
    guard_begin(&guard, db, 1000);
    ck_assert_uint_eq(guard.steps, small + 1000 * GUARD_STEPS_PER_ROW);
    run(db, "INSERT INTO t VALUES (zeroblob(1000000))");
    guard_begin(&guard, db, 0);
    ck_assert_uint_ge(guard.steps, small + UINT64_C(900000) * GUARD_STEPS_PER_BYTE);
    ck_assert_uint_ge(guard_rows(db), rows + 900000 / 8);
    sqlite3_close(db);
}
END_TEST

static bool asked(void *context)
{
    return ++*(int *)context == 50;
}

START_TEST(a_stop_ends_it)
{
    int          times = 0;
    struct guard guard = { .stop = asked, .context = &times };
    sqlite3     *db = opened(WRITE);

    guard_begin(&guard, db, 0);
    ck_assert_int_eq(sqlite3_exec(db, FOREVER, NULL, NULL, NULL), SQLITE_INTERRUPT);
    ck_assert(guard.stopped);
    ck_assert_int_eq(times, 50);
    ck_assert_uint_gt(guard.steps, GUARD_STEPS / 2);
    /* It stays so without being asked again. */
    ck_assert_int_eq(sqlite3_exec(db, FOREVER, NULL, NULL, NULL), SQLITE_INTERRUPT);
    ck_assert_int_eq(times, 50);
    sqlite3_close(db);
}
END_TEST

/* ---- objects ---- */

static const struct {
    const char *sql, *kind;
} objects[] = {
    { "CREATE TABLE x (a)", "table" },
    { "CREATE TABLE X (a)", "table" },
    { "CREATE TABLE x (a PRIMARY KEY) WITHOUT ROWID", "table" },
    { "CREATE VIEW x AS SELECT 1", "view" },
    { "CREATE TABLE t (a); CREATE INDEX x ON t (a)", "index" },
    { "CREATE TABLE t (a); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "trigger" },
    { "CREATE VIRTUAL TABLE x USING fts5(a)", "virtual table" },
    { "CREATE TABLE y (a)", NULL },
};

START_TEST(kinds_of_objects)
{
    sqlite3 *db;

    file_sql(objects[_i].sql);
    db = opened(READ);
    if (objects[_i].kind == NULL)
        ck_assert_ptr_null(schema_kind(db, "x"));
    else
        ck_assert_pstr_eq(schema_kind(db, "x"), objects[_i].kind);
    sqlite3_close(db);
}
END_TEST

#define MODEL                                                                                                          \
    "CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (a)) STRICT, WITHOUT ROWID;"           \
    "CREATE VIEW v AS SELECT a FROM t"

static const struct {
    const char *sql, *wrong; /* NULL: nothing */
} schemas[] = {
    { MODEL, NULL },
    { "CREATE TABLE T (B INTEGER NOT NULL, c, A text NOT NULL PRIMARY KEY); CREATE TABLE more (a)", NULL },
    { "CREATE TABLE u (a)", "table t is missing" },
    { "CREATE VIEW t AS SELECT 'x' AS a, 1 AS b", "t is not a table, its kind is: view" },
    { "CREATE VIRTUAL TABLE t USING fts5(a, b)", "t is not a table, its kind is: virtual table" },
    { "CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY)", "table t: column b is missing" },
    { "CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY, b TEXT NOT NULL)",
      "table t: column b is not as the schema makes it" },
    { "CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY, b INTEGER)", "table t: column b is not as the schema makes it" },
    { "CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL)", "table t: column a is not as the schema makes it" },
    { "CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY, b INTEGER NOT NULL AS (length(a)))",
      "table t: column b is not as the schema makes it" },
};

START_TEST(schema_as_the_model)
{
    sqlite3 *model, *db;
    bool     matches;

    ck_assert_int_eq(sqlite3_open(":memory:", &model), SQLITE_OK);
    run(model, MODEL);
    file_sql(schemas[_i].sql);
    db = opened(READ);
    matches = schema_matches(model, db, reason, sizeof reason);
    ck_assert_str_eq(matches ? "" : reason, schemas[_i].wrong == NULL ? "" : schemas[_i].wrong);
    sqlite3_close(db);
    sqlite3_close(model);
}
END_TEST

/* Over a view of the file's own, and where there is none. */
START_TEST(views_are_lent)
{
    static const char *const own[] = { "CREATE VIEW v AS SELECT 'mine' AS a", "SELECT 1" };
    sqlite3                 *model, *db;
    sqlite3_stmt            *s;

    ck_assert_int_eq(sqlite3_open(":memory:", &model), SQLITE_OK);
    run(model, MODEL);
    file_sql("CREATE TABLE t (a, b); INSERT INTO t VALUES ('right', 1)");
    file_sql(own[_i]);
    db = opened(READ);
    ck_assert_msg(schema_lend_views(model, db), "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT a FROM v", -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(s, 0), "right");
    sqlite3_finalize(s);
    sqlite3_close(db);
    sqlite3_close(model);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store/guard");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, only_files, 0, sizeof kinds / sizeof *kinds);
    tcase_add_test(tcase, only_files_beside_it);
    tcase_add_test(tcase, nothing_of_the_file_is_run);
    tcase_add_test(tcase, work_has_a_bound);
    tcase_add_test(tcase, bound_grows_with_the_file);
    tcase_add_test(tcase, a_stop_ends_it);
    tcase_add_loop_test(tcase, kinds_of_objects, 0, sizeof objects / sizeof *objects);
    tcase_add_loop_test(tcase, schema_as_the_model, 0, sizeof schemas / sizeof *schemas);
    tcase_add_loop_test(tcase, views_are_lent, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
