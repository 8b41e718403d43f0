#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define DEFAULT_LISTEN     "127.0.0.1:9010"
#define DEFAULT_LOG_LISTEN "127.0.0.1:9011"

const char options_usage[] =
    "spoa-rules " SPOA_VERSION ": decides HAProxy's requests by rules kept in SQLite\n"
    "\n"
    "  spoa-rules serve [options]            the daemon, in the foreground\n"
    "  spoa-rules check [--spoe FILE] FILE   validates a rules database; 1 if it has errors. --spoe: HAProxy's SPOE\n"
    "                                        file, which says what attributes there are\n"
    "  spoa-rules explain --rules FILE [--ipv6-prefix N] name=value ...\n"
    "                                        what the rules do with a request: src=192.0.2.1 path=/items/1 ...\n"
    "  spoa-rules explain --live ADDR name=value ...\n"
    "                                        the same of the agent that runs, by its --admin-listen (if ADDR is left\n"
    "                                        out " DEFAULT_LIVE "), with what its counters say and who is banned\n"
    "  spoa-rules import [--column C] [--dry-run] RULES.db LIST FILE...\n"
    "                                        replaces a list of addresses by published lists (-: standard input).\n"
    "                                        --column: of CSV or JSON lines, a number or a name; --dry-run: only\n"
    "                                        says what would change\n"
    "  spoa-rules report [--data DIR] --day D --output DIR\n"
    "                                        what happened on a UTC day (2026-11-20, today, yesterday), as CSV files\n"
    "                                        and index.html; --since D --until D instead of --day: on some days\n"
    "\n"
    "options of serve:\n"
    "  --listen ADDR        127.0.0.1:9010 (the default), [::1]:9010 or unix:/path; repeatable\n"
    "  --log-listen ADDR    where HAProxy's ring sends its log feed; none: nowhere (default " DEFAULT_LOG_LISTEN ")\n"
    "  --admin-listen ADDR  metrics, health and live questions over HTTP: 127.0.0.1:9012 or another loopback\n"
    "                       address, or unix:/path (default: nowhere)\n"
    "  --data DIR           where the agent keeps its files (default " DEFAULT_DATA ")\n"
    "  --runtime DIR        where live counters are kept, best in memory (default: " DEFAULT_RUNTIME
    " if it is there,\n"
    "                       else as --data)\n"
    "  --rules FILE         the rules database, created if missing (default DIR/rules.db)\n"
    "  --threads N          workers (default: a quarter of the cores, at least 1)\n"
    "  --max-connections N  from HAProxy; more are refused (default 8192)\n"
    "  --max-counters N     live counters; bounds memory (default 1000000)\n"
    "  --ipv6-prefix N      an IPv6 network of this size counts as one client (default 64)\n"
    "  --keep-hours DAYS    what analytics.db has by the hour (default 30)\n"
    "  --keep-days DAYS     what it has by the day (default 400)\n"
    "  --max-analytics MB   above this size the oldest goes earlier; 0: any size (default 1024)\n"
    "  --no-analytics       no analytics.db and no log feed\n"
    "  --log-level L        error, warning, info or debug (default info)\n"
    "  --version, --help\n";

int fail(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%sspoa-rules: ", log_priority(LOG_ERROR));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* ---- options ---- */

static bool parse_number(const char *option, const char *text, unsigned long from, unsigned long to,
                         unsigned long *number)
{
    char *end;

    errno = 0;
    *number = strtoul(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *number >= from && *number <= to)
        return true;
    fail("--%s '%s': write a whole number from %lu to %lu", option, text, from, to);
    return false;
}

static const struct option serve_options[] = {
    { "listen", required_argument, NULL, OPTION_LISTEN },
    { "log-listen", required_argument, NULL, OPTION_LOG_LISTEN },
    { "admin-listen", required_argument, NULL, OPTION_ADMIN_LISTEN },
    { "rules", required_argument, NULL, OPTION_RULES },
    { "data", required_argument, NULL, OPTION_DATA },
    { "runtime", required_argument, NULL, OPTION_RUNTIME },
    { "threads", required_argument, NULL, OPTION_THREADS },
    { "max-connections", required_argument, NULL, OPTION_CONNECTIONS },
    { "max-counters", required_argument, NULL, OPTION_COUNTERS },
    { "ipv6-prefix", required_argument, NULL, OPTION_PREFIX },
    { "keep-hours", required_argument, NULL, OPTION_KEEP_HOURS },
    { "keep-days", required_argument, NULL, OPTION_KEEP_DAYS },
    { "max-analytics", required_argument, NULL, OPTION_MAX_ANALYTICS },
    { "no-analytics", no_argument, NULL, OPTION_NO_ANALYTICS },
    { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

static bool has_value(const char *option, const char *value)
{
    if (*value == '\0')
        fail("--%s '': write a path", option);
    return *value != '\0';
}

static bool add_listen(struct options *options, const char *address)
{
    if (options->listen_n == LISTEN_MAX) {
        fail("--listen '%s': %d addresses at most", address, LISTEN_MAX);
        return false;
    }
    options->listen[options->listen_n++] = address;
    return true;
}

/* A number from 1, or a name. */
static bool is_column(const char *value)
{
    unsigned long number;

    if (*value >= '0' && *value <= '9' && value[strspn(value, "0123456789")] == '\0')
        return parse_number("column", value, 1, 10000, &number);
    if (*value == '\0')
        fail("--column '': write the number of a column or its name");
    return *value != '\0';
}

static bool set(struct options *options, int option, const char *value)
{
    enum log_level level;

    switch (option) {
    case OPTION_LISTEN:
        return add_listen(options, value);
    case OPTION_LOG_LISTEN:
        options->log_listen = strcmp(value, "none") == 0 ? NULL : value;
        return true;
    case OPTION_ADMIN_LISTEN:
        options->admin_listen = value;
        return true;
    case OPTION_RULES:
        options->rules = value;
        return has_value("rules", value);
    case OPTION_DATA:
        options->data = value;
        return has_value("data", value);
    case OPTION_RUNTIME:
        options->runtime = value;
        return has_value("runtime", value);
    case OPTION_THREADS:
        return parse_number("threads", value, 1, 256, &options->threads);
    case OPTION_CONNECTIONS:
        return parse_number("max-connections", value, 1, 1000000, &options->max_connections);
    case OPTION_COUNTERS:
        return parse_number("max-counters", value, 1, 1000000000, &options->max_counters);
    case OPTION_PREFIX:
        return parse_number("ipv6-prefix", value, 1, 128, &options->ipv6_prefix);
    case OPTION_KEEP_HOURS:
        return parse_number("keep-hours", value, 1, 100000, &options->keep_hours);
    case OPTION_KEEP_DAYS:
        return parse_number("keep-days", value, 1, 100000, &options->keep_days);
    case OPTION_MAX_ANALYTICS:
        return parse_number("max-analytics", value, 0, 1000000000, &options->max_analytics);
    case OPTION_NO_ANALYTICS:
        options->no_analytics = true;
        return true;
    case OPTION_LOG_LEVEL:
        if (!log_level_parse(value, &level)) {
            fail("--log-level '%s': write error, warning, info or debug", value);
            return false;
        }
        log_set_level(level);
        return true;
    case OPTION_SPOE:
        options->spoe = value;
        return true;
    case OPTION_OUTPUT:
        options->output = value;
        return has_value("output", value);
    case OPTION_DAY:
        options->day = value;
        return true;
    case OPTION_SINCE:
        options->since = value;
        return true;
    case OPTION_UNTIL:
        options->until = value;
        return true;
    case OPTION_COLUMN:
        options->column = value;
        return is_column(value);
    case OPTION_DRY_RUN:
        options->dry_run = true;
        return true;
    case OPTION_HELP:
        fputs(options_usage, stdout);
        exit(0);
    case OPTION_VERSION:
        puts("spoa-rules " SPOA_VERSION);
        exit(0);
    case ':':
        fail("'%s': write a value behind it; see spoa-rules --help", value);
        return false;
    default:
        if (optopt > 0 && optopt < 256 && isprint(optopt))
            fail("'-%c': not an option; see spoa-rules --help", optopt);
        else
            fail("'%s': not an option; see spoa-rules --help", value);
        return false;
    }
}

/* ADDR may stand behind --live or be left out: what holds a '=' is an attribute already. */
static const char *live_address(int argc, char **argv)
{
    if (optarg != NULL)
        return optarg;
    if (optind < argc && argv[optind][0] != '-' && strchr(argv[optind], '=') == NULL)
        return argv[optind++];
    return DEFAULT_LIVE;
}

bool options_read(struct options *options, int argc, char **argv, const struct option *known)
{
    int option;

    while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (option == OPTION_LIVE)
            options->live = live_address(argc, argv);
        else if (!set(options, option, optarg != NULL ? optarg : argv[optind - 1]))
            return false;
    }
    return true;
}

bool options_parse(struct options *options, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    *options = (struct options){
        .log_listen = DEFAULT_LOG_LISTEN,
        .data = DEFAULT_DATA,
        /* One worker serves more than several HAProxy threads ask, and fewer connections mean larger batches. */
        .threads = cores >= 8 ? (unsigned long)cores / 4 : 1,
        .max_connections = 8192,
        .max_counters = 1000000,
        .ipv6_prefix = 64,
        .keep_hours = 30,
        .keep_days = 400,
        .max_analytics = 1024,
    };
    if (!options_read(options, argc, argv, serve_options))
        return false;
    if (optind < argc) {
        fail("'%s': not an option; see spoa-rules --help", argv[optind]);
        return false;
    }
    if (options->no_analytics)
        options->log_listen = NULL;
    if (options->listen_n == 0)
        options->listen[options->listen_n++] = DEFAULT_LISTEN;
    return true;
}
