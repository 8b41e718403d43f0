/* A request against the rules: which apply, what the counters say, the verdict.
 *
 * The walk goes by (priority, id) and skips what is out of its validity, does not match, lacks an attribute that it
 * counts by, or shares a policy with a live rule that came before. `allow` and `deny` end it. Limits are noted on the
 * way and then decided together: see limits_decide(). Shadow rules take part as if they were live, but take no slot,
 * end nothing and never bind. Pure; each thread has its own decision and request; rule set and counters are shared. */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "limits/limits.h"
#include "policy/request.h"
#include "policy/ruleset.h"

enum verdict { VERDICT_ALLOW, VERDICT_DENY, VERDICT_SLOW };

/* Longest lease of a ban, in seconds, that HAProxy gets: lifting a ban works within this time. */
#define BAN_LEASE_MAX_S 10

struct decision {
    enum verdict       verdict;
    int                status; /* VERDICT_DENY, else 0 */
    const struct rule *rule;   /* that decided, else the tightest limit's; NULL: none */

    /* Of the limits that apply: the least `remaining`, then the longest `reset`. NULL: none applies. */
    const struct rule *tightest;
    int64_t            limit, remaining, reset_s, window_s; /* of it */

    int64_t retry_after_s; /* denied by a limit or ban, else 0 */
    int64_t ban_s;         /* lease of a ban on src, else 0 */

    /* What was met, for tallies and explanations: rules that apply in order, and of the limits among them, in the same
     * order, their use. `end` is the allow or deny rule that ended the walk, or NULL. */
    const struct rule *end;
    bool               overflow;  /* more live rules apply than there is room for: denied with 503 */
    bool               exhausted; /* patterns took longer than they may: what could not be told counts as a match */
    bool               shadow;    /* there is a shadow rule among those that apply */
    size_t             applied_n, uses_n;
    const struct rule *applied[LIMITS_PER_REQUEST_MAX]; /* from here on only what the counts say is initialised */
    struct limit_use   uses[LIMITS_PER_REQUEST_MAX];
};

/* Why a rule that is enabled does or does not take part; for explanations. */
enum step {
    STEP_APPLIES,
    STEP_NOT_IN_FORCE,
    STEP_NO_MATCH,
    STEP_UNCERTAIN,    /* allow: the path is ambiguous, or a pattern took too long; not enough to let anyone through */
    STEP_NO_ATTRIBUTE, /* an attribute of `per` is absent */
    STEP_POLICY_TAKEN,
    STEP_BEHIND_END,
};

typedef void step_fn(void *context, const struct rule *rule, enum step step);

struct decider {
    struct limits *limits;
    unsigned       ipv6_prefix; /* bits of an IPv6 src that make one client, 1 to 128 */
    bool           plain;       /* compare each rule instead of asking the index: the index's oracle */
    step_fn       *step;        /* NULL, or told each rule, in order, until all are told: implies `plain` */
    void          *step_context;
    bool           look; /* change nothing: see limits_look() */
};

void decide(const struct decider *decider, const struct ruleset *ruleset, struct request *request, struct moment now,
            struct decision *decision);

/* The same in two steps. Between them the counters of several requests can be asked for, which are far away in memory:
 * see limits_prefetch_buckets(). The request is not needed any more for the second. */
void decide_match(const struct decider *decider, const struct ruleset *ruleset, struct request *request,
                  struct moment now, struct decision *decision);
void decide_charge(const struct decider *decider, struct moment now, struct decision *decision);

/* What the rule's limit counts the request under; the request has all that it counts by. */
uint64_t decide_key(const struct decider *decider, const struct rule *rule, const struct request *request);

/* `src` as it is counted: an IPv6 address without the bits behind the prefix. Into `out` of ADDRESS_TEXT_MAX bytes,
 * unless it is no address; then as it came. */
struct span counted_src(const struct request *request, unsigned ipv6_prefix, char *out);

#endif
