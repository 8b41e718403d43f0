#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/escape.h"

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" };
static enum log_level    log_level = LOG_INFO;
static bool              to_journal;

void log_init(void)
{
    const char        *stream = getenv("JOURNAL_STREAM"); /* "device:inode" */
    unsigned long long device, inode;
    struct stat        st;

    to_journal = stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

const char *log_priority(enum log_level level)
{
    return to_journal ? priorities[level] : "";
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

#define TEXT_SIZE 2048

#define HEAD_SIZE 64

/* How a line begins: its length. */
static size_t put_head(char *line, enum log_level level)
{
    struct timespec ts;
    struct tm       tm;
    size_t          n;

    if (to_journal)
        return (size_t)snprintf(line, HEAD_SIZE, "%s", priorities[level]);
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    n = strftime(line, HEAD_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(line + n, HEAD_SIZE - n, ".%03ldZ %s ", ts.tv_nsec / 1000000, level_names[level]);
}

static void write_line(enum log_level level, const char *text)
{
    char   line[ESCAPED_MAX(TEXT_SIZE) + HEAD_SIZE];
    size_t n = put_head(line, level);
    int    error = errno;

    n += escape_controls(span_of(text), line + n, sizeof line - n - 1);
    line[n++] = '\n';
    /* One write a line keeps the lines of several threads apart. Write errors on standard error are ignored. */
    if (write(STDERR_FILENO, line, n) < 0)
        errno = error;
}

void log_write(enum log_level level, const char *format, ...)
{
    char    text[TEXT_SIZE];
    va_list args;

    if (level > log_level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(level, text);
}

void log_write_rated(struct log_rate *rate, enum log_level level, const char *format, ...)
{
    char     text[TEXT_SIZE];
    unsigned kept_back;
    va_list  args;
    time_t   now = time(NULL);

    if (level > log_level)
        return;
    /* Two threads may both open a second: a few lines more, nothing worse. */
    if (atomic_load(&rate->second) != now) {
        atomic_store(&rate->second, now);
        atomic_store(&rate->lines, 0);
    }
    if (atomic_fetch_add(&rate->lines, 1) >= LOG_RATE) {
        atomic_fetch_add(&rate->kept_back, 1);
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(level, text);
    kept_back = atomic_exchange(&rate->kept_back, 0);
    if (kept_back > 0) {
        snprintf(text, sizeof text, "%u more lines like this one were left out", kept_back);
        write_line(level, text);
    }
}
