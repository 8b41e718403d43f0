#include "store/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

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

static ssize_t read_header(const char *path, unsigned char header[HEADER_SIZE])
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;

    if (fd < 0)
        return -1;
    /* Closing it drops any lock that this process holds on the file: it holds none, see the header. */
    n = pread(fd, header, HEADER_SIZE, 0);
    close(fd);
    return n;
}

/* Where the file does not exist, errno says why. */
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

/* What SQLite would open in a way that an operator does not expect, or not at all. */
bool rules_file_is_usable(const struct rules_source *source)
{
    unsigned char header[HEADER_SIZE];
    struct stat   st;
    ssize_t       n;

    if (stat(source->path, &st) != 0) {
        rules_tell(source, "%s", strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        rules_tell(source, "not a file");
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
    char               *message = NULL;
    bool                created;
    int                 fd;

    if (stat(path, &st) == 0 && st.st_size > 0)
        return true;
    /* SQLite would not let the group write, whatever the umask. What is wrong with the path it says better. */
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (fd >= 0)
        close(fd);
    created = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK &&
              sqlite3_exec(db, rules_sql, NULL, NULL, &message) == SQLITE_OK;
    if (!created)
        rules_tell(&source, "cannot be created: %s",
                   message != NULL ? message
                   : db != NULL    ? sqlite3_errmsg(db)
                                   : "out of memory");
    sqlite3_free(message);
    sqlite3_close(db);
    return created;
}
