#include "store/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/guard.h"

extern const char rules_sql[]; /* sql/rules.sql, embedded by the Makefile */

/* In a database file's header (https://www.sqlite.org/fileformat2.html). */
#define HEADER_SIZE           100
#define HEADER_WRITE_VERSION  18 /* 2: WAL */
#define HEADER_CHANGE_COUNTER 24

void rules_tell(const struct rules_source *source, const char *format, ...)
{
    char    text[PROBLEM_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    source->problem(source->context, &(struct problem){ .column = source->path, .remedy = text });
}

/* A copy of it is in memory while it is compiled: one of that size would hold 20 million entries of lists. */
#define SIZE_MAX_GIB 1

/* Closing the file drops any lock that this process holds on it. There is none: rules_db_load() closes what it opens, and
 * whoever calls it calls this on the same thread. */
static ssize_t read_header(const char *path, unsigned char header[HEADER_SIZE])
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = pread(fd, header, HEADER_SIZE, 0);
    close(fd);
    return n;
}

struct rules_stamp rules_file_stamp(const char *path)
{
    struct rules_stamp stamp = { 0 };
    unsigned char      header[HEADER_SIZE];
    struct stat        st;

    if (stat(path, &st) != 0)
        return stamp;
    stamp.exists = true;
    stamp.device = (uint64_t)st.st_dev;
    stamp.inode = (uint64_t)st.st_ino;
    stamp.size = (uint64_t)st.st_size;
    stamp.modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (S_ISREG(st.st_mode) && read_header(path, header) == HEADER_SIZE) {
        const unsigned char *c = header + HEADER_CHANGE_COUNTER;

        stamp.changes = (uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3];
    }
    return stamp;
}

bool rules_stamp_eq(const struct rules_stamp *a, const struct rules_stamp *b)
{
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changes == b->changes;
}

bool rules_file_is_usable(const struct rules_source *source)
{
    unsigned char header[HEADER_SIZE];
    char          reason[100];
    struct stat   st;
    ssize_t       n;

    if (stat(source->path, &st) != 0) {
        rules_tell(source, "%s", strerror(errno));
        return false;
    }
    if (!guard_is_file(source->path, reason, sizeof reason)) {
        rules_tell(source, "%s", reason);
        return false;
    }
    if (st.st_size > (off_t)SIZE_MAX_GIB << 30) {
        rules_tell(source, "larger than %d GiB: delete what it need not hold, then run VACUUM on it", SIZE_MAX_GIB);
        return false;
    }
    n = read_header(source->path, header);
    if (n < 0) {
        rules_tell(source, "%s", strerror(errno));
        return false;
    }
    if (n == 0) {
        rules_tell(
            source,
            "the file is empty: run `sqlite3 %s < sql/rules.sql`, or start the agent with it, which makes the tables",
            source->path);
        return false;
    }
    if (n < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0) {
        rules_tell(source, "not an SQLite database");
        return false;
    }
    if (header[HEADER_WRITE_VERSION] == 2) {
        rules_tell(
            source,
            "in WAL mode, where a change may stand in another file for long: run PRAGMA journal_mode=DELETE on it");
        return false;
    }
    return true;
}

bool rules_file_create(const char *path, problem_fn *problem, void *context)
{
    struct rules_source source = { path, problem, context };
    sqlite3            *db = NULL;
    struct stat         st;
    char               *message = NULL, reason[200];
    bool                created;
    int                 fd;

    if (!guard_is_file(path, reason, sizeof reason)) {
        rules_tell(&source, "%s", reason);
        return false;
    }
    if (stat(path, &st) == 0 && st.st_size > 0)
        return true;
    /* A file that SQLite makes is never writable for the group, even if the umask allows it. If this fails, SQLite's own
     * attempt below fails, too, and says why. */
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (fd >= 0)
        close(fd);
    db = guard_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, reason, sizeof reason);
    created = db != NULL && sqlite3_exec(db, rules_sql, NULL, NULL, &message) == SQLITE_OK;
    if (!created)
        rules_tell(&source, "cannot be created: %s", message != NULL ? message : db == NULL ? reason : "out of memory");
    sqlite3_free(message);
    sqlite3_close(db);
    return created;
}
