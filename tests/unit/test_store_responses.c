/* Responses in analytics.db: sums of all that was taken, percentiles of all of it, also after a restart or a
 * rollback. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/analytics_file.h"
#include "store/analytics_responses.h"

#define HOUR INT64_C(498657) /* 2026-11-20T09 */

static char                        dir[32], path[64];
static sqlite3                    *db;
static struct analytics_responses *store;
static struct responses           *taken;

static void open_all(void)
{
    char error[256];

    db = analytics_open_writer(path, error, sizeof error);
    ck_assert_msg(db != NULL, "%s", error);
    store = analytics_responses_new(db);
    ck_assert_msg(store != NULL, "%s", analytics_reason(db));
}

static void close_all(void)
{
    analytics_responses_free(store);
    analytics_close_writer(db);
}

static void begin(void)
{
    strcpy(dir, "/tmp/spoa-responses-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/analytics.db", dir);
    taken = responses_new();
    open_all();
}

static void end(void)
{
    char command[64];

    close_all();
    responses_free(taken);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void sql(const char *text)
{
    ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
}

/* The first row, with | between, as somebody else reads it. */
static void expect(const char *text, const char *row)
{
    char          seen[512] = "";
    sqlite3      *reader;
    sqlite3_stmt *s;

    ck_assert_int_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(reader, text, -1, &s, NULL) == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(reader));
    if (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *value = (const char *)sqlite3_column_text(s, i);

            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s", i > 0 ? "|" : "",
                     value != NULL ? value : "NULL");
        }
    }
    sqlite3_finalize(s);
    sqlite3_close(reader);
    ck_assert_msg(strcmp(seen, row) == 0, "%s: %s instead of %s", text, seen, row);
}

static void add(int64_t hour, int status, int64_t duration_ms, int64_t origin_ms)
{
    struct response one = { .hour = hour,
                            .status = status,
                            .bytes = 100,
                            .by = RESPONSE_BY_AGENT,
                            .duration_ms = duration_ms,
                            .origin_ms = origin_ms,
                            .path = SPAN_LITERAL("/") };

    ck_assert(responses_add(taken, &one, 1));
}

static void write_all(void)
{
    sql("BEGIN");
    ck_assert_msg(analytics_responses_write(store, taken), "%s", sqlite3_errmsg(db));
    sql("COMMIT");
    responses_clear(taken);
}

START_TEST(columns)
{
    struct responses_hour *h = &taken->hours[0];
    uint64_t               value = 1;

    taken->n = 1;
    h->hour = HOUR;
#define X(name) h->name = value++;
    RESPONSE_COUNTS(X)
#undef X
    write_all();
    expect("SELECT status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, status_other, not_found, bytes, "
           "coarse_denied, "
           "ban_denied, undecided, aborted, origin_errors, tunnels, streams, origin_4xx, origin_404, origin_5xx, "
           "refused_4xx, "
           "refused_5xx, duration_count, duration_p50_ms FROM hour_responses WHERE day = '2026-11-20' AND hour = 9",
           "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|0|NULL");
    expect("SELECT aborted, origin_errors, tunnels, streams, origin_4xx, origin_404, origin_5xx, refused_4xx, "
           "refused_5xx FROM hourly_summary",
           "12|13|14|15|16|17|18|19|20");
    expect("SELECT responses, requests, duration_avg_ms, origin_p95_ms FROM daily_summary WHERE day = '2026-11-20'",
           "21|0|NULL|NULL");
    expect("SELECT count(*) FROM hour_sketches", "0");
}
END_TEST

/* Second after second, and after restarts. */
START_TEST(sums)
{
    for (int i = 1; i <= 100; i++) {
        add(HOUR, i % 2 ? 200 : 404, i, i % 4 ? i / 2 : -1);
        if (i % 10 == 0)
            write_all();
        if (i % 30 == 0) {
            close_all();
            open_all();
        }
    }
    add(HOUR + 15, 200, -1, -1); /* the next day */
    add(HOUR + 14, 500, 7, 7);   /* and the last hour of this one */
    write_all();
    expect(
        "SELECT day, hour, responses, status_2xx, not_found, bytes, duration_avg_ms, duration_p50_ms, duration_p95_ms, "
        "duration_p99_ms, origin_avg_ms, origin_p95_ms FROM hourly_summary WHERE hour = 9",
        "2026-11-20|9|100|50|50|10000|50.5|50.0|94.0|98.0|24.667|47.0");
    expect("SELECT responses, duration_avg_ms, duration_p50_ms FROM daily_summary WHERE day = '2026-11-20'",
           "101|50.069|50.0");
    expect("SELECT hour, responses, duration_p50_ms FROM hourly_summary WHERE day = '2026-11-20' AND hour = 23",
           "23|1|7.0");
    expect("SELECT responses, duration_p50_ms FROM daily_summary WHERE day = '2026-11-21'", "1|NULL");
    expect("SELECT count(*) FROM hourly_summary", "3");
}
END_TEST

START_TEST(rolled_back)
{
    add(HOUR, 200, 5, 5);
    sql("BEGIN");
    ck_assert(analytics_responses_write(store, taken));
    sql("ROLLBACK");
    expect("SELECT count(*) FROM hour_responses", "0");
    write_all();
    expect("SELECT responses, duration_p50_ms, duration_avg_ms FROM daily_summary", "1|5.0|5.0");
}
END_TEST

/* What cannot be written is told, and can be once the reason is gone. */
START_TEST(refused)
{
    add(HOUR, 200, 5, 5);
    /* Overflows for a row of 'duration'. */
    sql("CREATE INDEX stop ON day_sketches(abs(-9223372036854775800 - length(what)))");
    sql("BEGIN");
    ck_assert(!analytics_responses_write(store, taken));
    ck_assert_str_eq(analytics_reason(db), "integer overflow");
    sql("ROLLBACK; DROP INDEX stop");
    write_all();
    expect("SELECT responses FROM daily_summary", "1");
}
END_TEST

/* Of a day that an earlier version began these numbers are not known, and do not become known; of the next they are. */
START_TEST(begun_before)
{
    sql("INSERT INTO day_responses (day, status_4xx, aborted) VALUES ('2026-11-20', 7, 2)");
    add(HOUR, 101, -1, 5);
    taken->hours[0].tunnels = taken->hours[0].origin_4xx = 3;
    write_all();
    expect("SELECT status_1xx, status_4xx, aborted, tunnels, origin_4xx, refused_4xx FROM daily_summary",
           "1|7|2|NULL|NULL|NULL");
    expect("SELECT tunnels, origin_4xx, refused_4xx FROM hourly_summary", "3|3|0");
}
END_TEST

/* A damaged histogram costs percentiles, no totals; and no sum becomes too large for the file. */
START_TEST(damaged)
{
    add(HOUR, 200, 5, 5);
    write_all();
    sql("UPDATE hour_sketches SET sketch = x'0102' WHERE what = 'duration'");
    sql("UPDATE hour_responses SET bytes = 9007199254740990");
    add(HOUR, 200, 9, 9);
    write_all();
    expect("SELECT responses, bytes, duration_p50_ms, duration_avg_ms FROM hourly_summary",
           "2|9007199254740992|9.0|7.0");
    expect("SELECT duration_p99_ms FROM daily_summary", "9.0");
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store of responses");
    TCase   *tcase = tcase_create("responses");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, columns);
    tcase_add_test(tcase, sums);
    tcase_add_test(tcase, rolled_back);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, begun_before);
    tcase_add_test(tcase, damaged);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
