/* What the database refuses at the prompt is what the agent would refuse: the schema's view list_entries against the
 * agent's own code, on spellings by hand and on many made at random.
 *
 * DOOR_ENTRIES sets how many random ones there are of each kind (default 20,000). */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "lib/random.h"
#include "lib/require.h"
#include "policy/pattern.h"

extern const char rules_sql[]; /* sql/rules.sql, embedded by the Makefile */

static sqlite3      *db;
static sqlite3_stmt *insert;
static struct random source = { 11 };

static void run(const char *sql)
{
    char *message = NULL;

    sqlite3_exec(db, sql, NULL, NULL, &message);
    ck_assert_msg(message == NULL, "%s", message);
}

static void begin(void)
{
    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    run(rules_sql);
    run("BEGIN");
    /* What no list may hold, such as control characters, is left out here. */
    ck_assert_int_eq(sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO lists VALUES ('l', ?)", -1, &insert, NULL),
                     SQLITE_OK);
}

static void end(void)
{
    sqlite3_finalize(insert);
    sqlite3_close(db);
}

static void add(struct span entry)
{
    sqlite3_bind_text(insert, 1, entry.p, (int)entry.n, SQLITE_STATIC);
    require(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK, "%s", sqlite3_errmsg(db));
}

static struct list *find_list(void *context, const char *name)
{
    (void)name;
    return context;
}

static bool agent_takes(struct span entry, unsigned attribute)
{
    struct list   *list = list_new("l", 0);
    struct arena   arena = { .last = NULL };
    struct pattern pattern;
    char           remedy[PATTERN_REMEDY_MAX];
    bool           taken;

    list_add(list, entry);
    list_finish(list);
    taken = pattern_compile(&pattern, attribute, "@l", &arena, find_list, list, remedy);
    list_free(list);
    arena_fini(&arena);
    return taken;
}

/* Compares all that is in the list; `taken[i]` is how many entries attribute i took. Returns how many there were. */
static size_t compare_all(size_t taken[3])
{
    static const unsigned    attributes[3] = { ATTRIBUTE_SRC, ATTRIBUTE_HOST, ATTRIBUTE_PATH };
    static const char *const names[3] = { "src", "host", "path" };
    sqlite3_stmt            *rows;
    size_t                   n = 0;

    ck_assert_int_eq(
        sqlite3_prepare_v2(db, "SELECT entry, is_address, is_host, is_path FROM list_entries", -1, &rows, NULL),
        SQLITE_OK);
    for (; sqlite3_step(rows) == SQLITE_ROW; n++) {
        struct span entry = { (const char *)sqlite3_column_text(rows, 0), (size_t)sqlite3_column_bytes(rows, 0) };

        for (int i = 0; i < 3; i++) {
            bool agent = agent_takes(entry, attributes[i]);

            /* Neither NULL nor another number. */
            require(sqlite3_column_type(rows, i + 1) == SQLITE_INTEGER && sqlite3_column_int(rows, i + 1) == agent,
                    "%s '%.*s': the schema says %s, the agent %d", names[i], (int)entry.n, entry.p,
                    (const char *)sqlite3_column_text(rows, i + 1), agent);
            taken[i] += agent;
        }
    }
    ck_assert_msg(sqlite3_finalize(rows) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    return n;
}

static const char *const by_hand[] = {
    "192.0.2.1",
    "192.0.2.0/24",
    "192.0.2.1/24",
    "192.0.2.1/32",
    "0.0.0.0/0",
    "0.0.0.0",
    "255.255.255.255",
    "255.255.255.255/31",
    "255.255.255.254/31",
    "10.0.0.1/0",
    "128.0.0.0/1",
    "64.0.0.0/1",
    "192.0.2.256",
    "192.0.2",
    "192.0.2.1.1",
    "192.0.2.",
    ".192.0.2",
    "192..0.2",
    "192.0.2.01",
    "01.0.2.1",
    "192.0.2.0/33",
    "192.0.2.0/024",
    "192.0.2.0/",
    "192.0.2.0/-1",
    "192.0.2.0/24/24",
    "192.0.2.0/0x18",
    "/24",
    "1/2.3.4",
    "1.2.3/4",
    "1.2.3.4.5/8",
    "999999999999.1.1.1",
    "1.1.1.99999999999999999999",
    "0x1.2.3.4",
    "1e1.2.3.4",
    "1.2.3.4e1",
    "+1.2.3.4",
    "-1.2.3.4",
    "0.0.0.00",
    "1.2.3.4 ; SBL1",
    "1.2.3.4#",
    "1.2.3.4-1.2.3.5",
    "1.2.3.4,",
    "1,2,3,4",
    "192.0.2.1:80",
    "::",
    "::/0",
    "::1",
    "::1/128",
    "::1/127",
    "::/128",
    "::/129",
    "2001:db8::",
    "2001:db8::/32",
    "2001:db8::1/32",
    "2001:DB8::/32",
    "2001:db8:8000::/33",
    "2001:db8:8000::/32",
    "2001:db8::/032",
    "2001:db8::/",
    "2001:db8::/1x",
    "2001:db8::/32/32",
    "2001:db8::1%eth0",
    "[2001:db8::1]",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1::3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1:::2",
    "1::2::3",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    ":",
    ":::",
    "12345::",
    "g::",
    "0001::0",
    "::00000",
    "::192.0.2.1",
    "::ffff:192.0.2.1",
    "::FFFF:192.0.2.1",
    "::ffff:c000:201",
    "0:0:0:0:0:ffff:c000:201",
    "0::ffff:0:0/96",
    "::ffff:0:0/96",
    "::ffff:0:0/95",
    "::fffe:0:0/95",
    "::ffff:0:0:0",
    "::ffff",
    "::ffff:1",
    "::ffff:192.0.2.0/120",
    "64:ff9b::192.0.2.1",
    "64:ff9b::192.0.2.0/120",
    "64:ff9b::192.0.2.1/120",
    "1:2:3:4:5:6:192.0.2.1",
    "1:2:3:4:5:6:7:192.0.2.1",
    "1:2:3:4:5::192.0.2.1",
    "1:2:3:4:5:6::192.0.2.1",
    "::192.0.2.01",
    "::192.0.2.256",
    "::192.0.2",
    "::192.0.2.1.1",
    "192.0.2.1::",
    "::192.0.2.1:1",
    "::a192.0.2.1",
    "::1.2.3.4/1.2",
    "::12345.0.0.1",
    "::1.2.3.4567",
    "fe80::/10",
    "fec0::/10",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
    "00112233445566778899::",
    "::/1",
    "8000::/1",
    "4000::/1",
    "a",
    "A",
    "example.com",
    "Example.com",
    "example.com.",
    "example.com:80",
    "example.com:",
    ":80",
    ".",
    "..",
    "a..b",
    "[::1]",
    "[::1]:80",
    "[::1",
    "[::1]x",
    "[:a]b:c",
    "]",
    "[",
    "[]",
    "[]:",
    "x[::1]",
    "*.example.com",
    "xn--a",
    "\xC3\xA4",
    "\xFF",
    "/",
    "//",
    "/a",
    "/a/",
    "/a//b",
    "/.",
    "/..",
    "/./",
    "/../",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/.a",
    "/..a",
    "/a.",
    "/...",
    "/a;b",
    "/a?b",
    "/a#b",
    "/a b",
    "/a\\b",
    "/*",
    "/[a]",
    "/%",
    "/%C",
    "/%C3",
    "/%C3%BC",
    "/%c3",
    "/%25",
    "/%2",
    "/%2F",
    "/%20",
    "/%7E",
    "/%7F",
    "/%1F",
    "/%80",
    "/%41",
    "/%6g",
    "/%%",
    "/%25%25",
    "/%25a",
    "/\xC3\xA4",
    "/~",
    "/..;a",
    "/;",
    "@a",
    "~a",
    "!a",
    "#a",
    "1",
    "1.1",
    "1:1",
};

START_TEST(spellings)
{
    size_t taken[3] = { 0 };

    begin();
    for (size_t i = 0; i < sizeof by_hand / sizeof *by_hand; i++)
        add(span_of(by_hand[i]));
    ck_assert_uint_eq(compare_all(taken), sizeof by_hand / sizeof *by_hand);
    ck_assert(taken[0] > 20 && taken[1] > 20 && taken[2] > 10);
    end();
}
END_TEST

/* ---- at random ---- */

static unsigned below(int64_t n)
{
    return (unsigned)random_below(&source, n);
}

struct text {
    char   bytes[256];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text->n += (size_t)vsnprintf(text->bytes + text->n, sizeof text->bytes - text->n, format, args);
    va_end(args);
}

static void put_v4(struct text *text)
{
    static const unsigned numbers[] = { 0, 1, 9, 10, 64, 99, 128, 192, 224, 240, 248, 254, 255, 256, 300 };

    for (int i = 0; i < 4; i++) {
        bool known = below(2) == 0;

        put(text, "%s%u", i == 0 ? "" : ".",
            i > 1 && below(2) == 0 ? 0
            : known                ? numbers[below(sizeof numbers / sizeof *numbers)]
                                   : below(256));
    }
}

static void put_v6(struct text *text)
{
    static const char *const groups[] = { "0", "0000", "ffff", "FFFF", "8000", "f000", "1", "c0A8", "fffe", "00ff" };
    unsigned                 n = below(4) == 0 ? 8 : below(9), gap = below(10);

    if (below(6) == 0)
        put(text, "%s", below(2) == 0 ? "::ffff:" : "0:0:0:0:0:FFFF:");
    for (unsigned i = 0; i < n; i++)
        put(text, "%s%s", i == gap ? "::" : i == 0 ? "" : ":", groups[below(sizeof groups / sizeof *groups)]);
    if (n == 0 || gap >= n)
        put(text, "%s", below(2) == 0 ? "::" : "");
    if (below(4) == 0) {
        put(text, "%s", text->n > 0 && text->bytes[text->n - 1] == ':' ? "" : ":");
        put_v4(text);
    }
}

static void put_network(struct text *text)
{
    if (below(2) == 0)
        put_v4(text);
    else
        put_v6(text);
    if (below(3) > 0)
        put(text, "/%u", below(4) == 0 ? below(140) : below(4) * 8);
}

static void put_name(struct text *text)
{
    static const char *const parts[] = {
        "a", "b.c", ".", "Z", ":80", "[::1]", "[", "]", "-", ":", "xn--p1", "\xC3\xA4"
    };

    for (unsigned n = below(4) + 1; n > 0; n--)
        put(text, "%s", parts[below(sizeof parts / sizeof *parts)]);
}

static void put_path(struct text *text)
{
    static const char *const parts[] = { "/",   "a",   "/b",  ".",   "..",  "/.",  "/..", "%41", "%25",     "%C3",
                                         "%2f", "%2F", "%7E", "%7F", "%e9", "%",   "%1",  ";",   "?",       "\\",
                                         " ",   "*",   "[a]", "%80", "%5C", "%00", "%FF", "~",   "\xC3\xA4" };

    put(text, "%s", below(5) == 0 ? "" : "/");
    for (unsigned n = below(6); n > 0; n--)
        put(text, "%s", parts[below(sizeof parts / sizeof *parts)]);
}

/* A byte that goes, comes, or is another. */
static void spoil(struct text *text)
{
    static const char alphabet[] = "0123456789abcdefABCDEFg:./:./%[] -+xX;#,\x7F\xC3\xA4\xFF";
    size_t            at = below((int64_t)text->n + 1);
    char              byte = alphabet[below(sizeof alphabet - 1)];

    switch (below(3)) {
    case 0:
        if (at < text->n) {
            memmove(text->bytes + at, text->bytes + at + 1, text->n - at - 1);
            text->n--;
        }
        break;
    case 1:
        if (at < text->n)
            text->bytes[at] = byte;
        break;
    default:
        if (text->n + 1 < sizeof text->bytes) {
            memmove(text->bytes + at + 1, text->bytes + at, text->n - at);
            text->bytes[at] = byte;
            text->n++;
        }
    }
}

static const struct {
    void (*make)(struct text *text);
    int attribute; /* 0 to 2: of which as many must be taken as are refused, within a tenth */
} kinds[] = { { put_network, 0 }, { put_name, 1 }, { put_path, 2 } };

START_TEST(random_spellings)
{
    const char *wanted = getenv("DOOR_ENTRIES");
    long        entries = wanted == NULL ? 20000 : strtol(wanted, NULL, 10);
    size_t      taken[3] = { 0 }, n, own;

    begin();
    for (long i = 0; i < entries; i++) {
        struct text text = { .n = 0 };

        kinds[_i].make(&text);
        for (unsigned spoils = below(4); spoils > 1; spoils--)
            spoil(&text);
        add((struct span){ text.bytes, text.n });
    }
    n = compare_all(taken);
    own = taken[kinds[_i].attribute];
    ck_assert_msg(own > n / 20 && own < n - n / 20, "%zu of %zu taken: no test", own, n);
    end();
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("doors");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, spellings);
    tcase_add_loop_test(tcase, random_spellings, 0, sizeof kinds / sizeof *kinds);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
