/* The pieces of which CSV files and the page are made, and UTF-8. */
#include <check.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/utf8.h"
#include "store/html.h"
#include "store/report.h"

extern const char analytics_sql[], analytics_2_sql[];

/* ---- UTF-8 ---- */

static const struct {
    const char *text;
    size_t      n, sequence;
} sequences[] = {
    { "", 0, 0 },
    { "a", 1, 1 },
    { "\0", 1, 0 },
    { "\x7F", 1, 1 },
    { "\x80", 1, 0 },
    { "\xBF", 1, 0 },
    { "\xC0\xAF", 2, 0 }, /* overlong / */
    { "\xC1\xBF", 2, 0 },
    { "\xC2\x80", 2, 2 },
    { "\xC2", 1, 0 },
    { "\xC2\x7F", 2, 0 },
    { "\xC2\xC0", 2, 0 },
    { "\xDF\xBFz", 3, 2 },
    { "\xE0\x9F\xBF", 3, 0 }, /* overlong */
    { "\xE0\xA0\x80", 3, 3 },
    { "\xE0\xA0", 2, 0 },
    { "\xE2\x82\x7F", 3, 0 },
    { "\xED\x9F\xBF", 3, 3 },
    { "\xED\xA0\x80", 3, 0 }, /* a surrogate */
    { "\xEE\x80\x80", 3, 3 },
    { "\xF0\x8F\xBF\xBF", 4, 0 }, /* overlong */
    { "\xF0\x90\x80\x80", 4, 4 },
    { "\xF0\x90\x80", 3, 0 },
    { "\xF0\x90\x80\xC0", 4, 0 },
    { "\xF4\x8F\xBF\xBF", 4, 4 },
    { "\xF4\x90\x80\x80", 4, 0 }, /* above U+10FFFF */
    { "\xF5\x80\x80\x80", 4, 0 },
    { "\xFF", 1, 0 },
};

START_TEST(sequence)
{
    ck_assert_uint_eq(utf8_sequence((struct span){ sequences[_i].text, sequences[_i].n }), sequences[_i].sequence);
}
END_TEST

START_TEST(repair)
{
    static const char given[] = "a\xC3\xA9\xFF\0\xE2\x82z";
    struct span       text = { given, sizeof given - 1 };
    char              out[UTF8_REPAIRED_MAX(sizeof given)];

    ck_assert_uint_eq(utf8_repair(text, out, sizeof out), strlen("a\xC3\xA9\\xFF\\x00\\xE2\\x82z"));
    ck_assert_str_eq(out, "a\xC3\xA9\\xFF\\x00\\xE2\\x82z");
    /* What does not fit is left out whole. */
    ck_assert_uint_eq(utf8_repair(text, out, 7), 3);
    ck_assert_str_eq(out, "a\xC3\xA9");
    ck_assert_uint_eq(utf8_repair(text, out, 8), 7);
    ck_assert_str_eq(out, "a\xC3\xA9\\xFF");
    ck_assert_uint_eq(utf8_repair(text, out, 3), 1);
    ck_assert_uint_eq(utf8_repair(text, out, 1), 0);
    ck_assert_uint_eq(utf8_repair(SPAN_LITERAL(""), out, 1), 0);
    ck_assert_str_eq(out, "");
}
END_TEST

/* ---- HTML ---- */

static char  *written;
static size_t written_n;
static FILE  *out;

static void begin(void)
{
    out = open_memstream(&written, &written_n);
    ck_assert_ptr_nonnull(out);
}

static void end(void)
{
    free(written);
}

static void is_written(const char *expected)
{
    fclose(out);
    ck_assert_str_eq(written, expected);
}

START_TEST(markup_is_text)
{
    html_text(out, SPAN_LITERAL("<a href=\"x\" b='y'>&amp;</a>"), 0);
    is_written("&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
}
END_TEST

START_TEST(controls_are_shown)
{
    html_text(out, SPAN_LITERAL("a\0b\r\n\t\x1B\x7F\xC2\x85\xC2\xA0\xFF\xC3\xA9"), 0);
    is_written("a\\x00b\\x0D\\x0A\\x09\\x1B\\x7F\\xC2\\x85\xC2\xA0\\xFF\xC3\xA9");
}
END_TEST

/* U+202E turns what follows; U+200B has no width; U+2066 and U+FEFF; a joiner and a dash are what they are. */
START_TEST(hidden_characters_are_shown)
{
    html_text(out, SPAN_LITERAL("a\xE2\x80\xAEg\xE2\x80\x8B\xE2\x81\xA6\xEF\xBB\xBF\xE2\x80\x8D\xE2\x80\x93"), 0);
    is_written("a\\xE2\\x80\\xAEg\\xE2\\x80\\x8B\\xE2\\x81\\xA6\\xEF\\xBB\\xBF\xE2\x80\x8D\xE2\x80\x93");
}
END_TEST

START_TEST(names_are_cut_between_characters)
{
    html_text(out, SPAN_LITERAL("\xC3\xA9<\xC3\xA9xy"), 3);
    putc(' ', out);
    html_text(out, SPAN_LITERAL("xyz"), 3);
    is_written("\xC3\xA9&lt;\xC3\xA9… xyz");
}
END_TEST

START_TEST(counts)
{
    static const int64_t numbers[] = { 0, 999, 1000, 123456, 1234567, INT64_MAX, -1000, -100, INT64_MIN };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        html_count(out, numbers[i]);
        putc(' ', out);
    }
    is_written("0 999 1,000 123,456 1,234,567 9,223,372,036,854,775,807 -1,000 -100 -9,223,372,036,854,775,808 ");
}
END_TEST

START_TEST(times)
{
    static const double ms[] = { 0, 1, 3, 9, 45, 999, 999.4, 999.6, 9994, 9996, 12345 };

    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
        html_ms(out, ms[i]);
        putc(';', out);
    }
    is_written("&lt; 1 ms;1 ms;3 ms;9 ms;45 ms;999 ms;999 ms;1.00 s;9.99 s;10.0 s;12.3 s;");
}
END_TEST

START_TEST(bytes)
{
    static const int64_t numbers[] = { 0, 512, 999, 1000, 1540, 99949, 99950, 999499, 999500, 20346664, INT64_MAX };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        html_bytes(out, numbers[i]);
        putc(';', out);
    }
    is_written("0 B;512 B;999 B;1.0 kB;1.5 kB;99.9 kB;100 kB;999 kB;1.0 MB;20.3 MB;9.2 EB;");
}
END_TEST

START_TEST(percentages)
{
    static const int64_t parts[] = { 0, 1, 999, 1000, 74400, 999000, 999001, 1000000 };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        html_percent(out, parts[i], 1000000);
        putc(';', out);
    }
    is_written("0.0 %;&lt; 0.1 %;&lt; 0.1 %;0.1 %;7.4 %;99.9 %;&gt; 99.9 %;100.0 %;");
}
END_TEST

/* The number at the top of the axis. */
static void axis_ends_at(int64_t requests, const char *top)
{
    const struct slot slot = {
        .at = 0, .label = "00:00", .known = true, .allowed = requests, .percentile_ms = { -1, -1, -1 }
    };
    const struct chart chart = { .slots = &slot, .n = 1, .width = 1 };
    char               expected[64];

    begin();
    html_request_chart(out, &chart);
    fclose(out);
    snprintf(expected, sizeof expected, "class=\"y\"><span>%s</span>", top);
    ck_assert_msg(strstr(written, expected) != NULL, "%s: %s", top, written);
    free(written);
}

START_TEST(axes)
{
    axis_ends_at(0, "2");
    axis_ends_at(1, "2");
    axis_ends_at(3, "4");
    axis_ends_at(9, "10");
    axis_ends_at(10, "10");
    axis_ends_at(11, "12");
    axis_ends_at(101, "120");
    axis_ends_at(10107, "12,000");
    axis_ends_at(999999, "1,000,000");
    axis_ends_at(1000001, "1,200,000");
}
END_TEST

/* Hours that follow on each other are joined; one that stands alone is a dash. */
START_TEST(curves_have_gaps)
{
    struct slot        slots[5];
    const struct chart chart = { .slots = slots, .n = 5, .width = 24 };

    for (int i = 0; i < 5; i++)
        slots[i] = (struct slot){ .at = i, .label = "x", .percentile_ms = { 10, 10, 10 } };
    slots[2].percentile_ms[0] = slots[2].percentile_ms[1] = slots[2].percentile_ms[2] = -1;
    slots[4].at = 9;
    html_latency_chart(out, &chart);
    fclose(out);
    ck_assert_msg(strstr(written, "d=\"M0.5 0.000L1.5 0.000M3.3 0.000h.4M9.3 0.000h.4\"") != NULL, "%s", written);
}
END_TEST

/* Broken behind a colon, but for those of `::`. */
START_TEST(addresses)
{
    static const char *const clients[] = { "134.158.231.20", "2001:db8:1::/64", "::1", "plain", "dead beef.", "a<b:c" };

    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        html_client(out, span_of(clients[i]));
        putc(';', out);
    }
    is_written("<bdi class=\"address\">134.158.231.20</bdi>;<bdi class=\"address\">2001:<wbr>db8:<wbr>1::/64</bdi>;"
               "<bdi class=\"address\">::<wbr>1</bdi>;<bdi>plain</bdi>;<bdi>dead beef.</bdi>;<bdi>a&lt;b:c</bdi>;");
}
END_TEST

/* ---- days and hours without data ---- */

/* 2026-11-26T12:30:00Z */
#define NOW 1795696200

/* The page of a range, with data on two days and in two hours of one of them. */
static void write_page(const char *since, const char *until, const char *more_sql)
{
    struct report_range range;
    sqlite3            *db;

    snprintf(range.since, sizeof range.since, "%s", since);
    snprintf(range.until, sizeof range.until, "%s", until);
    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, analytics_sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, analytics_2_sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db,
                     "INSERT INTO days (day, allowed) VALUES ('2026-11-19', 5), ('2026-11-21', 7);"
                     "INSERT INTO hours (day, hour, allowed) VALUES ('2026-11-21', 9, 3), ('2026-11-21', 11, 4)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, more_sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_msg(report_html(db, &range, NOW, out), "%s", sqlite3_errmsg(db));
    fclose(out);
    sqlite3_close(db);
}

static const struct {
    const char *since, *until, *sql;
    const char *shown[4], *hidden[3];
} gaps[] = {
    /* Before, between, behind; days to come are none. */
    { "2026-11-10",
      "2026-11-30",
      "",
      { "The last data is of <b>2026-11-21</b>: nothing was recorded on the 5 days from 2026-11-22 to 2026-11-26 "
        "(today).",
        "2026-11-10 to 2026-11-18: no data", "2026-11-20: no data", "2026-11-22 to 2026-11-26: no data" },
      { "2026-11-27", "not drawn" } },
    { "2026-11-10", "2026-11-22", "", { "nothing was recorded on 2026-11-22. Either" }, { "2026-11-23" } },
    { "2026-11-10",
      "2026-11-26",
      "INSERT INTO days (day) VALUES ('2026-11-25')",
      { "on 2026-11-26 (today). Either" },
      { NULL } },
    { "2026-11-19", "2026-11-21", "", { "2026-11-20: no data" }, { "The last data" } },
    { "2026-11-10",
      "2026-11-30",
      "INSERT INTO days (day) VALUES ('2026-11-26')",
      { "2026-11-26: 0 requests" },
      { "The last data" } },
    /* None at all. */
    { "2026-11-23",
      "2026-11-24",
      "",
      { "nothing was recorded on the 3 days from 2026-11-22 to 2026-11-24. Either",
        "Nothing was recorded on these days." },
      { NULL } },
    { "2026-11-24",
      "2026-11-24",
      "",
      { "nothing was recorded on the 3 days from", "Nothing was recorded on this day." },
      { NULL } },
    { "2026-11-01", "2026-11-05", "", { "Nothing was recorded on these days." }, { "The last data" } },
    { "2026-11-28", "2026-11-30", "", { "Nothing was recorded on these days." }, { "The last data" } },
    /* A wrong clock had made days to come. */
    { "2026-11-10",
      "2026-12-24",
      "INSERT INTO days (day, denied) VALUES ('2026-12-02', 1)",
      { "2026-11-22 to 2026-12-01: no data", "2026-12-02: 1 requests" },
      { "The last data", "2026-12-03" } },
    /* Of a day. */
    { "2026-11-21",
      "2026-11-21",
      "",
      { "The last data is of the hour <b>11:00</b>: nothing was recorded from 12:00 to 24:00.",
        "00:00 to 08:00: no data", "10:00: no data", "12:00 to 23:00: no data" },
      { NULL } },
    { "2026-11-26",
      "2026-11-26",
      "INSERT INTO days (day) VALUES ('2026-11-26'); INSERT INTO hours (day, hour) VALUES ('2026-11-26', 9)",
      { "nothing was recorded from 10:00 to 12:00.", "10:00 to 11:00: no data" },
      { "12:00: no data", "13:00" } },
    { "2026-11-26",
      "2026-11-26",
      "INSERT INTO days (day) VALUES ('2026-11-26'); INSERT INTO hours (day, hour) VALUES ('2026-11-26', 11)",
      { "00:00 to 10:00: no data" },
      { "The last data" } },
    { "2026-11-21",
      "2026-11-21",
      "INSERT INTO hours (day, hour) VALUES ('2026-11-21', 23)",
      { "12:00 to 22:00: no data" },
      { "The last data" } },
    { "2026-11-19", "2026-11-19", "", { "The hours of this day are no longer kept." }, { "The last data", "no data" } },
    /* All days there are. */
    { "0001-01-01",
      "9999-12-31",
      "",
      { "2026-11-20: no data", "class=\"x\"><span>2026-11-19</span>" },
      { "2026-11-18", "not drawn" } },
    { "0001-01-01",
      "9999-12-31",
      "INSERT INTO days (day) VALUES ('0001-01-01'), ('2010-05-05')",
      { "Days before 2016-11-19 are not drawn.", "2016-11-19 to 2026-11-18: no data" },
      { "2010-05-05" } },
};

START_TEST(gap)
{
    write_page(gaps[_i].since, gaps[_i].until, gaps[_i].sql);
    for (int i = 0; i < 4 && gaps[_i].shown[i] != NULL; i++)
        ck_assert_msg(strstr(written, gaps[_i].shown[i]) != NULL, "no '%s' in %s", gaps[_i].shown[i], written);
    for (int i = 0; i < 3 && gaps[_i].hidden[i] != NULL; i++)
        ck_assert_msg(strstr(written, gaps[_i].hidden[i]) == NULL, "'%s' in %s", gaps[_i].hidden[i], written);
}
END_TEST

/* ---- CSV ---- */

static const struct {
    const char *value; /* in SQL */
    const char *field;
} fields[] = {
    { "NULL", "" },
    { "''", "\"\"" },
    { "5", "5" },
    { "-5", "-5" },
    { "-0.5", "-0.5" },
    { "96.0", "96.0" },
    { "'-5'", "'-5" },
    { "'a'", "a" },
    { "'a b'", "a b" },
    { "'a '", "\"a \"" },
    { "' a'", "\"' a\"" },
    { "'a,b'", "\"a,b\"" },
    { "'a\"b'", "\"a\"\"b\"" },
    { "'a' || char(13) || 'b'", "\"a\rb\"" },
    { "'a' || char(10) || 'b'", "\"a\nb\"" },
    { "'=1'", "'=1" },
    { "'+1'", "'+1" },
    { "'@1'", "'@1" },
    { "'a=1'", "a=1" },
    { "'''a'", "''a" },
    { "char(9)", "'\t" },
    { "char(13)", "\"'\r\"" },
    { "char(65309) || 1", "'\xEF\xBC\x9D"
                          "1" },
    { "char(65291)", "'\xEF\xBC\x8B" },
    { "char(65293)", "'\xEF\xBC\x8D" },
    { "char(65312)", "'\xEF\xBC\xA0" },
    { "char(65310)", "\xEF\xBC\x9E" },
    { "CAST(x'61FF' AS TEXT)", "a\\xFF" },
    { "CAST(x'6100622C63' AS TEXT)", "\"a\\x00b,c\"" },
    { "CAST(x'00' AS TEXT)", "'\\x00" },
    { "x'3D31'", "'=1" },
};

START_TEST(field)
{
    const struct report_range range = { "2026-11-20", "2026-11-20" };
    char                      text[256];
    sqlite3                  *db;

    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    snprintf(text, sizeof text, "CREATE VIEW v AS SELECT '2026-11-20' AS day, %s AS x, 'z' AS z", fields[_i].value);
    ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    ck_assert(report_csv(db, "v", &range, out));
    snprintf(text, sizeof text, "day,x,z\r\n2026-11-20,%s,z\r\n", fields[_i].field);
    is_written(text);
    sqlite3_close(db);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store/report");
    TCase   *utf8 = tcase_create("utf8"), *html = tcase_create("html"), *axis = tcase_create("axis");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(utf8, sequence, 0, (int)(sizeof sequences / sizeof *sequences));
    tcase_add_test(utf8, repair);
    suite_add_tcase(suite, utf8);
    tcase_add_checked_fixture(html, begin, end);
    tcase_add_test(html, markup_is_text);
    tcase_add_test(html, controls_are_shown);
    tcase_add_test(html, hidden_characters_are_shown);
    tcase_add_test(html, names_are_cut_between_characters);
    tcase_add_test(html, counts);
    tcase_add_test(html, times);
    tcase_add_test(html, bytes);
    tcase_add_test(html, percentages);
    tcase_add_test(html, curves_have_gaps);
    tcase_add_test(html, addresses);
    tcase_add_loop_test(html, gap, 0, (int)(sizeof gaps / sizeof *gaps));
    tcase_add_loop_test(html, field, 0, (int)(sizeof fields / sizeof *fields));
    suite_add_tcase(suite, html);
    tcase_add_test(axis, axes);
    suite_add_tcase(suite, axis);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
