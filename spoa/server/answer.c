#include "server/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "spop/ack.h"
#include "spop/message.h"

#define MESSAGE_NAME SPAN_LITERAL("check-request")

void answerer_init(struct answerer *answerer, struct limits *limits, unsigned ipv6_prefix, size_t batch_size,
                   struct decisions *decisions, struct stats *stats)
{
    *answerer = (struct answerer){ .decider = { .limits = limits, .ipv6_prefix = ipv6_prefix } };
    answerer->decisions = decisions;
    answerer->stats = stats;
    answerer->scratch_size = REQUEST_SCRATCH(batch_size) + ANSWER_BATCH * REQUEST_SCRATCH(0);
    answerer->scratch = malloc(answerer->scratch_size);
    if (answerer->scratch == NULL)
        abort(); /* at start, where nothing can be done without it */
}

void answerer_fini(struct answerer *answerer)
{
    free(answerer->scratch);
}

static void set_attribute(struct request *request, unsigned attribute, const struct spop_value *value)
{
    switch (value->type) {
    case SPOP_NULL:
        return;
    case SPOP_BOOL:
        request_set_boolean(request, attribute, value->boolean);
        return;
    case SPOP_INT32:
    case SPOP_INT64:
        request_set_integer(request, attribute, value->sint);
        return;
    case SPOP_UINT32:
    case SPOP_UINT64:
        request_set_unsigned(request, attribute, value->uint);
        return;
    case SPOP_IPV4:
        request_set_address(request, attribute, address_from_v4(&value->ipv4));
        return;
    case SPOP_IPV6:
        request_set_address(request, attribute, address_from_v6(&value->ipv6));
        return;
    case SPOP_STRING:
    case SPOP_BINARY:
        request_set_text(request, attribute, value->text);
        return;
    }
}

/* Reads the payload to its end before anything is decided: a fault in or behind the message must not leave a charge.
 * Other messages, and arguments that no rule names, are skipped. */
static bool read_request(struct answerer *answerer, const struct ruleset *ruleset, struct span payload, bool *asked)
{
    struct spop_message message;
    struct spop_value   value;
    struct span         name;
    enum spop_iter      found;

    if (answerer->matched == 0)
        answerer->scratch_free = answerer->scratch;
    request_init(&answerer->request, answerer->scratch_free,
                 (size_t)(answerer->scratch + answerer->scratch_size - answerer->scratch_free));
    spop_message_init(&message, payload);
    while ((found = spop_message_next(&message)) == SPOP_ITEM) {
        if (*asked || !span_eq(message.name, MESSAGE_NAME))
            continue;
        *asked = true;
        while (spop_arg_next(&message, &name, &value) == SPOP_ITEM) {
            int attribute = ruleset_attribute(ruleset, name);

            if (attribute >= 0)
                set_attribute(&answerer->request, (unsigned)attribute, &value);
        }
    }
    request_finish(&answerer->request);
    answerer->scratch_free = answerer->request.scratch;
    return found == SPOP_END;
}

static void set_int(struct spop_ack *ack, struct span name, int64_t value)
{
    spop_ack_set_int(ack, SPOP_SCOPE_TXN, name, value);
}

static struct answer *next_answer(struct answerer *answerer, struct conn *conn, const struct spop_frame *frame)
{
    struct answer *answer = &answerer->batch[answerer->matched];

    assert(answerer->matched < ANSWER_BATCH);
    answer->conn = conn;
    answer->stream_id = frame->stream_id;
    answer->frame_id = frame->frame_id;
    answer->asked = answer->late = false;
    return answer;
}

void answer_late(struct answerer *answerer, struct conn *conn, const struct spop_frame *frame)
{
    static struct log_rate rate;
    struct answer         *answer = next_answer(answerer, conn, frame);

    answerer->matched++;
    answer->late = true;
    stat_add(&answerer->stats->too_late, 1);
    log_write_rated(&rate, LOG_WARNING,
                    "overloaded: a question waited too long for a worker and was answered with `late`: see `spoa-rules "
                    "check` on what each request is compared with, or add workers (--threads)");
}

bool answer_match(struct answerer *answerer, const struct ruleset *ruleset, struct conn *conn,
                  const struct spop_frame *frame, struct moment now)
{
    static struct log_rate rate;
    struct answer         *answer = next_answer(answerer, conn, frame);

    if (!read_request(answerer, ruleset, frame->payload, &answer->asked))
        return false;
    answerer->matched++;
    if (answer->asked) {
        decide_match(&answerer->decider, ruleset, &answerer->request, now, &answer->decision);
        limits_prefetch_buckets(answerer->decider.limits, answer->decision.uses, answer->decision.uses_n);
        if (answerer->decisions != NULL)
            decisions_note(answerer->decisions, &answer->request, &answerer->request, &answer->decision);
    } else {
        /* Not a question; the answer must not be empty all the same: HAProxy 3.1 hung on such. */
        memset(&answer->decision, 0, offsetof(struct decision, applied));
        stat_add(&answerer->stats->no_message, 1);
        log_write_rated(&rate, LOG_WARNING,
                        "HAProxy sent a NOTIFY without a message check-request: answered with allow");
    }
    return true;
}

static void count(struct stats *stats, const struct decision *decision)
{
    switch (decision->verdict) {
    case VERDICT_ALLOW:
        stat_add(&stats->allowed, 1);
        break;
    case VERDICT_SLOW:
        stat_add(&stats->slowed, 1);
        break;
    case VERDICT_DENY:
        stat_add(&stats->denied, 1);
        break;
    }
    if (decision->overflow)
        stat_add(&stats->too_many_rules, 1);
    if (decision->exhausted)
        stat_add(&stats->patterns_too_slow, 1);
}

size_t answer_decide(struct answerer *answerer, struct moment now)
{
    static struct log_rate rate;
    const struct decider  *decider = &answerer->decider;
    size_t                 n = answerer->matched;

    for (size_t i = 0; i < n; i++)
        limits_prefetch_counters(decider->limits, answerer->batch[i].decision.uses, answerer->batch[i].decision.uses_n);
    for (size_t i = 0; i < n; i++) {
        struct decision *decision = &answerer->batch[i].decision;

        if (!answerer->batch[i].asked)
            continue;
        decide_charge(decider, now, decision);
        count(answerer->stats, decision);
        if (decision->overflow)
            log_write_rated(&rate, LOG_ERROR, "more than %d rules apply to one request, which is refused with 503",
                            LIMITS_PER_REQUEST_MAX);
        if (decision->exhausted)
            log_write_rated(&rate, LOG_WARNING,
                            "patterns took too long for a request; rules that may match it applied: see "
                            "`spoa-rules check` on what each request is compared with");
    }
    answerer->matched = 0;
    return n;
}

void answer_tally(struct answerer *answerer, size_t n, struct moment now, const struct ruleset_view *view)
{
    struct decisions *decisions = answerer->decisions;

    if (n == 0 || decisions == NULL)
        return;
    decisions_begin(decisions, now, view);
    for (size_t i = 0; i < n; i++)
        if (answerer->batch[i].asked)
            decisions_add(decisions, &answerer->batch[i].request, &answerer->batch[i].decision);
    decisions_end(decisions);
}

#define POLICY_MAX 24

/* "r" and the rule's id, at the end of `out`. printf() would take a tenth of a decision. */
static struct span policy_of(int64_t id, char out[POLICY_MAX])
{
    uint64_t rest = id < 0 ? -(uint64_t)id : (uint64_t)id;
    size_t   at = POLICY_MAX;

    do
        out[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (id < 0)
        out[--at] = '-';
    out[--at] = 'r';
    return (struct span){ out + at, POLICY_MAX - at };
}

size_t answer_write(const struct answerer *answerer, size_t i, char *out)
{
    static const struct span verdicts[] = {
        [VERDICT_ALLOW] = { "allow", 5 },
        [VERDICT_DENY] = { "deny", 4 },
        [VERDICT_SLOW] = { "slow", 4 },
    };
    const struct answer   *answer = &answerer->batch[i];
    const struct decision *decision = &answer->decision;
    struct spop_ack        ack;
    char                   policy[POLICY_MAX];
    size_t                 size;

    spop_ack_begin(&ack, out, ANSWER_MAX, answer->stream_id, answer->frame_id);
    if (answer->late) {
        spop_ack_set_bool(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("late"), true);
        return spop_ack_end(&ack);
    }
    spop_ack_set_str(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("verdict"), verdicts[decision->verdict]);
    if (decision->verdict == VERDICT_DENY)
        set_int(&ack, SPAN_LITERAL("status"), decision->status);
    if (decision->rule != NULL)
        set_int(&ack, SPAN_LITERAL("rule"), decision->rule->id);
    if (decision->tightest != NULL) {
        set_int(&ack, SPAN_LITERAL("limit"), decision->limit);
        set_int(&ack, SPAN_LITERAL("remaining"), decision->remaining);
        set_int(&ack, SPAN_LITERAL("reset"), decision->reset_s);
        set_int(&ack, SPAN_LITERAL("window"), decision->window_s);
        spop_ack_set_str(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("policy"), policy_of(decision->tightest->id, policy));
    }
    if (decision->retry_after_s > 0)
        set_int(&ack, SPAN_LITERAL("retry_after"), decision->retry_after_s);
    if (decision->ban_s > 0)
        set_int(&ack, SPAN_LITERAL("ban"), decision->ban_s);
    size = spop_ack_end(&ack);
    assert(size > 0);
    return size;
}
