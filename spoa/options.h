/* What is asked of the program on its command line, and how it says no. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define LISTEN_MAX      16
#define DEFAULT_DATA    "/var/lib/spoa-rules"
#define DEFAULT_LIVE    "127.0.0.1:9012"
#define DEFAULT_RUNTIME "/run/spoa-rules"

enum { EXIT_USAGE = 2 };

struct option;

struct options {
    const char   *listen[LISTEN_MAX];
    size_t        listen_n;
    const char   *log_listen;                    /* NULL: no log feed */
    const char   *admin_listen;                  /* NULL: nowhere */
    const char   *data, *runtime, *rules, *spoe; /* runtime: NULL when not given */
    const char   *live;                          /* NULL: not asked for */
    const char   *output, *day, *since, *until;
    const char   *column; /* NULL: none */
    unsigned long threads, max_connections, max_counters, ipv6_prefix;
    unsigned long keep_hours, keep_days, max_analytics; /* days, days, MB */
    bool          no_analytics;                         /* log_listen is NULL then */
    bool          dry_run;
};

enum {
    OPTION_LISTEN,
    OPTION_LOG_LISTEN,
    OPTION_ADMIN_LISTEN,
    OPTION_RULES,
    OPTION_DATA,
    OPTION_RUNTIME,
    OPTION_THREADS,
    OPTION_CONNECTIONS,
    OPTION_COUNTERS,
    OPTION_PREFIX,
    OPTION_KEEP_HOURS,
    OPTION_KEEP_DAYS,
    OPTION_MAX_ANALYTICS,
    OPTION_NO_ANALYTICS,
    OPTION_LOG_LEVEL,
    OPTION_SPOE,
    OPTION_LIVE,
    OPTION_OUTPUT,
    OPTION_DAY,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_COLUMN,
    OPTION_DRY_RUN,
    OPTION_HELP,
    OPTION_VERSION
};

extern const char options_usage[];

/* "spoa-rules: " and the message on a line of standard error; returns EXIT_USAGE. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes the options of a command, which are `known`, by the numbers above. What is no option is left from getopt()'s
 * optind on. --help and --version end the process. False: it was told what is wrong. */
bool options_read(struct options *options, int argc, char **argv, const struct option *known);

/* Those of `serve`. */
bool options_parse(struct options *options, int argc, char **argv);

#endif
