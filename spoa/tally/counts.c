#include "tally/counts.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64

static uint32_t home_of(const struct counts *c, int64_t rule)
{
    return (uint32_t)((uint64_t)rule * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (c->slots_n - 1);
}

struct counts *counts_new(void)
{
    struct counts *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->slots_n = SLOTS_MIN;
    c->slots = calloc(c->slots_n, sizeof *c->slots);
    c->rules = malloc(c->slots_n / 2 * sizeof *c->rules);
    if (c->slots != NULL && c->rules != NULL)
        return c;
    counts_free(c);
    return NULL;
}

void counts_free(struct counts *c)
{
    if (c == NULL)
        return;
    free(c->numbered);
    ruleset_release(&c->view);
    free(c->slots);
    free(c->rules);
    free(c);
}

void counts_clear(struct counts *c)
{
    struct counts empty = { .numbered = c->numbered, .view = c->view, .rules = c->rules, .slots = c->slots };

    empty.slots_n = c->slots_n;
    if (c->view.held != NULL)
        memset(c->numbered, 0, (c->view.held->n + 1) * sizeof *c->numbered);
    memset(c->slots, 0, c->slots_n * sizeof *c->slots);
    *c = empty;
}

static void index_rules(struct counts *c)
{
    memset(c->slots, 0, c->slots_n * sizeof *c->slots);
    for (uint32_t i = 0; i < c->rules_n; i++) {
        uint32_t slot = home_of(c, c->rules[i].rule);

        while (c->slots[slot] != 0)
            slot = (slot + 1) & (c->slots_n - 1);
        c->slots[slot] = i + 1;
    }
}

static void grow(struct counts *c)
{
    free(c->slots);
    c->slots_n *= 2;
    c->slots = malloc(c->slots_n * sizeof *c->slots);
    c->rules = realloc(c->rules, c->slots_n / 2 * sizeof *c->rules);
    if (c->slots == NULL || c->rules == NULL)
        abort();
    index_rules(c);
}

struct rule_count *counts_rule(struct counts *c, int64_t rule)
{
    uint32_t slot = home_of(c, rule);

    for (; c->slots[slot] != 0; slot = (slot + 1) & (c->slots_n - 1)) {
        struct rule_count *count = &c->rules[c->slots[slot] - 1];

        if (count->rule == rule)
            return count;
    }
    if (c->rules_n == c->slots_n / 2) {
        grow(c);
        return counts_rule(c, rule);
    }
    c->rules[c->rules_n] = (struct rule_count){ .rule = rule };
    c->slots[slot] = ++c->rules_n;
    return &c->rules[c->rules_n - 1];
}

static void add_numbered(struct counts *into, const struct counts *from)
{
    for (size_t i = 0; from->view.held != NULL && i <= from->view.held->n; i++) {
        const struct number_count *numbered = &from->numbered[i];
        struct rule_count         *count;

        if (numbered->matched == 0)
            continue;
        count = counts_rule(into, i > 0 ? from->view.held->rules[i - 1].id : 0);
#define X(name) count->name += numbered->name;
        RULE_COUNTS(X)
#undef X
    }
}

void counts_number(struct counts *c, const struct ruleset_view *view)
{
    uint64_t requests = counts_requests(c);

    if (c->view.held != NULL && c->view.generation == view->generation &&
        requests - c->settled < UINT32_MAX - COUNTS_BATCH_MAX)
        return;
    add_numbered(c, c);
    free(c->numbered);
    ruleset_release(&c->view);
    c->numbered = calloc(view->held->n + 1, sizeof *c->numbered);
    if (c->numbered == NULL)
        abort();
    c->view = ruleset_share(view);
    c->settled = requests;
}

void counts_merge(struct counts *into, const struct counts *from)
{
    into->allowed += from->allowed;
    into->slowed += from->slowed;
    into->denied += from->denied;
    into->shadow_denied += from->shadow_denied;
    into->left_out += from->left_out;
    for (int m = 0; m < 60; m++) {
        into->minutes[m].requests += from->minutes[m].requests;
        into->minutes[m].denied += from->minutes[m].denied;
    }
    for (uint32_t i = 0; i < from->rules_n; i++) {
        struct rule_count *count = counts_rule(into, from->rules[i].rule);

#define X(name) count->name += from->rules[i].name;
        RULE_COUNTS(X)
#undef X
    }
    add_numbered(into, from);
}

static int compare_rules(const void *left, const void *right)
{
    const struct rule_count *a = left, *b = right;

    return (a->rule > b->rule) - (a->rule < b->rule);
}

void counts_sort(struct counts *c)
{
    qsort(c->rules, c->rules_n, sizeof *c->rules, compare_rules);
    index_rules(c);
}
