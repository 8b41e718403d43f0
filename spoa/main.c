/* spoa-rules: commands, options, signals, and the order in which things start and stop. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "command_check.h"
#include "command_explain.h"
#include "policy/publish.h"
#include "server/server.h"
#include "store/rules_db.h"
#include "store/rules_watch.h"

#define DEFAULT_LISTEN "127.0.0.1:9010"
#define DEFAULT_DATA   "/var/lib/spoa-rules"
#define LISTEN_MAX     16

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "spoa-rules " SPOA_VERSION ": decides HAProxy's requests by rules kept in SQLite\n"
    "\n"
    "  spoa-rules serve [options]            the daemon, in the foreground\n"
    "  spoa-rules check [--spoe FILE] FILE   validates a rules database; 1 if it has errors. --spoe: HAProxy's SPOE\n"
    "                                        file, which says what attributes there are\n"
    "  spoa-rules explain --rules FILE [--ipv6-prefix N] name=value ...\n"
    "                                        what the rules do with a request: src=192.0.2.1 path=/items/1 ...\n"
    "\n"
    "options of serve:\n"
    "  --listen ADDR        127.0.0.1:9010 (the default), [::1]:9010 or unix:/path; repeatable\n"
    "  --data DIR           where the agent keeps its files (default " DEFAULT_DATA ")\n"
    "  --rules FILE         the rules database, created if missing (default DIR/rules.db)\n"
    "  --threads N          workers (default: a quarter of the cores, at least 1)\n"
    "  --max-connections N  from HAProxy; what comes beyond is closed (default 8192)\n"
    "  --max-counters N     live counters; bounds memory (default 1000000)\n"
    "  --ipv6-prefix N      an IPv6 network of this size counts as one client (default 64)\n"
    "  --log-level L        error, warning, info or debug (default info)\n"
    "  --version, --help\n";

struct options {
    const char   *listen[LISTEN_MAX];
    size_t        listen_n;
    const char   *data, *rules, *spoe;
    unsigned long threads, max_connections, max_counters, ipv6_prefix;
};

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list args;

    fputs("spoa-rules: ", stderr);
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

enum {
    OPTION_LISTEN,
    OPTION_RULES,
    OPTION_DATA,
    OPTION_THREADS,
    OPTION_CONNECTIONS,
    OPTION_COUNTERS,
    OPTION_PREFIX,
    OPTION_LOG_LEVEL,
    OPTION_SPOE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option serve_options[] = {
    { "listen", required_argument, NULL, OPTION_LISTEN },
    { "rules", required_argument, NULL, OPTION_RULES },
    { "data", required_argument, NULL, OPTION_DATA },
    { "threads", required_argument, NULL, OPTION_THREADS },
    { "max-connections", required_argument, NULL, OPTION_CONNECTIONS },
    { "max-counters", required_argument, NULL, OPTION_COUNTERS },
    { "ipv6-prefix", required_argument, NULL, OPTION_PREFIX },
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

static bool set_option(struct options *options, int option, const char *value)
{
    enum log_level level;

    switch (option) {
    case OPTION_LISTEN:
        return add_listen(options, value);
    case OPTION_RULES:
        options->rules = value;
        return has_value("rules", value);
    case OPTION_DATA:
        options->data = value;
        return has_value("data", value);
    case OPTION_THREADS:
        return parse_number("threads", value, 1, 256, &options->threads);
    case OPTION_CONNECTIONS:
        return parse_number("max-connections", value, 1, 1000000, &options->max_connections);
    case OPTION_COUNTERS:
        return parse_number("max-counters", value, 1, 1000000000, &options->max_counters);
    case OPTION_PREFIX:
        return parse_number("ipv6-prefix", value, 1, 128, &options->ipv6_prefix);
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
    case OPTION_HELP:
        fputs(usage, stdout);
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

static bool parse_options(struct options *options, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int  option;

    *options = (struct options){
        .data = DEFAULT_DATA,
        /* One worker serves more than several HAProxy threads ask, and fewer connections mean larger batches. */
        .threads = cores >= 8 ? (unsigned long)cores / 4 : 1,
        .max_connections = 8192,
        .max_counters = 1000000,
        .ipv6_prefix = 64,
    };
    while ((option = getopt_long(argc, argv, ":", serve_options, NULL)) != -1)
        if (!set_option(options, option, optarg != NULL ? optarg : argv[optind - 1]))
            return false;
    if (optind < argc) {
        fail("'%s': not an option; see spoa-rules --help", argv[optind]);
        return false;
    }
    if (options->listen_n == 0)
        options->listen[options->listen_n++] = DEFAULT_LISTEN;
    return true;
}

/* ---- serve ---- */

/* `context` points to the database's path, which a problem of the file itself names already. */
static void print_problem(void *context, const struct problem *problem)
{
    const char *path = *(const char **)context;
    char        text[PROBLEM_TEXT_MAX];

    problem_format(problem, text);
    if (problem->rule != 0)
        fail("%s: %s", path, text);
    else
        fail("%s", text);
}

/* At start there are no rules to fall back to: a database that cannot be used ends the attempt. */
static struct ruleset *first_rules(const char *path, struct rules_stamp *stamp)
{
    struct ruleset *set;
    enum rules_load result;

    if (!rules_file_create(path, print_problem, &path))
        return NULL;
    for (int tries = 0;; tries++) {
        *stamp = rules_file_stamp(path);
        result = rules_db_load(path, NULL, print_problem, &path, &set);
        if (result != RULES_BUSY)
            break;
        if (tries == 50) {
            fail("%s: locked by a writer", path);
            return NULL;
        }
        if (tries == 5)
            log_write(LOG_WARNING, "%s: locked by a writer; waiting for it", path);
        usleep(100000);
    }
    return result == RULES_LOADED ? set : NULL;
}

static bool enter_data_directory(const char *data)
{
    if (mkdir(data, 0750) != 0 && errno != EEXIST) {
        fail("--data %s: %s", data, strerror(errno));
        return false;
    }
    if (access(data, W_OK | X_OK) == 0)
        return true;
    fail("--data %s: %s", data, strerror(errno));
    return false;
}

static void allow_descriptors(unsigned long wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_write(LOG_WARNING, "%lu open files are allowed: too few for --max-connections",
                  (unsigned long)limit.rlim_cur);
}

static void refresh_server(void *server)
{
    server_refresh(server);
}

/* Runs until a signal says stop; the server is gone then. */
static int run(const struct options *options, struct server *server, const char *rules_path, struct ruleset_slot *slot,
               struct limits *limits, struct rules_stamp stamp, const sigset_t *stop_signals)
{
    struct rules_watch *watch = NULL;
    int                 received;

    if (server_start(server, slot, limits))
        watch = rules_watch_start(rules_path, stamp, slot, refresh_server, server);
    if (watch == NULL) {
        server_stop(server);
        return fail("out of memory or threads");
    }
    for (size_t i = 0; i < options->listen_n; i++)
        log_write(LOG_INFO, "listening on %s", options->listen[i]);
    sigwait(stop_signals, &received);
    log_write(LOG_INFO, "stopping: %s", strsignal(received));
    rules_watch_stop(watch);
    server_stop(server);
    return 0;
}

/* Nothing is made or read before all addresses are known to be good. */
static struct server *bind_server(const struct options *options)
{
    struct server_options server_options = {
        .listen = options->listen,
        .listen_n = options->listen_n,
        .workers = (unsigned)options->threads,
        .max_connections = options->max_connections,
        .ipv6_prefix = (unsigned)options->ipv6_prefix,
    };
    char           error[256];
    struct server *server = server_new(&server_options, error, sizeof error);

    if (server == NULL)
        fail("%s", error);
    return server;
}

static int serve(int argc, char **argv)
{
    struct options      options;
    struct ruleset_slot slot;
    struct ruleset     *rules;
    struct limits      *limits = NULL;
    struct server      *server;
    struct rules_stamp  stamp;
    sigset_t            stop_signals;
    uint64_t            seed;
    char                rules_path[4096];
    int                 code;

    if (!parse_options(&options, argc, argv))
        return EXIT_USAGE;
    /* All threads inherit the mask; run() takes the signals one by one. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* "reload" to many: rules are, by themselves */
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    sigprocmask(SIG_BLOCK, &stop_signals, NULL);

    if (options.rules != NULL)
        code = snprintf(rules_path, sizeof rules_path, "%s", options.rules);
    else
        code = snprintf(rules_path, sizeof rules_path, "%s/rules.db", options.data);
    if ((size_t)code >= sizeof rules_path)
        return fail("--rules: the path is too long");
    code = EXIT_USAGE;
    server = bind_server(&options);
    if (server == NULL)
        return code;
    if (!enter_data_directory(options.data) || (rules = first_rules(rules_path, &stamp)) == NULL) {
        server_stop(server);
        return code;
    }
    rules_log_set(rules_path, rules->n, rules->index.residue_n);
    ruleset_slot_init(&slot, rules);
    allow_descriptors(options.max_connections + 64);
    if (getrandom(&seed, sizeof seed, 0) == sizeof seed)
        limits = limits_new(options.max_counters, seed);
    if (limits == NULL) {
        server_stop(server);
        fail("no memory for %lu counters", options.max_counters);
    } else {
        code = run(&options, server, rules_path, &slot, limits, stamp, &stop_signals);
    }
    ruleset_slot_fini(&slot);
    limits_free(limits);
    return code;
}

/* ---- check, explain ---- */

static int check(int argc, char **argv)
{
    static const struct option check_options[] = { { "help", no_argument, NULL, OPTION_HELP },
                                                   { "spoe", required_argument, NULL, OPTION_SPOE },
                                                   { NULL, 0, NULL, 0 } };
    struct options             options = { .spoe = NULL };
    int                        option;

    while ((option = getopt_long(argc, argv, ":", check_options, NULL)) != -1)
        if (!set_option(&options, option, optarg != NULL ? optarg : argv[optind - 1]))
            return EXIT_USAGE;
    if (argc - optind != 1)
        return fail("write: spoa-rules check [--spoe FILE] FILE");
    return check_rules(argv[optind], options.spoe);
}

static int explain(int argc, char **argv)
{
    static const struct option explain_options[] = { { "help", no_argument, NULL, OPTION_HELP },
                                                     { "rules", required_argument, NULL, OPTION_RULES },
                                                     { "ipv6-prefix", required_argument, NULL, OPTION_PREFIX },
                                                     { NULL, 0, NULL, 0 } };
    struct options             options = { .ipv6_prefix = 64 };
    int                        option;

    while ((option = getopt_long(argc, argv, ":", explain_options, NULL)) != -1)
        if (!set_option(&options, option, optarg != NULL ? optarg : argv[optind - 1]))
            return EXIT_USAGE;
    if (options.rules == NULL)
        return fail("write: spoa-rules explain --rules FILE src=192.0.2.1 method=GET path=/items/1 ...");
    return explain_request(options.rules, argv + optind, (size_t)(argc - optind), (unsigned)options.ipv6_prefix);
}

/* Where nothing stands behind a standard descriptor, a socket or a database would come to, and log lines go there. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = { { "serve", serve }, { "check", check }, { "explain", explain } };

    fill_standard_descriptors();
    opterr = 0; /* set_option() says it */
    if (argc < 2)
        return fail("write a command: serve, check or explain; see spoa-rules --help");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("spoa-rules " SPOA_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return fail("'%s': not a command; see spoa-rules --help", argv[1]);
}
