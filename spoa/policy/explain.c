#include "policy/explain.h"

#include <inttypes.h>

#include "base/escape.h"

struct explanation {
    const struct decider  *decider;
    const struct ruleset  *set;
    const struct request  *request;
    const struct decision *decision; /* what the counters say */
    FILE                  *out;
    bool                   live;
    bool                   said_end;
};

static void print_value(FILE *out, struct span value)
{
    char one[ESCAPED_MAX(1)] = "";

    for (size_t i = 0; i < value.n; i++) {
        escape_controls((struct span){ value.p + i, 1 }, one, sizeof one);
        fputs(one, out);
    }
}

/* ---- the request ---- */

void explain_set(const struct ruleset *set, struct request *request, struct span name, struct span value, FILE *out)
{
    int number = ruleset_attribute(set, name);

    if (number >= 0) {
        request_set_text(request, (unsigned)number, value);
        return;
    }
    fputs("note: no rule uses the attribute '", out);
    print_value(out, name);
    fputs("'\n", out);
}

static void print_request(const struct explanation *e)
{
    char        text[ADDRESS_TEXT_MAX];
    char        src_text[ADDRESS_TEXT_MAX];
    struct span src = counted_src(e->request, e->decider->ipv6_prefix, text);

    fputs("request:\n", e->out);
    for (size_t i = 0; i < e->set->attributes_n; i++) {
        struct span name = e->set->attributes[i], value = e->request->value[i];

        if (i == ATTRIBUTE_SRC)
            value = request_src_text(e->request, src_text);
        fprintf(e->out, "  %-10.*s ", (int)name.n, name.p);
        if (value.p == NULL)
            fputs("(absent)", e->out);
        else
            print_value(e->out, value);
        if (i == ATTRIBUTE_SRC && value.p != NULL && !span_eq(src, value))
            fprintf(e->out, "  (counted as %.*s)", (int)src.n, src.p);
        if (i == ATTRIBUTE_PATH && e->request->ambiguous)
            fputs("  (ambiguous: origins differ in how they read it; the sample HAProxy refuses it)", e->out);
        putc('\n', e->out);
    }
}

/* ---- a rule ---- */

void explain_key(const struct decider *decider, const struct ruleset *set, const struct rule *rule,
                 const struct request *request, FILE *out)
{
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < rule->per_n; i++) {
        struct span name = set->attributes[rule->per[i]], value = request->value[rule->per[i]];

        if (rule->per[i] == ATTRIBUTE_SRC)
            value = counted_src(request, decider->ipv6_prefix, text);
        fprintf(out, "%s%.*s=", i == 0 ? "" : ", ", (int)name.n, name.p);
        print_value(out, value);
    }
}

/* A ban leaves nothing, whatever the counter has left. */
static void print_use(FILE *out, const struct rule *rule, const struct limit_use *use)
{
    int64_t all = rule->limit.algorithm == LIMIT_TOKEN ? rule->limit.burst : rule->limit.requests;

    fputs("         now: ", out);
    if (use->ban_us > 0)
        fprintf(out, "banned for %" PRId64 " s more; the next one passes in %" PRId64 " s\n",
                moment_seconds_up(use->ban_us), moment_seconds_up(use->retry_us));
    else if (use->used_up)
        fprintf(out,
                "%" PRId64 " of %" PRId64 " used, none left; the next one passes in %" PRId64 " s, all in %" PRId64
                " s\n",
                all, all, moment_seconds_up(use->retry_us), moment_seconds_up(use->reset_us));
    else if (use->reset_us > 0)
        fprintf(out, "%" PRId64 " of %" PRId64 " used, %" PRId64 " left; all in %" PRId64 " s\n", all - use->remaining,
                all, use->remaining, moment_seconds_up(use->reset_us));
    else
        fprintf(out, "0 of %" PRId64 " used\n", all);
}

/* Of a limit; NULL: the counters were not asked about it. */
static const struct limit_use *use_of(const struct decision *decision, const struct rule *rule)
{
    const struct limit_use *use = decision->uses;

    for (size_t i = 0; i < decision->applied_n; i++) {
        if (decision->applied[i] == rule)
            return use;
        use += decision->applied[i]->action == RULE_LIMIT;
    }
    return NULL;
}

static void print_limit(const struct explanation *e, const struct rule *rule)
{
    static const char *const algorithms[] = { "sliding", "fixed", "token" };
    const struct limit      *limit = &rule->limit;
    const struct limit_use  *use = use_of(e->decision, rule);

    fprintf(e->out, "limit of %" PRIu32 " in %" PRIu32 " s, %s", limit->requests, limit->period_s,
            algorithms[limit->algorithm]);
    if (limit->algorithm == LIMIT_TOKEN)
        fprintf(e->out, ", burst %" PRIu32, limit->burst);
    if (rule->slow)
        fputs("; what comes over it is slowed", e->out);
    else
        fprintf(e->out, "; what comes over it is denied with %d", rule->status != 0 ? rule->status : 429);
    if (limit->ban_s != 0)
        fprintf(e->out, " and banned for %" PRIu32 " s", limit->ban_s);
    fputs(rule->shadow ? " (shadow: does nothing)\n         " : "\n         ", e->out);
    fputs(rule->per_n == 0 ? "one counter for all" : "counted under ", e->out);
    explain_key(e->decider, e->set, rule, e->request, e->out);
    putc('\n', e->out);
    if (e->live && use != NULL)
        print_use(e->out, rule, use);
}

static void print_action(const struct explanation *e, const struct rule *rule)
{
    switch (rule->action) {
    case RULE_ALLOW:
        fputs(rule->shadow ? "would allow (shadow: does nothing)\n" : "allow: the rules behind it are not reached\n",
              e->out);
        return;
    case RULE_DENY:
        fprintf(e->out,
                rule->shadow ? "would deny with %d (shadow: does nothing)\n"
                             : "deny with %d: the rules behind it are not reached\n",
                rule->status != 0 ? rule->status : 403);
        return;
    case RULE_LIMIT:
        print_limit(e, rule);
    }
}

static void print_step(void *context, const struct rule *rule, enum step step)
{
    struct explanation *e = context;

    if (step == STEP_NO_MATCH)
        return;
    if (step == STEP_BEHIND_END) {
        if (!e->said_end)
            fputs("the walk ends here\n", e->out);
        e->said_end = true;
        return;
    }
    fprintf(e->out, "rule %" PRId64 "%s", rule->id, *rule->name == '\0' ? "" : " ");
    print_value(e->out, span_of(rule->name));
    fprintf(e->out, " (priority %" PRId32 "): ", rule->priority);
    switch (step) {
    case STEP_APPLIES:
        print_action(e, rule);
        break;
    case STEP_NOT_IN_FORCE:
        fputs("not in force now: see valid_from and valid_until\n", e->out);
        break;
    case STEP_UNCERTAIN:
        fputs(
            "skipped: it may not match, since an origin may read the path in another way or a pattern took too long\n",
            e->out);
        break;
    case STEP_NO_ATTRIBUTE:
        fputs("skipped: the request lacks an attribute of its per\n", e->out);
        break;
    case STEP_POLICY_TAKEN:
        fprintf(e->out, "skipped: an earlier rule applies for policy '%s'\n", rule->policy_name);
        break;
    case STEP_NO_MATCH:
    case STEP_BEHIND_END:
        break;
    }
}

/* ---- the verdict ---- */

static void print_verdict(const struct explanation *e)
{
    static const char *const verdicts[] = { "allow", "deny", "slow" };
    const struct decision   *decision = e->decision;

    if (decision->exhausted)
        fputs("patterns took longer than they may for one request: what could not be told counts as a match, but for "
              "allow\n",
              e->out);
    if (decision->applied_n == 0)
        fputs("no rule applies\n", e->out);
    fprintf(e->out, "verdict %s: %s", e->live ? "now" : "with unused counters", verdicts[decision->verdict]);
    if (decision->verdict == VERDICT_DENY)
        fprintf(e->out, " with %d", decision->status);
    if (decision->rule != NULL)
        fprintf(e->out, " (rule %" PRId64 ")", decision->rule->id);
    if (decision->retry_after_s > 0)
        fprintf(e->out, ", retry after %" PRId64 " s", decision->retry_after_s);
    putc('\n', e->out);
}

/* The counters are asked first, so that each limit's line can say what they say. The rules are walked once more for
 * the words; each walk has a request of its own, since patterns use up what time they may take. */
void explain(const struct decider *decider, const struct ruleset *set, const struct request *request, bool live,
             FILE *out)
{
    struct moment      now = moment_now();
    struct decision    decision, told;
    struct request     first = *request, second = *request;
    struct explanation e = {
        .decider = decider, .set = set, .request = request, .decision = &decision, .out = out, .live = live
    };
    struct decider looking = { .limits = decider->limits, .ipv6_prefix = decider->ipv6_prefix, .look = true };

    decide(&looking, set, &first, now, &decision);
    print_request(&e);
    looking.step = print_step;
    looking.step_context = &e;
    decide_match(&looking, set, &second, now, &told);
    print_verdict(&e);
}
