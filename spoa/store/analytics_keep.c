#include "store/analytics_keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/log.h"
#include "store/analytics_file.h"
#include "tally/counts.h"

/* What one look may take of the thread's time, in microseconds, before it goes on a second later. */
#define TIME_US      300000

#define DENIALS_STEP 2000
#define VACUUM_STEP  "512" /* pages */
#define VACUUM_QUIET 512   /* so many free ones are about to be used again */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const of_hour[] = {
    "DELETE FROM hour_rules WHERE day = ?1 AND hour = ?2",
    "DELETE FROM hour_clients WHERE day = ?1 AND hour = ?2",
    "DELETE FROM hour_paths WHERE day = ?1 AND hour = ?2",
    "DELETE FROM hour_responses WHERE day = ?1 AND hour = ?2",
    "DELETE FROM hour_sketches WHERE day = ?1 AND hour = ?2",
    "DELETE FROM minutes WHERE day = ?1 AND minute BETWEEN 60 * ?2 AND 60 * ?2 + 59",
    "DELETE FROM hours WHERE day = ?1 AND hour = ?2",
};

static const char *const of_day[] = {
    "DELETE FROM day_rules WHERE day = ?1",    "DELETE FROM day_clients WHERE day = ?1",
    "DELETE FROM day_paths WHERE day = ?1",    "DELETE FROM day_responses WHERE day = ?1",
    "DELETE FROM day_sketches WHERE day = ?1", "DELETE FROM days WHERE day = ?1",
};

static const char *const denials_before[] = {
    "DELETE FROM denial_log WHERE id IN (SELECT id FROM denial_log WHERE time < ?1 ORDER BY id LIMIT ?2)",
};

static const char *const unused_names[] = {
    "DELETE FROM rule_names WHERE rule NOT IN"
    " (SELECT rule FROM day_rules UNION SELECT rule FROM hour_rules UNION SELECT rule FROM running_rules"
    " UNION SELECT rule FROM denial_log)",
};

enum progress { STEP_MORE, STEP_DONE, STEP_FAILED };

void keeper_init(struct keeper *k, unsigned hours, unsigned days, uint64_t max_bytes)
{
    *k = (struct keeper){ .hours = hours, .days = days, .max_bytes = max_bytes, .hour = -1, .forgot = true };
}

void keeper_reset(struct keeper *k)
{
    keeper_init(k, k->hours, k->days, k->max_bytes);
}

/* The first row's first two columns. False: there is none, or it failed (`*failed`). */
static bool first_row(sqlite3 *db, const char *sql, char text[11], int64_t *number, bool *failed)
{
    sqlite3_stmt *s = NULL;
    int           code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const char *first = (const char *)sqlite3_column_text(s, 0);

        snprintf(text, 11, "%s", first != NULL ? first : "");
        *number = sqlite3_column_int64(s, 1);
    }
    sqlite3_finalize(s);
    *failed = code != SQLITE_ROW && code != SQLITE_DONE;
    return code == SQLITE_ROW;
}

static int64_t pragma(sqlite3 *db, const char *name)
{
    char    sql[64], text[11];
    int64_t value = 0;
    bool    failed;

    snprintf(sql, sizeof sql, "SELECT '', %s FROM pragma_%s", name, name);
    first_row(db, sql, text, &value, &failed);
    return value;
}

static bool is_too_large(const struct keeper *k, sqlite3 *db)
{
    int64_t used = pragma(db, "page_count") - pragma(db, "freelist_count");

    return k->max_bytes > 0 && (uint64_t)(used * pragma(db, "page_size")) > k->max_bytes;
}

/* ?1 is the day, ?2 the hour. */
static bool run_each(sqlite3 *db, const char *const *sqls, size_t n, const char *day, int64_t hour)
{
    for (size_t i = 0; i < n; i++) {
        sqlite3_stmt *s = NULL;
        bool          done = sqlite3_prepare_v2(db, sqls[i], -1, &s, NULL) == SQLITE_OK;

        sqlite3_bind_text(s, 1, day, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, hour);
        done = done && sqlite3_step(s) == SQLITE_DONE;
        if (sqlite3_finalize(s) != SQLITE_OK || !done)
            return false;
    }
    return true;
}

static enum progress transact(sqlite3 *db, const char *const *sqls, size_t n, const char *day, int64_t hour)
{
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK && run_each(db, sqls, n, day, hour) &&
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return STEP_MORE;
    return STEP_FAILED;
}

/* Days are compared as text. `today` is never too old, and what is of it is never too large. */
static bool is_kept(const struct keeper *k, sqlite3 *db, const char *day, unsigned days, int64_t today)
{
    char oldest[11], now[11];

    day_format(today - (int64_t)days, oldest);
    day_format(today, now);
    return strcmp(day, oldest) >= 0 && (strcmp(day, now) >= 0 || !is_too_large(k, db));
}

/* The period whose day and hour `first` selects, if it is not kept for so many days. */
static enum progress forget_period(const struct keeper *k, sqlite3 *db, const char *first, const char *const *sqls,
                                   size_t n, unsigned days, int64_t today)
{
    char    day[11];
    int64_t hour;
    bool    failed;

    if (!first_row(db, first, day, &hour, &failed))
        return failed ? STEP_FAILED : STEP_DONE;
    if (is_kept(k, db, day, days, today))
        return STEP_DONE;
    return transact(db, sqls, n, day, hour);
}

static enum progress forget_hour(const struct keeper *k, sqlite3 *db, int64_t today)
{
    return forget_period(k, db, "SELECT day, hour FROM hours ORDER BY day, hour LIMIT 1", of_hour, COUNT(of_hour),
                         k->hours, today);
}

static enum progress forget_day(const struct keeper *k, sqlite3 *db, int64_t today)
{
    return forget_period(k, db, "SELECT day, 0 FROM days ORDER BY day LIMIT 1", of_day, COUNT(of_day), k->days, today);
}

static enum progress forget_denials(const struct keeper *k, sqlite3 *db, int64_t today)
{
    char    day[11], oldest[11], now[11];
    int64_t unused;
    bool    failed;

    day_format(today - (int64_t)k->days, oldest);
    day_format(today, now);
    if (!first_row(db, "SELECT min(time), 0 FROM denial_log HAVING count(*) > 0", day, &unused, &failed))
        return failed ? STEP_FAILED : STEP_DONE;
    if (is_kept(k, db, day, k->days, today))
        return STEP_DONE;
    return transact(db, denials_before, COUNT(denials_before), strcmp(day, oldest) < 0 ? oldest : now, DENIALS_STEP);
}

static enum progress forget_names(struct keeper *k, sqlite3 *db)
{
    enum progress result;

    if (!k->forgot)
        return STEP_DONE;
    result = transact(db, unused_names, COUNT(unused_names), "", 0);
    k->forgot = result == STEP_FAILED;
    return result;
}

static enum progress vacuum(sqlite3 *db)
{
    if (pragma(db, "freelist_count") <= VACUUM_QUIET)
        return STEP_DONE;
    return sqlite3_exec(db, "PRAGMA incremental_vacuum(" VACUUM_STEP ")", NULL, NULL, NULL) == SQLITE_OK ? STEP_MORE
                                                                                                         : STEP_FAILED;
}

static enum progress take_step(struct keeper *k, sqlite3 *db, int64_t today)
{
    enum progress step = forget_hour(k, db, today);

    if (step == STEP_DONE)
        step = forget_day(k, db, today);
    if (step == STEP_DONE)
        step = forget_denials(k, db, today);
    k->forgot |= step == STEP_MORE;
    if (step == STEP_DONE)
        step = forget_names(k, db);
    return step == STEP_DONE ? vacuum(db) : step;
}

bool keeper_run(struct keeper *k, sqlite3 *db, struct moment now)
{
    int64_t       hour = hour_of(now.unix_us);
    enum progress step;

    if (hour == k->hour)
        return true;
    do
        step = take_step(k, db, hour / 24);
    while (step == STEP_MORE && moment_now().mono_us - now.mono_us < TIME_US);
    if (step != STEP_DONE)
        return step == STEP_MORE;
    k->hour = hour;
    if (is_too_large(k, db) && !k->told_full)
        log_write(LOG_WARNING, "analytics.db: larger than --max-analytics %" PRIu64 " with what it has of today",
                  k->max_bytes >> 20);
    k->told_full = is_too_large(k, db);
    return true;
}
