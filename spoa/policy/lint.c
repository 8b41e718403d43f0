#include "policy/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

#include "policy/glob.h"
#include "policy/index.h"
#include "policy/lint_gaps.h"

struct lint {
    const struct ruleset *set;
    int64_t               unix_us;
    problem_fn           *problem;
    void                 *context;
    size_t                gaps; /* rules that leave one */
};

__attribute__((format(printf, 4, 5))) static void warn(const struct lint *lint, const struct rule *rule,
                                                       const char *column, const char *format, ...)
{
    char    text[PROBLEM_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lint->problem(lint->context,
                  &(struct problem){ .warning = true, .rule = rule->id, .column = column, .remedy = text });
}

/* ---- does one rule always come before another? ---- */

/* The part of a GLOB before its wild cards; `*only` when one '*' is all that follows. */
static struct span literal_prefix(struct span glob, bool *only)
{
    size_t n = 0;

    while (n < glob.n && !glob_is_pattern((struct span){ glob.p + n, 1 }))
        n++;
    *only = n + 1 == glob.n && glob.p[n] == '*';
    return (struct span){ glob.p, n };
}

static bool same_pattern(const struct pattern *a, const struct pattern *b)
{
    if (a->kind != b->kind || a->negated != b->negated)
        return false;
    switch (a->kind) {
    case PATTERN_PRESENT:
        return true;
    case PATTERN_EXACT:
    case PATTERN_GLOB:
        return span_eq(a->text, b->text);
    case PATTERN_NETWORK:
        return memcmp(&a->network, &b->network, sizeof a->network) == 0;
    case PATTERN_LIST:
        return a->list == b->list;
    case PATTERN_REGEX: /* its text is not kept */
        return false;
    case PATTERN_ONE_OF:
        if (a->one_of.n != b->one_of.n)
            return false;
        for (size_t i = 0; i < a->one_of.n; i++)
            if (!same_pattern(&a->one_of.first[i], &b->one_of.first[i]))
                return false;
        return true;
    }
    return false;
}

bool lint_covers(const struct pattern *a, const struct pattern *b)
{
    struct span prefix;
    bool        only;

    if (same_pattern(a, b))
        return true;
    if (b->negated)
        return false;
    if (b->kind == PATTERN_EXACT)
        return pattern_match_text(a, b->text) == MATCH_YES;
    if (a->negated)
        return false;
    if (a->kind == PATTERN_PRESENT)
        return true;
    if (a->kind == PATTERN_NETWORK && b->kind == PATTERN_NETWORK)
        return a->network.prefix <= b->network.prefix && network_holds(&a->network, &b->network.address);
    if (a->kind == PATTERN_GLOB && b->kind == PATTERN_GLOB) {
        prefix = literal_prefix(a->text, &only);
        return only && b->text.n >= prefix.n && memcmp(b->text.p, prefix.p, prefix.n) == 0;
    }
    return false;
}

static bool rule_covers(const struct rule *a, const struct rule *b)
{
    for (size_t i = 0; i < a->patterns_n; i++) {
        bool covered = false;

        for (size_t k = 0; k < b->patterns_n && !covered; k++)
            covered =
                a->patterns[i].attribute == b->patterns[k].attribute && lint_covers(&a->patterns[i], &b->patterns[k]);
        if (!covered)
            return false;
    }
    return a->from_us <= b->from_us && a->until_us >= b->until_us;
}

/* Whether a request that has all that `b` counts by has all that `a` counts by. */
static bool per_covers(const struct rule *a, const struct rule *b)
{
    for (size_t i = 0; i < a->per_n; i++)
        if (memchr(b->per, a->per[i], b->per_n) == NULL)
            return false;
    return true;
}

void lint_typical_request(const struct rule *rule, struct request *request)
{
    request_init(request, NULL, 0);
    for (size_t i = 0; i < rule->patterns_n; i++) {
        const struct pattern *pattern = &rule->patterns[i];

        if (pattern->negated)
            continue;
        if (pattern->kind == PATTERN_EXACT || pattern->kind == PATTERN_GLOB) {
            request->value[pattern->attribute] = pattern->text;
        } else if (pattern->kind == PATTERN_NETWORK) {
            request->src = pattern->network.address;
            request->value[ATTRIBUTE_SRC] = SPAN_LITERAL("");
        }
    }
}

/* Whether `rule` never applies because of `earlier`. Where that has a policy, another rule may have taken its place,
 * and it neither ends the walk nor takes the policy itself; but then the policy is taken for `rule` as well. */
static bool hides(const struct rule *earlier, const struct rule *rule)
{
    bool same_policy = earlier->policy >= 0 && earlier->policy == rule->policy;
    bool ends = earlier->action != RULE_LIMIT && earlier->policy < 0;

    return !earlier->shadow && (ends || same_policy) && rule_covers(earlier, rule) && per_covers(earlier, rule);
}

/* False, and told: the rule never applies. */
static bool lint_reach(const struct lint *lint, uint32_t rank)
{
    const struct rule  *rule = &lint->set->rules[rank];
    struct index_cursor cursor = { .n = 0 };
    struct request      request;
    uint32_t            at;

    lint_typical_request(rule, &request);
    if (!index_find(&lint->set->index, &request, &cursor))
        return true;
    while (index_next(&cursor, &at) && at < rank) {
        const struct rule *earlier = &lint->set->rules[at];

        if (!hides(earlier, rule))
            continue;
        if (earlier->policy >= 0)
            warn(lint, rule, "policy",
                 "never applies: rule %" PRId64 " of the same policy comes first and matches all that it matches",
                 earlier->id);
        else
            warn(lint, rule, NULL, "never reached: rule %" PRId64 " comes first and %s all that it matches",
                 earlier->id, earlier->action == RULE_ALLOW ? "allows" : "denies");
        return false;
    }
    return true;
}

/* ---- duplicates ---- */

struct fingerprint {
    uint64_t hash;
    uint32_t rank;
};

/* The pattern of `rule` on the same attribute, or NULL. */
static const struct pattern *counterpart(const struct rule *rule, const struct pattern *pattern)
{
    for (size_t i = 0; i < rule->patterns_n; i++)
        if (rule->patterns[i].attribute == pattern->attribute)
            return &rule->patterns[i];
    return NULL;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    if (a->action != b->action || a->shadow != b->shadow || a->slow != b->slow || a->policy != b->policy ||
        a->status != b->status || a->patterns_n != b->patterns_n || a->per_n != b->per_n ||
        memcmp(a->per, b->per, a->per_n) != 0 || memcmp(&a->limit, &b->limit, sizeof a->limit) != 0 ||
        a->from_us != b->from_us || a->until_us != b->until_us)
        return false;
    for (size_t i = 0; i < a->patterns_n; i++) {
        const struct pattern *other = counterpart(b, &a->patterns[i]);

        if (other == NULL || !same_pattern(&a->patterns[i], other))
            return false;
    }
    return true;
}

static uint64_t hash_pattern(const struct pattern *pattern)
{
    uint64_t seed = (uint64_t)pattern->kind << 16 | (uint64_t)pattern->negated << 8 | pattern->attribute;

    switch (pattern->kind) {
    case PATTERN_EXACT:
    case PATTERN_GLOB:
        return XXH3_64bits_withSeed(pattern->text.p, pattern->text.n, seed);
    case PATTERN_NETWORK:
        return XXH3_64bits_withSeed(&pattern->network, sizeof pattern->network, seed);
    case PATTERN_LIST:
        return XXH3_64bits_withSeed(&pattern->list, sizeof(struct list *), seed);
    case PATTERN_ONE_OF:
        for (size_t i = 0; i < pattern->one_of.n; i++)
            seed = XXH3_64bits_withSeed(pattern->one_of.first[i].text.p, pattern->one_of.first[i].text.n, seed);
        return seed;
    case PATTERN_PRESENT:
    case PATTERN_REGEX: /* never the same: see same_pattern() */
        return XXH3_64bits_withSeed("", 0, seed);
    }
    return seed;
}

/* Of all that same_rule() compares, since only neighbours are compared; the order of patterns does not count. */
static uint64_t hash_rule(const struct rule *rule)
{
    const int64_t parts[] = { rule->action, rule->shadow,  rule->slow,    rule->policy,
                              rule->status, rule->from_us, rule->until_us };
    uint64_t      hash = XXH3_64bits_withSeed(parts, sizeof parts, 0);
    uint64_t      patterns = 0;

    hash = XXH3_64bits_withSeed(&rule->limit, sizeof rule->limit, hash);
    hash = XXH3_64bits_withSeed(rule->per, rule->per_n, hash);
    for (size_t i = 0; i < rule->patterns_n; i++)
        patterns += hash_pattern(&rule->patterns[i]);
    return XXH3_64bits_withSeed(&patterns, sizeof patterns, hash);
}

static int compare_fingerprints(const void *a, const void *b)
{
    const struct fingerprint *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void lint_duplicates(const struct lint *lint)
{
    size_t              n = lint->set->n;
    struct fingerprint *prints = calloc(n + 1, sizeof *prints);

    if (prints == NULL)
        abort(); /* as arena_alloc() */
    for (uint32_t i = 0; i < n; i++)
        prints[i] = (struct fingerprint){ hash_rule(&lint->set->rules[i]), i };
    qsort(prints, n, sizeof *prints, compare_fingerprints);
    for (size_t i = 1; i < n; i++) {
        const struct rule *earlier = &lint->set->rules[prints[i - 1].rank], *rule = &lint->set->rules[prints[i].rank];

        /* Of a rule that is never reached that has been said. */
        if (prints[i].hash == prints[i - 1].hash && same_rule(earlier, rule) && !hides(earlier, rule))
            warn(lint, rule, NULL, "says the same as rule %" PRId64, earlier->id);
    }
    free(prints);
}

/* ---- attributes ---- */

static const char *column_of(unsigned attribute)
{
    static const char *const own[] = { "src", "method", "host", "path" };

    return attribute < sizeof own / sizeof *own ? own[attribute] : "match";
}

static void lint_attributes(const struct lint *lint, const struct rule *rule, const struct span *sent, size_t sent_n)
{
    uint8_t used[ATTRIBUTES_MAX + RULE_PER_MAX];
    size_t  n = 0;

    for (size_t i = 0; i < rule->patterns_n; i++)
        used[n++] = rule->patterns[i].attribute;
    for (size_t i = 0; i < rule->per_n; i++)
        used[n++] = rule->per[i];
    for (size_t i = 0; i < n; i++) {
        struct span name = lint->set->attributes[used[i]];
        bool        known = false;

        for (size_t k = 0; k < sent_n && !known; k++)
            known = span_eq(sent[k], name);
        if (!known)
            warn(lint, rule, i < rule->patterns_n ? column_of(used[i]) : "per",
                 "HAProxy does not send the attribute '%.*s'", (int)name.n, name.p);
    }
}

/* Each request has these, as HAProxy sends it (the sample refuses one without Host); others depend on what a client
 * says. */
static bool can_be_left_out(unsigned attribute)
{
    return attribute >= ATTRIBUTE_QUERY;
}

static bool requires(const struct rule *rule, unsigned attribute)
{
    for (size_t i = 0; i < rule->patterns_n; i++)
        if (rule->patterns[i].attribute == attribute && !rule->patterns[i].negated)
            return true;
    return false;
}

/* Whether `other` limits or denies those whom `rule` does not count since they lack `attribute`, or allows them and
 * says that it means them. */
static bool catches(const struct lint *lint, const struct rule *other, const struct rule *rule, unsigned attribute)
{
    bool means_absent = false;

    if (other == rule || other->shadow || other->until_us <= lint->unix_us ||
        memchr(other->per, (int)attribute, other->per_n) != NULL)
        return false;
    /* Who can leave that out as well is caught by neither. */
    for (size_t i = 0; i < other->per_n; i++)
        if (can_be_left_out(other->per[i]) && !requires(rule, other->per[i]))
            return false;
    for (size_t i = 0; i < other->patterns_n; i++) {
        const struct pattern *pattern = &other->patterns[i];
        bool                  covered = false;

        if (pattern->attribute == attribute) {
            /* It has to match an absent value. */
            if (!pattern->negated)
                return false;
            means_absent = true;
            continue;
        }
        for (size_t k = 0; k < rule->patterns_n && !covered; k++)
            covered = rule->patterns[k].attribute == pattern->attribute && lint_covers(pattern, &rule->patterns[k]);
        if (!covered)
            return false;
    }
    return other->action != RULE_ALLOW || means_absent;
}

/* Each limit is compared with all rules, which a large set does not allow: it is told so instead. */
#define LOOKED_AT_MAX 1000

static void lint_unlimited(const struct lint *lint, const struct rule *rule)
{
    size_t n = lint->set->n;

    if (rule->shadow || rule->action != RULE_LIMIT || n > LOOKED_AT_MAX)
        return;
    for (size_t i = 0; i < rule->per_n; i++) {
        unsigned    attribute = rule->per[i];
        struct span name = lint->set->attributes[attribute];
        bool        caught = !can_be_left_out(attribute) || requires(rule, attribute);

        for (size_t k = 0; k < n && !caught; k++)
            caught = catches(lint, &lint->set->rules[k], rule, attribute);
        if (!caught)
            warn(lint, rule, "per",
                 "a request without '%.*s' is not limited by it, nor by another rule: add a limit without it",
                 (int)name.n, name.p);
    }
}

/* ---- gaps ---- */

/* A set with a rule for each of 100,000 paths has as many gaps of one kind. */
#define GAPS_TOLD 20

static void lint_gaps(struct lint *lint, const struct rule *rule)
{
    char        open[LINT_OPEN_MAX];
    struct span path = lint_open_paths(lint->set, rule, lint->unix_us, open);
    bool        head = lint_open_head(lint->set, rule, lint->unix_us);

    lint->gaps += path.p != NULL || head;
    if (lint->gaps > GAPS_TOLD)
        return;
    if (path.p != NULL)
        warn(lint, rule, "path",
             "leaves %s open, which many origins answer alike: write '%.*s*', which also matches longer names", open,
             (int)path.n, path.p);
    if (head)
        warn(lint, rule, "method", "leaves HEAD open, which origins answer as GET: add it, as in 'GET,HEAD'");
}

void ruleset_lint(const struct ruleset *set, const struct span *sent, size_t sent_n, int64_t unix_us,
                  problem_fn *problem, void *context)
{
    struct lint lint = { set, unix_us, problem, context, 0 };

    for (uint32_t i = 0; i < set->n; i++) {
        const struct rule *rule = &set->rules[i];
        bool               reached;

        if (rule->until_us <= unix_us) {
            warn(&lint, rule, "valid_until", "is over: the rule never applies again");
            continue;
        }
        reached = lint_reach(&lint, i);
        if (sent != NULL)
            lint_attributes(&lint, rule, sent, sent_n);
        lint_unlimited(&lint, rule);
        if (reached)
            lint_gaps(&lint, rule);
    }
    if (lint.gaps > GAPS_TOLD) {
        char text[PROBLEM_TEXT_MAX];

        snprintf(text, sizeof text, "%zu more rules leave paths or HEAD open in the same way", lint.gaps - GAPS_TOLD);
        problem(context, &(struct problem){ .warning = true, .remedy = text });
    }
    lint_duplicates(&lint);
    if (set->n > LOOKED_AT_MAX)
        problem(context, &(struct problem){
                             .warning = true,
                             .remedy = "too many rules to see whether a limit with a per leaves anyone unlimited" });
}
