/* rules.db in every state that an operator, a crash or another program may leave it in. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/rules_db.h"
#include "store/rules_file.h"

static char dir[] = "/tmp/spoa-store-XXXXXX", path[64];

static struct {
    int  n;
    char text[PROBLEM_TEXT_MAX]; /* the first */
} told;

static void tell(void *context, const struct problem *problem)
{
    ck_assert_ptr_eq(context, &told);
    if (told.n++ == 0)
        problem_format(problem, told.text);
}

static struct ruleset *set;

static enum rules_load load(void)
{
    enum rules_load result;

    told.n = 0;
    told.text[0] = '\0';
    result = rules_db_load(path, NULL, tell, &told, &set);
    ck_assert_msg((result == RULES_LOADED) == (set != NULL), "%s", told.text);
    ck_assert((result == RULES_REFUSED) == (told.n > 0));
    return result;
}

static void must_load(size_t rules)
{
    ck_assert_msg(load() == RULES_LOADED, "%s", told.text);
    ck_assert_uint_eq(set->n, rules);
    ruleset_free(set);
}

__attribute__((format(printf, 1, 2))) static void must_refuse(const char *format, ...)
{
    char    expected[PROBLEM_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    ck_assert_int_eq(load(), RULES_REFUSED);
    ck_assert_msg(strstr(told.text, expected) != NULL, "'%s' is not in '%s'", expected, told.text);
}

static sqlite3 *open_db(void)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    sqlite3_exec(db, sql, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s: %s", sql, message);
}

static void sql(const char *text)
{
    sqlite3 *db = open_db();

    run(db, text);
    sqlite3_close(db);
}

static void write_file(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert(file != NULL && fwrite(bytes, 1, n, file) == n);
    fclose(file);
}

static void make_dir(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/rules.db", dir);
}

static void make_db(void)
{
    make_dir();
    ck_assert_msg(rules_file_create(path, tell, &told), "%s", told.text);
}

static void remove_all(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(created_and_kept)
{
    make_db();
    must_load(0);
    sql("INSERT INTO rules(requests, period) VALUES (1, 1)");
    ck_assert(rules_file_create(path, tell, &told));
    must_load(1);
    /* An empty file is as good as none. */
    write_file("", 0);
    must_refuse("%s: the file is empty: run `sqlite3 %s < sql/rules.sql`, or start the agent with it, which makes the "
                "tables",
                path, path);
    ck_assert(rules_file_create(path, tell, &told));
    must_load(0);
}
END_TEST

/* Who is in the agent's group edits the rules, where its umask allows it. */
START_TEST(created_for_the_group)
{
    mode_t      before = umask(0007);
    struct stat st;

    make_db();
    umask(before);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0660);
    must_load(0);
}
END_TEST

START_TEST(cannot_be_created)
{
    make_dir();
    snprintf(path, sizeof path, "%s/none/rules.db", dir);
    told.n = 0;
    ck_assert(!rules_file_create(path, tell, &told));
    ck_assert_int_eq(told.n, 1);
    ck_assert_ptr_nonnull(strstr(told.text, "/none/rules.db: cannot be created: unable to open database file"));
    ck_assert(!rules_file_stamp(path).exists);
}
END_TEST

START_TEST(no_database)
{
    char zeros[4096] = { 0 };

    make_dir();
    must_refuse("%s: No such file or directory", path);
    ck_assert_int_ne(access(path, F_OK), 0);
    write_file("SQLite format 3", 16);
    must_refuse("%s: not an SQLite database", path);
    write_file(zeros, 1);
    must_refuse("%s: not an SQLite database", path);
    write_file(zeros, sizeof zeros);
    must_refuse("%s: not an SQLite database", path);
    memcpy(zeros, "SQLite format 3", 16);
    write_file(zeros, sizeof zeros);
    must_refuse("%s: ", path);
    write_file("INSERT INTO rules", 17);
    must_refuse("%s: not an SQLite database", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    must_refuse("%s: not a file", path);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    must_refuse("%s: not a file", path);
}
END_TEST

/* Cut anywhere, or with a byte of each page overwritten, it is refused or holds what it held: never fewer rules. */
START_TEST(damaged)
{
    char  *bytes;
    FILE  *file;
    size_t n, refused = 0;

    make_db();
    sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
        " INSERT INTO rules(path, requests, period, note) SELECT '/items/' || i, i, 60, 'note ' || i FROM n");
    file = fopen(path, "rb");
    bytes = malloc(1 << 22);
    ck_assert(file != NULL && bytes != NULL);
    n = fread(bytes, 1, 1 << 22, file);
    fclose(file);
    ck_assert_uint_gt(n, 40 * 4096);
    for (size_t cut = 0; cut < n; cut += cut % 4096 == 0 ? 100 : cut % 4096 == 100 ? 1948 : 2048) {
        write_file(bytes, cut);
        ck_assert_msg(load() == RULES_REFUSED, "cut at %zu", cut);
    }
    for (size_t at = 100; at < n; at += 4096) {
        char kept[64];

        memcpy(kept, bytes + at, sizeof kept);
        memset(bytes + at, 0xA5, sizeof kept);
        write_file(bytes, n);
        refused += load() == RULES_REFUSED;
        ck_assert(set == NULL || set->n == 300);
        ruleset_free(set);
        memcpy(bytes + at, kept, sizeof kept);
    }
    ck_assert_uint_gt(refused, 5);
    write_file(bytes, n);
    must_load(300);
    free(bytes);
}
END_TEST

START_TEST(other_schemas)
{
    make_db();
    sql("PRAGMA user_version = 2");
    must_refuse("%s: its schema has version 2, and this agent knows 1: upgrade the agent", path);
    sql("PRAGMA user_version = 1");
    must_load(0);
    sql("PRAGMA journal_mode = WAL; INSERT INTO rules(requests, period) VALUES (1, 1)");
    must_refuse(
        "%s: in WAL mode, where a change may stand in another file for long: run PRAGMA journal_mode=DELETE on it",
        path);
    sql("PRAGMA journal_mode = DELETE");
    must_load(1);
    sql("DROP TABLE lists");
    must_load(1);
    sql("DROP TRIGGER rules_lists_inserted; INSERT INTO rules(src, action) VALUES ('@offices', 'deny')");
    must_refuse("no such table: lists");
    unlink(path);
    sql("CREATE TABLE other(x); PRAGMA user_version = 1");
    must_refuse("%s: not a rules database that this agent knows: no such table: rules", path);
    sql("CREATE TABLE rules(id INTEGER PRIMARY KEY, name, enabled, priority)");
    must_refuse("%s: not a rules database that this agent knows: no such column: ", path);
}
END_TEST

/* A table of ours without what makes it refuse: any value in any column. */
static const struct {
    const char *row, *told; /* NULL: taken */
} forced[] = {
    { "INSERT INTO rules(id, requests, period, algorithm, over) VALUES (3, 5, 60, 'sliding', 'deny')", NULL },
    { "INSERT INTO rules(id, action) VALUES (3, 'deny')", NULL },
    { "INSERT INTO rules(id, action) VALUES (-3, 'deny')", "rule -3: id '-3': write a positive whole number" },
    { "INSERT INTO rules(id, requests, period) VALUES (3, 0, 60)",
      "rule 3: requests '0': a limit needs a whole number from 1 to 1000000000" },
    { "INSERT INTO rules(id, requests, period) VALUES (3, 5.5, 60)",
      "rule 3: requests '5.5': a limit needs a whole number" },
    { "INSERT INTO rules(id, requests, period) VALUES (3, x'35', 60)",
      "rule 3: requests '5': a limit needs a whole number" },
    { "INSERT INTO rules(id, action, src) VALUES (3, 'deny', x'')",
      "rule 3: src '': write a pattern, or NULL for any" },
    { "INSERT INTO rules(id, action, src) VALUES (3, 'deny', 1e999)", "rule 3: src 'Inf': write an address" },
    { "INSERT INTO rules(id, action, priority) VALUES (3, 'deny', 'first')",
      "rule 3: priority 'first': write a whole number" },
    { "INSERT INTO rules(id, action, enabled) VALUES (3, 'denied', 0)", NULL },
    { "INSERT INTO rules(id, action, enabled) VALUES (3, 'denied', 'no')",
      "rule 3: action 'denied': write 'allow', 'deny' or 'limit'" },
    { "INSERT INTO rules(id, action, enabled) VALUES (3, 'denied', NULL)",
      "rule 3: action 'denied': write 'allow', 'deny' or 'limit'" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', 'x')",
      "rule 3: match 'x': write a JSON object such as {\"api_key\":\"K123\"}" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '[1]')",
      "rule 3: match '[1]': write a JSON object such as {\"api_key\":\"K123\"}" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', 5)",
      "rule 3: match '5': write a JSON object such as {\"api_key\":\"K123\"}" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":1.5}')",
      "rule 3: match \"a\" '1.5': write a string, a whole number" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":{\"b\":1}}')",
      "rule 3: match \"a\" '{\"b\":1}': write a string, a whole number" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":null}')",
      "rule 3: match \"a\" '': write a string, a whole number" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":\"1\",\"a\":\"2\"}')",
      "rule 3: match \"a\" '2': it stands there twice" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"\":\"1\"}')", "rule 3: match \"\" '1': " },
    { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO rules(id, action, "
      "match)"
      " SELECT 3, 'deny', json_group_object('a' || i, i) FROM n",
      "name fewer attributes" },
    { "INSERT INTO rules(id, action, path) VALUES (3, 'deny', '@paths')",
      "rule 3: path '@paths': the list is empty: fill it, or disable the rule" },
    { "INSERT INTO lists VALUES ('l', '//a'); INSERT INTO rules(id, action, path) VALUES (3, 'deny', '!@l')",
      "rule 3: path '!@l': entry '//a' of list 'l': write '/a'" },
    { "INSERT INTO lists VALUES ('l', NULL); INSERT INTO rules(id, action, path) VALUES (3, 'deny', '@l')",
      "rules.db: table lists: list 'l' has an entry that is NULL: write one, or delete the row" },
    { "INSERT INTO lists VALUES ('l', '/a'), ('l', NULL), ('l', '/b'); INSERT INTO rules(id, action, path) VALUES (3, "
      "'deny', '@l')",
      "rules.db: table lists: list 'l' has an entry that is NULL: write one, or delete the row" },
    { "INSERT INTO lists VALUES ('other', NULL), ('l', '/a'); INSERT INTO rules(id, action, path) VALUES (3, 'deny', "
      "'@l')",
      "rules.db: table lists: list 'other' has an entry that is NULL" },
    { "INSERT INTO lists VALUES ('l', 5), (NULL, 'x'); INSERT INTO rules(id, action, match) VALUES (3, 'deny', "
      "'{\"k\":\"@l\"}')",
      "rules.db: table lists: a row has NULL for the name of its list: name one, or delete the row" },
    { "INSERT INTO lists VALUES ('l', 5); INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"k\":\"@l\"}')",
      NULL },
    { "INSERT INTO rules(id, action, path) VALUES (3, 'deny', CAST(x'2F61002F62' AS TEXT))",
      "rule 3: path '/a': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, path) VALUES (3, 'deny', x'2F6100')",
      "rule 3: path '/a': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, name) VALUES (3, 'deny', 'a' || char(0) || 'b')",
      "rule 3: name 'a': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action) VALUES (3, 'deny' || char(0))",
      "rule 3: action 'deny': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, host, valid_until) VALUES (3, 'deny', 'a', '2026-11-20T09:00:00Z' || char(0))",
      "rule 3: valid_until '2026-11-20T09:00:00Z': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":\"b\"}' || char(0) || 'c')",
      "rule 3: match '{\"a\":\"b\"}': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\":\"b\\u0000c\"}')",
      "rule 3: match '{\"a\":\"b\\u0000c\"}': text with a NUL byte in it: write it again without" },
    { "INSERT INTO rules(id, action, match) VALUES (3, 'deny', '{\"a\\u0000b\":\"c\"}')",
      "rule 3: match '{\"a\\u0000b\":\"c\"}': text with a NUL byte in it: write it again without" },
};

START_TEST(forced_past_the_checks)
{
    make_dir();
    sql("CREATE TABLE rules(id INTEGER PRIMARY KEY, name, enabled DEFAULT 1, priority, src, method, host, path, match, "
        "action,"
        " requests, period, per, algorithm, burst, over, status, ban, shadow, policy, valid_from, valid_until, note);"
        "CREATE TABLE lists(list, entry)");
    sql("INSERT INTO rules(id, action) VALUES (9, 'deny')");
    sql(forced[_i].row);
    if (forced[_i].told != NULL)
        must_refuse("%s", forced[_i].told);
    else
        must_load(strstr(forced[_i].row, "enabled") != NULL ? 1 : 2);
}
END_TEST

/* With the schema's own CHECKs switched off: the row and the column are named. */
START_TEST(checks_ignored)
{
    make_db();
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    must_load(1);
    sql("PRAGMA ignore_check_constraints = 1; INSERT INTO rules(id, requests, period) VALUES (2, 0, 60)");
    must_refuse("rule 2: requests '0': a limit needs a whole number from 1 to 1000000000");
}
END_TEST

/* NULL for a priority is 100, and stands among those of 100 by its id; each rule keeps its own `match`. */
START_TEST(priority_of_null)
{
    static const int64_t ids[] = { 6, 3, 4, 5, 7, 8, 9 };

    make_dir();
    sql("CREATE TABLE rules(id INTEGER PRIMARY KEY, name, enabled DEFAULT 1, priority, src, method, host, path, match, "
        "action DEFAULT 'deny',"
        " requests, period, per, algorithm, burst, over, status, ban, shadow, policy, valid_from, valid_until, note)");
    sql("INSERT INTO rules(id, priority, match) VALUES (3, 99, '{\"k\":\"v3\"}'), (4, 100, '{\"k\":\"v4\"}'),"
        " (5, NULL, '{\"k\":\"v5\"}'), (6, -1, NULL), (7, 100, '{\"k\":\"v7\"}'), (8, NULL, '{\"k\":\"v8\"}'),"
        " (9, 101, '{\"k\":\"v9\"}')");
    ck_assert_msg(load() == RULES_LOADED, "%s", told.text);
    ck_assert_uint_eq(set->n, 7);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(set->rules[i].id, ids[i]);
        ck_assert_int_eq(set->rules[i].priority, ids[i] == 6 ? -1 : ids[i] == 3 ? 99 : ids[i] == 9 ? 101 : 100);
        ck_assert_uint_eq(set->rules[i].patterns_n, ids[i] == 6 ? 0 : 1);
    }
    ruleset_free(set);
}
END_TEST

START_TEST(locked)
{
    sqlite3 *writer;

    make_db();
    writer = open_db();
    /* Reading beside a writer that has not begun to commit is fine, and sees what was committed. */
    run(writer, "BEGIN IMMEDIATE; INSERT INTO rules(requests, period) VALUES (5, 60)");
    must_load(0);
    run(writer, "COMMIT; BEGIN EXCLUSIVE");
    ck_assert_int_eq(load(), RULES_BUSY);
    ck_assert_int_eq(told.n, 0);
    run(writer, "COMMIT");
    must_load(1);
    sqlite3_close(writer);
}
END_TEST

/* Nothing stays open or locked: a writer gets its way at once. */
START_TEST(nothing_stays_open)
{
    make_db();
    ck_assert_int_eq(load(), RULES_LOADED);
    sql("BEGIN EXCLUSIVE; INSERT INTO rules(requests, period) VALUES (5, 60); COMMIT");
    ruleset_free(set);
    for (int fd = 3; fd < 64; fd++) {
        char link[64], target[256];
        long n;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            ck_assert_msg(strstr(target, "rules.db") == NULL, "%s is open", target);
        }
    }
}
END_TEST

START_TEST(read_only_file)
{
    make_db();
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    ck_assert_int_eq(chmod(path, 0400), 0);
    must_load(1);
}
END_TEST

/* ---- what somebody else may have put there ---- */

#define FOREVER "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "

/* Objects of another kind under our names. `told` NULL: the rule in it is read as ever. */
static const struct {
    const char *sql, *told;
} objects[] = {
    { "DROP TABLE rules; CREATE VIEW rules AS " FOREVER "SELECT i AS id FROM n",
      "rules is not a table, its kind is: view" },
    { "DROP TABLE rules; CREATE VIEW RuLeS AS " FOREVER "SELECT i AS id FROM n",
      "rules is not a table, its kind is: view" },
    { "DROP TABLE rules; CREATE VIRTUAL TABLE rules USING fts5(id, name)",
      "rules is not a table, its kind is: virtual table" },
    { "DROP TABLE lists; CREATE VIEW lists AS " FOREVER "SELECT 'l' AS list, i AS entry FROM n",
      "lists is not a table, its kind is: view" },
    { "ALTER TABLE rules ADD COLUMN more TEXT AS (hex(zeroblob(1000000 * id)))",
      "table rules: column more is generated" },
    { "DROP TABLE lists; CREATE TABLE lists(list, entry AS ('10.0.0.1'))", "table lists: column entry is generated" },
    { "CREATE TRIGGER t BEFORE INSERT ON rules BEGIN INSERT INTO rules_history(time, what, rule) " FOREVER
      "SELECT '', '', i FROM n; END",
      NULL },
    { "CREATE VIEW other AS " FOREVER "SELECT i FROM n; CREATE VIRTUAL TABLE words USING fts5(word)", NULL },
    { "DROP VIEW list_import; DROP TABLE rules_history", NULL },
    /* An index that lacks the rows of `rules`: they are read from the table. */
    { "CREATE INDEX i ON rules(ifnull(priority, 100), id) WHERE enabled IS NOT 0;"
      "PRAGMA writable_schema = ON; CREATE TABLE empty(a); CREATE INDEX j ON empty(a);"
      "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'j') WHERE name = 'i';"
      "DELETE FROM sqlite_schema WHERE name = 'j'",
      NULL },
};

START_TEST(other_objects)
{
    make_db();
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    sql(objects[_i].sql);
    if (objects[_i].told == NULL)
        must_load(1);
    else
        must_refuse("%s: %s", path, objects[_i].told);
}
END_TEST

START_TEST(too_large)
{
    make_db();
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    ck_assert_int_eq(truncate(path, ((off_t)1 << 30) + 4096), 0); /* a hole: it takes no room */
    must_refuse("%s: larger than 1 GiB: delete what it need not hold, then run VACUUM on it", path);
}
END_TEST

static bool asked(void *context)
{
    return --*(int *)context < 0;
}

/* Wherever the stop comes, it is obeyed at once, and nothing is told. */
START_TEST(stopped)
{
    int calls = INT_MAX, needed, left;

    make_db();
    sql("INSERT INTO lists WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        " SELECT 'l', '10.0.' || (i / 256) || '.' || (i % 256) FROM n; INSERT INTO rules(src, action) VALUES ('@l', "
        "'deny');"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        " INSERT INTO rules(path, action) SELECT '/items/' || i, 'deny' FROM n");
    told.n = 0;
    ck_assert_int_eq(rules_db_load_until(path, NULL, &(struct rules_stop){ asked, &calls }, tell, &told, &set),
                     RULES_LOADED);
    ruleset_free(set);
    needed = INT_MAX - calls;
    ck_assert_int_gt(needed, 50);
    for (int at = 0; at < needed; at += at < 10 ? 1 : 37) {
        left = at;
        ck_assert_int_eq(rules_db_load_until(path, NULL, &(struct rules_stop){ asked, &left }, tell, &told, &set),
                         RULES_STOPPED);
        ck_assert_ptr_null(set);
        ck_assert_int_eq(left, -1); /* once is enough */
    }
    ck_assert_int_eq(told.n, 0);
    must_load(1001);
}
END_TEST

static void changed(struct rules_stamp *last, const char *what)
{
    struct rules_stamp now = rules_file_stamp(path);

    ck_assert_msg(!rules_stamp_eq(last, &now), "%s does not show", what);
    *last = now;
    now = rules_file_stamp(path);
    ck_assert_msg(rules_stamp_eq(last, &now), "the stamp changes by itself after %s", what);
}

START_TEST(stamps)
{
    struct rules_stamp last = { 0 };
    struct timespec    times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    char               other[320];

    make_dir();
    ck_assert(!rules_file_stamp(path).exists);
    ck_assert(rules_file_create(path, tell, &told));
    changed(&last, "creation");
    /* Two commits within one tick of the file system's clock, which is held still here; no page more. */
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    changed(&last, "a commit");
    for (int i = 0; i < 10; i++) {
        sql(i % 2 ? "UPDATE rules SET requests = 5" : "UPDATE rules SET requests = 6");
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        changed(&last, "a commit in the same tick");
    }
    /* A copy of the same size, time and count renamed over it. */
    snprintf(other, sizeof other, "cp -p %s %s.new && mv %s.new %s", path, path, path, path);
    ck_assert_int_eq(system(other), 0);
    changed(&last, "a rename");
    must_load(1);
    ck_assert_int_eq(unlink(path), 0);
    changed(&last, "its end");
}
END_TEST

START_TEST(lists_are_shared_until_they_change)
{
    struct ruleset *next;

    make_db();
    sql("INSERT INTO lists VALUES ('a', '192.0.2.1'), ('b', 'x');"
        "INSERT INTO rules(src, action) VALUES ('@a', 'deny'); INSERT INTO rules(match, action) VALUES "
        "('{\"k\":\"@b\"}', 'deny')");
    ck_assert_int_eq(load(), RULES_LOADED);
    sql("INSERT INTO lists VALUES ('b', 'y')");
    ck_assert_int_eq(rules_db_load(path, set, tell, &told, &next), RULES_LOADED);
    ck_assert_uint_eq(next->lists_n, 2);
    ck_assert_ptr_eq(next->lists[0], set->lists[0]);
    ck_assert_ptr_ne(next->lists[1], set->lists[1]);
    ck_assert(!list_holds_text(set->lists[1], SPAN_LITERAL("y")) && list_holds_text(next->lists[1], SPAN_LITERAL("y")));
    ruleset_free(set);
    ck_assert(list_holds_text(next->lists[0], SPAN_LITERAL("192.0.2.1")));
    sql("DELETE FROM lists WHERE list = 'a'");
    ck_assert_int_eq(rules_db_load(path, next, tell, &told, &set), RULES_REFUSED);
    ruleset_free(next);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("rules_db");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, NULL, remove_all);
    tcase_add_test(tcase, created_and_kept);
    tcase_add_test(tcase, created_for_the_group);
    tcase_add_test(tcase, cannot_be_created);
    tcase_add_test(tcase, no_database);
    tcase_add_test(tcase, damaged);
    tcase_add_test(tcase, other_schemas);
    tcase_add_loop_test(tcase, forced_past_the_checks, 0, sizeof forced / sizeof *forced);
    tcase_add_test(tcase, checks_ignored);
    tcase_add_test(tcase, priority_of_null);
    tcase_add_test(tcase, locked);
    tcase_add_test(tcase, nothing_stays_open);
    tcase_add_test(tcase, read_only_file);
    tcase_add_loop_test(tcase, other_objects, 0, sizeof objects / sizeof *objects);
    tcase_add_test(tcase, too_large);
    tcase_add_test(tcase, stopped);
    tcase_add_test(tcase, stamps);
    tcase_add_test(tcase, lists_are_shared_until_they_change);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
