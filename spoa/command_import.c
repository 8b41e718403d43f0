#include "command_import.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/utf8.h"
#include "lists/address_file.h"
#include "options.h"
#include "store/rules_import.h"

/* A list with one mistake in each line need not fill a mail from cron. */
#define REFUSED_SHOWN 20

/* Bytes of a line that show which it is. */
#define TEXT_SHOWN ((size_t)100)

struct reading {
    const char     *name;   /* of the file, for messages */
    const char     *column; /* NULL: none */
    struct networks networks;
    uint64_t        taken, refused; /* of all files so far */
};

static void print_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    fail("%s", problem_format(problem, text));
}

static void print_refused(void *context, uint64_t line, struct span text, const char *reason)
{
    struct reading *reading = context;
    char            escaped[ESCAPED_MAX(TEXT_SHOWN)], shown[UTF8_REPAIRED_MAX(sizeof escaped)];

    if (reading->refused++ >= REFUSED_SHOWN)
        return;
    if (text.p == NULL) {
        fail("%s: line %" PRIu64 ": %s", reading->name, line, reason);
        return;
    }
    escape_controls((struct span){ text.p, text.n < TEXT_SHOWN ? text.n : TEXT_SHOWN }, escaped, sizeof escaped);
    utf8_repair(span_of(escaped), shown, sizeof shown);
    fail("%s: line %" PRIu64 ": '%s%s': %s", reading->name, line, shown, text.n > TEXT_SHOWN ? "..." : "", reason);
}

/* ---- files ---- */

/* False: the file could not be read to its end, which was told. */
static bool feed_all(struct address_file *file, int fd, const char *name)
{
    static char buffer[65536];
    ssize_t     n;

    do {
        n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno != EINTR) {
            fail("%s: %s", name, strerror(errno));
            return false;
        }
    } while (n != 0 && (n < 0 || address_file_feed(file, (struct span){ buffer, (size_t)n })));
    return true;
}

/* False, and told: it cannot be used. */
static bool read_file(struct reading *reading, const char *path)
{
    struct address_file_counts counts;
    struct address_file       *file;
    bool                       standard = strcmp(path, "-") == 0, good;
    int                        fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const char                *reason;

    reading->name = standard ? "standard input" : path;
    if (fd < 0) {
        fail("%s: %s", path, strerror(errno));
        return false;
    }
    file = address_file_new(reading->column, &reading->networks, print_refused, reading);
    good = feed_all(file, fd, reading->name);
    if (!standard)
        close(fd);
    reason = address_file_end(file, &counts);
    reading->taken += counts.taken;
    if (good && reason != NULL)
        fail("%s: %s", reading->name, reason);
    else if (good && counts.taken == 0)
        fail("warning: %s: only comments, no entry", reading->name);
    address_file_free(file);
    return good && reason == NULL;
}

/* All files are read, so that each that cannot be used is named. */
static bool read_files(struct reading *reading, char **paths, int n)
{
    bool good = true;

    for (int i = 0; i < n; i++)
        good &= read_file(reading, paths[i]);
    if (reading->refused > REFUSED_SHOWN)
        fail("... and %" PRIu64 " more lines that cannot be used", reading->refused - REFUSED_SHOWN);
    if (good && reading->taken == 0)
        fail("no entry at all: a list that rules use must not be empty");
    return good && reading->taken > 0;
}

/* ---- the list ---- */

/* An allow list that everybody is on, or a block list, is a mistake of whoever published it. */
static bool warn_of_all(void *context, const struct network *network)
{
    (void)context;
    if (network->prefix == 0)
        fail("warning: the list holds all IPv%d addresses", network->address.bits == 32 ? 4 : 6);
    return true;
}

static void print_result(const struct reading *reading, const char *path, const char *list, bool dry_run,
                         const struct rules_import_counts *counts)
{
    networks_each(&reading->networks, warn_of_all, NULL);
    if (!counts->used)
        fail("warning: no rule uses the list: name it in a rule as src = '@%s'", list);
    printf("%s: list '%s' %s %zu entries (%zu added, %zu removed) from %" PRIu64 " read, %" PRIu64 " refused\n", path,
           list, dry_run ? "would have" : "has", counts->entries, counts->added, counts->removed, reading->taken,
           reading->refused);
}

static int import(const struct options *options, const char *path, const char *list, char **files, int files_n)
{
    struct reading             reading = { .column = options->column };
    struct rules_import       *import = rules_import_open(path, list, print_problem, NULL);
    struct rules_import_counts counts;
    int                        code = 2;

    if (import == NULL)
        return code;
    if (!read_files(&reading, files, files_n)) {
        fail("%s: list '%s' is left as it was", path, list);
        code = 1;
    } else {
        networks_merge(&reading.networks);
        if (rules_import_replace(import, &reading.networks, options->dry_run, &counts)) {
            print_result(&reading, path, list, options->dry_run, &counts);
            code = 0;
        }
    }
    networks_fini(&reading.networks);
    rules_import_close(import);
    return code;
}

static bool is_list_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return n >= 1 && n <= 64 && name[n] == '\0';
}

int command_import(int argc, char **argv)
{
    static const struct option import_options[] = { { "help", no_argument, NULL, OPTION_HELP },
                                                    { "column", required_argument, NULL, OPTION_COLUMN },
                                                    { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
                                                    { NULL, 0, NULL, 0 } };
    struct options             options = { .column = NULL };

    if (!options_read(&options, argc, argv, import_options))
        return EXIT_USAGE;
    if (argc - optind < 3)
        return fail("write: spoa-rules import [--column N|NAME] [--dry-run] RULES.db LIST FILE...");
    if (!is_list_name(argv[optind + 1]))
        return fail("list '%s': write 1 to 64 letters, digits or . _ -, without @", argv[optind + 1]);
    return import(&options, argv[optind], argv[optind + 1], argv + optind + 2, argc - optind - 2);
}
