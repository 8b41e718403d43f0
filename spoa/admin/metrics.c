/* Names and units follow Prometheus' conventions, which `promtool check metrics` knows: base units, _total for what
 * only grows, and names without prefix for what every process has. */
#include "admin/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/moment.h"
#include "base/stats.h"

#define PREFIX "spoa_rules_"

struct metrics {
    const struct admin_sources *sources;
    double                      started_s;
    struct totals_row           rows[TOTALS_ROWS];
    size_t                      rows_n;
    struct rule_count           rest;
};

struct metrics *metrics_new(const struct admin_sources *sources)
{
    struct metrics *m = malloc(sizeof *m);

    if (m == NULL)
        return NULL;
    m->sources = sources;
    m->started_s = (double)moment_now().unix_us / 1e6;
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

/* ---- the format ---- */

struct page {
    FILE       *out;
    const char *name; /* of the family that was begun, with its prefix */
    double      divisor;
};

static void begin(struct page *p, const char *type, const char *name, double divisor, const char *help)
{
    fprintf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    p->name = name;
    p->divisor = divisor;
}

/* 17 digits, so that no whole number below 2^53 is rounded. */
static void put(const struct page *p, const char *labels, double value)
{
    if (*labels == '\0')
        fprintf(p->out, "%s %.17g\n", p->name, value);
    else
        fprintf(p->out, "%s{%s} %.17g\n", p->name, labels, value);
}

static void sample(const struct page *p, const char *labels, uint64_t value)
{
    if (p->divisor > 1)
        put(p, labels, (double)value / p->divisor);
    else if (*labels == '\0')
        fprintf(p->out, "%s %" PRIu64 "\n", p->name, value);
    else
        fprintf(p->out, "%s{%s} %" PRIu64 "\n", p->name, labels, value);
}

static void single(struct page *p, const char *type, const char *name, const char *help, uint64_t value)
{
    begin(p, type, name, 1, help);
    sample(p, "", value);
}

/* ---- what threads count ---- */

#define FAMILY(type, name, divisor, help) begin(p, #type, PREFIX name, divisor, help);
#define SAMPLE(field, labels)             sample(p, labels, stat_get(&s->field));

static void put_workers(struct page *p, const struct stats *s)
{
    WORKER_STATS(FAMILY, SAMPLE)
}

static void put_analytics(struct page *p, const struct stats *s)
{
    ANALYTICS_STATS(FAMILY, SAMPLE)
}

static void put_feed(struct page *p, const struct stats *s)
{
    FEED_STATS(FAMILY, SAMPLE)
}

static void put_rules(struct page *p, const struct stats *s, const struct ruleset *set)
{
    RULES_STATS(FAMILY, SAMPLE)
    single(p, "gauge", PREFIX "rules", "Rules in force.", set->n);
    single(p, "gauge", PREFIX "rules_residue", "Of them, those that each request is compared with.",
           set->index.residue_n);
}

/* The count is the sum of the buckets as they were read, so that both agree. */
static void put_durations(struct page *p, const struct stats *s)
{
    static const char name[] = PREFIX "decision_duration_seconds";
    uint64_t          count = 0;

    begin(p, "histogram", name, 1,
          "From reading a batch of questions to its answers being written, for each answer of it.");
    for (int i = 0; i < STATS_BUCKETS; i++) {
        count += stat_get(&s->buckets[i]);
        if (i < STATS_BUCKETS - 1)
            fprintf(p->out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, stats_bounds_us[i] / 1e6, count);
    }
    fprintf(p->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    fprintf(p->out, "%s_sum %.17g\n", name, (double)stat_get(&s->duration_ns) / 1e9);
    fprintf(p->out, "%s_count %" PRIu64 "\n", name, count);
}

/* ---- the counters ---- */

static void put_counters(struct page *p, const struct admin_sources *sources)
{
    struct limits_counts counts = limits_counts(sources->limits);

    single(p, "gauge", PREFIX "counters", "Places of counters in use, those that count nothing any more included.",
           counts.counters);
    single(p, "gauge", PREFIX "counters_max", "Places that there are: --max-counters.", sources->max_counters);
    single(p, "gauge", PREFIX "counters_full",
           "1: the file system of counters.live is full, and a kill would lose some counters.", counts.is_full);
    single(p, "gauge", PREFIX "bans", "Keys that are banned now.", limits_bans(sources->limits, moment_now()));
    begin(p, "counter", PREFIX "counters_evicted_total", 1,
          "Counters and bans given up for others though they still counted: used up or banned, and others.");
    sample(p, "kind=\"used_up\"", counts.evicted_refusing);
    sample(p, "kind=\"other\"", counts.evicted - counts.evicted_refusing);
}

/* ---- by rule ---- */

/* A name is UTF-8 without control bytes already: see totals.h. */
static void put_rule(const struct page *p, const struct totals_row *row, const char *more, uint64_t value)
{
    fprintf(p->out, "%s{rule=\"%" PRId64 "\",name=\"", p->name, row->count.rule);
    for (const char *c = row->name; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            putc('\\', p->out);
        putc(*c, p->out);
    }
    fprintf(p->out, "\"%s} %" PRIu64 "\n", more, value);
}

static void put_rest(const struct page *p, const char *more, uint64_t value)
{
    fprintf(p->out, "%s{rule=\"other\",name=\"\"%s} %" PRIu64 "\n", p->name, more, value);
}

static void put_matched(struct page *p, const struct metrics *m)
{
    begin(p, "counter", PREFIX "rule_matched_total", 1, "Requests that a rule applied to; rule 0: no live rule did.");
    for (size_t i = 0; i < m->rows_n; i++)
        put_rule(p, &m->rows[i], "", m->rows[i].count.matched);
    put_rest(p, "", m->rest.matched);
}

/* Shadow rules decide nothing; one that once was live goes on with what it has. */
static bool decides(const struct totals_row *row)
{
    return !row->shadow || row->count.allowed + row->count.slowed + row->count.denied > 0;
}

static void put_decisions(struct page *p, const struct metrics *m)
{
    begin(p, "counter", PREFIX "rule_decisions_total", 1,
          "Requests by the rule that decided, else the tightest limit's, and verdict; rule 0: no live rule applied.");
    for (size_t i = 0; i < m->rows_n; i++) {
        const struct totals_row *row = &m->rows[i];

        if (!decides(row))
            continue;
        put_rule(p, row, ",verdict=\"allow\"", row->count.allowed);
        put_rule(p, row, ",verdict=\"slow\"", row->count.slowed);
        put_rule(p, row, ",verdict=\"deny\"", row->count.denied);
    }
    put_rest(p, ",verdict=\"allow\"", m->rest.allowed);
    put_rest(p, ",verdict=\"slow\"", m->rest.slowed);
    put_rest(p, ",verdict=\"deny\"", m->rest.denied);
}

static void put_shadow(struct page *p, const struct metrics *m)
{
    begin(p, "counter", PREFIX "rule_shadow_denied_total", 1, "Requests that a shadow rule would have refused.");
    for (size_t i = 0; i < m->rows_n; i++) {
        if (m->rows[i].shadow || m->rows[i].count.shadow_denied > 0)
            put_rule(p, &m->rows[i], "", m->rows[i].count.shadow_denied);
    }
    put_rest(p, "", m->rest.shadow_denied);
}

/* ---- the process ---- */

static uint64_t resident_bytes(void)
{
    FILE    *statm = fopen("/proc/self/statm", "re");
    uint64_t pages = 0;

    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%*u %" SCNu64, &pages) != 1)
        pages = 0;
    fclose(statm);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_descriptors(void)
{
    DIR     *directory = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (directory == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(directory);
    return n - 1; /* the directory itself */
}

static void put_process(struct page *p, const struct metrics *m)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    begin(p, "gauge", PREFIX "build_info", 1, "1, for its labels.");
    sample(p, "version=\"" SPOA_VERSION "\"", 1);
    begin(p, "gauge", "process_start_time_seconds", 1, "Unix time at which the process began.");
    put(p, "", m->started_s);
    begin(p, "counter", "process_cpu_seconds_total", 1, "CPU time of the process, user and system.");
    put(p, "", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    single(p, "gauge", "process_resident_memory_bytes", "Resident memory, that of the mapped counters included.",
           resident_bytes());
    single(p, "gauge", "process_open_fds", "Open descriptors.", open_descriptors());
}

void metrics_take(struct metrics *m)
{
    const struct admin_sources *sources = m->sources;

    if (sources->takes_totals)
        totals_take(sources->totals, sources->tallies, sources->tallies_n);
}

void metrics_write(struct metrics *m, const struct ruleset *set, FILE *out)
{
    const struct admin_sources *sources = m->sources;
    struct page                 p = { .out = out };
    struct stats                s;

    metrics_take(m);
    m->rows_n = totals_read(sources->totals, set, m->rows, &m->rest);
    stats_sum(&s);
    put_process(&p, m);
    put_workers(&p, &s);
    put_durations(&p, &s);
    put_matched(&p, m);
    put_decisions(&p, m);
    put_shadow(&p, m);
    put_counters(&p, sources);
    put_rules(&p, &s, set);
    put_feed(&p, &s);
    if (!sources->takes_totals)
        put_analytics(&p, &s);
}
