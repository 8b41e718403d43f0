#include "policy/decide.h"

#include "base/hash.h"

/* ---- which rules apply ---- */

/* How a rule's patterns take a request. It may be uncertain whether they match: an ambiguous path can be read in
 * several ways, and a pattern may take too long to tell. Nobody may gain by that: a rule that refuses or limits matches
 * when it may match, one that lets through only when it does. */
struct fit {
    bool matches;
    bool certain;
};

/* An ambiguous path as it is counted, as it came, and as yet another origin reads it. */
static struct fit fit_path(const struct pattern *pattern, struct request *request)
{
    enum match matches[] = {
        pattern_match(pattern, request),
        pattern_match_path(pattern, request, request->raw_path),
        pattern_match_path(pattern, request, request->other_path),
    };
    struct fit fit = { false, true };

    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        fit.matches |= matches[i] != MATCH_NO;
        fit.certain &= matches[i] == MATCH_YES;
    }
    return fit;
}

static struct fit fit_rule(const struct rule *rule, struct request *request)
{
    struct fit fit = { true, true };

    for (size_t i = 0; i < rule->patterns_n && fit.matches; i++) {
        const struct pattern *pattern = &rule->patterns[i];

        if (request->ambiguous && pattern->attribute == ATTRIBUTE_PATH) {
            struct fit path = fit_path(pattern, request);

            fit.matches = path.matches;
            fit.certain &= path.certain;
        } else {
            enum match match = pattern_match(pattern, request);

            fit.matches = match != MATCH_NO;
            fit.certain &= match == MATCH_YES;
        }
    }
    return fit;
}

static bool has_attributes(const struct rule *rule, const struct request *request)
{
    for (size_t i = 0; i < rule->per_n; i++)
        if (request->value[rule->per[i]].p == NULL)
            return false;
    return true;
}

struct walk {
    struct request  *request;
    struct moment    now;
    struct decision *decision;
    int              taken[LIMITS_PER_REQUEST_MAX]; /* policies */
    size_t           taken_n;
};

static bool is_taken(const struct walk *walk, int policy)
{
    for (size_t i = 0; i < walk->taken_n; i++)
        if (walk->taken[i] == policy)
            return true;
    return false;
}

/* Makes room for a live rule by forgetting the last shadow rule. False: there is none. */
static bool drop_shadow(struct decision *decision)
{
    for (size_t i = decision->applied_n; i-- > 0;) {
        if (!decision->applied[i]->shadow)
            continue;
        memmove(&decision->applied[i], &decision->applied[i + 1],
                (decision->applied_n - i - 1) * sizeof decision->applied[0]);
        decision->applied_n--;
        return true;
    }
    return false;
}

static enum step take_rule(struct walk *walk, const struct rule *rule)
{
    struct decision *decision = walk->decision;
    struct fit       fit;

    if (decision->end != NULL || decision->overflow)
        return STEP_BEHIND_END;
    if (walk->now.unix_us < rule->from_us || walk->now.unix_us >= rule->until_us)
        return STEP_NOT_IN_FORCE;
    fit = fit_rule(rule, walk->request);
    if (!fit.matches)
        return STEP_NO_MATCH;
    if (!fit.certain && rule->action == RULE_ALLOW)
        return STEP_UNCERTAIN;
    if (!has_attributes(rule, walk->request))
        return STEP_NO_ATTRIBUTE;
    if (rule->policy >= 0 && is_taken(walk, rule->policy))
        return STEP_POLICY_TAKEN;

    if (decision->applied_n == LIMITS_PER_REQUEST_MAX && (rule->shadow || !drop_shadow(decision))) {
        /* Little is lost with a shadow rule; without a live one nobody may pass. */
        decision->overflow = !rule->shadow;
        return STEP_BEHIND_END;
    }
    decision->applied[decision->applied_n++] = rule;
    decision->shadow |= rule->shadow;
    if (rule->shadow)
        return STEP_APPLIES;
    /* An exception that may not match applies, but leaves the slot to the rule that it is an exception from: the
     * stricter of the two holds, whatever the origin sees. */
    if (rule->policy >= 0 && fit.certain)
        walk->taken[walk->taken_n++] = rule->policy;
    if (rule->action != RULE_LIMIT)
        decision->end = rule;
    return STEP_APPLIES;
}

/* ---- what the counters say ---- */

/* `src`, an address, as it is counted; `*prefix`: the bits of it that count. */
static struct address counted_address(const struct address *src, unsigned ipv6_prefix, unsigned *prefix)
{
    *prefix = src->bits == 128 ? ipv6_prefix : src->bits;
    return address_masked(*src, *prefix);
}

struct span counted_src(const struct request *request, unsigned ipv6_prefix, char *out)
{
    struct address address;
    unsigned       prefix;

    if (request->src.bits == 0)
        return request->value[ATTRIBUTE_SRC];
    address = counted_address(&request->src, ipv6_prefix, &prefix);
    return (struct span){ out, network_format(address, prefix, out) };
}

/* A chain of hashes, each the seed of the next: no two lists of values run together, and nothing is copied. */
__attribute__((always_inline)) static inline uint64_t key_of(const struct decider *decider, const struct rule *rule,
                                                             const struct request *request)
{
    uint64_t key = XXH3_64bits_withSeed(&rule->state, sizeof rule->state, limits_seed(decider->limits));

    for (size_t i = 0; i < rule->per_n; i++) {
        struct span    value = request->value[rule->per[i]];
        struct address src;
        unsigned       prefix;

        if (rule->per[i] == ATTRIBUTE_SRC && request->src.bits != 0) {
            src = counted_address(&request->src, decider->ipv6_prefix, &prefix);
            value = (struct span){ (const char *)&src, sizeof src };
        }
        key = XXH3_64bits_withSeed(value.p, value.n, key);
    }
    return key;
}

/* For others than a request's path, which has it inline. */
uint64_t decide_key(const struct decider *decider, const struct rule *rule, const struct request *request)
{
    return key_of(decider, rule, request);
}

static void note_uses(const struct decider *decider, const struct request *request, struct decision *decision)
{
    for (size_t i = 0; i < decision->applied_n; i++) {
        const struct rule *rule = decision->applied[i];

        if (rule->action != RULE_LIMIT)
            continue;
        decision->uses[decision->uses_n++] = (struct limit_use){
            .key = key_of(decider, rule, request),
            .limit = &rule->limit,
            .group = (uint16_t)rule->id, /* rather than a hash: the first 65,536 rules are all apart */
            .binding = !rule->shadow && !rule->slow,
        };
    }
}

/* ---- the verdict ---- */

static void set_tightest(struct decision *decision, const struct rule *rule, const struct limit_use *use)
{
    int64_t reset_s = moment_seconds_up(use->reset_us);

    if (decision->tightest != NULL && (use->remaining > decision->remaining ||
                                       (use->remaining == decision->remaining && reset_s <= decision->reset_s)))
        return;
    decision->tightest = rule;
    decision->limit = rule->limit.algorithm == LIMIT_TOKEN ? rule->limit.burst : rule->limit.requests;
    decision->remaining = use->remaining;
    decision->reset_s = reset_s;
    decision->window_s = rule->limit.period_s;
}

static void set_ban(struct decision *decision, const struct rule *rule, const struct limit_use *use)
{
    /* Rounded down, so that no lease outlives its ban. */
    int64_t lease_s = use->ban_us / 1000000;

    if (rule->per_n != 1 || rule->per[0] != ATTRIBUTE_SRC)
        return;
    if (lease_s > BAN_LEASE_MAX_S)
        lease_s = BAN_LEASE_MAX_S;
    if (lease_s > decision->ban_s)
        decision->ban_s = lease_s;
}

static void judge_limits(struct decision *decision)
{
    const struct limit_use *use = decision->uses;

    for (size_t i = 0; i < decision->applied_n; i++) {
        const struct rule *rule = decision->applied[i];

        if (rule->action != RULE_LIMIT)
            continue;
        if (!rule->shadow) {
            set_tightest(decision, rule, use);
            if (use->used_up && decision->verdict != VERDICT_DENY &&
                (use->binding || decision->verdict == VERDICT_ALLOW)) {
                decision->verdict = use->binding ? VERDICT_DENY : VERDICT_SLOW;
                decision->rule = rule;
            }
            if (use->used_up && use->binding) {
                int64_t retry_s = moment_seconds_up(use->retry_us);

                if (retry_s > decision->retry_after_s)
                    decision->retry_after_s = retry_s;
                set_ban(decision, rule, use);
            }
        }
        use++;
    }
}

static bool has_ended(const struct decision *decision)
{
    return decision->end != NULL || decision->overflow;
}

static void walk_all(const struct decider *decider, const struct ruleset *ruleset, struct walk *walk)
{
    for (size_t i = 0; i < ruleset->n; i++) {
        enum step step = take_rule(walk, &ruleset->rules[i]);

        if (decider->step != NULL)
            decider->step(decider->step_context, &ruleset->rules[i], step);
        else if (has_ended(walk->decision))
            return;
    }
}

/* False: too many runs. An ambiguous path is looked for in each way in which it may be read. */
static bool find_rules(const struct index *index, struct request *request, struct index_cursor *cursor)
{
    const struct span readings[] = { request->raw_path, request->other_path };
    struct span       path = request->value[ATTRIBUTE_PATH];
    bool              found;

    cursor->n = 0;
    found = index_find(index, request, cursor);
    for (size_t i = 0; request->ambiguous && found && i < sizeof readings / sizeof *readings; i++) {
        request->value[ATTRIBUTE_PATH] = readings[i];
        found = index_find(index, request, cursor);
    }
    request->value[ATTRIBUTE_PATH] = path;
    return found;
}

static void walk_index(const struct decider *decider, const struct ruleset *ruleset, struct walk *walk)
{
    struct index_cursor cursor;
    uint32_t            rank;

    if (!find_rules(&ruleset->index, walk->request, &cursor)) {
        walk_all(decider, ruleset, walk);
        return;
    }
    while (!has_ended(walk->decision) && index_next(&cursor, &rank))
        take_rule(walk, &ruleset->rules[rank]);
}

void decide_match(const struct decider *decider, const struct ruleset *ruleset, struct request *request,
                  struct moment now, struct decision *decision)
{
    struct walk walk;

    walk.request = request;
    walk.now = now;
    walk.decision = decision;
    walk.taken_n = 0;
    memset(decision, 0, offsetof(struct decision, applied));
    if (decider->plain || decider->step != NULL)
        walk_all(decider, ruleset, &walk);
    else
        walk_index(decider, ruleset, &walk);
    note_uses(decider, request, decision);
    decision->exhausted = request->effort.steps == 0;
}

void decide_charge(const struct decider *decider, struct moment now, struct decision *decision)
{
    bool refused = decision->overflow || (decision->end != NULL && decision->end->action == RULE_DENY);

    if (decider->look)
        limits_look(decider->limits, decision->uses, decision->uses_n, now);
    else
        limits_decide(decider->limits, decision->uses, decision->uses_n, !refused, now);
    judge_limits(decision);
    if (decision->verdict == VERDICT_DENY) {
        decision->status = decision->rule->status != 0 ? decision->rule->status : 429;
    } else if (refused) {
        decision->verdict = VERDICT_DENY;
        decision->rule = decision->end;
        decision->status = decision->overflow ? 503 : decision->end->status != 0 ? decision->end->status : 403;
    } else if (decision->rule == NULL) {
        decision->rule = decision->tightest;
    }
}

void decide(const struct decider *decider, const struct ruleset *ruleset, struct request *request, struct moment now,
            struct decision *decision)
{
    decide_match(decider, ruleset, request, now, decision);
    decide_charge(decider, now, decision);
}
