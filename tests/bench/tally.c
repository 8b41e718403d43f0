/* The analytics' data structures: CPU time an operation, the best of several rounds.
 *
 * Heavy hitters are fed 1,000,000 requests at a capacity of 1,000 keys: by Zipf's law from 100,000 clients; a flood, in
 * which each client is new; both in turn. "late flood": 999 kept clients have had many requests, each another number,
 * when the flood comes, so that each new one raises the least bound. That is the worst for finding it.
 *
 * "a decision" is all that a worker does for one: in batches of 16, three rules each, one of them of 10,000, and paths
 * that follow the rules.
 *
 *   tally
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/random.h"
#include "tally/decisions.h"
#include "tally/distinct.h"
#include "tally/histogram.h"
#include "tally/topk.h"

#define N       1000000
#define KEYS    1000
#define CLIENTS 100000
#define ROUNDS  7

struct sample {
    uint64_t id;
    char     text[15];
    uint8_t  n;
};

static struct sample *samples;

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void set_sample(struct sample *s, uint64_t client)
{
    char text[32];

    s->n = (uint8_t)snprintf(text, sizeof text, "%u.%u.%u.%u", (unsigned)(client >> 24 & 127),
                             (unsigned)(client >> 16 & 255), (unsigned)(client >> 8 & 255), (unsigned)(client & 255));
    memcpy(s->text, text, s->n);
    s->id = tally_id_of((struct span){ text, s->n }, 1);
}

/* By Zipf's law with this exponent, 0: all alike. */
static uint64_t *make_ranks(double exponent)
{
    double       *shares = calloc(CLIENTS, sizeof *shares), sum = 0;
    uint64_t     *ranks = calloc(N, sizeof *ranks);
    struct random state = { 1 };

    for (int i = 0; i < CLIENTS; i++)
        shares[i] = sum += pow(i + 1, -exponent);
    for (int i = 0; i < N; i++) {
        double x = random_share(&state) * sum;
        int    low = 0, high = CLIENTS - 1;

        while (low < high) {
            int middle = (low + high) / 2;

            if (shares[middle] < x)
                low = middle + 1;
            else
                high = middle;
        }
        ranks[i] = (uint64_t)low;
    }
    free(shares);
    return ranks;
}

static void feed(struct topk *t, int n)
{
    for (int i = 0; i < n; i++) {
        const struct sample *s = &samples[i];
        const uint64_t       sums[TOPK_SUMS] = { s->n & 1, 0, 0 };

        topk_add(t, s->id, (struct span){ s->text, s->n }, 1, sums);
    }
}

static void measure_topk(const char *name)
{
    struct topk *t = topk_new(KEYS, 48);
    double       best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        double start;

        topk_clear(t);
        start = seconds();
        feed(t, N);
        best = fmin(best, seconds() - start);
    }
    printf("%-34s %8.1f   floor %ju\n", name, best / N * 1e9, topk_floor(t));
    topk_free(t);
}

static void measure_late_flood(void)
{
    const uint64_t sums[TOPK_SUMS] = { 0 };
    struct topk   *t = topk_new(KEYS, 48);
    struct random  state = { 1 };
    double         best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        double start;

        topk_clear(t);
        for (uint64_t i = 0; i < KEYS; i++)
            topk_add(t, random_u64(&state), SPAN_LITERAL("kept"), i == 0 ? 1 : N + i, sums);
        start = seconds();
        feed(t, N / 2);
        best = fmin(best, seconds() - start);
    }
    printf("%-34s %8.1f\n", "heavy hitters, late flood", best / (N / 2) * 1e9);
    topk_free(t);
}

static void measure_long_paths(void)
{
    const uint64_t sums[TOPK_SUMS] = { 0 };
    struct topk   *t = topk_new(KEYS, 256);
    char           path[2048];
    double         best = 1e9;

    memset(path, 'x', sizeof path);
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();

        for (int i = 0; i < N; i++)
            topk_add(t, samples[i].id, (struct span){ path, sizeof path }, 1, sums);
        best = fmin(best, seconds() - start);
    }
    printf("%-34s %8.1f\n", "heavy hitters, flood of long paths", best / N * 1e9);
    topk_free(t);
}

/* What is done once in a while to whole summaries, in microseconds. */
static void measure_whole(void)
{
    struct topk *a = topk_new(KEYS, 48), *b = topk_new(KEYS, 48), *c = topk_new(KEYS, 48);
    double       merge = 1e9, copy = 1e9, start;

    feed(a, N / 2);
    samples += N / 2;
    feed(b, N / 2);
    samples -= N / 2;
    for (int round = 0; round < 10 * ROUNDS; round++) {
        start = seconds();
        topk_copy(c, a);
        copy = fmin(copy, seconds() - start);
        start = seconds();
        topk_merge(c, b);
        merge = fmin(merge, seconds() - start);
    }
    printf("copy %.1f us, merge %.1f us\n", copy * 1e6, merge * 1e6);
    topk_free(a);
    topk_free(b);
    topk_free(c);
}

static void measure_others(const uint64_t *ranks)
{
    static struct distinct  d;
    static struct histogram h;
    double                  id = 1e9, distinct = 1e9, histogram = 1e9, count = 1e9, start;
    uint64_t                sum = 0;

    for (int round = 0; round < ROUNDS; round++) {
        start = seconds();
        for (int i = 0; i < N; i++)
            sum += tally_id_of((struct span){ samples[i].text, samples[i].n }, 1);
        id = fmin(id, seconds() - start);
        d = (struct distinct){ 0 };
        start = seconds();
        for (int i = 0; i < N; i++)
            distinct_add(&d, samples[i].id);
        distinct = fmin(distinct, seconds() - start);
        start = seconds();
        for (int i = 0; i < 100; i++)
            sum += distinct_count(&d);
        count = fmin(count, seconds() - start);
        start = seconds();
        for (int i = 0; i < N; i++)
            histogram_add(&h, ranks[i]);
        histogram = fmin(histogram, seconds() - start);
    }
    printf("%-34s %8.1f\n%-34s %8.1f\n%-34s %8.1f\n", "id of an address", id / N * 1e9, "distinct", distinct / N * 1e9,
           "histogram", histogram / N * 1e9);
    printf("estimate of distinct %.1f us\n", count / 100 * 1e6);
    if (sum == 0)
        abort();
}

static void tally_batch(struct decisions *d, const uint64_t *ranks, const struct ruleset_view *view)
{
    static struct tally_request noted[16];
    static struct request       request;
    static struct decision      decisions[16];
    static char                 paths[16][32];
    const struct rule          *rules = view->held->rules;

    for (int i = 0; i < 16; i++) {
        uint32_t client = (uint32_t)ranks[i], rule = (uint32_t)(ranks[i] * 7919 % 10000);

        request.src = address_from_v4(&client);
        memcpy(paths[i], "/api/v1/items/0000", 18);
        memcpy(paths[i] + 14, &rule, sizeof rule);
        request.value[ATTRIBUTE_PATH] = (struct span){ paths[i], 18 };
        decisions[i].applied[0] = &rules[rule];
        decisions[i].applied[1] = &rules[10000];
        decisions[i].applied[2] = decisions[i].tightest = &rules[10001];
        decisions[i].applied_n = decisions[i].uses_n = 3;
        decisions_note(d, &noted[i], &request, &decisions[i]);
    }
    decisions_begin(d, (struct moment){ .unix_us = HOUR_US }, view);
    for (int i = 0; i < 16; i++)
        decisions_add(d, &noted[i], &decisions[i]);
    decisions_end(d);
}

static void measure_decisions(const char *name, const uint64_t *ranks)
{
    struct decisions   *d = decisions_new(1, 64);
    struct rule        *rules = calloc(10002, sizeof *rules);
    struct ruleset      set = { .rules = rules, .n = 10002 };
    struct ruleset_view view = { .held = &set, .generation = 1 };
    double              best = 1e9;

    for (int i = 0; i < 10002; i++)
        rules[i] = (struct rule){ .id = i + 1, .action = RULE_LIMIT };
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();

        for (int i = 0; i + 16 <= N; i += 16)
            tally_batch(d, ranks + i, &view);
        best = fmin(best, seconds() - start);
    }
    printf("%-34s %8.1f\n", name, best / N * 1e9);
    decisions_free(d);
    free(rules);
}

int main(void)
{
    static const double exponents[] = { 0.8, 1.0, 1.2 };
    uint64_t           *ranks = NULL;
    char                name[64];

    samples = calloc(N, sizeof *samples);
    printf("%-34s %8s\n", "", "ns");
    for (int e = 0; e < 3; e++) {
        free(ranks);
        ranks = make_ranks(exponents[e]);
        for (int i = 0; i < N; i++)
            set_sample(&samples[i], ranks[i]);
        snprintf(name, sizeof name, "heavy hitters, Zipf %.1f", exponents[e]);
        measure_topk(name);
        if (exponents[e] == 1.0)
            measure_whole();
    }
    for (int i = 0; i < N; i += 2)
        set_sample(&samples[i], (uint64_t)(CLIENTS + i));
    measure_topk("heavy hitters, half a flood");
    for (int i = 0; i < N; i++)
        set_sample(&samples[i], (uint64_t)(CLIENTS + i));
    measure_topk("heavy hitters, flood");
    measure_late_flood();
    measure_long_paths();
    measure_others(ranks);
    measure_decisions("a decision, Zipf 1.2", ranks);
    free(ranks);
    ranks = make_ranks(0);
    measure_decisions("a decision, all clients alike", ranks);
    free(ranks);
    free(samples);
    return 0;
}
