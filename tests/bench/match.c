/* One decision in process: ns at 10 to 100,000 mixed rules, with the counters that 100,000 clients leave behind; how long
 * the rules take to load, and what they weigh. Prints a table; the ratio to 100 rules is what counts. "100 met": requests
 * meet only the first hundred rules, so that the others show what a rule costs that does not match. "all met": they meet
 * all rules alike, each of which then brings memory of its own, and counters, into play.
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

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* `rules`: how many of the first rules the requests meet. */
static double measure(const struct ruleset *set, int rules)
{
    struct limits        *limits = limits_new(1000000, 1);
    static char           scratch[65536];
    struct decider        decider = { .limits = limits, .ipv6_prefix = 64 };
    struct decision       decision;
    struct request        request;
    int                   key = ruleset_attribute(set, SPAN_LITERAL("api_key"));
    double                best = 1e9;
    struct mixed_request *samples = calloc(REQUESTS, sizeof *samples);

    for (int i = 0; i < REQUESTS; i++)
        mixed_request_make(&samples[i], rules, CLIENTS);
    for (int round = 0; round < 5; round++) {
        double        start = seconds();
        struct moment now = moment_now();

        for (int i = 0; i < REQUESTS; i++) {
            struct mixed_request *s = &samples[i];

            request_init(&request, scratch, sizeof scratch);
            request_set_address(&request, ATTRIBUTE_SRC, address_from_v4(s->src));
            request_set_text(&request, ATTRIBUTE_METHOD, SPAN_LITERAL("GET"));
            request_set_text(&request, ATTRIBUTE_HOST, span_of(s->host));
            request_set_text(&request, ATTRIBUTE_PATH, span_of(s->path));
            request_set_text(&request, (unsigned)key, span_of(s->key));
            request_finish(&request);
            decide(&decider, set, &request, now, &decision);
        }
        if (seconds() - start < best)
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
