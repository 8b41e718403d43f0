#include "store/analytics_responses.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/log.h"
#include "store/analytics_file.h"
#include "tally/blob.h"

/* Sums of microseconds and bytes end at what every reader of CSV has exactly; more than STRICT takes would be an error,
 * and the same one at each further attempt. */
#define SUM_MAX         "9007199254740992"

#define X_COLUMN(name)  ", " #name
#define X_VALUE(name)   ", :" #name
#define X_ADD(name)     #name " = min(" #name " + excluded." #name ", " SUM_MAX "), "
#define COLUMNS         RESPONSE_COUNTS(X_COLUMN)
#define SUMS            ", duration_count, duration_us, origin_count, origin_us"
#define PERCENTILES     "duration_p50_ms, duration_p95_ms, duration_p99_ms, origin_p95_ms"
#define PERCENTILE_ARGS ":duration_p50_ms, :duration_p95_ms, :duration_p99_ms, :origin_p95_ms"

/* `key` and `key_values`: "day" and ":day", or those of an hour. */
#define UPSERT(table, key, key_values)                                                                                 \
    "INSERT INTO " table "(" key COLUMNS SUMS ", " PERCENTILES ") VALUES (" key_values RESPONSE_COUNTS(                \
        X_VALUE) ", :duration_count, :duration_us, :origin_count, :origin_us, " PERCENTILE_ARGS                        \
                 ") ON CONFLICT DO UPDATE SET " RESPONSE_COUNTS(X_ADD) X_ADD(duration_count) X_ADD(duration_us)        \
                     X_ADD(origin_count) X_ADD(origin_us) "(" PERCENTILES ") = (" PERCENTILE_ARGS ")"

#define READ_SKETCH(table, where) "SELECT sketch FROM " table " WHERE " where " AND what = :what"
#define WRITE_SKETCH(table, key, key_values)                                                                           \
    "INSERT INTO " table "(" key ", what, sketch) VALUES (" key_values ", :what, :sketch) "                            \
    "ON CONFLICT DO UPDATE SET sketch = excluded.sketch"

/* The row of totals that one of responses goes with. The schema has triggers for it, which the agent does not run. */
#define TOTALS(table, key, key_values) "INSERT INTO " table " (" key ") VALUES (" key_values ") ON CONFLICT DO NOTHING"

enum statement { TOTALS_ROW, UPSERT_ROW, READ, WRITE, STATEMENTS };
enum span_of_time { HOUR, DAY, SPANS };

static const char *const texts[SPANS][STATEMENTS] = {
    [HOUR] = { TOTALS("hours", "day, hour", ":day, :hour"), UPSERT("hour_responses", "day, hour", ":day, :hour"),
               READ_SKETCH("hour_sketches", "day = :day AND hour = :hour"),
               WRITE_SKETCH("hour_sketches", "day, hour", ":day, :hour") },
    [DAY] = { TOTALS("days", "day", ":day"), UPSERT("day_responses", "day", ":day"),
              READ_SKETCH("day_sketches", "day = :day"), WRITE_SKETCH("day_sketches", "day", ":day") },
};

struct analytics_responses {
    sqlite3         *db;
    sqlite3_stmt    *statements[SPANS][STATEMENTS];
    struct histogram read; /* large for a stack */
    uint8_t          blob[HISTOGRAM_BLOB_MAX];
};

/* Where a row belongs. */
struct place {
    enum span_of_time span;
    char              day[sizeof "2026-11-20"];
    int               hour;
};

struct analytics_responses *analytics_responses_new(sqlite3 *db)
{
    struct analytics_responses *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->db = db;
    for (int span = 0; span < SPANS; span++) {
        for (int i = 0; i < STATEMENTS; i++) {
            if (sqlite3_prepare_v3(db, texts[span][i], -1, SQLITE_PREPARE_PERSISTENT, &a->statements[span][i], NULL) !=
                SQLITE_OK) {
                analytics_responses_free(a);
                return NULL;
            }
        }
    }
    return a;
}

void analytics_responses_free(struct analytics_responses *a)
{
    if (a == NULL)
        return;
    for (int span = 0; span < SPANS; span++)
        for (int i = 0; i < STATEMENTS; i++)
            sqlite3_finalize(a->statements[span][i]);
    free(a);
}

/* ---- binding ---- */

/* Absent: the statement is not about it. */
static int parameter(sqlite3_stmt *s, const char *name)
{
    return sqlite3_bind_parameter_index(s, name);
}

static void bind_sum(sqlite3_stmt *s, const char *name, uint64_t value)
{
    sqlite3_bind_int64(s, parameter(s, name), (int64_t)(value < BLOB_VALUE_MAX ? value : BLOB_VALUE_MAX));
}

static void bind_quantile(sqlite3_stmt *s, const char *name, const struct histogram *h, unsigned permille)
{
    if (h->count > 0)
        sqlite3_bind_double(s, parameter(s, name), (double)histogram_quantile(h, permille));
}

static sqlite3_stmt *bound(struct analytics_responses *a, const struct place *place, enum statement statement)
{
    sqlite3_stmt *s = a->statements[place->span][statement];

    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    sqlite3_bind_text(s, parameter(s, ":day"), place->day, -1, SQLITE_STATIC);
    if (place->span == HOUR)
        sqlite3_bind_int(s, parameter(s, ":hour"), place->hour);
    return s;
}

static bool done(sqlite3_stmt *s)
{
    bool good = sqlite3_step(s) == SQLITE_DONE;

    sqlite3_reset(s);
    return good;
}

/* ---- histograms ---- */

/* Into a->read: empty when there is none. */
static bool read_sketch(struct analytics_responses *a, const struct place *place, const char *what)
{
    static struct log_rate rate;
    sqlite3_stmt          *s = bound(a, place, READ);
    int                    result;

    sqlite3_bind_text(s, parameter(s, ":what"), what, -1, SQLITE_STATIC);
    result = sqlite3_step(s);
    a->read = (struct histogram){ 0 };
    /* Totals are exact without it; only percentiles begin anew. */
    if (result == SQLITE_ROW &&
        !histogram_read(&a->read, (struct span){ sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0) }))
        log_write_rated(&rate, LOG_WARNING, "analytics.db: the histogram '%s' of %s is damaged and begins anew", what,
                        place->day);
    sqlite3_reset(s);
    return result == SQLITE_ROW || result == SQLITE_DONE;
}

/* Adds `taken` to what the file has; a->read is then the sum. */
static bool merge_sketch(struct analytics_responses *a, const struct place *place, const char *what,
                         const struct histogram *taken)
{
    sqlite3_stmt *s;
    size_t        n;

    if (!read_sketch(a, place, what))
        return false;
    if (taken->count == 0)
        return true;
    histogram_merge(&a->read, taken);
    n = histogram_write(&a->read, a->blob);
    s = bound(a, place, WRITE);
    sqlite3_bind_text(s, parameter(s, ":what"), what, -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, parameter(s, ":sketch"), a->blob, (int)n, SQLITE_STATIC);
    return done(s);
}

/* ---- rows ---- */

static bool write_row(struct analytics_responses *a, const struct place *place, const struct responses_hour *taken)
{
    sqlite3_stmt *s = bound(a, place, UPSERT_ROW);

    if (!done(bound(a, place, TOTALS_ROW)))
        return false;
    if (!merge_sketch(a, place, "duration", &taken->duration))
        return false;
    bind_quantile(s, ":duration_p50_ms", &a->read, 500);
    bind_quantile(s, ":duration_p95_ms", &a->read, 950);
    bind_quantile(s, ":duration_p99_ms", &a->read, 990);
    if (!merge_sketch(a, place, "origin", &taken->origin))
        return false;
    bind_quantile(s, ":origin_p95_ms", &a->read, 950);
#define X(name) bind_sum(s, ":" #name, taken->name);
    RESPONSE_COUNTS(X)
#undef X
    bind_sum(s, ":duration_count", taken->duration.count);
    bind_sum(s, ":duration_us", taken->duration.sum * 1000);
    bind_sum(s, ":origin_count", taken->origin.count);
    bind_sum(s, ":origin_us", taken->origin.sum * 1000);
    return done(s);
}

bool analytics_responses_write(struct analytics_responses *a, const struct responses *taken)
{
    for (unsigned i = 0; i < taken->n; i++) {
        struct place place = { .span = HOUR, .hour = (int)(taken->hours[i].hour % 24) };

        day_format(taken->hours[i].hour / 24, place.day);
        if (!write_row(a, &place, &taken->hours[i]))
            return false;
        place.span = DAY;
        if (!write_row(a, &place, &taken->hours[i]))
            return false;
    }
    return true;
}
