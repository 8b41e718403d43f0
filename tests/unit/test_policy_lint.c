/* Warnings: each where it is due and none where it is not, by tables; and by brute force, that what is said never to
 * apply never does.
 *
 * LINT_SETS sets how many random rule sets (default 4,000). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/lint.h"

#define NOW   ((int64_t)1700000000 * 1000000) /* 2023-11-14 */
#define PAST  "2020-01-01T00:00:00Z"
#define LATER "2040-01-01T00:00:00Z"
#define LAST  "2050-01-01T00:00:00Z"

/* One rule; NULL is NULL. Its id is its position, from 1. `k` and `m` are further attributes. */
struct text_rule {
    const char *action; /* NULL: limit */
    const char *src, *method, *host, *path, *k, *m, *per, *policy, *over, *from, *until;
    int         shadow, requests, status;
    bool        m_first;
};

static void abort_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    ck_abort_msg("%s", problem_format(problem, text));
}

static struct list *make_list(void *context, const char *name)
{
    static const char *const entries[][3] = { { "10.0.0.0/16", "10.1.0.1", "2001:db8::/32" }, { "/a", "/ab", "/b" } };
    struct list             *list = list_new(name, 1);

    (void)context;
    for (size_t i = 0; i < 3; i++)
        list_add(list, span_of(entries[name[0] == 't'][i]));
    list_finish(list);
    return list;
}

static struct rule_value text_value(const char *text)
{
    return (struct rule_value){ .type = text == NULL ? VALUE_NULL : VALUE_TEXT, .text = text };
}

static struct rule_value integer_value(int64_t n)
{
    return (struct rule_value){ .type = VALUE_INTEGER, .integer = n, .text = "" };
}

static void add_rule(struct ruleset_builder *builder, const struct text_rule *rule, size_t id)
{
    struct rule_match match[2];
    size_t            n = 0;
    bool              limit = rule->action == NULL;
    struct rule_row   row = {
          .id = integer_value((int64_t)id),
          .src = text_value(rule->src),
          .method = text_value(rule->method),
          .host = text_value(rule->host),
          .path = text_value(rule->path),
          .action = text_value(rule->action),
          .requests = limit ? integer_value(rule->requests == 0 ? 10 : rule->requests) : text_value(NULL),
          .period = limit ? integer_value(60) : text_value(NULL),
          .per = text_value(rule->per),
          .over = text_value(rule->over),
          .status = rule->status == 0 ? text_value(NULL) : integer_value(rule->status),
          .shadow = integer_value(rule->shadow),
          .policy = text_value(rule->policy),
          .valid_from = text_value(rule->from),
          .valid_until = text_value(rule->until),
    };

    if (rule->m_first && rule->m != NULL)
        match[n++] = (struct rule_match){ "m", rule->m, "text" };
    if (rule->k != NULL)
        match[n++] = (struct rule_match){ "k", rule->k, "text" };
    if (!rule->m_first && rule->m != NULL)
        match[n++] = (struct rule_match){ "m", rule->m, "text" };
    ruleset_builder_add(builder, &row, match, n);
}

static struct ruleset *build(const struct text_rule *rules, size_t n)
{
    struct ruleset_builder *builder = ruleset_builder_new(abort_problem, NULL, make_list, NULL);
    struct ruleset         *set;

    for (size_t i = 0; i < n; i++)
        add_rule(builder, &rules[i], i + 1);
    set = ruleset_builder_finish(builder);
    ck_assert_ptr_nonnull(set);
    return set;
}

/* ---- tables ---- */

/* The warnings: each its line. */
struct told {
    char   text[16384];
    size_t n;
};

/* Whether warnings about gaps are looked at: they have a table of their own. */
static bool with_gaps;

static void tell(void *context, const struct problem *problem)
{
    struct told *told = context;
    char         line[PROBLEM_TEXT_MAX];

    ck_assert(problem->warning);
    if (!with_gaps && strstr(problem->remedy, " open") != NULL)
        return;
    told->n += (size_t)snprintf(told->text + told->n, sizeof told->text - told->n, "%s%s", told->n == 0 ? "" : "\n",
                                problem_format(problem, line));
}

#define RULES_IN_CASE 4

struct lint_case {
    const char      *expected; /* NULL: nothing */
    struct text_rule rules[RULES_IN_CASE];
    bool             known; /* HAProxy sends src, method, path and k */
};

/* The first empty rule ends them. */
static size_t count_rules(const struct lint_case *c)
{
    static const struct text_rule none;
    size_t                        n = 0;

    while (n < RULES_IN_CASE && memcmp(&c->rules[n], &none, sizeof none) != 0)
        n++;
    return n;
}

static void check_case(const struct lint_case *cases, int i)
{
    static const struct span sent[] = { { "src", 3 }, { "method", 6 }, { "path", 4 }, { "k", 1 } };
    const struct lint_case  *c = &cases[i];
    struct ruleset          *set = build(c->rules, count_rules(c));
    struct told              told = { .n = 0 };

    ruleset_lint(set, c->known ? sent : NULL, 4, NOW, tell, &told);
    ruleset_free(set);
    ck_assert_msg(strcmp(told.text, c->expected == NULL ? "" : c->expected) == 0, "case %d:\n%s\nexpected:\n%s", i,
                  told.text, c->expected == NULL ? "(nothing)" : c->expected);
}

#define DENIES(n, by) "rule " #n ": never reached: rule " #by " comes first and denies all that it matches"
#define ALLOWS(n, by) "rule " #n ": never reached: rule " #by " comes first and allows all that it matches"
#define POLICY(n, by)                                                                                                  \
    "rule " #n ": policy: never applies: rule " #by " of the same policy comes first and matches all that it matches"
#define SAME(n, as)             "rule " #n ": says the same as rule " #as
#define OVER(n)                 "rule " #n ": valid_until: is over: the rule never applies again"
#define UNSENT(n, column, name) "rule " #n ": " column ": HAProxy does not send the attribute '" name "'"
#define AVOIDED(n, name)                                                                                               \
    "rule " #n ": per: a request without '" name "' is not limited by it, nor by another rule: add a limit without it"

/* What comes behind an allow or deny. */
static const struct lint_case reach[] = {
    { NULL, { { "deny", .path = "/a" } }, false },
    { DENIES(2, 1), { { "deny", .over = NULL, .path = "/a" }, { .path = "/a" } }, false },
    { ALLOWS(2, 1), { { "allow", .path = "/a*" }, { "deny", .path = "/ab" } }, false },
    { ALLOWS(2, 1), { { "allow", .path = "/a*" }, { "deny", .path = "/ab", .shadow = 1 } }, false },
    { DENIES(2, 1) "\n" DENIES(3, 1), { { "deny", .src = "*" }, { .src = "10.0.0.0/8" }, { .src = "@nets" } }, false },
    { NULL, { { "deny", .path = "/a", .shadow = 1 }, { .path = "/a" } }, false },
    { NULL, { { .path = "/a" }, { "deny", .path = "/a" } }, false },
    { NULL, { { "deny", .path = "/ab" }, { .path = "/a*" } }, false },
    { NULL, { { "deny", .path = "/a/*" }, { .path = "/a" } }, false },
    { NULL, { { "deny", .path = "/a", .method = "GET" }, { .path = "/a" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a" }, { .path = "/a", .method = "GET" } }, false },

    /* GLOBs */
    { DENIES(2, 1), { { "deny", .path = "/a*" }, { .path = "/ab*" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a*" }, { .path = "/a?c*d" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a*" }, { .path = "/a[bc]" } }, false },
    { NULL, { { "deny", .path = "/ab*" }, { .path = "/a*" } }, false },
    { NULL, { { "deny", .path = "/ab*" }, { .path = "/a?*" } }, false },
    { NULL, { { "deny", .path = "/ab*" }, { .path = "/[a]b*" } }, false },
    { NULL, { { "deny", .path = "/a*b" }, { .path = "/a*" } }, false },
    { NULL, { { "deny", .path = "/a?*" }, { .path = "/a*" } }, false },
    { DENIES(2, 1), { { "deny", .path = "*.php" }, { .path = "/a/b.php" } }, false },
    { DENIES(2, 1), { { "deny", .path = "*.php" }, { .path = "*.php", .method = "GET" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a*b" }, { .path = "/a*b", .method = "GET" } }, false },
    { DENIES(2, 1), { { "deny", .path = "*a*" }, { .path = "*a*", .method = "GET" } }, false },
    { NULL, { { "deny", .path = "*.php" }, { .path = "/b.phps" } }, false },
    { DENIES(2, 1), { { "deny", .k = "K*" }, { .k = "K\xC3\xA4" } }, false },
    { NULL, { { "deny", .k = "K?" }, { .k = "K\xC3\xA4\xC3\xA4" } }, false },

    /* absence, negation */
    { NULL, { { "deny", .k = "*" }, { .path = "/a" } }, false },
    { DENIES(2, 1), { { "deny", .k = "*" }, { .k = "?*" } }, false },
    { DENIES(2, 1), { { "deny", .k = "*" }, { .k = "~." } }, false },
    { DENIES(2, 1), { { "deny", .k = "*" }, { .k = "@texts" } }, false },
    { NULL, { { "deny", .k = "*" }, { .k = "!a" } }, false },
    { NULL, { { "deny", .k = "*" }, { .k = "!*" } }, false },
    { NULL, { { "deny", .k = "?*" }, { .k = "*" } }, false },
    { DENIES(2, 1), { { "deny", .k = "!*" }, { .k = "!*", .path = "/a" } }, false },
    { DENIES(2, 1), { { "deny", .k = "!a*" }, { .k = "b" } }, false },
    { NULL, { { "deny", .k = "!a*" }, { .k = "ab" } }, false },
    { NULL, { { "deny", .k = "!a*" }, { .k = "!ab*" } }, false },
    { NULL, { { "deny", .k = "!ab*" }, { .k = "!a*" } }, false },
    { DENIES(2, 1), { { "deny", .k = "!a" }, { .k = "!a", .path = "/a" } }, false },
    { NULL, { { "deny", .k = "!a" }, { .k = "a" } }, false },
    { NULL, { { "deny", .k = "a" }, { .m = "a" } }, false },

    /* networks */
    { DENIES(2, 1), { { "deny", .src = "10.0.0.0/8" }, { .src = "10.1.0.0/16" } }, false },
    { DENIES(2, 1), { { "deny", .src = "10.0.0.0/8" }, { .src = "10.255.255.255" } }, false },
    { DENIES(2, 1), { { "deny", .src = "0.0.0.0/0" }, { .src = "192.0.2.1" } }, false },
    { DENIES(2, 1), { { "deny", .src = "2001:db8::/32" }, { .src = "2001:db8:1::/48" } }, false },
    { NULL, { { "deny", .src = "10.1.0.0/16" }, { .src = "10.0.0.0/8" } }, false },
    { NULL, { { "deny", .src = "10.0.0.0/8" }, { .src = "11.0.0.0/16" } }, false },
    { NULL, { { "deny", .src = "0.0.0.0/0" }, { .src = "::/0" } }, false },
    { NULL, { { "deny", .src = "::/0" }, { .src = "192.0.2.1" } }, false },
    { NULL, { { "deny", .src = "!10.0.0.0/8" }, { .src = "!10.1.0.0/16" } }, false },
    { NULL, { { "deny", .src = "!10.0.0.0/8" }, { .src = "::/0" } }, false },
    { DENIES(2, 1), { { "deny", .src = "!10.0.0.0/8" }, { .src = "!10.0.0.0/8", .path = "/a" } }, false },
    { NULL, { { "deny", .src = "*" }, { .src = "!10.0.0.0/8" } }, false },
    { NULL, { { "deny", .src = "!*" }, { .src = "!10.0.0.0/8" } }, false },

    /* lists, expressions, methods */
    { DENIES(2, 1), { { "deny", .src = "@nets" }, { .src = "@nets", .path = "/a" } }, false },
    { DENIES(2, 1), { { "deny", .src = "!@nets" }, { .src = "!@nets", .path = "/a" } }, false },
    { NULL, { { "deny", .src = "@nets" }, { .src = "!@nets" } }, false },
    { NULL, { { "deny", .src = "@nets" }, { .src = "@nets2" } }, false },
    { DENIES(2, 1), { { "deny", .path = "@texts" }, { .path = "/ab" } }, false },
    { NULL, { { "deny", .path = "@texts" }, { .path = "/ab*" } }, false },
    { NULL, { { "deny", .path = "@texts" }, { .path = "/c" } }, false },
    { DENIES(2, 1), { { "deny", .path = "!@texts" }, { .path = "/c" } }, false },
    { DENIES(2, 1), { { "deny", .path = "~^/a" }, { .path = "/ab" } }, false },
    { NULL, { { "deny", .path = "~^/a" }, { .path = "/ab*" } }, false },
    { NULL, { { "deny", .path = "~^/a$" }, { .path = "/ab" } }, false },
    { DENIES(2, 1), { { "deny", .path = "!~^/a" }, { .path = "/b" } }, false },
    { NULL, { { "deny", .path = "/a*" }, { .path = "~^/a" } }, false },
    { DENIES(2, 1), { { "deny", .method = "GET,POST" }, { .method = "POST" } }, false },
    { DENIES(2, 1), { { "deny", .method = "GET,P*" }, { .method = "PUT" } }, false },
    { DENIES(2, 1), { { "deny", .method = "GET,POST" }, { .method = "GET,POST", .path = "/a" } }, false },
    { NULL, { { "deny", .method = "GET" }, { .method = "GET,POST" } }, false },
    { NULL, { { "deny", .method = "GET,POST" }, { .method = "P*" } }, false },
    { NULL, { { "deny", .method = "!GET,POST" }, { .method = "POST" } }, false },
    { DENIES(2, 1), { { "deny", .method = "!GET,POST" }, { .method = "PUT" } }, false },

    /* validity */
    { DENIES(2, 1), { { "deny", .path = "/a" }, { .path = "/a", .from = LATER, .until = LAST } }, false },
    { NULL, { { "deny", .path = "/a", .until = LAST }, { .path = "/a" } }, false },
    { NULL, { { "deny", .path = "/a", .from = PAST }, { .path = "/a", .method = "GET" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a", .until = LAST }, { .path = "/a", .until = LATER } }, false },
    { OVER(1), { { "deny", .path = "/a", .until = PAST }, { .path = "/a" } }, false },
    { OVER(1) "\n" OVER(2), { { "deny", .path = "/a", .until = PAST }, { .path = "/a", .until = PAST } }, false },
    { NULL, { { "deny", .path = "/a", .from = LATER } }, false },

    /* A rule of a policy ends the walk only where it is the first of its policy. */
    { NULL, { { .path = "/a", .policy = "p" }, { "deny", .path = "/a*", .policy = "p" }, { .path = "/ab" } }, false },
    { NULL, { { "deny", .path = "/a*", .policy = "p" }, { .path = "/ab" } }, false },
    { POLICY(2, 1), { { "deny", .path = "/a*", .policy = "p" }, { .path = "/ab", .policy = "p" } }, false },
    { DENIES(2, 1), { { "deny", .path = "/a*" }, { .path = "/ab", .policy = "p" } }, false },
};

/* What comes behind a limit of the same policy. */
static const struct lint_case policies[] = {
    { POLICY(2, 1), { { .path = "/a*", .policy = "p" }, { .path = "/ab", .policy = "p" } }, false },
    { POLICY(2, 1), { { .path = "/a*", .policy = "p" }, { "allow", .path = "/ab", .policy = "p" } }, false },
    { POLICY(2, 1), { { .path = "/a*", .policy = "p" }, { .path = "/ab", .policy = "p", .shadow = 1 } }, false },
    { POLICY(3, 1), { { .policy = "p" }, { .policy = "q", .path = "/a" }, { .policy = "p", .path = "/b" } }, false },
    { NULL, { { .path = "/ab", .policy = "p" }, { .path = "/a*", .policy = "p" } }, false },
    { NULL, { { .path = "/a*", .policy = "p" }, { .path = "/ab", .policy = "P" } }, false },
    { NULL, { { .path = "/a*", .policy = "p" }, { .path = "/ab" } }, false },
    { NULL, { { .path = "/a*" }, { .path = "/ab", .policy = "p" } }, false },
    { NULL, { { .path = "/a*", .policy = "p", .shadow = 1 }, { .path = "/ab", .policy = "p" } }, false },
    { NULL, { { .path = "/a*", .per = "src", .policy = "p" }, { .path = "/ab", .policy = "p" } }, false },
    { POLICY(2, 1),
      { { .path = "/a*", .per = "src", .policy = "p" }, { .path = "/a", .per = "path,src", .policy = "p" } },
      false },
    { POLICY(2, 1), { { .path = "/a*", .policy = "p" }, { .path = "/a", .per = "src", .policy = "p" } }, false },
    { NULL, { { .k = "K1", .per = "k", .policy = "p" }, { .per = "src", .policy = "p" } }, false },
    { NULL, { { .path = "/a", .policy = "p", .until = LAST }, { .path = "/a", .policy = "p" } }, false },
};

static const struct lint_case duplicates[] = {
    { SAME(2, 1), { { .path = "/a" }, { .path = "/a" } }, false },
    { SAME(2, 1) "\n" SAME(3, 2), { { .path = "/a" }, { .path = "/a" }, { .path = "/a" } }, false },
    { SAME(2, 1), { { .k = "a", .m = "b" }, { .k = "a", .m = "b", .m_first = true } }, false },
    { SAME(2, 1), { { .src = "10.0.0.0/8", .per = "src,path" }, { .src = "10.0.0.0/8", .per = "path,src" } }, false },
    { SAME(2, 1), { { .path = "@texts" }, { .path = "@texts" } }, false },
    { SAME(2, 1), { { .method = "!GET,P*" }, { .method = "!GET,P*" } }, false },
    { SAME(2, 1), { { .path = "/a", .shadow = 1 }, { .path = "/a", .shadow = 1 } }, false },
    /* Others between them, much like them. */
    { SAME(3, 1), { { .per = "src" }, { .per = "path" }, { .per = "src" } }, false },
    { SAME(4, 1),
      { { .path = "/a" }, { .path = "/a", .over = "slow" }, { .path = "/a", .shadow = 1 }, { .path = "/a" } },
      false },
    { POLICY(3, 1), { { .path = "/a", .policy = "p" }, { .path = "/b" }, { .path = "/a", .policy = "p" } }, false },
    /* Said once, of a rule that never applies. */
    { DENIES(2, 1), { { "deny", .path = "/a" }, { "deny", .path = "/a" } }, false },

    { NULL, { { .path = "/a" }, { .path = "/b" } }, false },
    { NULL, { { .path = "/a" }, { .path = "!/a" } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .requests = 9 } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .per = "src" } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .shadow = 1 } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .over = "slow" } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .status = 503 } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .policy = "p" } }, false },
    { NULL, { { .path = "/a", .policy = "q" }, { .path = "/a", .policy = "p" } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .until = LAST } }, false },
    { NULL, { { .path = "/a" }, { .path = "/a", .method = "GET" } }, false },
    { NULL, { { .k = "a" }, { .m = "a" } }, false },
    { NULL, { { .src = "@nets" }, { .src = "@nets2" } }, false },
    { NULL, { { .src = "10.0.0.0/8" }, { .src = "10.0.0.0/9" } }, false },
    { NULL, { { .src = "0.0.0.0/0" }, { .src = "::/0" } }, false },
    { NULL, { { .method = "GET,POST" }, { .method = "GET,PUT" } }, false },
    { NULL, { { .path = "~a" }, { .path = "~b" } }, false },
    { NULL, { { .k = "*" }, { .k = "!*" } }, false },
};

static const struct lint_case attributes[] = {
    { NULL, { { .src = "10.0.0.0/8", .method = "GET", .path = "/a", .k = "a", .per = "src,k" } }, true },
    { UNSENT(1, "match", "m"), { { .m = "a" } }, true },
    { UNSENT(1, "match", "m"), { { "deny", .m = "!*" } }, true },
    { UNSENT(1, "host", "host"), { { .host = "a" } }, true },
    { UNSENT(1, "per", "host"), { { .per = "src,host" } }, true },
    { UNSENT(1, "match", "m") "\n" UNSENT(1, "per", "m"), { { .m = "a", .per = "m" } }, true },
    { NULL, { { .m = "a", .host = "a" } }, false },
};

/* Limits that a client can avoid. */
static const struct lint_case avoided[] = {
    { AVOIDED(1, "k"), { { .per = "k" } }, false },
    { AVOIDED(1, "k"), { { .per = "src,k" } }, false },
    { AVOIDED(1, "query"), { { .per = "query" } }, false },
    { AVOIDED(1, "k") "\n" AVOIDED(1, "m"), { { .per = "k,m" } }, false },
    { AVOIDED(1, "k"), { { .per = "k", .k = "!a" } }, false },
    { AVOIDED(1, "k"), { { .per = "k", .k = "!*" } }, false },
    { AVOIDED(1, "k"), { { .per = "k" }, { .per = "src", .shadow = 1 } }, false },
    { AVOIDED(1, "k"), { { .per = "k" }, { .per = "src", .path = "/a" } }, false },
    { AVOIDED(1, "k"), { { .per = "k" }, { .per = "src", .k = "*" } }, false },
    { AVOIDED(1, "k"), { { .per = "k" }, { "allow", .path = "/a" } }, false },
    { AVOIDED(1, "k"), { { .per = "k" }, { "deny", .k = "!*", .path = "/a" } }, false },
    { AVOIDED(1, "k") "\n" AVOIDED(2, "k"), { { .per = "k" }, { .per = "src,k" } }, false },
    /* Two rules that between them leave nobody out: that takes more than a look. */
    { AVOIDED(1, "k"),
      { { .per = "k" }, { .per = "src", .method = "GET" }, { .per = "src", .method = "!GET" } },
      false },
    { AVOIDED(1, "k") "\n" OVER(2), { { .per = "k" }, { .per = "src", .until = PAST } }, false },

    { NULL, { { .per = "src,method,host,path" } }, false },
    { NULL, { { .per = "k", .shadow = 1 } }, false },
    { NULL, { { .per = "k", .k = "a" } }, false },
    { NULL, { { .per = "k", .k = "*" } }, false },
    { NULL, { { .per = "k", .k = "@texts" } }, false },
    { NULL, { { .per = "k" }, { .per = "src" } }, false },
    { NULL, { { .per = "src" }, { .per = "k" } }, false },
    { NULL, { { .per = "k", .policy = "p" }, { .per = "src", .policy = "p" } }, false },
    { NULL, { { .per = "k" }, { .per = "src", .over = "slow" } }, false },
    { NULL, { { .per = "k" }, { .per = "src", .k = "!*" } }, false },
    { NULL, { { .per = "k" }, { .per = "src", .k = "!?*" } }, false },
    { NULL, { { .per = "k" }, { .per = "src", .k = "!a" } }, false },
    { NULL, { { "deny", .k = "!*" }, { .per = "k" } }, false },
    { NULL, { { .per = "k", .path = "/a/b" }, { .per = "src", .path = "/a/*" } }, false },
    { NULL, { { .per = "k", .path = "~a" }, { .per = "src" } }, false },
    /* Let through by name. */
    { NULL, { { "allow", .k = "!*" }, { .per = "k" } }, false },
    { OVER(1), { { .per = "k", .until = PAST } }, false },
};

#define TABLE_TEST(table)                                                                                              \
    START_TEST(table##_are_told)                                                                                       \
    {                                                                                                                  \
        check_case(table, _i);                                                                                         \
    }                                                                                                                  \
    END_TEST

TABLE_TEST(reach)
TABLE_TEST(policies)
TABLE_TEST(duplicates)
TABLE_TEST(attributes)
TABLE_TEST(avoided)

/* Of a set too large to look at every pair, that one is not told; all others are. */
#define OPEN(n, paths, path)                                                                                           \
    "rule " #n ": path: leaves " paths " open, which many origins answer alike: write '" path                          \
    "*', which also matches longer names"
#define HEAD(n) "rule " #n ": method: leaves HEAD open, which origins answer as GET: add it, as in 'GET,HEAD'"

/* What a deny or a limit leaves open beside what it matches. */
static const struct lint_case gaps[] = {
    { OPEN(1, "'/admin/', '/admin/...' and '/admin;...'", "/admin"), { { "deny", .path = "/admin" } }, false },
    { OPEN(1, "'/a/b/', '/a/b/...' and '/a/b;...'", "/a/b"), { { "deny", .path = "/a/b" } }, false },
    { OPEN(1, "'/.git/config/', '/.git/config/...' and '/.git/config;...'", "/.git/config"),
      { { "deny", .path = "/.git/config" } },
      false },
    { OPEN(1, "'/admin/', '/admin/...' and '/admin;...'", "/admin"),
      { { "deny", .path = "/admin", .shadow = 1 } },
      false },
    /* What is below a path that is limited is another. */
    { OPEN(1, "'/login/' and '/login;...'", "/login"), { { .path = "/login", .method = "POST" } }, false },
    { OPEN(1, "'/login/' and '/login;...'", "/login"), { { .path = "/login", .over = "slow" } }, false },
    /* A pattern says what it means; an allow is safer exact; what looks like a file has nothing below it. */
    { NULL, { { "deny", .path = "/admin*" } }, false },
    { NULL, { { "deny", .path = "/admin/*" } }, false },
    { NULL, { { "deny", .path = "~^/admin$" } }, false },
    { NULL, { { "deny", .path = "!/admin" } }, false },
    { NULL, { { "deny", .path = "@texts" } }, false },
    { NULL, { { "allow", .path = "/health" } }, false },
    { NULL, { { "deny", .path = "/" } }, false },
    { NULL, { { "deny", .path = "/admin/" } }, false },
    { NULL, { { "deny", .path = "/wp-login.php" } }, false },
    { NULL, { { "deny", .path = "/a/.env" } }, false },
    { NULL, { { "deny", .k = "/admin" } }, false },
    /* another rule closes the gap, or a part of it */
    { NULL, { { "deny", .path = "/admin" }, { "deny", .path = "/admin?*" } }, false },
    { NULL, { { "deny", .path = "/admin" }, { "deny", .path = "/admin[/;]*" } }, false },
    { NULL, { { "deny", .path = "/admin" }, { "deny", .path = "~^/admin[/;]" } }, false },
    { OPEN(1, "'/admin;...'", "/admin"), { { "deny", .path = "/admin" }, { "deny", .path = "/admin/*" } }, false },
    { OPEN(1, "'/admin/...' and '/admin;...'", "/admin"),
      { { "deny", .path = "/admin" }, { "allow", .path = "/admin/" } },
      false },
    { OPEN(1, "'/login;...'", "/login"), { { .path = "/login" }, { .path = "/login/*" } }, false },
    { NULL, { { .path = "/login" }, { "deny", .path = "/login[/;]*" } }, false },
    { NULL, { { .path = "/a", .policy = "p" }, { .policy = "p" } }, false },
    { NULL,
      { { "deny", .path = "/a", .src = "10.1.0.0/16" }, { "deny", .path = "/a?*", .src = "10.0.0.0/8" } },
      false },
    { NULL, { { "deny", .path = "/a", .from = LATER, .until = LAST }, { "deny", .path = "/a?*" } }, false },
    { NULL, { { "deny", .path = "/a", .shadow = 1 }, { "deny", .path = "/a?*", .shadow = 1 } }, false },
    /* another rule does not close it */
    { OPEN(1, "'/a/', '/a/...' and '/a;...'", "/a"), { { "deny", .path = "/a" }, { .path = "/a?*" } }, false },
    { OPEN(1, "'/a/', '/a/...' and '/a;...'", "/a"),
      { { "deny", .path = "/a" }, { "deny", .path = "/a?*", .shadow = 1 } },
      false },
    { OPEN(1, "'/a/', '/a/...' and '/a;...'", "/a"),
      { { "deny", .path = "/a" }, { "deny", .path = "/a?*", .src = "10.0.0.0/8" } },
      false },
    { OPEN(1, "'/a/', '/a/...' and '/a;...'", "/a"),
      { { "deny", .path = "/a" }, { "deny", .path = "/a?*", .until = LAST } },
      false },
    { OPEN(1, "'/a/' and '/a;...'", "/a"), { { .path = "/a", .per = "src" }, { .per = "src" } }, false },
    { OPEN(1, "'/a/' and '/a;...'", "/a"), { { .path = "/a", .policy = "p" }, { .policy = "q" } }, false },
    /* of a rule that never applies that is said */
    { DENIES(2, 1), { { "deny", .path = "/a*" }, { "deny", .path = "/ab" } }, false },
    { OVER(1), { { "deny", .path = "/a", .until = PAST } }, false },

    /* methods */
    { HEAD(1), { { "deny", .method = "GET" } }, false },
    { HEAD(1), { { .method = "GET,POST", .path = "/a*" } }, false },
    { HEAD(1), { { .method = "~^GET$", .path = "/a*" } }, false },
    { HEAD(1), { { .method = "G*", .path = "/a*" } }, false },
    { HEAD(1), { { "deny", .method = "GET", .path = "/a*" }, { .path = "/a*" } }, false },
    { HEAD(1), { { .method = "GET", .path = "/a*" }, { .per = "src" } }, false },
    { OPEN(1, "'/a/', '/a/...' and '/a;...'", "/a") "\n" HEAD(1),
      { { "deny", .method = "GET", .path = "/a" } },
      false },
    { NULL, { { "deny", .method = "GET,HEAD" } }, false },
    { NULL, { { "deny", .method = "*" } }, false },
    { NULL, { { "deny", .method = "POST" } }, false },
    { NULL, { { "deny", .method = "!GET" } }, false },
    { NULL, { { "deny", .method = "!HEAD" } }, false },
    { NULL, { { "allow", .method = "GET" } }, false },
    { NULL, { { .method = "GET", .path = "/a*" }, { .method = "HEAD", .path = "/a*", .requests = 5 } }, false },
    { NULL, { { .method = "GET", .path = "/a*" }, { .path = "/a*", .requests = 5 } }, false },
    { NULL, { { .method = "GET", .path = "/a*" }, { "deny", .method = "!GET" } }, false },
    { NULL, { { .method = "GET", .policy = "p" }, { .policy = "p" } }, false },
};

START_TEST(gaps_are_told)
{
    with_gaps = true;
    check_case(gaps, _i);
}
END_TEST

/* Of many gaps some are told by name. */
START_TEST(many_gaps)
{
    static struct text_rule rules[50];
    static char             paths[50][16];
    struct told             told = { .n = 0 };
    struct ruleset         *set;

    for (size_t i = 0; i < 50; i++) {
        snprintf(paths[i], sizeof paths[i], "/p%zu", i);
        rules[i] = (struct text_rule){ "deny", .path = paths[i] };
    }
    with_gaps = true;
    set = build(rules, 50);
    ruleset_lint(set, NULL, 0, NOW, tell, &told);
    ruleset_free(set);
    ck_assert_ptr_nonnull(strstr(told.text, "rule 20: path: leaves '/p19/'"));
    ck_assert_ptr_null(strstr(told.text, "rule 21: path"));
    ck_assert_ptr_nonnull(strstr(told.text, "\n30 more rules leave paths or HEAD open in the same way"));
}
END_TEST

START_TEST(many_rules)
{
    enum { N = 1500 };
    static struct text_rule rules[N];
    static char             paths[N][16];
    struct ruleset         *set;
    struct told             told = { .n = 0 };

    for (size_t i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "/p%zu", i);
        rules[i] = (struct text_rule){ .path = paths[i] };
    }
    rules[7] = (struct text_rule){ .action = "deny", .path = "/p14*" };
    rules[9].per = "k";
    rules[N - 1].path = "/p3";
    set = build(rules, N);
    ruleset_lint(set, NULL, 0, NOW, tell, &told);
    ruleset_free(set);
    /* 14 and 140 to 149; 1400 to 1498 */
    ck_assert_ptr_nonnull(strstr(told.text, DENIES(15, 8) "\n" DENIES(141, 8) "\n"));
    ck_assert_ptr_nonnull(strstr(told.text, "rule 1401: never reached"));
    ck_assert_ptr_null(strstr(told.text, "a request without"));
}
END_TEST

/* ---- brute force ---- */

#define RULES_MAX      10
#define REQUESTS_A_SET 120

static uint64_t state = 0x9E3779B97F4A7C15u;

static unsigned below(unsigned n)
{
    /* xorshift64 (Marsaglia, 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 20) % n);
}

#define PICK(array) ((array)[below(sizeof(array) / sizeof *(array))])

static void random_rule(struct text_rule *rule)
{
    static const char *const srcs[] = { "10.0.0.0/8", "10.0.0.0/16",   "10.0.0.1",  "!10.0.0.0/16",
                                        "::/0",       "2001:db8::/32", "0.0.0.0/0", "*",
                                        "!*",         "@nets",         "!@nets",    "!10.0.0.0/8" };
    static const char *const methods[] = { "GET", "POST", "GET,POST", "!GET", "P*", "*", "POST,P*", "!GET,POST" };
    static const char *const hosts[] = { "a", "a*", "*a", "!a", "a?", "*", "!*", "ab", "a*b", "[ab]" };
    static const char *const paths[] = { "/a",   "/a*",  "/ab", "/a?",  "*b",     "!/a",     "!/a*", "@texts",
                                         "~^/a", "!~b$", "/*",  "/ab*", "/[ab]*", "!@texts", "/a*b", "*" };
    static const char *const keys[] = { "a", "b*", "*", "!*", "!a", "?*", "!?*", "a*", "\xC3\xA4*", "?", "~^a" };
    static const char *const pers[] = { NULL, NULL, "src", "k", "src,k", "host", "m" };
    static const char *const named[] = { NULL, NULL, "p", "p", "q" };
    static const char *const froms[] = { NULL, NULL, NULL, NULL, PAST, LATER };
    static const char *const untils[] = { NULL, NULL, NULL, NULL, LAST };
    unsigned                 action = below(8);

    *rule = (struct text_rule){
        .action = action == 0  ? "allow"
                  : action < 3 ? "deny"
                               : NULL,
        .src = below(4) == 0 ? PICK(srcs) : NULL,
        .method = below(5) == 0 ? PICK(methods) : NULL,
        .host = below(5) == 0 ? PICK(hosts) : NULL,
        .path = below(2) == 0 ? PICK(paths) : NULL,
        .k = below(4) == 0 ? PICK(keys) : NULL,
        .per = action < 3 ? NULL : PICK(pers),
        .policy = PICK(named),
        .from = PICK(froms),
        .until = PICK(untils),
        .shadow = below(6) == 0,
    };
}

/* What lint says of each rule. */
struct claims {
    bool    never[RULES_MAX];
    bool    avoided[RULES_MAX];
    int64_t same_as[RULES_MAX];
    long    n;
};

static void note_claim(void *context, const struct problem *problem)
{
    struct claims *claims = context;
    size_t         at = (size_t)problem->rule - 1;

    if (strncmp(problem->remedy, "never ", 6) == 0) {
        claims->never[at] = true;
        claims->n++;
    } else if (strncmp(problem->remedy, "says the same as rule ", 22) == 0) {
        claims->same_as[at] = atoll(problem->remedy + 22);
    } else if (strncmp(problem->remedy, "a request without", 17) == 0) {
        claims->avoided[at] = true;
    }
}

static bool matches(const struct rule *rule, struct request *request)
{
    for (size_t i = 0; i < rule->patterns_n; i++)
        if (pattern_match(&rule->patterns[i], request) != MATCH_YES)
            return false;
    return true;
}

struct trial {
    const struct ruleset *set;
    const struct claims  *claims;
    struct request       *request;
    long                  met; /* a rule matched that is said never to apply */
};

static void try_step(void *context, const struct rule *rule, enum step step)
{
    struct trial *trial = context;

    if (!trial->claims->never[rule->id - 1])
        return;
    if (step == STEP_APPLIES)
        ck_abort_msg("rule %d is said never to apply and does", (int)rule->id);
    trial->met += matches(rule, trial->request);
}

static void random_request(const struct ruleset *set, struct request *request, char *scratch, size_t scratch_size)
{
    static const char *const srcs[] = { "10.0.0.1", "10.0.7.1", "10.9.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1" };
    static const char *const methods[] = { "GET", "POST", "PUT", "P" };
    static const char *const hosts[] = { "a", "b", "ab", "aab", "ba" };
    static const char *const paths[] = { "/", "/a", "/b", "/ab", "/aa", "/abb", "/ba", "/aab" };
    static const char *const keys[] = { "", "a", "b", "ab", "ba", "\xC3\xA4", "\xC3\xA4\x61" };
    int k = ruleset_attribute(set, SPAN_LITERAL("k")), m = ruleset_attribute(set, SPAN_LITERAL("m"));

    request_init(request, scratch, scratch_size);
    if (below(8) != 0)
        request_set_text(request, ATTRIBUTE_SRC, span_of(PICK(srcs)));
    request_set_text(request, ATTRIBUTE_METHOD, span_of(PICK(methods)));
    if (below(6) != 0)
        request_set_text(request, ATTRIBUTE_HOST, span_of(PICK(hosts)));
    request_set_text(request, ATTRIBUTE_PATH, span_of(PICK(paths)));
    if (k >= 0 && below(3) != 0)
        request_set_text(request, (unsigned)k, span_of(PICK(keys)));
    if (m >= 0 && below(2) != 0)
        request_set_text(request, (unsigned)m, SPAN_LITERAL("a"));
    request_finish(request);
}

/* Whether another rule than `rule` minds a request that lacks `attribute`. */
static bool minded(const struct ruleset *set, const struct rule *rule, unsigned attribute, struct request *request)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct rule *other = &set->rules[i];

        if (other != rule && !other->shadow && memchr(other->per, (int)attribute, other->per_n) == NULL &&
            matches(other, request))
            return true;
    }
    return false;
}

/* Who leaves out what a limit counts by is told of, or somebody else minds. */
static void try_avoiding(const struct trial *trial)
{
    int k = ruleset_attribute(trial->set, SPAN_LITERAL("k"));

    for (size_t i = 0; i < trial->set->n; i++) {
        const struct rule *rule = &trial->set->rules[i];

        if (k < 0 || trial->request->value[k].p != NULL || rule->shadow || trial->claims->avoided[i] ||
            memchr(rule->per, k, rule->per_n) == NULL || !matches(rule, trial->request))
            continue;
        ck_assert_msg(minded(trial->set, rule, (unsigned)k, trial->request), "rule %d is avoided and not told of",
                      (int)rule->id);
    }
}

static void try_duplicates(const struct trial *trial)
{
    for (size_t i = 0; i < trial->set->n; i++)
        if (trial->claims->same_as[i] > 0)
            ck_assert(matches(&trial->set->rules[i], trial->request) ==
                      matches(&trial->set->rules[trial->claims->same_as[i] - 1], trial->request));
}

static void try_set(struct trial *trial, struct limits *limits)
{
    /* 2019, 2023, 2045, 2051 */
    static const int64_t times[] = { 1560000000, 1700000000, 2370000000, 2560000000 };
    struct decider       decider = {
              .limits = limits, .ipv6_prefix = 64, .look = true, .step = try_step, .step_context = trial
    };
    static struct request  request;
    static struct decision decision;
    char                   scratch[1024];

    trial->request = &request;
    for (int i = 0; i < REQUESTS_A_SET; i++) {
        random_request(trial->set, &request, scratch, sizeof scratch);
        decide(&decider, trial->set, &request, (struct moment){ .unix_us = PICK(times) * 1000000 }, &decision);
        try_avoiding(trial);
        try_duplicates(trial);
    }
}

START_TEST(what_never_applies_never_does)
{
    const char      *wanted = getenv("LINT_SETS");
    long             sets = wanted == NULL ? 4000 : atol(wanted), claimed = 0, met = 0;
    struct limits   *limits = limits_new(1, 7);
    struct text_rule rules[RULES_MAX];

    for (long i = 0; i < sets; i++) {
        struct claims   claims = { .n = 0 };
        size_t          n = below(RULES_MAX) + 1;
        struct ruleset *set;
        struct trial    trial;

        for (size_t k = 0; k < n; k++)
            random_rule(&rules[k]);
        set = build(rules, n);
        ruleset_lint(set, NULL, 0, NOW, note_claim, &claims);
        trial = (struct trial){ .set = set, .claims = &claims };
        try_set(&trial, limits);
        claimed += claims.n;
        met += trial.met;
        ruleset_free(set);
    }
    printf("%ld rule sets, %ld rules said never to apply, matched %ld times\n", sets, claimed, met);
    /* Else it would prove nothing. */
    ck_assert_int_gt(claimed, sets / 4);
    ck_assert_int_gt(met, claimed * 5);
    limits_free(limits);
}
END_TEST

#define ADD_TABLE(tcase, table) tcase_add_loop_test(tcase, table##_are_told, 0, sizeof(table) / sizeof *(table))

int main(void)
{
    Suite   *suite = suite_create("lint");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    ADD_TABLE(tcase, reach);
    ADD_TABLE(tcase, policies);
    ADD_TABLE(tcase, duplicates);
    ADD_TABLE(tcase, attributes);
    ADD_TABLE(tcase, avoided);
    ADD_TABLE(tcase, gaps);
    tcase_add_test(tcase, many_gaps);
    tcase_add_test(tcase, many_rules);
    tcase_add_test(tcase, what_never_applies_never_does);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
