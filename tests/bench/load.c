/* Load on an agent (lib/spop_load.h), with figures to read and to work with. Exit code 1: the agent made a fault.
 *
 * CPU time is that of the processes' clocks, in which the kernel counts nanoseconds: of all their threads, also those
 * that have ended. It includes what the kernel does in their name, such as handing bytes to the other side. */
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/notifies.h"
#include "lib/spop_load.h"

#define PIDS_MAX 16

static const char usage[] =
    "load --address ADDR [options]\n"
    "  --address ADDR       host:port or unix:/path\n"
    "  --connections N      (default 4)\n"
    "  --window N           NOTIFYs in flight on each connection (default 20, which is HAProxy's most)\n"
    "  --rate N             NOTIFYs a second in all; 0, the default: as fast as they are answered\n"
    "  --seconds S          (default 5)\n"
    "  --requests N         ends after so many, if that is earlier\n"
    "  --rules N            requests that meet N mixed rules (default 10000)\n"
    "  --clients N          so many clients (default 100000)\n"
    "  --distinct           one request over and over instead, each time from another client\n"
    "  --pid PID            whose CPU time is told: the agent; repeatable\n"
    "Prints a line to read, then a line of key=value.\n";

struct options {
    struct spop_load_options load;
    int                      rules, clients;
    bool                     distinct;
    clockid_t                clocks[PIDS_MAX]; /* of the agent's processes */
    size_t                   clocks_n;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;

    fputs("load: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* ---- the figures ---- */

static double cpu_us(clockid_t clock)
{
    struct timespec ts;

    if (clock_gettime(clock, &ts) != 0)
        die("no CPU time: the process has ended");
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double agent_cpu_us(const struct options *options)
{
    double sum = 0;

    for (size_t i = 0; i < options->clocks_n; i++)
        sum += cpu_us(options->clocks[i]);
    return sum;
}

static void print_figures(const struct spop_load_result *result, double agent_us, double own_us)
{
    const struct histogram *latency = &result->latency_us, *late = &result->late_us;
    double                  n = (double)result->answered;
    double passed_us = (double)(result->last_ns - result->start_ns) / 1e3, batch = n / (double)result->writes;
    double p50 = (double)histogram_quantile(latency, 500), p99 = (double)histogram_quantile(latency, 990);
    double p999 = (double)histogram_quantile(latency, 999), max = (double)result->max_us;

    printf(
        "%.0f decisions a second; CPU of the agent %.2f us each (%.2f cores), of the load %.2f us (%.2f cores); %.1f "
        "NOTIFYs a write; p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
        n / passed_us * 1e6, agent_us / n, agent_us / passed_us, own_us / n, own_us / passed_us, batch, p50, p99, p999,
        max);
    printf("decisions=%.0f seconds=%.3f rate=%.0f allow=%llu deny=%llu slow=%llu ", n, passed_us / 1e6,
           n / passed_us * 1e6, (unsigned long long)result->verdicts[SPOP_LOAD_ALLOW],
           (unsigned long long)result->verdicts[SPOP_LOAD_DENY], (unsigned long long)result->verdicts[SPOP_LOAD_SLOW]);
    printf("cpu_us=%.4f cores=%.3f load_us=%.4f load_cores=%.3f batch=%.2f ack_bytes=%.1f ", agent_us / n,
           agent_us / passed_us, own_us / n, own_us / passed_us, batch, (double)result->ack_bytes / n);
    printf("p50_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f late_p50_us=%.1f late_p99_us=%.1f\n", p50, p99, p999, max,
           (double)histogram_quantile(late, 500), (double)histogram_quantile(late, 990));
}

/* ---- options ---- */

static double number(const char *option, const char *text, double least, double most)
{
    char  *end;
    double value = strtod(text, &end);

    if (*text != '\0' && *end == '\0' && value >= least && value <= most)
        return value;
    die("--%s '%s': write a number from %g to %g", option, text, least, most);
}

static void add_pid(struct options *options, const char *text)
{
    pid_t pid = (pid_t)number("pid", text, 1, 1e9);

    if (options->clocks_n == PIDS_MAX)
        die("--pid %d: %d at most", (int)pid, PIDS_MAX);
    if (clock_getcpuclockid(pid, &options->clocks[options->clocks_n++]) != 0)
        die("--pid %d: no such process", (int)pid);
}

enum { ADDRESS, CONNECTIONS, WINDOW, RATE, SECONDS, REQUESTS, RULES, CLIENTS, DISTINCT, PID };

static const struct option known[] = {
    { "address", required_argument, NULL, ADDRESS },
    { "connections", required_argument, NULL, CONNECTIONS },
    { "window", required_argument, NULL, WINDOW },
    { "rate", required_argument, NULL, RATE },
    { "seconds", required_argument, NULL, SECONDS },
    { "requests", required_argument, NULL, REQUESTS },
    { "rules", required_argument, NULL, RULES },
    { "clients", required_argument, NULL, CLIENTS },
    { "distinct", no_argument, NULL, DISTINCT },
    { "pid", required_argument, NULL, PID },
    { NULL, 0, NULL, 0 },
};

static void set_option(struct options *options, int option, const char *text)
{
    switch (option) {
    case ADDRESS:
        options->load.address = text;
        break;
    case CONNECTIONS:
        options->load.connections = (unsigned)number("connections", text, 1, 10000);
        break;
    case WINDOW:
        options->load.window = (unsigned)number("window", text, 1, 10000);
        break;
    case RATE:
        options->load.rate = number("rate", text, 0, 1e7);
        break;
    case SECONDS:
        options->load.seconds = number("seconds", text, 0.001, 1e5);
        break;
    case REQUESTS:
        options->load.requests = (uint64_t)number("requests", text, 1, 1e9);
        break;
    case RULES:
        options->rules = (int)number("rules", text, 1, 1e7);
        break;
    case CLIENTS:
        options->clients = (int)number("clients", text, 1, 1 << 20);
        break;
    case DISTINCT:
        options->distinct = true;
        break;
    case PID:
        add_pid(options, text);
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options    options = { .load = { .connections = 4, .window = 20, .seconds = 5, .requests = UINT64_MAX },
                                  .rules = 10000,
                                  .clients = 100000 };
    struct notifies  *notifies;
    struct spop_load *load;
    const struct spop_load_result *result;
    double                         agent_us, own_us;
    int                            option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(&options, option, optarg);
    if (options.load.address == NULL || optind < argc)
        set_option(&options, '?', NULL);
    notifies = options.distinct ? notifies_distinct() : notifies_mixed(options.rules, options.clients);
    load = spop_load_open(&options.load, notifies);

    agent_us = agent_cpu_us(&options);
    own_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
    result = spop_load_run(load);
    agent_us = agent_cpu_us(&options) - agent_us;
    own_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - own_us;

    print_figures(result, agent_us, own_us);
    spop_load_close(load);
    notifies_free(notifies);
    return 0;
}
