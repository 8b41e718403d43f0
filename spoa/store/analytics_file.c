#include "store/analytics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/log.h"
#include "store/guard.h"
#include "store/schema.h"

/* sql/analytics.sql and sql/analytics_2.sql, embedded by the Makefile */
extern const char analytics_sql[], analytics_2_sql[];

static const char *const steps[ANALYTICS_VERSION] = { analytics_sql, analytics_2_sql };

/* How long a statement waits for a lock. */
#define PATIENCE_MS 1000

__attribute__((format(printf, 3, 4))) static bool fail(char *error, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
    return false;
}

/* The first column of the first row. */
static bool integer(sqlite3 *db, const char *sql, int *value)
{
    sqlite3_stmt *statement = NULL;
    bool          is_there;

    is_there = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
    if (is_there)
        *value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return is_there;
}

/* The version of what is ours, 0 of an empty database; -1: `error` says what it is instead. */
static int version_of(sqlite3 *db, int newest, char *error, size_t size)
{
    int tables, application, version;

    if (!integer(db, "SELECT count(*) FROM sqlite_schema", &tables) ||
        !integer(db, "PRAGMA application_id", &application) || !integer(db, "PRAGMA user_version", &version)) {
        if (sqlite3_errcode(db) == SQLITE_CANTOPEN || sqlite3_errcode(db) == SQLITE_READONLY)
            fail(error, size,
                 "left in WAL mode by an agent that did not end in order, and then only readable with write access to "
                 "its "
                 "directory: read it as the agent's user, or start the agent");
        else
            fail(error, size, "%s", guard_reason(db));
        return -1;
    }
    if (tables == 0 && application == 0 && version == 0)
        return 0;
    if (application != ANALYTICS_APPLICATION || version <= 0) {
        fail(error, size, "not an analytics database");
        return -1;
    }
    if (version > newest) {
        fail(error, size, "its schema has version %d, and this program knows %d: upgrade the program", version, newest);
        return -1;
    }
    return version;
}

bool analytics_migrate(sqlite3 *db, const char *const *migration, int n, char *error, size_t size)
{
    int version = version_of(db, n, error, size);

    if (version < 0)
        return false;
    for (; version < n; version++) {
        if (sqlite3_exec(db, migration[version], NULL, NULL, NULL) == SQLITE_OK)
            continue;
        fail(error, size, "cannot be brought to version %d: %s", version + 1, sqlite3_errmsg(db));
        if (!sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    return true;
}

/* An empty database in memory with the schema. NULL: no memory. */
static sqlite3 *new_model(void)
{
    sqlite3 *model = NULL;
    char     error[200];

    if (sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        analytics_migrate(model, steps, ANALYTICS_VERSION, error, sizeof error))
        return model;
    sqlite3_close(model);
    return NULL;
}

bool analytics_has_tables(sqlite3 *db, char *error, size_t size)
{
    sqlite3 *model = new_model();
    char     reason[200] = "out of memory";
    bool     has = model != NULL && schema_matches(model, db, reason, sizeof reason);

    sqlite3_close(model);
    return has || fail(error, size, "%s: restore it, or move the file away and the agent makes a new one", reason);
}

/* So that a report says the same whatever views the file has. */
static bool lend_views(sqlite3 *db, char *error, size_t size)
{
    sqlite3 *model = new_model();
    bool     lent = model != NULL && schema_lend_views(model, db);

    if (!lent)
        fail(error, size, "%s", model == NULL ? "out of memory" : sqlite3_errmsg(db));
    sqlite3_close(model);
    return lent;
}

/* What SQLite would read as something else, wait for, or say less clearly. */
static bool is_file(const char *path, int access_mode, char *error, size_t size)
{
    char        reason[100];
    struct stat st;

    if (!guard_is_file(path, reason, sizeof reason))
        return fail(error, size, "%s: %s", path, reason);
    if (stat(path, &st) != 0 || access(path, access_mode) != 0)
        return fail(error, size, "%s: %s", path, strerror(errno));
    return true;
}

static sqlite3 *open_file(const char *path, int flags, char *error, size_t size)
{
    char     reason[200];
    sqlite3 *db;

    if (!is_file(path, flags & SQLITE_OPEN_READWRITE ? R_OK | W_OK : R_OK, error, size))
        return NULL;
    db = guard_open(path, flags, reason, sizeof reason);
    if (db == NULL)
        fail(error, size, "%s: %s", path, reason);
    else if (sqlite3_busy_timeout(db, PATIENCE_MS) != SQLITE_OK || !guard_begin_own(db)) {
        fail(error, size, "%s: out of memory", path);
        sqlite3_close(db);
        db = NULL;
    }
    return db;
}

/* SQLite gives the files beside it the same mode, so that the group can read while the agent writes. */
static bool create_file(const char *path, char *error, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return fail(error, size, "%s: %s", path, strerror(errno));
    return true;
}

/* Bytes 18 and 19 of a database say whether it is in WAL mode, 68 to 71 whose it is. One of ours that is not has no
 * log: what lies beside it, left by a file that was here before this one was put back from a copy, say, would be taken
 * for its own all the same, and spoil it. */
void analytics_set_stray_log_aside(const char *path)
{
    static const uint8_t ours[] = { ANALYTICS_APPLICATION >> 24, ANALYTICS_APPLICATION >> 16 & 255,
                                    ANALYTICS_APPLICATION >> 8 & 255, ANALYTICS_APPLICATION & 255 };
    uint8_t              header[72];
    char                 log[4200], stray[4220], reason[100];
    ssize_t              n = -1;
    int                  fd;

    if (!guard_is_file(path, reason, sizeof reason))
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        n = read(fd, header, sizeof header);
    if (fd >= 0)
        close(fd);
    snprintf(log, sizeof log, "%s-wal", path);
    snprintf(stray, sizeof stray, "%s.stray", log);
    if (n == sizeof header && header[18] == 1 && header[19] == 1 && memcmp(header + 68, ours, sizeof ours) == 0 &&
        rename(log, stray) == 0)
        log_write(LOG_WARNING, "%s: belongs to another file; moved to %s", log, stray);
}

static bool set_up_writer(sqlite3 *db, char *error, size_t size)
{
    /* NORMAL: a transaction survives the process, and costs no flush of the disk; a power failure may take back the
     * last ones. The limit keeps the log file from staying as large as a long reader once made it. */
    static const char set_up[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                 "PRAGMA journal_size_limit = 16777216";

    if (!analytics_migrate(db, steps, ANALYTICS_VERSION, error, size))
        return false;
    if (!analytics_has_tables(db, error, size))
        return false;
    if (sqlite3_exec(db, set_up, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return fail(error, size, "%s", analytics_reason(db));
}

sqlite3 *analytics_open_writer(const char *path, char *error, size_t size)
{
    char     reason[256];
    sqlite3 *db;

    if (!guard_is_file(path, reason, sizeof reason)) {
        fail(error, size, "%s: %s", path, reason);
        return NULL;
    }
    if (!create_file(path, error, size))
        return NULL;
    analytics_set_stray_log_aside(path);
    db = open_file(path, SQLITE_OPEN_READWRITE, error, size);
    if (db == NULL || set_up_writer(db, reason, sizeof reason))
        return db;
    fail(error, size, "%s: %s", path, reason);
    sqlite3_close(db);
    return NULL;
}

bool analytics_is_damaged(const char *path)
{
    char     error[400];
    sqlite3 *db = open_file(path, SQLITE_OPEN_READONLY, error, sizeof error);
    int      code = SQLITE_OK, tables;

    if (db != NULL && !integer(db, "SELECT count(*) FROM sqlite_schema", &tables))
        code = sqlite3_errcode(db);
    sqlite3_close(db);
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

void analytics_leave_wal(sqlite3 *db)
{
    sqlite3_busy_timeout(db, PATIENCE_MS);
    sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
}

void analytics_close_writer(sqlite3 *db)
{
    if (db == NULL)
        return;
    analytics_leave_wal(db);
    sqlite3_close(db);
}

/* The reading begins with the count in version_of(). */
static bool set_up_reader(sqlite3 *db, char *error, size_t size)
{
    int version;

    if (sqlite3_exec(db, "PRAGMA temp_store = MEMORY; BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return fail(error, size, "%s", sqlite3_errmsg(db));
    version = version_of(db, ANALYTICS_VERSION, error, size);
    if (version < 0)
        return false;
    if (version == 0)
        return fail(error, size, "empty: the agent makes its tables when it starts");
    if (version < ANALYTICS_VERSION)
        return fail(
            error, size,
            "its schema has version %d, and this program reads %d: the agent brings it up to date when it starts",
            version, ANALYTICS_VERSION);
    return analytics_has_tables(db, error, size) && lend_views(db, error, size);
}

sqlite3 *analytics_open_reader(const char *path, char *error, size_t size)
{
    char     reason[256];
    sqlite3 *db = open_file(path, SQLITE_OPEN_READONLY, error, size);

    if (db == NULL || set_up_reader(db, reason, sizeof reason))
        return db;
    fail(error, size, "%s: %s", path, reason);
    sqlite3_close(db);
    return NULL;
}

void analytics_close_reader(sqlite3 *db)
{
    sqlite3_close(db);
}

const char *analytics_reason(sqlite3 *db)
{
    return guard_reason(db);
}

void day_format(int64_t day, char out[11])
{
    time_t    seconds = (time_t)(day * 86400);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    /* strftime() would write the year 1 without its zeros. */
    snprintf(out, 11, "%04u-%02u-%02u", (unsigned)(tm.tm_year + 1900) % 10000U, (unsigned)(tm.tm_mon + 1) % 100U,
             (unsigned)tm.tm_mday % 100U);
}
