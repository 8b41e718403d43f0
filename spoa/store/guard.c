#include "store/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

/* SQLite asks that often whether to go on: every few microseconds. */
#define STEPS_AT_A_TIME 1000

/* The largest value of ours is a histogram, below 100 kB; the longest text is the CREATE TABLE of `rules`, 20 kB. */
#define LENGTH_MAX (4 << 20)

/* ---- regular files only ---- */

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return NULL;
    case S_IFDIR:
        return "directory";
    case S_IFIFO:
        return "FIFO";
    case S_IFSOCK:
        return "socket";
    case S_IFLNK:
        return "symbolic link";
    default:
        return "device";
    }
}

bool guard_is_file(const char *path, char *reason, size_t size)
{
    static const char *const beside[] = { "-journal", "-wal", "-shm" };
    const char              *kind;
    char                     other[4200];
    struct stat              st;

    if (stat(path, &st) == 0 && (kind = kind_of(st.st_mode)) != NULL) {
        snprintf(reason, size, "not a file but a %s: move it away", kind);
        return false;
    }
    /* SQLite follows no link here. */
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(other, sizeof other, "%s%s", path, beside[i]);
        if (lstat(other, &st) != 0 || (kind = kind_of(st.st_mode)) == NULL)
            continue;
        snprintf(reason, size, "the %s beside it is not a file but a %s: move it away", beside[i], kind);
        return false;
    }
    return true;
}

/* What SQLite opens: databases and what belongs to them, their directories to flush them, and a source of randomness. */
static bool may_open(const char *path, mode_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || strcmp(path, "/dev/urandom") == 0;
}

/* In the place of SQLite's open(). Looked at twice: opening a device may already do something, and a name may belong to
 * another file by then. */
static int open_file(const char *path, int flags, int mode)
{
    struct stat st;
    int         fd;

    if (stat(path, &st) == 0 && !may_open(path, st.st_mode)) {
        errno = ENXIO;
        return -1;
    }
    fd = open(path, flags | O_NONBLOCK, mode);
    if (fd < 0 || (fstat(fd, &st) == 0 && may_open(path, st.st_mode)))
        return fd;
    close(fd);
    errno = ENXIO;
    return -1;
}

static void replace_open(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    if (vfs != NULL && vfs->iVersion >= 3)
        vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_file);
}

/* ---- opening ---- */

/* TRUSTED_SCHEMA stays on: without it SQLite 3.40 takes the JSON operators in the CHECKs of `rules` for unsafe, and cannot
 * read the table. */
static void harden(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
}

sqlite3 *guard_open(const char *path, int flags, char *reason, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sqlite3              *db = NULL;

    pthread_once(&once, replace_open);
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        harden(db);
        return db;
    }
    snprintf(reason, size, "%s", db != NULL ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return NULL;
}

/* ---- the bound ---- */

bool guard_is_stopped(struct guard *guard)
{
    guard->stopped = guard->stopped || (guard->stop != NULL && guard->stop(guard->context));
    return guard->stopped;
}

/* A sqlite3_progress_handler(): not 0 ends the statement with SQLITE_INTERRUPT. */
static int go_on(void *context)
{
    struct guard *guard = context;

    if (guard_is_stopped(guard) || guard->steps < STEPS_AT_A_TIME)
        return 1;
    guard->steps -= STEPS_AT_A_TIME;
    return 0;
}

static uint64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    uint64_t      value = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        value = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

static uint64_t bytes_of(sqlite3 *db)
{
    return pragma(db, "PRAGMA page_count") * pragma(db, "PRAGMA page_size");
}

void guard_begin(struct guard *guard, sqlite3 *db, uint64_t rows)
{
    guard->stopped = false;
    guard->steps = GUARD_STEPS;
    sqlite3_progress_handler(db, STEPS_AT_A_TIME, go_on, guard);
    guard->steps += GUARD_STEPS_PER_BYTE * bytes_of(db) + GUARD_STEPS_PER_ROW * rows;
}

/* SQLite frees what belongs to a function when it closes the connection. */
static void steps_left(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct guard *guard = sqlite3_user_data(context);

    (void)n;
    (void)values;
    sqlite3_result_int64(context, (sqlite3_int64)guard->steps);
}

bool guard_begin_own(sqlite3 *db)
{
    struct guard *guard = calloc(1, sizeof *guard);

    if (guard == NULL ||
        sqlite3_create_function_v2(db, "steps_left", 0, SQLITE_UTF8, guard, steps_left, NULL, NULL, free) != SQLITE_OK)
        return false; /* SQLite has freed it */
    guard_begin(guard, db, 0);
    return true;
}

uint64_t guard_rows(sqlite3 *db)
{
    return GUARD_ROWS + bytes_of(db) / 8;
}

const char *guard_reason(sqlite3 *db)
{
    if ((sqlite3_errcode(db) & 0xFF) == SQLITE_INTERRUPT)
        return "reading it takes more work than what the agent writes can cause: restore it, or move it away";
    return sqlite3_errmsg(db);
}
