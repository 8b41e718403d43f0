#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/analytics_file.h"
#include "store/analytics_parts.h"

/* ---- trouble, told once ---- */

__attribute__((format(printf, 2, 3))) static bool trouble(struct analytics *a, const char *format, ...)
{
    char    reason[512];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (!a->in_trouble) {
        log_write(LOG_ERROR, "%s; decisions go on, and are kept in memory until they can be written", reason);
        a->in_trouble = true;
        a->trouble_us = moment_now().mono_us;
    }
    return false;
}

void analytics_tell_recovery(struct analytics *a)
{
    const struct ledger *l = &a->ledger;

    if (a->in_trouble)
        log_write(LOG_WARNING, "%s: written again after %" PRId64 " s; no total was lost", a->path,
                  (moment_now().mono_us - a->trouble_us) / 1000000);
    if (l->books_lost + l->hours_joined != a->told_lost)
        log_write(LOG_WARNING,
                  "%s: meanwhile details of %" PRIu64 " hours and days were lost, and %" PRIu64
                  " hours were counted for the one after them",
                  a->path, l->books_lost, l->hours_joined);
    a->told_lost = l->books_lost + l->hours_joined;
    a->in_trouble = false;
}

/* Why a call of SQLite's, or an allocation beside it, failed. */
static const char *why(sqlite3 *db)
{
    return sqlite3_errcode(db) == SQLITE_OK ? "out of memory" : analytics_reason(db);
}

/* ---- the file ---- */

void analytics_close_file(struct analytics *a)
{
    analytics_responses_free(a->responses_writer);
    a->responses_writer = NULL;
    if (a->writer.db != NULL)
        sqlite3_close(writer_fini(&a->writer));
    keeper_reset(&a->keeper);
}

/* All of it, or nothing: false leaves nothing open. */
static bool prepare_all(struct analytics *a, sqlite3 *db)
{
    if (!writer_init(&a->writer, db, a->seed)) {
        trouble(a, "%s: %s", a->path, why(db));
        sqlite3_close(db);
        return false;
    }
    a->responses_writer = analytics_responses_new(db);
    if (a->responses_writer == NULL) {
        trouble(a, "%s: %s", a->path, why(db));
        analytics_close_file(a);
        return false;
    }
    return true;
}

/* So that a new one can be begun. */
static bool move_aside(struct analytics *a)
{
    static const char *const endings[] = { "-wal", "-shm", "" };
    char                     aside[4200], from[4200], to[4220], stamp[32];
    time_t                   now = time(NULL);
    struct tm                tm;

    analytics_close_file(a);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(aside, sizeof aside, "%s.damaged-%s", a->path, stamp);
    for (int i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s%s", a->path, endings[i]);
        snprintf(to, sizeof to, "%s%s", aside, endings[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return trouble(a, "%s: damaged, and cannot be moved aside: %s", a->path, strerror(errno));
    }
    ledger_forget(&a->ledger, a->tallies, a->tallies_n);
    log_write(LOG_ERROR, "%s: damaged; moved to %s, and a new one begun", a->path, aside);
    a->in_trouble = false;
    return true;
}

static bool is_same(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

#define LOG_PATH_SIZE 4200

static void log_path(const struct analytics *a, char path[LOG_PATH_SIZE])
{
    snprintf(path, LOG_PATH_SIZE, "%s-wal", a->path);
}

/* False: there is none, and `st` is all zero. */
static bool stat_log(const struct analytics *a, struct stat *st)
{
    char path[LOG_PATH_SIZE];

    log_path(a, path);
    if (stat(path, st) == 0)
        return true;
    *st = (struct stat){ .st_ino = 0 };
    return false;
}

/* What was written to one file must not be counted in another, that came while this one was closed. */
static void identify(struct analytics *a)
{
    struct stat st;

    if (stat(a->path, &st) != 0)
        return;
    if (a->opened.st_ino != 0 && !is_same(&st, &a->opened))
        ledger_forget(&a->ledger, a->tallies, a->tallies_n);
    a->opened = st;
    a->log = (struct stat){ .st_ino = 0 };
}

/* The log of the file that is no longer there would be taken for that of the one in its place, and spoil it. One that
 * came with that one stays. */
static void remove_log(const struct analytics *a)
{
    char        path[LOG_PATH_SIZE];
    struct stat st;

    log_path(a, path);
    if (stat_log(a, &st) && is_same(&st, &a->log))
        unlink(path);
}

void analytics_written(struct analytics *a)
{
    if (a->log.st_ino == 0)
        stat_log(a, &a->log);
}

static bool open_file(struct analytics *a)
{
    char     error[400];
    sqlite3 *db = analytics_open_writer(a->path, error, sizeof error);

    if (db == NULL && analytics_is_damaged(a->path) && move_aside(a))
        db = analytics_open_writer(a->path, error, sizeof error);
    if (db == NULL)
        return trouble(a, "%s", error);
    if (!prepare_all(a, db))
        return false;
    identify(a);
    rule_names_forget(&a->names);
    return true;
}

bool analytics_have_file(struct analytics *a)
{
    struct stat st;

    if (a->writer.db != NULL && (stat(a->path, &st) != 0 || !is_same(&st, &a->opened))) {
        log_write(LOG_WARNING, "%s: removed or replaced; what was written to it went with it", a->path);
        /* Closing alone would leave what is in its log, and who moved the file moved only the file. */
        sqlite3_wal_checkpoint_v2(a->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        analytics_close_file(a);
        remove_log(a);
        ledger_forget(&a->ledger, a->tallies, a->tallies_n);
    }
    return a->writer.db != NULL || open_file(a);
}

/* SQLITE_ERROR is what SQLite says of a statement that does not suit the tables: what is wrong with these says more. */
static void tell_failure(struct analytics *a, int code)
{
    char reason[400];

    snprintf(reason, sizeof reason, "%s", why(a->writer.db));
    if (code == SQLITE_ERROR || code == SQLITE_SCHEMA)
        analytics_has_tables(a->writer.db, reason, sizeof reason);
    trouble(a, "%s: %s", a->path, reason);
}

bool analytics_give_up(struct analytics *a)
{
    int  code = sqlite3_errcode(a->writer.db);
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    bool stopped = code == SQLITE_INTERRUPT && a->guard.stopped;

    if (!damaged && !stopped)
        tell_failure(a, code);
    if (!sqlite3_get_autocommit(a->writer.db))
        sqlite3_exec(a->writer.db, "ROLLBACK", NULL, NULL, NULL);
    rule_names_forget(&a->names);
    if (damaged)
        move_aside(a);
    else if (code != SQLITE_BUSY && code != SQLITE_FULL && !stopped)
        analytics_close_file(a);
    return false;
}
