/* Totals, single denials, names; the details are in analytics_details.c. */
#include "store/analytics_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "store/analytics_file.h"
#include "store/analytics_statements.h"

#define ADD(column) #column " = " #column " + excluded." #column
#define ADD_RULE    ADD(matched) ", " ADD(allowed) ", " ADD(slowed) ", " ADD(denied) ", " ADD(shadow_denied)

/* Of hours and days: ?1 is the day, ?2 the hour of it, which statements of days leave alone. */
#define HOUR_COLUMNS "day, hour"
#define HOUR_VALUES  "?1, ?2"
#define HOUR_IS      "day = ?1 AND hour = ?2"
#define DAY_COLUMNS  "day"
#define DAY_VALUES   "?1"
#define DAY_IS       "day = ?1"

/* clang-format off */
#define PERIOD_SQL(p, columns, values, is)                                                                             \
    "INSERT INTO " p "s (" columns ", allowed, slowed, denied, shadow_denied, denials_left_out) VALUES (" values       \
    ", ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET " ADD(allowed) ", " ADD(slowed) ", " ADD(denied) ", "             \
    ADD(shadow_denied) ", " ADD(denials_left_out),                                                                     \
    "INSERT INTO " p "_rules (" columns ", rule, matched, allowed, slowed, denied, shadow_denied) VALUES (" values     \
    ", ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET " ADD_RULE,                                                   \
    "INSERT INTO " p "_clients (" columns ", rest, src, requests, denied) VALUES (" values ", 1, '', ?3, ?4)"          \
    " ON CONFLICT DO UPDATE SET " ADD(requests) ", " ADD(denied),                                                      \
    "INSERT INTO " p "_paths (" columns ", rest, path, requests, denied) VALUES (" values ", 1, '', ?3, ?4)"           \
    " ON CONFLICT DO UPDATE SET " ADD(requests) ", " ADD(denied),                                                      \
    "SELECT allowed + slowed + denied, denied FROM " p "s WHERE " is,                                                  \
    "UPDATE " p "s SET clients = ?3 WHERE " is,                                                                        \
    "DELETE FROM " p "_clients WHERE " is,                                                                             \
    "DELETE FROM " p "_paths WHERE " is,                                                                               \
    /* Two texts that are the same only as they are written become one row. */                                         \
    "INSERT INTO " p "_clients (" columns ", rest, src, requests, denied, error_bound) VALUES (" values                \
    ", ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET " ADD(requests) ", " ADD(denied) ", " ADD(error_bound),           \
    "INSERT INTO " p "_paths (" columns ", rest, path, requests, denied, error_bound, duration_count, duration_us)"    \
    " VALUES (" values ", ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET " ADD(requests) ", " ADD(denied) ", "  \
    ADD(error_bound) ", " ADD(duration_count) ", " ADD(duration_us),                                                   \
    "SELECT rest, src, requests, denied, error_bound, 0, 0 FROM " p "_clients WHERE " is " ORDER BY rest DESC",        \
    "SELECT rest, path, requests, denied, error_bound, duration_count, duration_us FROM " p "_paths WHERE " is         \
    " ORDER BY rest DESC",                                                                                             \
    "INSERT OR REPLACE INTO " p "_sketches (" columns ", what, sketch) VALUES (" values ", 'clients', ?3)",            \
    "SELECT sketch FROM " p "_sketches WHERE what = 'clients' AND " is
/* clang-format on */

static const char *const sqls[STATEMENTS] = {
    PERIOD_SQL("hour", HOUR_COLUMNS, HOUR_VALUES, HOUR_IS),
    PERIOD_SQL("day", DAY_COLUMNS, DAY_VALUES, DAY_IS),
    [STATEMENT_MINUTE] = "INSERT INTO minutes (day, minute, requests, denied) VALUES (?1, ?2, ?3, ?4)"
                         " ON CONFLICT DO UPDATE SET " ADD(requests) ", " ADD(denied),
    [STATEMENT_READ_RUNNING] = "SELECT 1 FROM running WHERE day = ?1 AND hour = ?2",
    [STATEMENT_RUNNING] = "INSERT INTO running (day, hour) VALUES (?1, ?2)",
    [STATEMENT_RUNNING_RULE] = "INSERT INTO running_rules (rule, matched, allowed, slowed, denied, shadow_denied) "
                               "VALUES (?3, ?4, ?5, ?6, ?7, ?8)"
                               " ON CONFLICT DO UPDATE SET " ADD_RULE,
    [STATEMENT_DENIAL] = "INSERT INTO denial_log (time, shadow, src, method, host, path, rule, status, retry_after)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STATEMENT_TRIM_DENIALS] =
        "DELETE FROM denial_log WHERE shadow = ?1 AND time < (SELECT time FROM denial_log WHERE shadow = ?1"
        " ORDER BY time DESC LIMIT 1 OFFSET ?2)",
    [STATEMENT_NAME] =
        "INSERT INTO rule_names (rule, name) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET name = excluded.name"
        " WHERE name <> excluded.name",
};

_Static_assert(STATEMENTS <= WRITER_STATEMENTS_MAX, "room for all statements");

bool writer_init(struct analytics_writer *w, sqlite3 *db, uint64_t seed)
{
    *w = (struct analytics_writer){ .db = db, .seed = seed };
    w->rows = malloc(SKETCH_KEYS * sizeof *w->rows);
    w->texts = malloc((size_t)SKETCH_KEYS * SKETCH_PATH);
    for (int i = 0; i < STATEMENTS; i++) {
        if (w->rows == NULL || w->texts == NULL ||
            sqlite3_prepare_v3(db, sqls[i], -1, SQLITE_PREPARE_PERSISTENT, &w->statements[i], NULL) != SQLITE_OK) {
            writer_fini(w);
            return false;
        }
    }
    return true;
}

sqlite3 *writer_fini(struct analytics_writer *w)
{
    sqlite3 *db = w->db;

    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(w->statements[i]);
    free(w->rows);
    free(w->texts);
    *w = (struct analytics_writer){ .seed = w->seed };
    return db;
}

/* ---- what statements have in common ---- */

sqlite3_stmt *writer_bind(struct analytics_writer *w, struct period period, enum statement statement)
{
    sqlite3_stmt *s = w->statements[period.is_day ? statement + STATEMENTS_OF_HOUR : statement];
    char          day[11];

    day_format(period.is_day ? period.number : period.number / 24, day);
    sqlite3_bind_text(s, 1, day, -1, SQLITE_TRANSIENT);
    /* Where days have statements without ?2, this binds nothing. */
    sqlite3_bind_int64(s, 2, period.number % 24);
    return s;
}

void writer_bind_number(sqlite3_stmt *s, int at, uint64_t number)
{
    sqlite3_bind_int64(s, at, (int64_t)number);
}

bool writer_run(sqlite3_stmt *s)
{
    bool done = sqlite3_step(s) == SQLITE_DONE;

    return sqlite3_reset(s) == SQLITE_OK && done;
}

/* ---- totals ---- */

/* The one row of `running`. More of them, which the agent never writes, would count the rules as often. */
#define RUNNING "(SELECT day, hour FROM running LIMIT 1)"

/* Ends the hour that was running, and begins this one. */
static bool run_hour(struct analytics_writer *w, struct period hour)
{
    static const char end[] =
        "INSERT INTO hour_rules SELECT day, hour, running_rules.* FROM " RUNNING ", running_rules WHERE true"
        " ON CONFLICT DO UPDATE SET " ADD_RULE ";"
        "INSERT INTO day_rules SELECT day, running_rules.* FROM " RUNNING ", running_rules WHERE true"
        " ON CONFLICT DO UPDATE SET " ADD_RULE ";"
        "DELETE FROM running_rules; DELETE FROM running";
    sqlite3_stmt *s = writer_bind(w, hour, STATEMENT_READ_RUNNING);
    bool          is_running = sqlite3_step(s) == SQLITE_ROW;

    if (sqlite3_reset(s) != SQLITE_OK)
        return false;
    return is_running || (sqlite3_exec(w->db, end, NULL, NULL, NULL) == SQLITE_OK &&
                          writer_run(writer_bind(w, hour, STATEMENT_RUNNING)));
}

static bool write_rules(sqlite3_stmt *s, const struct counts *c)
{
    for (uint32_t i = 0; i < c->rules_n; i++) {
        int at = 4;

        sqlite3_bind_int64(s, 3, c->rules[i].rule);
#define X(name) writer_bind_number(s, at++, c->rules[i].name);
        RULE_COUNTS(X)
#undef X
        if (!writer_run(s))
            return false;
    }
    return true;
}

static bool write_period(struct analytics_writer *w, struct period period, const struct counts *c)
{
    static const enum statement rests[] = { STATEMENT_REST_OF_CLIENTS, STATEMENT_REST_OF_PATHS };
    sqlite3_stmt               *s = writer_bind(w, period, STATEMENT_TOTALS);

    writer_bind_number(s, 3, c->allowed);
    writer_bind_number(s, 4, c->slowed);
    writer_bind_number(s, 5, c->denied);
    writer_bind_number(s, 6, c->shadow_denied);
    writer_bind_number(s, 7, c->left_out);
    if (!writer_run(s))
        return false;
    /* Until the details are next written. */
    for (int i = 0; i < 2; i++) {
        s = writer_bind(w, period, rests[i]);
        writer_bind_number(s, 3, counts_requests(c));
        writer_bind_number(s, 4, c->denied);
        if (!writer_run(s))
            return false;
    }
    return true;
}

bool writer_counts(struct analytics_writer *w, struct counts *c, bool running)
{
    struct period hour = { false, c->hour }, day = { true, c->hour / 24 };
    sqlite3_stmt *s;

    counts_sort(c);
    if (!write_period(w, hour, c) || !write_period(w, day, c))
        return false;
    if (running && (!run_hour(w, hour) || !write_rules(w->statements[STATEMENT_RUNNING_RULE], c)))
        return false;
    if (!running &&
        (!write_rules(writer_bind(w, hour, STATEMENT_RULE), c) || !write_rules(writer_bind(w, day, STATEMENT_RULE), c)))
        return false;
    s = writer_bind(w, hour, STATEMENT_MINUTE);
    for (int m = 0; m < 60; m++) {
        if (c->minutes[m].requests == 0)
            continue;
        sqlite3_bind_int64(s, 2, c->hour % 24 * 60 + m);
        writer_bind_number(s, 3, c->minutes[m].requests);
        writer_bind_number(s, 4, c->minutes[m].denied);
        if (!writer_run(s))
            return false;
    }
    return true;
}

/* ---- single denials, names ---- */

static void bind_text(sqlite3_stmt *s, int at, bool is_there, const char *text)
{
    if (is_there)
        sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(s, at);
}

bool writer_denial(struct analytics_writer *w, const struct denial *denial)
{
    sqlite3_stmt *s = w->statements[STATEMENT_DENIAL];
    time_t        seconds = (time_t)(denial->unix_us / 1000000);
    char          stamp[32], text[48];
    struct tm     tm;

    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03dZ", stamp, (int)(denial->unix_us / 1000 % 1000));
    sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, denial->shadow);
    bind_text(s, 3, denial->has_src, denial->src);
    bind_text(s, 4, denial->has_method, denial->method);
    bind_text(s, 5, denial->has_host, denial->host);
    bind_text(s, 6, true, denial->path);
    sqlite3_bind_int64(s, 7, denial->rule);
    sqlite3_bind_int(s, 8, denial->status);
    if (denial->retry_after_s > 0)
        sqlite3_bind_int64(s, 9, denial->retry_after_s);
    else
        sqlite3_bind_null(s, 9);
    return writer_run(s);
}

bool writer_trim_denials(struct analytics_writer *w)
{
    sqlite3_stmt *s = w->statements[STATEMENT_TRIM_DENIALS];
    bool          done = true;

    for (int shadow = 0; shadow <= 1 && done; shadow++) {
        sqlite3_bind_int(s, 1, shadow);
        sqlite3_bind_int(s, 2, DENIAL_LOG_MAX - 1);
        done = writer_run(s);
    }
    return done;
}

bool writer_name(struct analytics_writer *w, int64_t rule, const char *name)
{
    sqlite3_stmt *s = w->statements[STATEMENT_NAME];

    sqlite3_bind_int64(s, 1, rule);
    sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
    return writer_run(s);
}
