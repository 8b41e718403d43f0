/* One decision in process: ns at 10 to 100,000 mixed rules, for 100,000 clients, with a million live counters; how long
 * the rules take to load, and what they weigh. As in a worker, requests are matched by the batch and then decided.
 * Prints a table; the ratio to 100 rules is what counts. "100 met": requests meet only the first hundred rules, so that
 * the others show what a rule costs that does not match. "all met": they meet all rules alike, each of which then
 * brings memory of its own, and counters, into play.
 *
 *   match [RULES ...]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mixed_rules.h"
#include "policy/decide.h"
#include "store/rules_db.h"

#define CLIENTS  100000
#define COUNTERS 1000000
#define BATCH    16 /* as ANSWER_BATCH */
#define REQUESTS 200000
#define MET      100

static void die(const char *what)
{
    fprintf(stderr, "match: %s\n", what);
    exit(1);
}

static void print_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    die(problem_format(problem, text));
}

/* CPU time: others on the machine cost less of it than of the time of day. */
static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void match(const struct decider *decider, const struct ruleset *set, const struct mixed_request *sample, int key,
                  struct moment now, struct decision *decision)
{
    static char    scratch[65536];
    struct request request;

    request_init(&request, scratch, sizeof scratch);
    request_set_address(&request, ATTRIBUTE_SRC, address_from_v4(sample->src));
    request_set_text(&request, ATTRIBUTE_METHOD, SPAN_LITERAL("GET"));
    request_set_text(&request, ATTRIBUTE_HOST, span_of(sample->host));
    request_set_text(&request, ATTRIBUTE_PATH, span_of(sample->path));
    request_set_text(&request, (unsigned)key, span_of(sample->key));
    request_finish(&request);
    decide_match(decider, set, &request, now, decision);
    limits_prefetch_buckets(decider->limits, decision->uses, decision->uses_n);
}

static void charge(const struct decider *decider, struct moment now, struct decision *batch)
{
    for (int i = 0; i < BATCH; i++)
        limits_prefetch_counters(decider->limits, batch[i].uses, batch[i].uses_n);
    for (int i = 0; i < BATCH; i++)
        decide_charge(decider, now, &batch[i]);
}

/* Counters of clients that are not there at the moment, until the table is full. */
static void fill(struct limits *limits)
{
    static const struct limit limit = { .algorithm = LIMIT_SLIDING, .requests = 100, .period_s = 3600 };
    struct moment             now = moment_now();

    for (uint64_t i = 1; limits_counts(limits).counters < COUNTERS && i % 1000 != 0; i++) {
        for (uint64_t k = 0; k < 1000; k++) {
            struct limit_use use = { .key = (i * 1000 + k) * 0x9E3779B97F4A7C15u, .limit = &limit, .binding = true };

            limits_decide(limits, &use, 1, true, now);
        }
    }
}

/* `rules`: how many of the first rules the requests meet. */
static double measure(const struct ruleset *set, int rules)
{
    /* Shards do not fill evenly: with more room, none of the million makes room for another. */
    struct limits         *limits = limits_new(COUNTERS / 100 * 105, 1);
    static struct decision batch[BATCH];
    struct decider         decider = { .limits = limits, .ipv6_prefix = 64 };
    int                    key = ruleset_attribute(set, SPAN_LITERAL("api_key"));
    double                 best = 1e9;
    struct mixed_request  *samples = calloc(REQUESTS, sizeof *samples);

    for (int i = 0; i < REQUESTS; i++)
        mixed_request_make(&samples[i], rules, CLIENTS);
    for (int round = 0; round < 6; round++) {
        double        start = seconds();
        struct moment now = moment_now();

        for (int i = 0; i < REQUESTS; i++) {
            match(&decider, set, &samples[i], key, now, &batch[i % BATCH]);
            if (i % BATCH == BATCH - 1)
                charge(&decider, now, batch);
        }
        /* The first round makes the counters. */
        if (round == 0)
            fill(limits);
        else if (seconds() - start < best)
            best = seconds() - start;
    }
    free(samples);
    limits_free(limits);
    return best / REQUESTS * 1e9;
}

int main(int argc, char **argv)
{
    static const int defaults[] = { 10, 100, 1000, 10000, 100000 };
    int              n = argc > 1 ? argc - 1 : (int)(sizeof defaults / sizeof *defaults);
    char             path[] = "/tmp/spoa-bench-XXXXXX";

    if (mkstemp(path) < 0)
        die("no temporary file");
    printf("%8s %11s %11s %10s %12s %9s\n", "rules", "ns, 100 met", "ns, all met", "load ms", "bytes/rule", "residue");
    for (int i = 0; i < n; i++) {
        int             rules = argc > 1 ? atoi(argv[i + 1]) : defaults[i];
        struct ruleset *set;
        double          start, loaded;
        size_t          before, weight;

        mixed_rules_make(path, rules);
        before = mallinfo2().uordblks + mallinfo2().hblkhd;
        start = seconds();
        if (rules_db_load(path, NULL, print_problem, NULL, &set) != RULES_LOADED)
            die("busy");
        loaded = seconds() - start;
        weight = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / (size_t)rules;
        printf("%8d %11.0f %11.0f %10.1f %12zu %9zu\n", rules, measure(set, rules < MET ? rules : MET),
               measure(set, rules), loaded * 1e3, weight, set->index.residue_n);
        fflush(stdout);
        ruleset_free(set);
    }
    unlink(path);
    return 0;
}
