/* spoa-rules: commands, options, signals, and the order in which things start and stop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "attend.h"
#include "base/log.h"
#include "base/notify.h"
#include "command_check.h"
#include "command_explain.h"
#include "command_import.h"
#include "command_report.h"
#include "options.h"
#include "policy/publish.h"
#include "server/acceptor.h"
#include "server/feed.h"
#include "server/passed.h"
#include "server/server.h"
#include "store/analytics.h"
#include "store/counters.h"
#include "store/rules_db.h"
#include "store/rules_watch.h"

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

static bool is_stopping(void *context)
{
    (void)context;
    return attend_stop_signal() != 0;
}

/* At start there are no rules to fall back to: a database that cannot be used ends the attempt, and so does a stop. */
static struct ruleset *first_rules(const char *path, struct rules_stamp *stamp)
{
    const struct rules_stop stop = { is_stopping, NULL };
    struct ruleset         *set;
    enum rules_load         result;

    if (!rules_file_create(path, print_problem, &path))
        return NULL;
    for (int tries = 0;; tries++) {
        *stamp = rules_file_stamp(path);
        result = rules_db_load_until(path, NULL, &stop, print_problem, &path, &set);
        if (result != RULES_BUSY || is_stopping(NULL))
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

static bool enter_directory(const char *option, const char *path)
{
    if ((mkdir(path, 0750) == 0 || errno == EEXIST) && access(path, W_OK | X_OK) == 0)
        return true;
    fail("%s %s: %s", option, path, strerror(errno));
    return false;
}

static struct counters *open_counters(const struct options *options)
{
    struct counters_options counters_options = {
        .data = options->data,
        .runtime = options->runtime,
        .max_counters = options->max_counters,
    };
    struct counters *counters;
    char             error[256];

    if (options->runtime == NULL)
        counters_options.runtime = access(DEFAULT_RUNTIME, W_OK | X_OK) == 0 ? DEFAULT_RUNTIME : options->data;
    else if (!enter_directory("--runtime", options->runtime))
        return NULL;
    counters = counters_open(&counters_options, error, sizeof error);
    if (counters == NULL)
        fail("%s", error);
    return counters;
}

static struct analytics *open_analytics(const struct options *options, struct totals *totals)
{
    return analytics_open(&(struct analytics_options){
        .data = options->data,
        .keep_hours = (unsigned)options->keep_hours,
        .keep_days = (unsigned)options->keep_days,
        .max_bytes = (uint64_t)options->max_analytics << 20,
        .totals = totals,
    });
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

/* What HAProxy connects to, and what it says there; and what operators ask. */
struct fronts {
    struct server *server;
    struct feed   *feed;  /* NULL: there is to be none */
    struct admin  *admin; /* the same */
};

/* Who asks hears nothing from an agent that ends. Decisions end before the feed does, which tells of their answers. */
static void stop_fronts(struct fronts *fronts)
{
    admin_stop(fronts->admin);
    server_stop(fronts->server);
    feed_stop(fronts->feed);
}

static void refresh_server(void *server)
{
    server_refresh(server);
}

/* What workers and feed count, and who writes it down. They outlive both. */
struct tallies {
    struct analytics    *analytics; /* NULL: nobody does */
    struct decisions   **decisions; /* of each worker; NULL where neither analytics nor totals count */
    struct totals       *totals;    /* since the start, for those who ask; NULL: nobody does */
    struct responses_box responses;
};

/* False: no memory. */
static bool init_tallies(struct tallies *tallies, const struct options *options)
{
    bool     has_totals = options->admin_listen != NULL;
    uint64_t seed = 0;

    *tallies = (struct tallies){ .decisions = calloc(options->threads, sizeof *tallies->decisions) };
    if (has_totals)
        tallies->totals = totals_new();
    if (!options->no_analytics) {
        tallies->analytics = open_analytics(options, tallies->totals);
        if (tallies->analytics != NULL)
            seed = analytics_seed(tallies->analytics);
    }
    if (!responses_box_init(&tallies->responses, seed) || tallies->decisions == NULL ||
        (tallies->analytics == NULL && !options->no_analytics) || (tallies->totals == NULL && has_totals)) {
        fail("out of memory");
        return false;
    }
    for (size_t i = 0; (tallies->analytics != NULL || has_totals) && i < options->threads; i++) {
        tallies->decisions[i] =
            tallies->analytics != NULL ? decisions_new(seed, (unsigned)options->ipv6_prefix) : decisions_new_totals();
        if (tallies->decisions[i] == NULL)
            abort(); /* at start, where nothing can be done without it */
    }
    return true;
}

static void fini_tallies(struct tallies *tallies, const struct options *options)
{
    analytics_close(tallies->analytics);
    responses_box_fini(&tallies->responses);
    for (size_t i = 0; tallies->decisions != NULL && i < options->threads; i++)
        decisions_free(tallies->decisions[i]);
    free(tallies->decisions);
    totals_free(tallies->totals);
}

static bool start_admin(const struct fronts *fronts, const struct options *options, struct ruleset_slot *slot,
                        struct counters *counters, const struct tallies *tallies)
{
    const struct admin_sources sources = {
        .server = fronts->server,
        .slot = slot,
        .limits = counters_limits(counters),
        .max_counters = options->max_counters,
        .ipv6_prefix = (unsigned)options->ipv6_prefix,
        .totals = tallies->totals,
        .takes_totals = tallies->analytics == NULL,
        .tallies = tallies->decisions,
        .tallies_n = options->threads,
    };

    return fronts->admin == NULL || admin_start(fronts->admin, &sources);
}

/* Returns the exit code. */
static int log_stop(int received)
{
    log_write(LOG_INFO, "stopping: %s", strsignal(received));
    return 0;
}

/* Runs until a signal says stop; nothing is decided any more then. */
static int run(const struct options *options, struct fronts *fronts, const char *rules_path, struct ruleset_slot *slot,
               struct counters *counters, struct tallies *tallies, struct rules_stamp stamp)
{
    struct rules_watch *watch = NULL;
    int                 received;

    if ((fronts->feed == NULL || feed_start(fronts->feed, &tallies->responses)) &&
        server_start(fronts->server, slot, counters_limits(counters), tallies->decisions) && counters_start(counters) &&
        (tallies->analytics == NULL ||
         analytics_start(tallies->analytics, tallies->decisions, options->threads, &tallies->responses, slot)) &&
        start_admin(fronts, options, slot, counters, tallies))
        watch = rules_watch_start(rules_path, stamp, slot, refresh_server, fronts->server);
    if (watch == NULL) {
        stop_fronts(fronts);
        return fail("out of memory or threads");
    }
    log_write(LOG_INFO, "spoa-rules " SPOA_VERSION " is ready");
    if (fronts->feed != NULL)
        log_write(LOG_INFO, "log feed on %s", options->log_listen);
    if (fronts->admin != NULL)
        log_write(LOG_INFO, "metrics and live questions on %s", options->admin_listen);
    for (size_t i = 0; i < options->listen_n; i++)
        log_write(LOG_INFO, "listening on %s", options->listen[i]);
    notify("READY=1");
    received = attend(fronts->server, watch, tallies->analytics);
    notify("STOPPING=1");
    log_stop(received);
    /* What takes its time comes before the end of the decisions: from then on HAProxy waits for the next agent. */
    rules_watch_stop(watch);
    analytics_wind_up(tallies->analytics);
    stop_fronts(fronts);
    return 0;
}

/* Nothing is made or read before all addresses are known to be good. */
static bool bind_fronts(const struct options *options, struct fronts *fronts)
{
    struct server_options server_options = {
        .listen = options->listen,
        .listen_n = options->listen_n,
        .workers = (unsigned)options->threads,
        .max_connections = options->max_connections,
        .ipv6_prefix = (unsigned)options->ipv6_prefix,
    };
    char error[256];

    *fronts = (struct fronts){ .server = NULL };
    if (passed_init(error, sizeof error))
        fronts->server = server_new(&server_options, error, sizeof error);
    if (fronts->server != NULL &&
        (options->log_listen == NULL || (fronts->feed = feed_new(options->log_listen, error, sizeof error)) != NULL) &&
        (options->admin_listen == NULL ||
         (fronts->admin = admin_new(options->admin_listen, error, sizeof error)) != NULL) &&
        passed_all_taken(error, sizeof error)) /* all that listens is above */
        return true;
    if (fronts->server != NULL)
        stop_fronts(fronts);
    fail("%s", error);
    return false;
}

static int serve(int argc, char **argv)
{
    struct options      options;
    struct ruleset_slot slot;
    struct ruleset     *rules;
    struct counters    *counters;
    struct fronts       fronts;
    struct tallies      tallies;
    struct rules_stamp  stamp;
    char                rules_path[4096];
    int                 code;

    if (!options_parse(&options, argc, argv))
        return EXIT_USAGE;
    attend_block_signals();
    notify_init();
    if (options.rules != NULL)
        code = snprintf(rules_path, sizeof rules_path, "%s", options.rules);
    else
        code = snprintf(rules_path, sizeof rules_path, "%s/rules.db", options.data);
    if ((size_t)code >= sizeof rules_path)
        return fail("--rules: the path is too long");
    code = EXIT_USAGE;
    if (!bind_fronts(&options, &fronts))
        return code;
    if (!enter_directory("--data", options.data) || (rules = first_rules(rules_path, &stamp)) == NULL) {
        stop_fronts(&fronts);
        return attend_stop_signal() != 0 ? log_stop(attend_stop_signal()) : code;
    }
    rules_log_set(rules_path, rules->n, rules->index.residue_n);
    ruleset_slot_init(&slot, rules);
    allow_descriptors(options.max_connections + ACCEPTOR_RESERVE + 64);
    counters = open_counters(&options);
    if (counters == NULL) {
        stop_fronts(&fronts);
    } else {
        if (init_tallies(&tallies, &options))
            code = run(&options, &fronts, rules_path, &slot, counters, &tallies, stamp);
        else
            stop_fronts(&fronts);
        fini_tallies(&tallies, &options);
        counters_close(counters);
    }
    ruleset_slot_fini(&slot);
    return code;
}

/* ---- commands ---- */

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
    } commands[] = {
        { "serve", serve },           { "check", command_check },   { "explain", command_explain },
        { "import", command_import }, { "report", command_report },
    };

    fill_standard_descriptors();
    log_init();
    opterr = 0; /* set_option() says it */
    if (argc < 2)
        return fail("write a command: serve, check, explain, import or report; see spoa-rules --help");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(options_usage, stdout);
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
