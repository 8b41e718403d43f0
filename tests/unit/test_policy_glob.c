/* GLOB against SQLite's own, and how long hostile patterns take. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sqlite3.h>

#include "policy/glob.h"

static const struct {
    const char *pattern, *text;
    bool        matches;
} pairs[] = {
    { "", "", true },
    { "", "a", false },
    { "a", "", false },
    { "*", "", true },
    { "**", "a/b", true },
    { "?", "", false },
    { "?", "a", true },
    { "?", "\xC3\xA9", true },
    { "??", "\xC3\xA9", false },
    { "*?", "", false },
    { "/items/*", "/items/", true },
    { "/items/*", "/items/1/2", true },
    { "/items/*", "/items", false },
    { "*a*b", "ab", true },
    { "*a*b", "aabbab", true },
    { "*a*b", "aabba", false },
    { "a*a", "a", false },
    { "[abc]", "b", true },
    { "[^abc]", "b", false },
    { "[^abc]", "", false },
    { "[a-c]", "b", true },
    { "[c-a]", "b", false },
    { "[a-]", "-", true },
    { "[-a]", "-", true },
    { "[a-c-e]", "d", false },
    { "[a-c-e]", "-", true },
    { "[]]", "]", true },
    { "[]a]", "a", true },
    { "[^]]", "]", false },
    { "[^]]", "a", true },
    { "[^", "a", false },
    { "[a", "a", false },
    { "[", "[", false },
    { "[]", "]", false },
    { "[[]", "[", true },
    { "[*]", "*", true },
    { "[*]", "a", false },
    { "[?]x", "?x", true },
    { "a]", "a]", true },
    { "[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true },
    { "\xE9", "\xE9", true },
    { "A", "a", false },
};

static sqlite3_stmt *statement;

static bool sqlite_glob(struct span pattern, struct span text)
{
    bool matches;

    sqlite3_bind_text(statement, 1, text.p, (int)text.n, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, pattern.p, (int)pattern.n, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_ROW)
        ck_abort_msg("SQLite fails");
    matches = sqlite3_column_int(statement, 0) == 1;
    sqlite3_reset(statement);
    return matches;
}

static void open_sqlite(sqlite3 **db)
{
    ck_assert_int_eq(sqlite3_open(":memory:", db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(*db, "SELECT ?1 GLOB ?2", -1, &statement, NULL), SQLITE_OK);
}

START_TEST(known_pairs)
{
    struct span pattern = span_of(pairs[_i].pattern), text = span_of(pairs[_i].text);
    sqlite3    *db;

    open_sqlite(&db);
    ck_assert_msg(glob_match(pattern, text) == pairs[_i].matches, "'%s' GLOB '%s'", text.p, pattern.p);
    ck_assert_msg(sqlite_glob(pattern, text) == pairs[_i].matches, "SQLite: '%s' GLOB '%s'", text.p, pattern.p);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}
END_TEST

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

/* `valid`: only UTF-8 that is; otherwise stray and missing continuation bytes, overlong forms and the like, too. */
static size_t random_text(char *out, const char *ascii, uint32_t pieces_max, bool valid)
{
    static const char *const wide[] = { "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x98\x80",
                                        "\xC3\xBF",
                                        "\x80",
                                        "\xBF",
                                        "\xC0",
                                        "\xC3",
                                        "\xC0\x80",
                                        "\xC1\xA1",
                                        "\xE2\x82",
                                        "\xED\xA0\x80",
                                        "\xEF\xBF\xBE",
                                        "\xEF\xBF\xBD",
                                        "\xF8\x80",
                                        "\xFC",
                                        "\xFD\xBF\xBF\xBF\xBF\xBF",
                                        "\xFE",
                                        "\xFF",
                                        "\xFF\x81" };
    uint32_t                 ascii_n = (uint32_t)strlen(ascii), wide_n = valid ? 4 : sizeof wide / sizeof *wide;
    size_t                   n = 0;

    for (uint32_t left = random_below(pieces_max); left > 0; left--) {
        uint32_t    choice = random_below(ascii_n + ascii_n / 3 + 1);
        const char *piece = wide[random_below(wide_n)];

        if (choice < ascii_n) {
            out[n++] = ascii[choice];
        } else {
            memcpy(out + n, piece, strlen(piece));
            n += strlen(piece);
        }
    }
    return n;
}

/* The second alphabet of texts is small, so that a good part of the pairs matches. */
START_TEST(random_pairs_as_sqlite)
{
    sqlite3 *db;
    int      matched = 0;

    open_sqlite(&db);
    random_state = (uint64_t)_i + 1;
    for (int i = 0; i < 200000; i++) {
        char        pattern[128], text[128];
        bool        valid = _i % 2 == 0;
        struct span p = { pattern, random_text(pattern, i % 2 ? "*?[]^-ab/" : "**?ab", 12, valid) };
        struct span t = { text, random_text(text, i % 2 ? "*?[]^-ab/" : "ab", 10, valid) };
        bool        expected = sqlite_glob(p, t), got = glob_match(p, t);

        if (got != expected) {
            for (size_t k = 0; k < p.n; k++)
                fprintf(stderr, "%02X ", (unsigned char)pattern[k]);
            fprintf(stderr, "<- pattern, text ->");
            for (size_t k = 0; k < t.n; k++)
                fprintf(stderr, " %02X", (unsigned char)text[k]);
            fputc('\n', stderr);
            ck_abort_msg("'%.*s' GLOB '%.*s' is %d to SQLite", (int)t.n, t.p, (int)p.n, p.p, expected);
        }
        matched += got;
    }
    ck_assert_int_gt(matched, 2000);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}
END_TEST

/* Exact blocks, so that a sanitizer sees a read beyond either end, whatever the cut leaves behind. */
START_TEST(cut_anywhere)
{
    static const char pattern[] = "*[^]a-z\xC3\xA9]?[[]-]*\xE2\x82\xAC*b[x";
    static const char text[] = "-\xC3\xA9[\xE2\x82\xAC/b\xC3";

    for (size_t i = 0; i < sizeof pattern; i++) {
        for (size_t k = 0; k < sizeof text; k++) {
            char *p = malloc(i), *t = malloc(k);

            if (i > 0)
                memcpy(p, pattern, i);
            if (k > 0)
                memcpy(t, text, k);
            glob_match((struct span){ p, i }, (struct span){ t, k });
            glob_is_closed((struct span){ p, i });
            free(p);
            free(t);
        }
    }
}
END_TEST

/* Backtracking over each '*' would take longer than the sun has. */
START_TEST(hostile_patterns_end)
{
    static const char *const units[] = { "*a", "*?a", "*[ab]", "a*", "*aaaaaaaab", "[^b]*" };
    char                     pattern[2049], text[2048];
    size_t                   n = 0, unit = strlen(units[_i]);
    clock_t                  start = clock();

    while (n + unit < sizeof pattern - 1) {
        memcpy(pattern + n, units[_i], unit);
        n += unit;
    }
    pattern[n++] = 'b';
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 5; i++)
        ck_assert(!glob_match((struct span){ pattern, n }, (struct span){ text, sizeof text }));
    /* At most 2,049 * 2,048 steps each; a second is a hundred times that. */
    ck_assert_msg((clock() - start) / CLOCKS_PER_SEC < 5, "'%s' takes too long", units[_i]);
}
END_TEST

static const struct {
    const char *pattern;
    bool        is_pattern, is_closed;
} shapes[] = {
    { "", false, true },     { "/a]b", false, true }, { "a*", true, true },   { "?", true, true },
    { "[a]", true, true },   { "[a", true, false },   { "[", true, false },   { "[]", true, false },
    { "[]]", true, true },   { "[^]]", true, true },  { "[^]", true, false }, { "[[]", true, true },
    { "[a][", true, false }, { "[a]b]", true, true }, { "[^", true, false },  { "*[]a]*", true, true },
};

START_TEST(shapes_of_patterns)
{
    struct span pattern = span_of(shapes[_i].pattern);

    ck_assert_msg(glob_is_pattern(pattern) == shapes[_i].is_pattern, "'%s'", pattern.p);
    ck_assert_msg(glob_is_closed(pattern) == shapes[_i].is_closed, "'%s'", pattern.p);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("glob");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, known_pairs, 0, sizeof pairs / sizeof *pairs);
    tcase_add_loop_test(tcase, random_pairs_as_sqlite, 0, 4);
    tcase_add_test(tcase, cut_anywhere);
    tcase_add_loop_test(tcase, hostile_patterns_end, 0, 6);
    tcase_add_loop_test(tcase, shapes_of_patterns, 0, sizeof shapes / sizeof *shapes);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
