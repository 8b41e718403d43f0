/* Lists from the database: what is in them, when one rule set takes them over from another and when they are read
 * again.
 *
 * LIST_ENTRIES sets how many entries the large ones have (default 1,000,000; under a sanitizer 20,000). It prints how
 * long they take to load and to look up. */
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/rules_db.h"
#include "store/rules_file.h"

static char dir[] = "/tmp/spoa-lists-XXXXXX", path[64];

static struct {
    int  n;
    char text[PROBLEM_TEXT_MAX]; /* the first */
} told;

static void tell(void *context, const struct problem *problem)
{
    (void)context;
    if (told.n++ == 0)
        problem_format(problem, told.text);
}

static void run(const char *file, const char *text)
{
    sqlite3 *db;
    char    *message = NULL;

    ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_exec(db, text, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s: %s", text, message);
    sqlite3_close(db);
}

static void sql(const char *text)
{
    run(path, text);
}

static void shell(const char *format, ...)
{
    char    command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void begin(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/rules.db", dir);
    ck_assert_msg(rules_file_create(path, tell, &told), "%s", told.text);
}

static void end(void)
{
    shell("rm -rf %s", dir);
}

/* Such triggers refuse most of this at the prompt; a file that was made before they were has none. */
static const char open_doors[] = "DROP TRIGGER lists_inserted_src; DROP TRIGGER rules_lists_inserted";

static struct ruleset *load(const struct ruleset *previous)
{
    struct ruleset *set;

    told.n = 0;
    ck_assert_msg(rules_db_load(path, previous, tell, NULL, &set) == RULES_LOADED, "%s", told.text);
    return set;
}

static void must_refuse(const struct ruleset *previous, const char *expected)
{
    struct ruleset *set;

    told.n = 0;
    ck_assert_int_eq(rules_db_load(path, previous, tell, NULL, &set), RULES_REFUSED);
    ck_assert_ptr_null(set);
    ck_assert_str_eq(told.text, expected);
    ck_assert_int_eq(told.n, 1);
}

static struct list *find(const struct ruleset *set, const char *name)
{
    for (size_t i = 0; i < set->lists_n; i++)
        if (strcmp(list_name(set->lists[i]), name) == 0)
            return set->lists[i];
    ck_abort_msg("no list %s", name);
}

/* Each list of the set is what stands in the database now: these entries, and as many. */
static void compare_with_database(const struct ruleset *set)
{
    sqlite3      *db;
    sqlite3_stmt *statement;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < set->lists_n; i++) {
        const struct list *list = set->lists[i];
        size_t             n = 0;

        ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT entry FROM lists WHERE list = ?", -1, &statement, NULL),
                         SQLITE_OK);
        sqlite3_bind_text(statement, 1, list_name(list), -1, SQLITE_STATIC);
        for (; sqlite3_step(statement) == SQLITE_ROW; n++) {
            const char *entry = (const char *)sqlite3_column_text(statement, 0);

            ck_assert_msg(list_holds_text(list, span_of(entry)), "%s is not in %s", entry, list_name(list));
        }
        sqlite3_finalize(statement);
        ck_assert_uint_eq(list_size(list), n);
    }
    sqlite3_close(db);
}

static const char two_lists[] =
    "INSERT INTO lists VALUES ('a', '192.0.2.1'), ('a', '2001:db8::/32'), ('b', 'x'), ('b', 'y'), ('c', 'unused');"
    "INSERT INTO rules(src, action) VALUES ('@a', 'deny');"
    "INSERT INTO rules(match, action) VALUES ('{\"k\":\"!@b\"}', 'deny')";

static const char *told_of_null(void)
{
    static char text[256];

    snprintf(text, sizeof text, "%s: table lists: list 'b' has an entry that is NULL: write one, or delete the row",
             path);
    return text;
}

/* ---- taken over or read again ---- */

static const struct {
    const char *sql;
    bool        a_stays, b_stays;
} changes[] = {
    { "", true, true },
    { "UPDATE rules SET enabled = 0 WHERE src IS NULL; INSERT INTO rules(match, action) VALUES ('{\"k\":\"@b\"}', "
      "'deny')",
      true, true },
    { "INSERT INTO rules(requests, period) VALUES (5, 60)", true, true },
    { "INSERT INTO rules(src, action, priority) VALUES ('!@a', 'allow', 1)", true, true },
    { "INSERT INTO lists VALUES ('c', 'more')", true, true },
    { "INSERT OR IGNORE INTO lists VALUES ('a', '192.0.2.1')", true, true },
    { "BEGIN; DELETE FROM lists WHERE list = 'a'; ROLLBACK", true, true },
    { "DELETE FROM lists WHERE entry = 'none'", true, true },
    { "VACUUM", true, true },
    { "INSERT INTO list_import VALUES ('192.0.2.9')", true, true },

    { "INSERT INTO lists VALUES ('a', '192.0.2.2')", false, true },
    { "INSERT INTO lists VALUES ('b', 'z')", true, false },
    { "DELETE FROM lists WHERE entry = 'x'", true, false },
    { "UPDATE lists SET entry = '192.0.2.2' WHERE entry = '192.0.2.1'", false, true },
    { "UPDATE lists SET list = 'b' WHERE entry = '192.0.2.1'", false, false },
    { "UPDATE lists SET list = 'b' WHERE list = 'c'", true, false },
    { "UPDATE lists SET list = 'c' WHERE entry = 'x'", true, false },
    { "INSERT OR REPLACE INTO lists VALUES ('b', 'x'), ('b', 'w')", true, false },
    { "INSERT INTO lists VALUES ('b', 'x') ON CONFLICT DO UPDATE SET entry = 'v'", true, false },
    { "BEGIN; DELETE FROM lists WHERE list = 'a'; INSERT INTO lists VALUES ('a', '10.0.0.0/8'); COMMIT", false, true },
    /* As many entries, each as long. */
    { "UPDATE lists SET entry = 'u' WHERE entry = 'x'; UPDATE lists SET entry = 'x' WHERE entry = 'y'", true, false },
    { "INSERT INTO list_import VALUES ('# a comment'), (' 10.0.0.0/8 '), (''), ('10.0.0.0/8');"
      "BEGIN; DELETE FROM lists WHERE list = 'a'; UPDATE lists SET list = 'a' WHERE list = 'imported'; COMMIT",
      false, true },
    /* Put back as it was, it is what it was; so is one that was written anew, in whichever order. */
    { "DELETE FROM lists WHERE entry = 'x'; INSERT INTO lists VALUES ('b', 'x')", true, true },
    { "BEGIN; DELETE FROM lists; INSERT INTO lists VALUES ('b', 'y'), ('b', 'x'), ('a', '2001:db8::/32'),"
      " ('a', '192.0.2.1'); COMMIT",
      true, true },
    /* The same bytes, divided otherwise. */
    { "DELETE FROM lists WHERE list = 'b'; INSERT INTO lists VALUES ('b', 'xy')", true, false },
    /* There and back again. */
    { "UPDATE rules SET src = NULL, match = '{\"k\":\"@a\",\"m\":\"@b\"}';"
      "UPDATE lists SET list = 't' WHERE list = 'a'; UPDATE lists SET list = 'a' WHERE list = 'b';"
      "UPDATE lists SET list = 'b' WHERE list = 't'",
      false, false },
};

START_TEST(taken_over_or_read_again)
{
    struct ruleset *before, *after, *again;

    begin();
    sql(two_lists);
    before = load(NULL);
    compare_with_database(before);
    sql(changes[_i].sql);
    after = load(before);
    compare_with_database(after);
    ck_assert((find(after, "a") == find(before, "a")) == changes[_i].a_stays);
    ck_assert((find(after, "b") == find(before, "b")) == changes[_i].b_stays);
    ruleset_free(before);
    compare_with_database(after);
    again = load(after);
    ck_assert_ptr_eq(find(again, "b"), find(after, "b"));
    ruleset_free(after);
    compare_with_database(again);
    ruleset_free(again);
    end();
}
END_TEST

/* Of two lists with the same entries each set has both. */
START_TEST(two_lists_alike)
{
    struct ruleset *before, *after;

    begin();
    sql(two_lists);
    sql("INSERT INTO lists SELECT 'b', entry FROM lists WHERE list = 'a'; DELETE FROM lists WHERE entry IN ('x', 'y')");
    before = load(NULL);
    ck_assert_ptr_ne(find(before, "a"), find(before, "b"));
    after = load(before);
    ck_assert_ptr_eq(find(after, "a"), find(before, "a"));
    ck_assert_ptr_eq(find(after, "b"), find(before, "b"));
    ruleset_free(before);
    ruleset_free(after);
    end();
}
END_TEST

/* A table that is not ours: no key, so an entry may stand there twice, in the order in which it was written. */
START_TEST(lists_without_a_key)
{
    struct ruleset *before, *after;

    begin();
    sql("DROP VIEW list_import; DROP TABLE lists; CREATE TABLE lists(list, entry)");
    sql(two_lists);
    sql("INSERT INTO lists VALUES ('b', 'x')");
    before = load(NULL);
    compare_with_database(before);
    ck_assert_uint_eq(list_size(find(before, "b")), 3);
    after = load(before);
    ck_assert_ptr_eq(find(after, "b"), find(before, "b"));
    ruleset_free(after);
    sql("INSERT INTO lists VALUES ('b', 'y')");
    after = load(before);
    ck_assert_ptr_ne(find(after, "b"), find(before, "b"));
    compare_with_database(after);
    ruleset_free(before);
    /* What cannot be read is no reason to keep what was. */
    sql("INSERT INTO lists VALUES ('b', NULL)");
    must_refuse(after, told_of_null());
    ruleset_free(after);
    end();
}
END_TEST

/* Each list is held by each set that has it: sets end in any order, and sets that were refused as well. */
START_TEST(sets_end_in_any_order)
{
    struct ruleset *sets[4] = { NULL };

    begin();
    sql(two_lists);
    for (int i = 0; i < 4; i++) {
        sets[i] = load(i == 0 ? NULL : sets[i - 1]);
        ck_assert_ptr_eq(find(sets[i], "a"), find(sets[0], "a"));
        sql("UPDATE rules SET status = 404");
    }
    sql("INSERT INTO rules(path, action) VALUES ('@none', 'deny')");
    must_refuse(sets[3], "rule 3: path '@none': the list is empty: fill it, or disable the rule");
    ruleset_free(sets[(_i + 1) % 4]);
    ruleset_free(sets[(_i + 3) % 4]);
    ruleset_free(sets[(_i + 2) % 4]);
    must_refuse(sets[_i], "rule 3: path '@none': the list is empty: fill it, or disable the rule");
    compare_with_database(sets[_i]);
    ruleset_free(sets[_i]);
    end();
}
END_TEST

/* A list of texts becomes one of addresses as well, also where another set has it as texts. */
START_TEST(texts_and_addresses)
{
    struct ruleset *before, *after;
    struct address  address = address_from_v4("\xC0\x00\x02\x05");

    begin();
    sql("INSERT INTO lists VALUES ('l', '192.0.2.0/24'); INSERT INTO rules(match, action) VALUES ('{\"k\":\"@l\"}', "
        "'deny')");
    before = load(NULL);
    sql("INSERT INTO rules(src, action) VALUES ('@l', 'deny')");
    after = load(before);
    ck_assert_uint_eq(after->lists_n, 1);
    ck_assert_ptr_eq(after->lists[0], before->lists[0]);
    ck_assert(list_holds_address(after->lists[0], &address));
    ck_assert(list_holds_text(before->lists[0], SPAN_LITERAL("192.0.2.0/24")));
    ck_assert(!list_holds_text(before->lists[0], SPAN_LITERAL("192.0.2.5")));
    ruleset_free(before);
    sql(open_doors);
    sql("INSERT INTO lists VALUES ('l', 'nonsense'); DELETE FROM rules WHERE id = 1");
    must_refuse(after,
                "rule 2: src '@l': entry 'nonsense' of list 'l': write an address or a network such as 192.0.2.0/24");
    ck_assert(list_holds_address(after->lists[0], &address));
    ruleset_free(after);
    end();
}
END_TEST

/* ---- another file ---- */

START_TEST(another_database_in_its_place)
{
    struct ruleset *before, *after;
    char            other[80];

    begin();
    sql(two_lists);
    before = load(NULL);
    snprintf(other, sizeof other, "%s.new", path);
    ck_assert(rules_file_create(other, tell, &told));
    run(other, two_lists);
    run(other, "UPDATE lists SET entry = '192.0.2.3' WHERE entry = '192.0.2.1'");
    shell("mv %s %s", other, path);
    after = load(before);
    ck_assert_ptr_ne(find(after, "a"), find(before, "a"));
    ck_assert_ptr_eq(find(after, "b"), find(before, "b"));
    compare_with_database(after);
    ck_assert(!list_holds_text(find(after, "a"), SPAN_LITERAL("192.0.2.1")));
    ruleset_free(before);
    ruleset_free(after);
    end();
}
END_TEST

/* The same statements on two new databases. */
START_TEST(another_database_of_the_same_history)
{
    struct ruleset *before, *after;

    begin();
    sql("INSERT INTO lists VALUES ('a', '192.0.2.1'); INSERT INTO rules(src, action) VALUES ('@a', 'deny')");
    before = load(NULL);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(rules_file_create(path, tell, &told));
    sql("INSERT INTO lists VALUES ('a', '192.0.2.9'); INSERT INTO rules(src, action) VALUES ('@a', 'deny')");
    after = load(before);
    ck_assert_ptr_ne(after->lists[0], before->lists[0]);
    compare_with_database(after);
    ruleset_free(before);
    ruleset_free(after);
    end();
}
END_TEST

/* An operator dumps the database, edits an entry in the text and makes the database from it: in a new file, or in one
 * that has the old one's inode. */
START_TEST(dump_edited_and_restored)
{
    struct ruleset *before, *after;

    begin();
    sql(two_lists);
    before = load(NULL);
    shell("sqlite3 -batch %s .dump > %s/dump", path, dir);
    shell("sed -i \"s/'192.0.2.1'/'192.0.2.9'/\" %s/dump", dir);
    if (_i == 0)
        shell("rm %s", path);
    else
        shell(": > %s", path);
    shell("sqlite3 -batch -bail %s < %s/dump", path, dir);
    after = load(before);
    ck_assert_ptr_ne(find(after, "a"), find(before, "a"));
    ck_assert_ptr_eq(find(after, "b"), find(before, "b"));
    compare_with_database(after);
    ck_assert(list_holds_text(find(after, "a"), SPAN_LITERAL("192.0.2.9")));
    ck_assert(!list_holds_text(find(after, "a"), SPAN_LITERAL("192.0.2.1")));
    ruleset_free(before);
    ruleset_free(after);
    end();
}
END_TEST

/* cp keeps the inode of what it writes over. */
START_TEST(another_database_copied_over_it)
{
    struct ruleset *before, *after;

    begin();
    sql(two_lists);
    before = load(NULL);
    shell("cp %s %s.other", path, path);
    shell("sqlite3 -batch -bail %s.other \"UPDATE lists SET entry = 'z' WHERE entry = 'x'\"", path);
    shell("cp %s.other %s", path, path);
    after = load(before);
    ck_assert_ptr_eq(find(after, "a"), find(before, "a"));
    ck_assert_ptr_ne(find(after, "b"), find(before, "b"));
    compare_with_database(after);
    ck_assert(!list_holds_text(find(after, "b"), SPAN_LITERAL("x")));
    ruleset_free(before);
    ruleset_free(after);
    end();
}
END_TEST

START_TEST(copied_and_restored)
{
    struct ruleset *before, *after, *restored;

    begin();
    sql(two_lists);
    before = load(NULL);
    shell("cp %s %s.backup", path, path);
    sql("INSERT INTO lists VALUES ('a', '192.0.2.2')");
    after = load(before);
    shell("mv %s.backup %s", path, path);
    restored = load(after);
    ck_assert_ptr_ne(find(restored, "a"), find(after, "a"));
    ck_assert_ptr_eq(find(restored, "b"), find(before, "b"));
    compare_with_database(restored);
    ruleset_free(after);
    ruleset_free(before);
    ruleset_free(restored);
    end();
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *sql, *told;
} refused[] = {
    { "INSERT INTO rules(src, action) VALUES ('@none', 'deny')",
      "rule 3: src '@none': the list is empty: fill it, or disable the rule" },
    { "INSERT INTO rules(match, action) VALUES ('{\"k\":\"!@none\"}', 'deny')",
      "rule 3: match \"k\" '!@none': the list is empty: fill it, or disable the rule" },
    { "INSERT INTO rules(method, action) VALUES ('@A', 'deny')",
      "rule 3: method '@A': the list is empty: fill it, or disable the rule" },
    { "DELETE FROM lists WHERE list = 'b'",
      "rule 2: match \"k\" '!@b': the list is empty: fill it, or disable the rule" },
    { "UPDATE lists SET list = 'a2' WHERE list = 'a'",
      "rule 1: src '@a': the list is empty: fill it, or disable the rule" },
    { "INSERT INTO lists VALUES ('a', '192.0.2.1/24')",
      "rule 1: src '@a': entry '192.0.2.1/24' of list 'a': write 192.0.2.0/24" },
    { "INSERT INTO lists VALUES ('a', '::ffff:192.0.2.1')",
      "rule 1: src '@a': entry '::ffff:192.0.2.1' of list 'a': write 192.0.2.1" },
    { "DELETE FROM lists WHERE entry = 'y'; INSERT INTO rules(path, action) VALUES ('@b', 'deny')",
      "rule 3: path '@b': entry 'x' of list 'b': a path begins with '/'" },
    { "INSERT INTO lists VALUES ('h', 'Example.com'); INSERT INTO rules(host, action) VALUES ('!@h', 'deny')",
      "rule 3: host '!@h': entry 'Example.com' of list 'h': write 'example.com'" },
};

START_TEST(refused_by_name)
{
    struct ruleset *before;

    begin();
    sql(two_lists);
    before = load(NULL);
    sql(open_doors);
    sql(refused[_i].sql);
    must_refuse(NULL, refused[_i].told);
    must_refuse(before, refused[_i].told);
    ck_assert(list_holds_text(find(before, "b"), SPAN_LITERAL("x")));
    ruleset_free(before);
    /* Disabled, the rule does no harm. */
    sql("UPDATE rules SET enabled = 0");
    before = load(NULL);
    ck_assert_uint_eq(before->lists_n, 0);
    ruleset_free(before);
    end();
}
END_TEST

/* ---- large ones ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENTRIES 20000
#else
#define ENTRIES 1000000
#endif

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The i-th entry of the list of networks, as SQL and below as an address within it. All are distinct: mixing is a
 * bijection of 32 bits. Of ten, seven are IPv4 addresses, one an IPv4 network, one an IPv6 network, one an IPv6
 * address. Addresses of the lists have an odd lowest bit of the first byte, which no other address asked for has. */
#define MIX_SQL "((i * 2654435761) & 0xFFFFFFFF)"

static uint32_t mix(uint32_t i)
{
    return i * 2654435761u;
}

static void fill(long n)
{
    char text[2048];

    snprintf(text, sizeof text,
             "PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON; BEGIN;"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %ld),"
             " m(i, x) AS (SELECT i, " MIX_SQL " FROM n)"
             " INSERT INTO lists SELECT 'networks', CASE i %% 10"
             "  WHEN 7 THEN printf('%%d.%%d.%%d.0/24', x >> 24 | 1, x >> 16 & 255, x >> 8 & 255)"
             "  WHEN 8 THEN printf('2101:db8:%%x:%%x::/64', x >> 16, x & 65535)"
             "  WHEN 9 THEN printf('2101:db9::%%x:%%x', x >> 16, x & 65535)"
             "  ELSE printf('%%d.%%d.%%d.%%d', x >> 24 | 1, x >> 16 & 255, x >> 8 & 255, x & 255) END FROM m"
             " WHERE true ORDER BY 2 ON CONFLICT DO NOTHING;"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %ld)"
             " INSERT INTO lists SELECT 'texts', printf('key-%%08x', " MIX_SQL ") FROM n ORDER BY 2;"
             "COMMIT;"
             "INSERT INTO rules(src, action) VALUES ('@networks', 'deny')",
             n - 1, n - 1);
    sql(text);
}

/* The address for entry i, or, where it is not to be found, one that differs in that bit. */
static struct address address_of(uint32_t i, bool hit)
{
    uint32_t x = mix(i);
    uint8_t  v4[4] = { (uint8_t)(x >> 24 | 1), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x };
    uint8_t  v6[16] = { 0x21, 0x01, 0x0D, 0xB8, (uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x };

    if (!hit) {
        v4[0] ^= 1;
        v6[0] ^= 1;
    }
    if (i % 10 == 9) {
        memmove(v6 + 12, v6 + 4, 4);
        memset(v6 + 4, 0, 4);
        v6[3] = 0xB9;
    }
    return i % 10 >= 8 ? address_from_v6(v6) : address_from_v4(v4);
}

/* Look-ups in an order that caches do not know, prepared beforehand in turns, so that only they are timed. */
#define BATCH 1000

static void look_up_addresses(const struct list *list, uint32_t n, bool hit)
{
    struct address wanted[BATCH];
    double         spent = 0, start;
    long           asked = 0;

    for (uint32_t i = 0; i + BATCH <= n; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            wanted[k] = address_of((uint32_t)((uint64_t)(i + k) * 7919 % n), hit);
        start = seconds();
        for (uint32_t k = 0; k < BATCH; k++)
            if (list_holds_address(list, &wanted[k]) != hit)
                ck_abort_msg("entry %u of %u", i + k, n);
        spent += seconds() - start;
        asked += BATCH;
    }
    printf("  addresses and networks, %s: %.0f ns\n", hit ? "hit" : "miss", spent * 1e9 / (double)asked);
}

static void look_up_texts(const struct list *list, uint32_t n, bool hit)
{
    static char wanted[BATCH][16];
    double      spent = 0, start;
    long        asked = 0;

    for (uint32_t i = 0; i + BATCH <= n; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            snprintf(wanted[k], sizeof wanted[k], "%s-%08x", hit ? "key" : "kez",
                     mix((uint32_t)((uint64_t)(i + k) * 7919 % n)));
        start = seconds();
        for (uint32_t k = 0; k < BATCH; k++)
            if (list_holds_text(list, (struct span){ wanted[k], 12 }) != hit)
                ck_abort_msg("entry %u of %u", i + k, n);
        spent += seconds() - start;
        asked += BATCH;
    }
    printf("  texts, %s: %.0f ns\n", hit ? "hit" : "miss", spent * 1e9 / (double)asked);
}

static struct ruleset *timed_load(const struct ruleset *previous, const char *what)
{
    double          start = seconds();
    struct ruleset *set = load(previous);

    printf("  %s: %.2f s\n", what, seconds() - start);
    return set;
}

START_TEST(large)
{
    const char     *wanted = getenv("LIST_ENTRIES");
    long            n = wanted == NULL ? ENTRIES : atol(wanted);
    struct ruleset *set, *next;
    double          start = seconds();

    begin();
    fill(n);
    printf("%ld entries a list, written in %.1f s\n", n, seconds() - start);
    set = timed_load(NULL, "loading addresses and networks");
    /* A few of the networks are the same. */
    ck_assert_uint_gt(list_size(set->lists[0]), (size_t)n - (size_t)n / 20);
    look_up_addresses(set->lists[0], (uint32_t)n, true);
    look_up_addresses(set->lists[0], (uint32_t)n, false);
    next = timed_load(set, "the same list again, taken over");
    ck_assert_ptr_eq(set->lists[0], next->lists[0]);
    ruleset_free(set);
    set = next;
    sql("UPDATE rules SET src = NULL, match = '{\"k\":\"@texts\"}'");
    next = timed_load(set, "loading texts");
    ruleset_free(set);
    ck_assert_uint_eq(list_size(next->lists[0]), (size_t)n);
    look_up_texts(next->lists[0], (uint32_t)n, true);
    look_up_texts(next->lists[0], (uint32_t)n, false);
    sql("INSERT INTO rules(requests, period) VALUES (5, 60)");
    set = timed_load(next, "the same list again, taken over");
    ck_assert_ptr_eq(set->lists[0], next->lists[0]);
    ruleset_free(next);
    ruleset_free(set);
    end();
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("lists");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, taken_over_or_read_again, 0, sizeof changes / sizeof *changes);
    tcase_add_test(tcase, two_lists_alike);
    tcase_add_test(tcase, lists_without_a_key);
    tcase_add_loop_test(tcase, sets_end_in_any_order, 0, 4);
    tcase_add_test(tcase, texts_and_addresses);
    tcase_add_test(tcase, another_database_in_its_place);
    tcase_add_test(tcase, another_database_of_the_same_history);
    tcase_add_loop_test(tcase, dump_edited_and_restored, 0, 2);
    tcase_add_test(tcase, another_database_copied_over_it);
    tcase_add_test(tcase, copied_and_restored);
    tcase_add_loop_test(tcase, refused_by_name, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, large);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
