#include "tally/decisions.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/utf8.h"

struct decisions {
    pthread_mutex_t lock;
    uint64_t        seed;
    unsigned        ipv6_prefix;
    bool            totals_only;

    struct decisions_hour hours[DECISIONS_HOURS];
    size_t                hours_n;
    struct counts        *spare;
    struct denial         denials[2 * DENIALS_MAX];
    size_t                denials_n, kept[2]; /* of live rules, of shadow rules */

    /* Where the last batch was counted, and the next one probably will be: to be asked for, not to be used. */
    struct hint {
        struct topk_hint           clients, paths;
        const struct distinct     *distinct;
        const struct rule         *rules;
        const struct number_count *numbered;
        size_t                     n; /* 0: there was none */
    } hint;

    /* Of the batch. */
    struct moment          now;
    const struct rule     *rules;
    struct decisions_hour *hour;
    struct minute_count   *minute;
};

struct decisions *decisions_new(uint64_t seed, unsigned ipv6_prefix)
{
    struct decisions *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    pthread_mutex_init(&d->lock, NULL);
    d->seed = seed;
    d->ipv6_prefix = ipv6_prefix;
    return d;
}

struct decisions *decisions_new_totals(void)
{
    struct decisions *d = decisions_new(0, 128);

    if (d != NULL) {
        d->totals_only = true;
        d->hours_n = 1;
    }
    return d;
}

void decisions_free(struct decisions *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->hours_n; i++) {
        counts_free(d->hours[i].counts);
        sketches_free(d->hours[i].sketches);
    }
    counts_free(d->spare);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- the hour ---- */

/* A full list, and memory that is short when another hour begins, make an earlier one go on: no count is lost. */
static struct decisions_hour *find_hour(struct decisions *d, int64_t hour)
{
    struct sketches *sketches;

    for (size_t i = 0; i < d->hours_n; i++) {
        if (d->hours[i].hour == hour)
            return &d->hours[i];
    }
    sketches = d->hours_n < DECISIONS_HOURS ? sketches_new() : NULL;
    if (sketches == NULL) {
        if (d->hours_n == 0)
            abort();
        return &d->hours[d->hours_n - 1];
    }
    d->hours[d->hours_n] = (struct decisions_hour){ .hour = hour, .sketches = sketches };
    return &d->hours[d->hours_n++];
}

static struct counts *get_counts(struct decisions *d, int64_t hour)
{
    struct counts *counts = d->spare != NULL ? d->spare : counts_new();

    if (counts == NULL)
        abort();
    d->spare = NULL;
    counts->hour = hour;
    return counts;
}

void decisions_begin(struct decisions *d, struct moment now, const struct ruleset_view *view)
{
    int64_t hour = d->totals_only ? 0 : hour_of(now.unix_us);

    pthread_mutex_lock(&d->lock);
    d->now = now;
    if (d->hour == NULL || d->hour->hour != hour)
        d->hour = find_hour(d, hour);
    if (d->hour->counts == NULL)
        d->hour->counts = get_counts(d, d->hour->hour);
    counts_number(d->hour->counts, view);
    d->rules = view->held->rules;
    d->minute = &d->hour->counts->minutes[now.unix_us > 0 ? now.unix_us / 60000000 % 60 : 0];
    if (d->totals_only)
        return;
    d->hint = (struct hint){
        .clients = topk_hint(d->hour->sketches->clients),
        .paths = topk_hint(d->hour->sketches->paths),
        .distinct = &d->hour->sketches->distinct,
        .rules = d->rules,
        .numbered = d->hour->counts->numbered,
        .n = view->held->n,
    };
}

void decisions_end(struct decisions *d)
{
    pthread_mutex_unlock(&d->lock);
}

/* ---- single denials ---- */

static bool set_text(struct span text, char *out, size_t size)
{
    struct span head = text;
    size_t      n;

    if (text.p == NULL)
        return false;
    if (head.n > size)
        head.n = size; /* each byte takes at least one */
    n = utf8_repair(head, out, size);
    /* What is full to the last bytes may have been cut; that it is marked then, also when it was not, does not
     * matter. */
    if (head.n < text.n || n + 4 >= size) {
        n = utf8_repair(head, out, size - (sizeof TALLY_ELLIPSIS - 1));
        memcpy(out + n, TALLY_ELLIPSIS, sizeof TALLY_ELLIPSIS);
    }
    return true;
}

/* False: too many since the last taking. */
static bool note_denial(struct decisions *d, const struct tally_request *request, const struct denial *denial)
{
    struct denial *kept;
    char           text[ADDRESS_TEXT_MAX];

    if (d->totals_only)
        return true;
    if (d->kept[denial->shadow] == DENIALS_MAX)
        return false;
    d->kept[denial->shadow]++;
    kept = &d->denials[d->denials_n++];
    *kept = *denial;
    kept->unix_us = d->now.unix_us;
    kept->has_src =
        set_text(request->client.n > 0 ? client_text(request->client, text) : SPAN_ABSENT, kept->src, sizeof kept->src);
    kept->has_method = set_text(request->method, kept->method, sizeof kept->method);
    kept->has_host = set_text(request->host, kept->host, sizeof kept->host);
    set_text(request->path, kept->path, sizeof kept->path);
    return true;
}

/* ---- requests ---- */

/* What is no address counts by its text as it will be read, so that it is the same client after a restart. A text that
 * is too long for that keeps its own id. */
static void note_text(const struct decisions *d, struct tally_request *noted, struct span text)
{
    bool is_long = text.n > TALLY_SRC_MAX;

    if (text.p == NULL)
        text = (struct span){ "", 0 };
    noted->client_id = tally_id_of(text, d->seed);
    if (is_long)
        text.n = TALLY_SRC_MAX;
    noted->client = (struct span){ noted->key, utf8_repair(text, noted->key, sizeof noted->key) };
    if (!is_long)
        noted->client_id = tally_id_of(noted->client, d->seed);
}

static void prefetch_counts(const struct hint *hint, const struct tally_request *noted, const struct decision *decision)
{
    topk_prefetch(hint->clients, noted->client_id);
    topk_prefetch(hint->paths, noted->path_id);
    distinct_prefetch(hint->distinct, noted->client_id);
    for (size_t i = 0; i < decision->applied_n; i++) {
        /* As numbers, since these rules may be others than those of the hint. */
        size_t place = ((uintptr_t)decision->applied[i] - (uintptr_t)hint->rules) / sizeof(struct rule);

        if (place < hint->n)
            __builtin_prefetch(&hint->numbered[place + 1], 1);
    }
}

void decisions_note(const struct decisions *d, struct tally_request *noted, const struct request *request,
                    const struct decision *decision)
{
    if (d->totals_only)
        return;
    if (request->src.bits != 0)
        noted->client = client_key(request->src, d->ipv6_prefix, d->seed, noted->key, &noted->client_id);
    else
        note_text(d, noted, request->value[ATTRIBUTE_SRC]);
    noted->path = request->value[ATTRIBUTE_PATH];
    noted->path_id = tally_id_of(noted->path, d->seed);
    noted->method = request->value[ATTRIBUTE_METHOD];
    noted->host = request->value[ATTRIBUTE_HOST];
    if (d->hint.n > 0)
        prefetch_counts(&d->hint, noted, decision);
}

static struct number_count *count_of(const struct decisions *d, const struct rule *rule)
{
    return &d->hour->counts->numbered[rule != NULL ? rule - d->rules + 1 : 0];
}

static const struct rule *decider_of(const struct decision *decision)
{
    if (decision->verdict != VERDICT_ALLOW)
        return decision->rule;
    return decision->end != NULL ? decision->end : decision->tightest;
}

/* What shadow rules would have refused. `uses` are those of the limits among the rules that apply, in the same
 * order. */
static void add_shadow(struct decisions *d, const struct tally_request *request, const struct decision *decision)
{
    const struct limit_use *use = decision->uses;

    for (size_t i = 0; i < decision->applied_n; i++) {
        const struct rule      *rule = decision->applied[i];
        const struct limit_use *limit = rule->action == RULE_LIMIT ? use++ : NULL;

        if (!rule->shadow || rule->slow || rule->action == RULE_ALLOW || (limit != NULL && !limit->used_up))
            continue;
        count_of(d, rule)->shadow_denied++;
        d->hour->counts->shadow_denied++;
        note_denial(d, request,
                    &(struct denial){
                        .rule = rule->id,
                        .shadow = true,
                        .status = rule->status != 0 ? rule->status
                                  : limit != NULL   ? 429
                                                    : 403,
                        .retry_after_s = limit != NULL ? moment_seconds_up(limit->retry_us) : 0,
                    });
    }
}

static void add_denial(struct decisions *d, const struct tally_request *request, const struct decision *decision)
{
    const struct denial denial = {
        .rule = decision->rule != NULL ? decision->rule->id : 0,
        .status = decision->status,
        .retry_after_s = decision->retry_after_s,
    };

    d->hour->counts->denied++;
    d->minute->denied++;
    if (!note_denial(d, request, &denial))
        d->hour->counts->left_out++;
}

void decisions_add(struct decisions *d, const struct tally_request *request, const struct decision *decision)
{
    struct sketches     *sketches = d->hour->sketches;
    const uint64_t       denied[TOPK_SUMS] = { [SUM_DENIED] = 1 }, *sums = NULL;
    const struct rule   *decider = decider_of(decision);
    struct number_count *count = count_of(d, decider);

    for (size_t i = 0; i < decision->applied_n; i++)
        count_of(d, decision->applied[i])->matched++;
    count->matched += decider == NULL;
    if (decision->shadow)
        add_shadow(d, request, decision);
    d->minute->requests++;
    switch (decision->verdict) {
    case VERDICT_ALLOW:
        count->allowed++;
        d->hour->counts->allowed++;
        break;
    case VERDICT_SLOW:
        count->slowed++;
        d->hour->counts->slowed++;
        break;
    case VERDICT_DENY:
        count->denied++;
        sums = denied;
        add_denial(d, request, decision);
        break;
    }
    if (sketches == NULL)
        return;
    topk_add(sketches->clients, request->client_id, request->client, 1, sums);
    topk_add(sketches->paths, request->path_id, request->path, 1, sums);
    if (request->client.n > 0)
        distinct_add(&sketches->distinct, request->client_id);
}

/* ---- taking ---- */

void decisions_take(struct decisions *d, int64_t hour, struct sketches *copy, struct decisions_taken *taken)
{
    size_t left = 0;

    pthread_mutex_lock(&d->lock);
    taken->n = d->hours_n;
    taken->copied = false;
    for (size_t i = 0; i < d->hours_n; i++) {
        taken->hours[i] = d->hours[i];
        d->hours[i].counts = NULL;
        if (d->hours[i].hour != hour)
            continue;
        taken->hours[i].sketches = NULL;
        if (copy != NULL) {
            sketches_copy(copy, d->hours[i].sketches);
            taken->copied = true;
        }
        d->hours[left++] = d->hours[i];
    }
    d->hours_n = left;
    d->hour = NULL;
    taken->denials_n = d->denials_n;
    memcpy(taken->denials, d->denials, d->denials_n * sizeof *d->denials);
    d->denials_n = d->kept[0] = d->kept[1] = 0;
    pthread_mutex_unlock(&d->lock);
}

void decisions_reuse(struct decisions *d, struct counts *counts)
{
    counts_clear(counts);
    pthread_mutex_lock(&d->lock);
    if (d->spare == NULL) {
        d->spare = counts;
        counts = NULL;
    }
    pthread_mutex_unlock(&d->lock);
    counts_free(counts);
}
