#include "tally/totals.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/utf8.h"

/* An open hash table of places among the rows. */
#define SLOTS 4096

struct totals {
    pthread_mutex_t         lock;
    struct counts          *incoming; /* scratch */
    struct decisions_taken *taken;    /* scratch */
    size_t                  n;
    struct totals_row       rows[TOTALS_ROWS];
    uint16_t                slots[SLOTS]; /* place + 1; 0: free */
    struct rule_count       rest;
};

struct totals *totals_new(void)
{
    struct totals *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->incoming = counts_new();
    t->taken = malloc(sizeof *t->taken);
    if (t->incoming != NULL && t->taken != NULL)
        return t;
    totals_free(t);
    return NULL;
}

void totals_free(struct totals *t)
{
    if (t == NULL)
        return;
    counts_free(t->incoming);
    free(t->taken);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- rows ---- */

/* Where the rule's place stands, or a free slot for it. */
static uint16_t *find_slot(struct totals *t, int64_t rule)
{
    size_t i = (size_t)((uint64_t)rule * UINT64_C(0x9E3779B97F4A7C15) >> 32) % SLOTS;

    while (t->slots[i] != 0 && t->rows[t->slots[i] - 1].count.rule != rule)
        i = (i + 1) % SLOTS;
    return &t->slots[i];
}

static void append(struct totals *t, int64_t rule)
{
    uint16_t *slot = find_slot(t, rule);

    t->rows[t->n++] = (struct totals_row){ .count.rule = rule, .in_force = true };
    *slot = (uint16_t)t->n;
}

static void add(struct rule_count *sum, const struct rule_count *count)
{
#define X(name) sum->name += count->name;
    RULE_COUNTS(X)
#undef X
}

void totals_add(struct totals *t, const struct counts *counts)
{
    pthread_mutex_lock(&t->lock);
    counts_merge(t->incoming, counts);
    if (t->n == 0)
        append(t, 0);
    for (uint32_t i = 0; i < t->incoming->rules_n; i++) {
        const struct rule_count *count = &t->incoming->rules[i];

        if (*find_slot(t, count->rule) == 0 && t->n < TOTALS_ROWS)
            append(t, count->rule);
        if (*find_slot(t, count->rule) != 0)
            add(&t->rows[*find_slot(t, count->rule) - 1].count, count);
        else
            add(&t->rest, count);
    }
    counts_clear(t->incoming);
    pthread_mutex_unlock(&t->lock);
}

void totals_take(struct totals *t, struct decisions *const *tallies, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        decisions_take(tallies[i], 0, NULL, t->taken);
        for (size_t k = 0; k < t->taken->n; k++) {
            if (t->taken->hours[k].counts == NULL)
                continue;
            totals_add(t, t->taken->hours[k].counts);
            decisions_reuse(tallies[i], t->taken->hours[k].counts);
        }
    }
}

/* ---- reading ---- */

static void set_name(struct totals_row *row, const char *name)
{
    char   escaped[ESCAPED_MAX(TOTALS_NAME)];
    size_t n = escape_controls(span_of(name), escaped, sizeof escaped);

    utf8_repair((struct span){ escaped, n }, row->name, sizeof row->name);
}

static void describe_rows(struct totals *t, const struct ruleset *set)
{
    for (size_t i = 1; i < t->n; i++)
        t->rows[i].in_force = false;
    for (size_t i = 0; i < set->n; i++) {
        const struct rule *rule = &set->rules[i];
        uint16_t           place = *find_slot(t, rule->id);

        if (place == 0)
            continue;
        t->rows[place - 1].in_force = true;
        t->rows[place - 1].shadow = rule->shadow;
        set_name(&t->rows[place - 1], rule->name);
    }
}

static void drop_old(struct totals *t)
{
    size_t n = t->n;

    t->n = 0;
    memset(t->slots, 0, sizeof t->slots);
    for (size_t i = 0; i < n; i++) {
        struct totals_row row = t->rows[i];

        if (!row.in_force) {
            add(&t->rest, &row.count);
            continue;
        }
        append(t, row.count.rule);
        t->rows[t->n - 1] = row;
    }
}

size_t totals_read(struct totals *t, const struct ruleset *set, struct totals_row *rows, struct rule_count *rest)
{
    size_t n;

    pthread_mutex_lock(&t->lock);
    if (t->n == 0)
        append(t, 0);
    describe_rows(t, set);
    if (t->n == TOTALS_ROWS)
        drop_old(t);
    n = t->n;
    memcpy(rows, t->rows, n * sizeof *rows);
    *rest = t->rest;
    pthread_mutex_unlock(&t->lock);
    return n;
}
