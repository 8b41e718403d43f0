#include "policy/lint_gaps.h"

#include <stdio.h>

/* What a rule does not match: another value of one of its attributes. */
struct gap {
    const struct ruleset *set;
    const struct rule    *rule;
    int64_t               unix_us;
    unsigned              attribute;
    struct span           value;
};

static const struct pattern *pattern_on(const struct rule *rule, unsigned attribute)
{
    for (size_t i = 0; i < rule->patterns_n; i++)
        if (rule->patterns[i].attribute == attribute)
            return &rule->patterns[i];
    return NULL;
}

/* Whether `other` matches each request that the rule would match if the attribute had the other value. */
static bool matches_gap(const struct gap *gap, const struct rule *other)
{
    for (size_t i = 0; i < other->patterns_n; i++) {
        const struct pattern *pattern = &other->patterns[i], *own = pattern_on(gap->rule, pattern->attribute);

        if (pattern->attribute == gap->attribute) {
            if (pattern_match_text(pattern, gap->value) != MATCH_YES)
                return false;
        } else if (own == NULL || !lint_covers(pattern, own)) {
            return false;
        }
    }
    return (other->from_us <= gap->rule->from_us || other->from_us <= gap->unix_us) &&
           other->until_us >= gap->rule->until_us;
}

/* Whether `other` shows that the operator thought of the gap. A limit on everything does not: it is looser than one on
 * a path. An allow that names the value does. */
static bool is_meant(const struct gap *gap, const struct rule *other)
{
    const struct pattern *named = pattern_on(other, gap->attribute);

    if (other->shadow && !gap->rule->shadow)
        return false;
    if (other->policy >= 0 && other->policy == gap->rule->policy)
        return true;
    switch (other->action) {
    case RULE_DENY:
        return true;
    case RULE_ALLOW:
        return named != NULL && !named->negated;
    case RULE_LIMIT:
        return gap->rule->action == RULE_LIMIT &&
               (named != NULL || (gap->attribute == ATTRIBUTE_METHOD && other->patterns_n > 0));
    }
    return false;
}

static bool is_closed(const struct gap *gap)
{
    struct index_cursor cursor = { .n = 0 };
    struct request      request;
    uint32_t            at;

    lint_typical_request(gap->rule, &request);
    request.value[gap->attribute] = gap->value;
    if (!index_find(&gap->set->index, &request, &cursor))
        return true; /* it would take a walk over all rules */
    while (index_next(&cursor, &at)) {
        const struct rule *other = &gap->set->rules[at];

        if (other != gap->rule && is_meant(gap, other) && matches_gap(gap, other))
            return true;
    }
    return false;
}

/* Of what is exact, but for a file, most origins take what follows a slash or a ';' for a part of the same. */
static bool has_neighbours(struct span path)
{
    const char *slash = path.n == 0 ? NULL : memrchr(path.p, '/', path.n);
    size_t      last = slash == NULL ? 0 : path.n - (size_t)(slash - path.p) - 1;

    return last > 0 && memchr(slash, '.', last + 1) == NULL;
}

struct span lint_open_paths(const struct ruleset *set, const struct rule *rule, int64_t unix_us, char *open)
{
    static const char *const behind[] = { "/", "/...", ";..." };
    const struct pattern    *pattern = pattern_on(rule, ATTRIBUTE_PATH);
    char                     paths[3][LINT_OPEN_MAX / 3];
    size_t                   n = 0, at = 0;

    if (rule->action == RULE_ALLOW || pattern == NULL || pattern->negated || pattern->kind != PATTERN_EXACT ||
        pattern->text.n + sizeof ", ''/..." > sizeof *paths || !has_neighbours(pattern->text))
        return SPAN_ABSENT;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        int length = snprintf(paths[n], sizeof *paths, "%.*s%s", (int)pattern->text.n, pattern->text.p, behind[i]);
        struct gap gap = { set, rule, unix_us, ATTRIBUTE_PATH, { paths[n], (size_t)length } };

        /* What is below a path that is limited is mostly something else. */
        if (!(i == 1 && rule->action == RULE_LIMIT) && !is_closed(&gap))
            n++;
    }
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(open + at, LINT_OPEN_MAX - at, "%s'%s'",
                               i == 0       ? ""
                               : i + 1 == n ? " and "
                                            : ", ",
                               paths[i]);
    return n == 0 ? SPAN_ABSENT : pattern->text;
}

bool lint_open_head(const struct ruleset *set, const struct rule *rule, int64_t unix_us)
{
    const struct pattern *pattern = pattern_on(rule, ATTRIBUTE_METHOD);
    struct gap            gap = { set, rule, unix_us, ATTRIBUTE_METHOD, SPAN_LITERAL("HEAD") };

    return rule->action != RULE_ALLOW && pattern != NULL && !pattern->negated &&
           pattern_match_text(pattern, SPAN_LITERAL("GET")) == MATCH_YES &&
           pattern_match_text(pattern, gap.value) != MATCH_YES && !is_closed(&gap);
}
