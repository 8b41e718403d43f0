#include "command_explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "policy/decide.h"
#include "store/rules_db.h"

static void log_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    fprintf(stderr, "spoa-rules: %s\n", problem_format(problem, text));
}

struct explanation {
    const struct ruleset *set;
    struct request       *request;
    unsigned              ipv6_prefix;
    struct decision      *decision;
    bool                  said_end;
};

static void print_value(struct span value)
{
    char one[ESCAPED_MAX(1)] = "";

    for (size_t i = 0; i < value.n; i++) {
        escape_controls((struct span){ value.p + i, 1 }, one, sizeof one);
        fputs(one, stdout);
    }
}

static void print_request(const struct explanation *e)
{
    char        text[ADDRESS_TEXT_MAX];
    char        src_text[ADDRESS_TEXT_MAX];
    struct span src = counted_src(e->request, e->ipv6_prefix, text);

    puts("request:");
    for (size_t i = 0; i < e->set->attributes_n; i++) {
        struct span name = e->set->attributes[i], value = e->request->value[i];

        if (i == ATTRIBUTE_SRC)
            value = request_src_text(e->request, src_text);
        printf("  %-10.*s ", (int)name.n, name.p);
        if (value.p == NULL)
            printf("(absent)");
        else
            print_value(value);
        if (i == ATTRIBUTE_SRC && value.p != NULL && !span_eq(src, value))
            printf("  (counted as %.*s)", (int)src.n, src.p);
        if (i == ATTRIBUTE_PATH && e->request->ambiguous)
            printf("  (ambiguous: origins differ in how they read it; the sample HAProxy refuses it)");
        putchar('\n');
    }
}

static void print_key(const struct explanation *e, const struct rule *rule)
{
    char text[ADDRESS_TEXT_MAX];

    printf("         %s", rule->per_n == 0 ? "one counter for all" : "counted under ");
    for (size_t i = 0; i < rule->per_n; i++) {
        struct span name = e->set->attributes[rule->per[i]], value = e->request->value[rule->per[i]];

        if (rule->per[i] == ATTRIBUTE_SRC)
            value = counted_src(e->request, e->ipv6_prefix, text);
        printf("%s%.*s=", i == 0 ? "" : ", ", (int)name.n, name.p);
        print_value(value);
    }
    putchar('\n');
}

static void print_action(const struct explanation *e, const struct rule *rule)
{
    static const char *const algorithms[] = { "sliding", "fixed", "token" };
    const struct limit      *limit = &rule->limit;

    switch (rule->action) {
    case RULE_ALLOW:
        puts(rule->shadow ? "would allow (shadow: does nothing)" : "allow: the rules behind it are not reached");
        return;
    case RULE_DENY:
        printf(rule->shadow ? "would deny with %d (shadow: does nothing)\n"
                            : "deny with %d: the rules behind it are not reached\n",
               rule->status != 0 ? rule->status : 403);
        return;
    case RULE_LIMIT:
        printf("limit of %" PRIu32 " in %" PRIu32 " s, %s", limit->requests, limit->period_s,
               algorithms[limit->algorithm]);
        if (limit->algorithm == LIMIT_TOKEN)
            printf(", burst %" PRIu32, limit->burst);
        if (rule->slow)
            printf("; what comes over it is slowed");
        else
            printf("; what comes over it is denied with %d", rule->status != 0 ? rule->status : 429);
        if (limit->ban_s != 0)
            printf(" and banned for %" PRIu32 " s", limit->ban_s);
        puts(rule->shadow ? " (shadow: does nothing)" : "");
        print_key(e, rule);
    }
}

static void print_step(void *context, const struct rule *rule, enum step step)
{
    struct explanation *e = context;

    if (step == STEP_NO_MATCH)
        return;
    if (step == STEP_BEHIND_END) {
        if (!e->said_end)
            puts("the walk ends here");
        e->said_end = true;
        return;
    }
    printf("rule %" PRId64 "%s%s (priority %" PRId32 "): ", rule->id, *rule->name == '\0' ? "" : " ", rule->name,
           rule->priority);
    switch (step) {
    case STEP_APPLIES:
        print_action(e, rule);
        break;
    case STEP_NOT_IN_FORCE:
        puts("not in force now: see valid_from and valid_until");
        break;
    case STEP_UNCERTAIN:
        puts("skipped: it may not match, since an origin may read the path in another way or a pattern took too long");
        break;
    case STEP_NO_ATTRIBUTE:
        puts("skipped: the request lacks an attribute of its per");
        break;
    case STEP_POLICY_TAKEN:
        printf("skipped: an earlier rule applies for policy '%s'\n", rule->policy_name);
        break;
    case STEP_NO_MATCH:
    case STEP_BEHIND_END:
        break;
    }
}

static bool set_attributes(struct ruleset *set, struct request *request, char *const attributes[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(attributes[i], '=');
        int         number;

        if (equals == NULL || equals == attributes[i]) {
            fprintf(stderr, "spoa-rules: '%s': write an attribute as name=value, such as src=192.0.2.1\n",
                    attributes[i]);
            return false;
        }
        number = ruleset_attribute(set, (struct span){ attributes[i], (size_t)(equals - attributes[i]) });
        if (number < 0)
            printf("note: no rule uses the attribute '%.*s'\n", (int)(equals - attributes[i]), attributes[i]);
        else
            request_set_text(request, (unsigned)number, span_of(equals + 1));
    }
    request_finish(request);
    return true;
}

static void explain(struct explanation *e, struct limits *limits)
{
    struct decider decider = {
        .limits = limits,
        .ipv6_prefix = e->ipv6_prefix,
        .step = print_step,
        .step_context = e,
        .look = true,
    };
    static const char *const verdicts[] = { "allow", "deny", "slow" };

    print_request(e);
    decide(&decider, e->set, e->request, moment_now(), e->decision);
    if (e->decision->exhausted)
        puts("patterns took longer than they may for one request: what could not be told counts as a match, but for "
             "allow");
    if (e->decision->applied_n == 0)
        puts("no rule applies");
    printf("verdict with unused counters: %s", verdicts[e->decision->verdict]);
    if (e->decision->verdict == VERDICT_DENY)
        printf(" with %d", e->decision->status);
    if (e->decision->rule != NULL)
        printf(" (rule %" PRId64 ")", e->decision->rule->id);
    putchar('\n');
}

int explain_request(const char *path, char *const attributes[], size_t n, unsigned ipv6_prefix)
{
    struct request     request;
    struct decision    decision;
    struct explanation e = { .request = &request, .ipv6_prefix = ipv6_prefix, .decision = &decision };
    struct ruleset    *set;
    struct limits     *limits = limits_new(1, 0);
    size_t             bytes = 0, size;
    char              *scratch;
    enum rules_load    result;
    int                code = 2;

    result = rules_db_load(path, NULL, log_problem, NULL, &set);
    if (result == RULES_BUSY)
        fprintf(stderr, "spoa-rules: %s: locked by a writer: try again when it is done\n", path);
    if (result != RULES_LOADED) {
        limits_free(limits);
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        bytes += strlen(attributes[i]) + 1;
    size = REQUEST_SCRATCH(bytes + 1);
    scratch = malloc(size);
    if (scratch != NULL && limits != NULL) {
        e.set = set;
        request_init(&request, scratch, size);
        if (set_attributes(set, &request, attributes, n)) {
            explain(&e, limits);
            code = 0;
        }
    }
    free(scratch);
    ruleset_free(set);
    limits_free(limits);
    return code;
}
