#include "command_report.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "store/analytics_file.h"
#include "store/report.h"

#define PATH_SIZE 4096

/* fail(), where false says so. */
#define FAILED(...) (fail(__VA_ARGS__), false)

/* ---- days ---- */

/* February 30 does not survive the way there and back. */
static bool parse_day(const char *option, const char *text, time_t now, char day[11])
{
    struct tm tm = { 0 };

    day[0] = '\0';
    if (strcmp(text, "today") == 0)
        day_format(now / 86400, day);
    else if (strcmp(text, "yesterday") == 0)
        day_format(now / 86400 - 1, day);
    else if (strlen(text) == 10 && strptime(text, "%Y-%m-%d", &tm) != NULL)
        day_format(timegm(&tm) / 86400, day);
    if (day[0] != '\0' && (text[0] > '9' || strcmp(text, day) == 0))
        return true;
    return FAILED("--%s '%s': write a day such as 2026-11-20, today or yesterday", option, text);
}

static bool parse_range(const struct options *options, time_t now, struct report_range *range)
{
    if (options->day != NULL) {
        if (options->since != NULL || options->until != NULL)
            return FAILED("write --day, or --since and --until, not both");
        if (!parse_day("day", options->day, now, range->since))
            return false;
        memcpy(range->until, range->since, sizeof range->until);
        return true;
    }
    if (options->since == NULL)
        return FAILED("write the day: --day 2026-11-20, or --since 2026-11-01 --until 2026-11-30");
    if (!parse_day("since", options->since, now, range->since) ||
        !parse_day("until", options->until != NULL ? options->until : "today", now, range->until))
        return false;
    if (strcmp(range->since, range->until) <= 0)
        return true;
    return FAILED("--since %s: later than --until %s", range->since, range->until);
}

/* ---- files ---- */

/* The CSV files and the page. */
#define FILES_MAX 8

/* Each is written under another name in the same directory, and gets its own when all are on the disk. */
struct files {
    const char *directory;
    char        written[FILES_MAX][PATH_SIZE], wanted[FILES_MAX][PATH_SIZE];
    size_t      n;
};

/* The directory and those above it. */
static bool make_directory(const char *path)
{
    char        part[PATH_SIZE];
    struct stat st;

    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part - 64)
        return FAILED("--output %s: the path is too long", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0777); /* the last one tells what is wrong */
        *slash = '/';
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return FAILED("--output %s: %s", path, strerror(errno));
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return FAILED("--output %s: not a directory", path);
    return true;
}

/* NULL: told. The file is one of `files`. */
static FILE *begin_file(struct files *files, const char *name, const char *ending)
{
    char       *written = files->written[files->n];
    FILE       *file = NULL;
    struct stat st;
    int         fd;

    assert(files->n < FILES_MAX);
    snprintf(files->wanted[files->n], PATH_SIZE, "%s/%s%s", files->directory, name, ending);
    snprintf(written, PATH_SIZE, "%s/.%s%s.%ld", files->directory, name, ending, (long)getpid());
    /* What a file cannot replace is found now, and not when half of them are replaced. */
    if (lstat(files->wanted[files->n], &st) == 0 && S_ISDIR(st.st_mode)) {
        fail("%s: %s", files->wanted[files->n], strerror(EISDIR));
        return NULL;
    }
    unlink(written); /* of a process long gone */
    fd = open(written, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        file = fdopen(fd, "w");
    if (file == NULL) {
        fail("%s: %s", files->wanted[files->n], strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(written);
        }
        return NULL;
    }
    files->n++;
    return file;
}

/* Closes the last file; false: told. */
static bool end_file(struct files *files, FILE *file)
{
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    int  error = errno;

    if (fclose(file) != 0 && good) {
        good = false;
        error = errno;
    }
    return good || FAILED("%s: %s", files->wanted[files->n - 1], strerror(error));
}

/* The page comes last: what it links to is there. Of two reports into one directory at the same time one replaces all
 * its files before the other: the lock is on the directory itself. Where it cannot be had it is done without. */
static bool rename_all(const struct files *files)
{
    int  fd = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = true;

    if (fd >= 0)
        flock(fd, LOCK_EX);
    for (size_t i = 0; i < files->n && good; i++)
        good = rename(files->written[i], files->wanted[i]) == 0 || FAILED("%s: %s", files->wanted[i], strerror(errno));
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return good;
}

static void remove_all(const struct files *files)
{
    for (size_t i = 0; i < files->n; i++)
        unlink(files->written[i]);
}

/* ---- the report ---- */

static bool write_all(struct sqlite3 *db, const char *path, const struct report_range *range, time_t now,
                      struct files *files)
{
    for (size_t i = 0; i <= report_views_n; i++) {
        bool        is_page = i == report_views_n;
        const char *view = is_page ? "index" : report_views[i];
        FILE       *out = begin_file(files, view, is_page ? ".html" : ".csv");
        bool        read;

        if (out == NULL)
            return false;
        read = is_page ? report_html(db, range, now, out) : report_csv(db, view, range, out);
        if (!read)
            fail("%s: %s", path, analytics_reason(db));
        if (!end_file(files, out) || !read)
            return false;
    }
    return true;
}

static int report_days(const struct options *options)
{
    static struct files files; /* large for a stack */
    struct report_range range;
    time_t              now = time(NULL);
    char                path[PATH_SIZE], error[PATH_SIZE + 256];
    struct sqlite3     *db;
    bool                good;

    if (!parse_range(options, now, &range))
        return 2;
    if (snprintf(path, sizeof path, "%s/analytics.db", options->data) >= (int)sizeof path) {
        fail("--data %s: the path is too long", options->data);
        return 2;
    }
    db = analytics_open_reader(path, error, sizeof error);
    if (db == NULL) {
        fail("%s", error);
        return 2;
    }
    files.directory = options->output;
    good = make_directory(options->output) && write_all(db, path, &range, now, &files) && rename_all(&files);
    if (!good)
        remove_all(&files);
    analytics_close_reader(db);
    return good ? 0 : 2;
}

int command_report(int argc, char **argv)
{
    static const struct option report_options[] = {
        { "help", no_argument, NULL, OPTION_HELP },
        { "data", required_argument, NULL, OPTION_DATA },
        { "output", required_argument, NULL, OPTION_OUTPUT },
        { "day", required_argument, NULL, OPTION_DAY },
        { "since", required_argument, NULL, OPTION_SINCE },
        { "until", required_argument, NULL, OPTION_UNTIL },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .data = DEFAULT_DATA };

    if (!options_read(&options, argc, argv, report_options))
        return EXIT_USAGE;
    if (optind < argc)
        return fail("'%s': not an option; see spoa-rules --help", argv[optind]);
    if (options.output == NULL)
        return fail("write: spoa-rules report --data DIR --day 2026-11-20 --output DIR");
    return report_days(&options);
}
