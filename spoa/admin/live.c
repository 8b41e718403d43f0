#include "admin/live.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "policy/explain.h"

enum { OK = 200, BAD_REQUEST = 400, NOT_FOUND = 404, NO_MEMORY = 503 };

static struct decider decider_of(const struct live_request *r)
{
    return (struct decider){ .limits = r->sources->limits, .ipv6_prefix = r->sources->ipv6_prefix };
}

/* Fills `request`, whose scratch memory is the caller's to free. False: no memory. */
static bool fill(const struct live_request *r, struct request *request, char **scratch, FILE *notes)
{
    size_t bytes = 0;

    for (size_t i = 0; i < r->n; i++)
        bytes += r->attributes[i].value.n + 1;
    *scratch = malloc(REQUEST_SCRATCH(bytes + 1));
    if (*scratch == NULL)
        return false;
    request_init(request, *scratch, REQUEST_SCRATCH(bytes + 1));
    for (size_t i = 0; i < r->n; i++)
        explain_set(r->set, request, r->attributes[i].name, r->attributes[i].value, notes);
    request_finish(request);
    return true;
}

unsigned live_explain(const struct live_request *r, FILE *out)
{
    struct decider decider = decider_of(r);
    struct request request;
    char          *scratch;

    if (!fill(r, &request, &scratch, out)) {
        fputs("out of memory\n", out);
        return NO_MEMORY;
    }
    explain(&decider, r->set, &request, true, out);
    free(scratch);
    return OK;
}

/* ---- forgetting ---- */

static const struct rule *find_rule(const struct ruleset *set, int64_t id)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->rules[i].id == id)
            return &set->rules[i];
    return NULL;
}

/* The number of an attribute that the rule counts by and the request has not; -1: there is none. */
static int missing(const struct rule *rule, const struct request *request)
{
    for (size_t i = 0; i < rule->per_n; i++)
        if (request->value[rule->per[i]].p == NULL)
            return rule->per[i];
    return -1;
}

static bool is_by_src(const struct rule *rule)
{
    return rule->per_n == 1 && rule->per[0] == ATTRIBUTE_SRC;
}

/* `key`: who, in words. */
static unsigned forget(const struct decider *decider, const struct rule *rule, const struct request *request,
                       enum limits_part part, const char *key, FILE *out)
{
    int64_t ban_us;

    if (!limits_forget(decider->limits, decide_key(decider, rule, request), &rule->limit, part, moment_now(),
                       &ban_us)) {
        fprintf(out, "rule %" PRId64 ": %s %s\n", rule->id, key,
                part == LIMITS_BAN ? "is not banned" : "has used nothing");
        return NOT_FOUND;
    }
    log_write(LOG_INFO, "admin: rule %" PRId64 " forgets %s of %s (%" PRId64 " s of a ban were left)", rule->id,
              part == LIMITS_BAN ? "the ban" : "ban and counter", key, moment_seconds_up(ban_us));
    fprintf(out, "rule %" PRId64 ": %s %s\n", rule->id, key,
            part == LIMITS_BAN ? "is not banned any more" : "begins anew");
    if (ban_us > 0 && is_by_src(rule))
        fprintf(out, "HAProxy may refuse it for up to %d s yet\n", BAN_LEASE_MAX_S);
    return OK;
}

static unsigned forget_of(const struct live_request *r, const struct rule *rule, const struct request *request,
                          enum limits_part part, FILE *out)
{
    struct decider decider = decider_of(r);
    int            attribute = missing(rule, request);
    char          *key = NULL;
    size_t         key_n;
    FILE          *words;
    unsigned       status = NO_MEMORY;

    if (attribute >= 0) {
        struct span name = r->set->attributes[attribute];

        fprintf(out, "rule %" PRId64 " counts by '%.*s': write it, too, as name=value\n", rule->id, (int)name.n,
                name.p);
        return BAD_REQUEST;
    }
    words = open_memstream(&key, &key_n);
    if (words != NULL) {
        fputs(rule->per_n == 0 ? "everybody" : "", words);
        explain_key(&decider, r->set, rule, request, words);
        if (fclose(words) == 0)
            status = forget(&decider, rule, request, part, key, out);
    }
    free(key);
    return status;
}

unsigned live_forget(const struct live_request *r, int64_t id, enum limits_part part, FILE *out)
{
    const struct rule *rule = find_rule(r->set, id);
    struct request     request;
    char              *scratch;
    unsigned           status = NO_MEMORY;

    if (rule == NULL || rule->action != RULE_LIMIT) {
        fprintf(out, "rule %" PRId64 " is %s\n", id, rule == NULL ? "not in force" : "no limit");
        return NOT_FOUND;
    }
    if (fill(r, &request, &scratch, out)) {
        status = forget_of(r, rule, &request, part, out);
        free(scratch);
    }
    if (status == NO_MEMORY)
        fputs("out of memory\n", out);
    return status;
}
