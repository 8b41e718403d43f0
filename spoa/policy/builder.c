/* Rows of text -> rules. The schema refuses most of what is refused here already at the prompt; this is for rows that
 * were forced past it, for what SQL cannot check, and for the exact form to write. */
#include <assert.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"

#include "policy/bad_entries.h"
#include "policy/ruleset.h"

struct ruleset_builder {
    struct ruleset    *set;
    size_t             rules_room, lists_room;
    void              *ids;      /* tsearch() tree of those seen: a table that is not ours may repeat one */
    void              *policies; /* tsearch() tree of struct policy: a hundred thousand rules may have one each */
    int                policies_n;
    problem_fn        *problem;
    void              *problem_context;
    list_source_fn    *lists;
    void              *lists_context;
    bool               failed;
    struct bad_entries bad_entries;
};

struct policy {
    const char *name;
    int         number;
};

/* One rule on its way in. */
struct draft {
    struct ruleset_builder *builder;
    const struct rule_row  *row;
    struct rule             rule;
    struct pattern          patterns[ATTRIBUTES_MAX];
    bool                    good;
};

static void *grow(void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return items;
    *room = *room == 0 ? 16 : *room * 2;
    items = realloc(items, *room * size);
    if (items == NULL)
        abort(); /* as arena_alloc() */
    return items;
}

void ruleset_builder_refuse(struct ruleset_builder *b, const struct problem *problem)
{
    b->failed = true;
    b->problem(b->problem_context, problem);
}

static void refuse(struct draft *d, const char *column, const char *value, const char *remedy)
{
    struct problem problem = { .rule = d->rule.id, .column = column, .value = value, .remedy = remedy };

    d->good = false;
    ruleset_builder_refuse(d->builder, &problem);
}

struct ruleset_builder *ruleset_builder_new(problem_fn *problem, void *problem_context, list_source_fn *lists,
                                            void *lists_context)
{
    static const char *const fixed[ATTRIBUTES_FIXED] = { "src", "method", "host", "path", "query" };
    struct ruleset_builder  *b = calloc(1, sizeof *b);

    if (b == NULL || (b->set = calloc(1, sizeof *b->set)) == NULL)
        abort(); /* as arena_alloc() */
    b->problem = problem;
    b->problem_context = problem_context;
    b->lists = lists;
    b->lists_context = lists_context;
    for (size_t i = 0; i < ATTRIBUTES_FIXED; i++)
        b->set->attributes[b->set->attributes_n++] = span_of(fixed[i]);
    return b;
}

static struct list *find_list(void *context, const char *name)
{
    struct ruleset_builder *b = context;
    struct ruleset         *set = b->set;
    struct list            *list;

    for (size_t i = 0; i < set->lists_n; i++)
        if (strcmp(list_name(set->lists[i]), name) == 0)
            return set->lists[i];
    list = b->lists(b->lists_context, name);
    if (list != NULL) {
        set->lists = grow(set->lists, set->lists_n, &b->lists_room, sizeof(struct list *));
        set->lists[set->lists_n++] = list;
    }
    return list;
}

/* ---- values ---- */

/* Within [from, to], or `absent` where the column is NULL. `remedy` is the whole sentence. */
static int64_t integer(struct draft *d, const char *column, struct rule_value v, int64_t from, int64_t to,
                       int64_t absent, const char *remedy)
{
    if (v.type == VALUE_NULL)
        return absent;
    if (v.type == VALUE_INTEGER && v.integer >= from && v.integer <= to)
        return v.integer;
    refuse(d, column, v.text, remedy);
    return from;
}

/* The position of the text in `words`, or `absent` for NULL; -1: refused. */
static int word(struct draft *d, const char *column, struct rule_value v, const char *const words[], int absent,
                const char *remedy)
{
    if (v.type == VALUE_NULL && absent >= 0)
        return absent;
    for (int i = 0; words[i] != NULL; i++)
        if (v.type == VALUE_TEXT && strcmp(v.text, words[i]) == 0)
            return i;
    refuse(d, column, v.text, remedy);
    return -1;
}

static int64_t instant(struct draft *d, const char *column, struct rule_value v, int64_t absent)
{
    struct tm   tm = { 0 };
    const char *end;
    char        back[80];
    time_t      seconds;

    if (v.type == VALUE_NULL)
        return absent;
    end = v.type == VALUE_TEXT ? strptime(v.text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    if (end != NULL && *end == '\0') {
        seconds = timegm(&tm);
        gmtime_r(&seconds, &tm);
        /* Not strftime(), whose %Y writes the year 1 in one digit. */
        snprintf(back, sizeof back, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (strcmp(back, v.text) == 0)
            return (int64_t)seconds * 1000000;
    }
    refuse(d, column, v.text, "write a UTC time such as 2026-11-20T09:00:00Z");
    return absent;
}

static int attribute(struct draft *d, const char *column, const char *value, struct span name)
{
    struct ruleset *set = d->builder->set;
    int             number = ruleset_attribute(set, name);

    if (number >= 0)
        return number;
    if (name.n == 0) {
        refuse(d, column, value, "write the names of attributes, with single commas between them");
        return -1;
    }
    if (set->attributes_n == ATTRIBUTES_MAX) {
        refuse(d, column, value, "all rules together may name 64 different attributes: use fewer");
        return -1;
    }
    set->attributes[set->attributes_n] = arena_span(&set->arena, name);
    return (int)set->attributes_n++;
}

/* ---- the parts of a rule ---- */

struct refusal {
    struct draft *draft;
    const char   *column, *value;
};

static void refuse_entry(void *context, const char *sentence)
{
    struct refusal *refusal = context;

    refuse(refusal->draft, refusal->column, refusal->value, sentence);
}

static void add_pattern(struct draft *d, const char *column, unsigned number, const char *text)
{
    struct pattern *pattern = &d->patterns[d->rule.patterns_n];
    struct refusal  refusal = { d, column, text };
    char            remedy[PATTERN_REMEDY_MAX];

    assert(d->rule.patterns_n < ATTRIBUTES_MAX);
    if (pattern_compile(pattern, number, text, &d->builder->set->arena, find_list, d->builder, remedy))
        d->rule.patterns_n++;
    else if (!bad_entries_tell(&d->builder->bad_entries, &d->builder->set->arena, pattern, d->rule.id, refuse_entry,
                               &refusal))
        refuse(d, column, text, remedy);
}

static void add_column_pattern(struct draft *d, const char *column, unsigned number, struct rule_value v)
{
    if (v.type == VALUE_TEXT)
        add_pattern(d, column, number, v.text);
    else if (v.type != VALUE_NULL)
        refuse(d, column, v.text, "write a pattern as text, or NULL for any");
}

static void add_match(struct draft *d, const struct rule_match *pair)
{
    const char *value = pair->value;
    char        column[128];
    int         number;

    snprintf(column, sizeof column, "match \"%.100s\"", pair->key);
    if (strcmp(pair->type, "true") == 0 || strcmp(pair->type, "false") == 0)
        value = pair->type;
    else if (strcmp(pair->type, "text") != 0 && strcmp(pair->type, "integer") != 0) {
        refuse(d, column, pair->value,
               "write a string, a whole number, true or false (\"!*\" for an absent attribute)");
        return;
    }
    number = attribute(d, column, value, span_of(pair->key));
    if (number < 0)
        return;
    if (number < ATTRIBUTES_FIXED && number != ATTRIBUTE_QUERY) {
        refuse(d, column, value, "it has a column of its own: write it there");
        return;
    }
    for (size_t i = 0; i < d->rule.patterns_n; i++) {
        if (d->patterns[i].attribute == number) {
            refuse(d, column, value, "it stands there twice");
            return;
        }
    }
    add_pattern(d, column, (unsigned)number, value);
}

static void set_per(struct draft *d, struct rule_value v)
{
    struct rule *rule = &d->rule;
    struct span  rest;

    if (v.type == VALUE_NULL)
        return;
    if (v.type != VALUE_TEXT) {
        refuse(d, "per", v.text, "write the names of attributes, such as 'src' or 'src,path'");
        return;
    }
    for (rest = span_of(v.text);;) {
        const char *comma = memchr(rest.p, ',', rest.n);
        struct span name = { rest.p, comma == NULL ? rest.n : (size_t)(comma - rest.p) };
        int         number = attribute(d, "per", v.text, name);
        size_t      at = rule->per_n;

        if (number < 0)
            return;
        /* In ascending order, so that 'src,path' and 'path,src' count alike. */
        while (at > 0 && rule->per[at - 1] > number)
            at--;
        if (rule->per_n == RULE_PER_MAX || (at > 0 && rule->per[at - 1] == number)) {
            refuse(d, "per", v.text, "name up to 8 attributes, each once");
            return;
        }
        memmove(&rule->per[at + 1], &rule->per[at], rule->per_n - at);
        rule->per[at] = (uint8_t)number;
        rule->per_n++;
        if (comma == NULL)
            return;
        rest.n -= name.n + 1;
        rest.p = comma + 1;
    }
}

static void set_limit(struct draft *d)
{
    static const char *const algorithms[] = { "sliding", "fixed", "token", NULL };
    static const char *const overs[] = { "deny", "slow", NULL };
    static const char        requests_remedy[] = "a limit needs a whole number from 1 to 1000000000";
    static const char        period_remedy[] = "a limit needs whole seconds from 1 to 2592000 (30 days)";
    const struct rule_row   *row = d->row;
    struct limit            *limit = &d->rule.limit;

    limit->algorithm = (enum limit_algorithm)word(d, "algorithm", row->algorithm, algorithms, LIMIT_SLIDING,
                                                  "write 'sliding', 'fixed' or 'token'");
    if (row->requests.type == VALUE_NULL)
        refuse(d, "requests", NULL, requests_remedy);
    if (row->period.type == VALUE_NULL)
        refuse(d, "period", NULL, period_remedy);
    limit->requests = (uint32_t)integer(d, "requests", row->requests, 1, LIMIT_REQUESTS_MAX, 1, requests_remedy);
    limit->period_s = (uint32_t)integer(d, "period", row->period, 1, LIMIT_PERIOD_MAX_S, 1, period_remedy);
    limit->burst = (uint32_t)integer(d, "burst", row->burst, 1, LIMIT_REQUESTS_MAX, limit->requests,
                                     "write a whole number from 1 to 1000000000");
    if (row->burst.type != VALUE_NULL && limit->algorithm != LIMIT_TOKEN)
        refuse(d, "burst", row->burst.text, "only for algorithm 'token': leave it NULL");
    d->rule.slow = word(d, "over", row->over, overs, 0, "write 'deny' or 'slow'") == 1;
    limit->ban_s =
        (uint32_t)integer(d, "ban", row->ban, 1, LIMIT_PERIOD_MAX_S, 0, "write seconds from 1 to 2592000 (30 days)");
    if (limit->ban_s != 0 && d->rule.slow)
        refuse(d, "ban", row->ban.text, "only for a limit with over 'deny': leave it NULL");
    set_per(d, row->per);
}

static void refuse_limit_columns(struct draft *d)
{
    const struct rule_row *row = d->row;
    const struct {
        const char       *column;
        struct rule_value value;
    } only_limits[] = { { "requests", row->requests },
                        { "period", row->period },
                        { "per", row->per },
                        { "burst", row->burst },
                        { "ban", row->ban } };

    for (size_t i = 0; i < sizeof only_limits / sizeof *only_limits; i++)
        if (only_limits[i].value.type != VALUE_NULL)
            refuse(d, only_limits[i].column, only_limits[i].value.text, "only for action 'limit': leave it NULL");
}

static void set_status(struct draft *d)
{
    static const int  statuses[] = { 400, 401, 403, 404, 410, 413, 421, 422, 425, 429, 500, 503 };
    struct rule_value v = d->row->status;

    if (v.type == VALUE_NULL)
        return;
    if (d->rule.action == RULE_ALLOW || d->rule.slow) {
        refuse(d, "status", v.text, "only for what is denied: leave it NULL");
        return;
    }
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (v.type == VALUE_INTEGER && v.integer == statuses[i])
            d->rule.status = statuses[i];
    if (d->rule.status == 0)
        refuse(d, "status", v.text, "write one of 400 401 403 404 410 413 421 422 425 429 500 503");
}

static void set_action(struct draft *d)
{
    static const char *const actions[] = { "allow", "deny", "limit", NULL };
    int action = word(d, "action", d->row->action, actions, RULE_LIMIT, "write 'allow', 'deny' or 'limit'");

    /* What the other columns may hold depends on it. */
    if (action < 0)
        return;
    d->rule.action = (enum rule_action)action;
    if (d->rule.action == RULE_LIMIT)
        set_limit(d);
    else
        refuse_limit_columns(d);
    set_status(d);
}

static int compare_policies(const void *a, const void *b)
{
    return strcmp(((const struct policy *)a)->name, ((const struct policy *)b)->name);
}

static void set_policy(struct draft *d, struct rule_value v)
{
    struct ruleset_builder *b = d->builder;
    struct policy           wanted = { v.text, 0 }, *policy, **found;

    d->rule.policy = -1;
    if (v.type == VALUE_NULL)
        return;
    if (v.type != VALUE_TEXT || v.text[0] == '\0') {
        refuse(d, "policy", v.text, "write a name, or NULL for none");
        return;
    }
    found = tfind(&wanted, &b->policies, compare_policies);
    if (found != NULL) {
        policy = *found;
    } else {
        policy = arena_alloc(&b->set->arena, sizeof *policy);
        *policy = (struct policy){ arena_text(&b->set->arena, v.text), b->policies_n++ };
        if (tsearch(policy, &b->policies, compare_policies) == NULL)
            abort(); /* as arena_alloc() */
    }
    d->rule.policy = policy->number;
    d->rule.policy_name = policy->name;
}

/* What a counter belongs to, as one number: attributes by name, since their numbers change from set to set. */
static uint64_t state_of(const struct rule *rule, const struct ruleset *set)
{
    const int64_t numbers[] = { rule->id, rule->limit.period_s, rule->limit.algorithm };
    uint64_t      names = 0;

    /* A sum, since the order of names must not count either. */
    for (size_t i = 0; i < rule->per_n; i++) {
        struct span name = set->attributes[rule->per[i]];

        names += XXH3_64bits(name.p, name.n);
    }
    return XXH3_64bits_withSeed(numbers, sizeof numbers, names);
}

static void keep(struct ruleset_builder *b, struct draft *d)
{
    struct ruleset *set = b->set;
    struct rule    *rule = &d->rule;
    size_t          size = rule->patterns_n * sizeof *rule->patterns;

    rule->patterns = arena_alloc(&set->arena, size);
    memcpy(rule->patterns, d->patterns, size);
    rule->state = state_of(rule, set);
    set->rules = grow(set->rules, set->n, &b->rules_room, sizeof *set->rules);
    set->rules[set->n++] = *rule;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Two rules with one id would share their counters, and a request would charge one of them twice. */
static bool is_new_id(struct ruleset_builder *b, int64_t id)
{
    int64_t *own = arena_alloc(&b->set->arena, sizeof *own), **found;

    *own = id;
    found = tsearch(own, &b->ids, compare_ids);
    if (found == NULL)
        abort(); /* as arena_alloc() */
    return *found == own;
}

void ruleset_builder_add(struct ruleset_builder *b, const struct rule_row *row, const struct rule_match *match,
                         size_t match_n)
{
    struct draft d = { .builder = b, .row = row, .good = true };
    struct rule *rule = &d.rule;

    rule->id = row->id.integer;
    if (row->id.type != VALUE_INTEGER || rule->id < 1) {
        refuse(&d, "id", row->id.text, "write a positive whole number");
        return;
    }
    if (!is_new_id(b, rule->id)) {
        refuse(&d, "id", row->id.text, "another rule has it");
        return;
    }
    rule->name = arena_text(&b->set->arena, row->name.type == VALUE_NULL ? "" : row->name.text);
    rule->priority = (int32_t)integer(&d, "priority", row->priority, INT32_MIN, INT32_MAX, 100,
                                      "write a whole number from -2147483648 to 2147483647");
    add_column_pattern(&d, "src", ATTRIBUTE_SRC, row->src);
    add_column_pattern(&d, "method", ATTRIBUTE_METHOD, row->method);
    add_column_pattern(&d, "host", ATTRIBUTE_HOST, row->host);
    add_column_pattern(&d, "path", ATTRIBUTE_PATH, row->path);
    for (size_t i = 0; i < match_n; i++)
        add_match(&d, &match[i]);
    set_action(&d);
    rule->shadow = integer(&d, "shadow", row->shadow, 0, 1, 0, "write 0 or 1") == 1;
    set_policy(&d, row->policy);
    rule->from_us = instant(&d, "valid_from", row->valid_from, INT64_MIN);
    rule->until_us = instant(&d, "valid_until", row->valid_until, INT64_MAX);
    if (rule->from_us >= rule->until_us)
        refuse(&d, "valid_until", row->valid_until.text, "write a time after valid_from");
    if (d.good) {
        keep(b, &d);
        return;
    }
    for (size_t i = 0; i < rule->patterns_n; i++)
        pattern_fini(&d.patterns[i]);
}

void ruleset_builder_abandon(struct ruleset_builder *b)
{
    b->failed = true;
}

/* Both live in the rule set's arena. */
static void keep_node(void *node)
{
    (void)node;
}

struct ruleset *ruleset_builder_finish(struct ruleset_builder *b)
{
    struct ruleset *set = b->set;
    bool            failed = b->failed;

    tdestroy(b->policies, keep_node);
    tdestroy(b->ids, keep_node);
    free(b);
    if (failed) {
        ruleset_free(set);
        return NULL;
    }
    index_build(&set->index, set->rules, set->n, &set->arena);
    return set;
}
