/* What a request feels of a change of the rules: round trips of single NOTIFYs at a fixed rate, with nothing going on
 * and with one rule of 100,000 changed again and again, in alternating rounds; how long a commit takes to come into
 * force; and what the agent weighs before and after.
 *
 *   reload [RULES [ROUNDS]] */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "lib/agent.h"
#include "lib/mixed_rules.h"
#include "lib/spop_client.h"

#define RATE    2000 /* NOTIFYs a second */
#define SECONDS 5
#define SAMPLES (RATE * SECONDS)

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "reload: %s\n", what);
    exit(1);
}

/* The variable `limit` of the answer to one request. */
static int64_t ask(int fd, const char *path)
{
    static atomic_uint           id;
    const struct spop_client_arg args[] = { spop_client_arg_ip("src", "192.0.2.1"), SPOP_ARG_STR("path", path) };
    char                         frame[512], reply[1024];
    size_t                       n = spop_client_notify_put(frame, sizeof frame, ++id, 1, "check-request", args, 2);
    struct spop_frame            ack_frame;
    struct spop_client_ack       ack;
    const struct spop_value     *limit;

    if (!spop_client_send(fd, frame, n) || !spop_client_receive(fd, reply, sizeof reply, 10000, &ack_frame) ||
        !spop_client_ack_parse(&ack_frame, &ack))
        die("no answer");
    limit = spop_client_ack_find(&ack, "limit");
    return limit == NULL ? 0 : limit->sint;
}

static int open_connection(const struct agent *agent)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    int                      fd = spop_client_open(agent->address, &hello, 10000);

    if (fd < 0)
        die("no connection");
    return fd;
}

/* ---- changes, and who looks for them: a second connection, in quiet rounds too ---- */

struct changer {
    const struct agent *agent;
    bool                changes; /* otherwise it only asks, as often */
    atomic_bool         stop;
    double              in_force[1000]; /* s from commit to force */
    size_t              n;
};

static void *change(void *context)
{
    struct changer *c = context;
    int             fd = open_connection(c->agent);
    sqlite3        *db;

    sqlite3_open(c->agent->rules, &db);
    sqlite3_busy_timeout(db, 10000);
    while (!atomic_load(&c->stop) && c->n < sizeof c->in_force / sizeof *c->in_force) {
        int64_t limit = 1000 + (int64_t)c->n % 1000;
        char    sql[128];
        double  start;

        if (!c->changes) {
            ask(fd, "/probe");
            usleep(2000);
            continue;
        }
        snprintf(sql, sizeof sql, "UPDATE rules SET requests = %lld WHERE path = '/probe'", (long long)limit);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            die(sqlite3_errmsg(db));
        start = seconds();
        while (ask(fd, "/probe") != limit)
            usleep(2000);
        c->in_force[c->n++] = seconds() - start;
    }
    sqlite3_close(db);
    close(fd);
    return NULL;
}

/* ---- round trips ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(double *sorted, size_t n, double q)
{
    return sorted[(size_t)((double)(n - 1) * q)];
}

static void measure(int fd, const char *what)
{
    static double us[SAMPLES];
    double        start = seconds();

    for (int i = 0; i < SAMPLES; i++) {
        double          due = start + (double)i / RATE, begun;
        struct timespec until = { (time_t)due, (long)(fmod(due, 1.0) * 1e9) };

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        begun = seconds();
        ask(fd, "/api/v1/items/1");
        us[i] = (seconds() - begun) * 1e6;
    }
    qsort(us, SAMPLES, sizeof *us, compare);
    printf("%-10s p50 %6.0f us  p99 %6.0f us  p99.9 %6.0f us  max %6.0f us\n", what, quantile(us, SAMPLES, 0.5),
           quantile(us, SAMPLES, 0.99), quantile(us, SAMPLES, 0.999), us[SAMPLES - 1]);
    fflush(stdout);
}

static void measure_beside(const struct agent *agent, int fd, bool changes)
{
    static struct changer changer;
    pthread_t             thread;

    memset(&changer, 0, sizeof changer);
    changer.agent = agent;
    changer.changes = changes;
    pthread_create(&thread, NULL, change, &changer);
    measure(fd, changes ? "changing" : "quiet");
    atomic_store(&changer.stop, true);
    pthread_join(thread, NULL);
    if (!changes)
        return;
    qsort(changer.in_force, changer.n, sizeof(double), compare);
    printf("%10zu changes, in force after %.0f ms (median), %.0f ms (greatest)\n", changer.n,
           quantile(changer.in_force, changer.n, 0.5) * 1e3, changer.in_force[changer.n - 1] * 1e3);
}

int main(int argc, char **argv)
{
    int          rules = argc > 1 ? atoi(argv[1]) : 100000, rounds = argc > 2 ? atoi(argv[2]) : 3, fd, code;
    struct agent agent;
    long         before;

    agent_init(&agent);
    mixed_rules_make(agent.rules, rules);
    agent_sql(&agent, "INSERT INTO rules(path, requests, period, priority) VALUES ('/probe', 1, 60, -1)");
    if (!agent_start(&agent, NULL, &code))
        die("the agent did not start");
    fd = open_connection(&agent);
    printf("%d rules, %d NOTIFYs a second, one at a time\n", rules, RATE);
    measure(fd, "warm");
    before = agent_rss_kb(&agent);
    for (int i = 0; i < rounds; i++) {
        measure_beside(&agent, fd, false);
        measure_beside(&agent, fd, true);
    }
    sleep(1); /* the last old rule set goes with the next look at the file */
    printf("resident: %ld MB before, %ld MB after\n", before / 1024, agent_rss_kb(&agent) / 1024);
    close(fd);
    agent_stop(&agent);
    agent_fini(&agent);
    return 0;
}
