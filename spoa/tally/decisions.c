#include "tally/decisions.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/utf8.h"

#define RULES_ROOM 256
#define ELLIPSIS   "\xE2\x80\xA6"

struct decisions {
    pthread_mutex_t lock;
    uint64_t        seed;
    unsigned        ipv6_prefix;

    struct decisions_hour hours[DECISIONS_HOURS];
    size_t                hours_n;
    struct counts        *spare;
    struct denial         denials[2 * DENIALS_MAX];
    size_t                denials_n, kept[2]; /* of live rules, of shadow rules */

    /* Of the batch. */
    struct moment          now;
    struct decisions_hour *hour;
    struct minute_count   *minute;
    uint32_t               prepared, located;
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
    struct counts *counts = d->spare != NULL ? d->spare : counts_new(RULES_ROOM);

    if (counts == NULL)
        abort();
    d->spare = NULL;
    counts->hour = hour;
    return counts;
}

void decisions_begin(struct decisions *d, struct moment now)
{
    int64_t hour = hour_of(now.unix_us);

    pthread_mutex_lock(&d->lock);
    d->now = now;
    d->prepared = d->located = 0;
    if (d->hour == NULL || d->hour->hour != hour)
        d->hour = find_hour(d, hour);
    if (d->hour->counts == NULL)
        d->hour->counts = get_counts(d, d->hour->hour);
    d->minute = &d->hour->counts->minutes[now.unix_us > 0 ? now.unix_us / 60000000 % 60 : 0];
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
        n = utf8_repair(head, out, size - (sizeof ELLIPSIS - 1));
        memcpy(out + n, ELLIPSIS, sizeof ELLIPSIS);
    }
    return true;
}

/* False: too many since the last taking. */
static bool note_denial(struct decisions *d, const struct tally_request *request, const struct denial *denial)
{
    struct denial *kept;
    char           text[ADDRESS_TEXT_MAX];

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
static void prepare_text(struct decisions *d, struct tally_request *request)
{
    struct span text = request->src_text;

    if (text.p == NULL)
        text = (struct span){ "", 0 };
    request->client_id = tally_id_of(text, d->seed);
    if (text.n > TALLY_SRC_MAX)
        text.n = TALLY_SRC_MAX;
    text = (struct span){ request->key, utf8_repair(text, request->key, sizeof request->key) };
    if (request->src_text.n <= TALLY_SRC_MAX)
        request->client_id = tally_id_of(text, d->seed);
    request->client = text;
}

void decisions_prepare(struct decisions *d, struct tally_request *request, const struct decision *decision)
{
    const struct sketches *sketches = d->hour->sketches;

    for (size_t i = 0; i < decision->applied_n; i++)
        counts_prefetch_slot(d->hour->counts, decision->applied[i]->id);
    if (request->src.bits != 0) {
        request->client = client_key(request->src, d->ipv6_prefix, request->key);
        request->client_id = tally_id_of(request->client, d->seed);
    } else {
        prepare_text(d, request);
    }
    request->path_id = tally_id_of(request->path, d->seed);
    topk_prefetch(sketches->clients, request->client_id, d->prepared);
    topk_prefetch(sketches->paths, request->path_id, d->prepared++);
    __builtin_prefetch(&sketches->distinct.ranks[request->client_id.high >> (64 - DISTINCT_BITS)], 1);
}

void decisions_locate(struct decisions *d, const struct decision *decision)
{
    for (size_t i = 0; i < decision->applied_n; i++)
        counts_prefetch_rule(d->hour->counts, decision->applied[i]->id);
    topk_prefetch_slot(d->hour->sketches->clients, d->located);
    topk_prefetch_slot(d->hour->sketches->paths, d->located++);
}

static int64_t decider_of(const struct decision *decision)
{
    if (decision->verdict != VERDICT_ALLOW)
        return decision->rule != NULL ? decision->rule->id : 0;
    if (decision->end != NULL)
        return decision->end->id;
    return decision->tightest != NULL ? decision->tightest->id : 0;
}

/* What shadow rules would have refused. `uses` are those of the limits among the rules that apply, in the same
 * order. */
static void add_applied(struct decisions *d, const struct tally_request *request, const struct decision *decision)
{
    struct counts          *counts = d->hour->counts;
    const struct limit_use *use = decision->uses;

    for (size_t i = 0; i < decision->applied_n; i++) {
        const struct rule      *rule = decision->applied[i];
        const struct limit_use *limit = rule->action == RULE_LIMIT ? use++ : NULL;
        struct rule_count      *count = counts_rule(counts, rule->id);

        count->matched++;
        if (!rule->shadow || rule->slow || rule->action == RULE_ALLOW || (limit != NULL && !limit->used_up))
            continue;
        count->shadow_denied++;
        counts->shadow_denied++;
        note_denial(d, request,
                    &(struct denial){
                        .rule = rule->id,
                        .shadow = true,
                        .status = rule->status != 0 ? rule->status
                                  : limit != NULL   ? 429
                                                    : 403,
                        .retry_after_s = limit != NULL ? (limit->retry_us + 999999) / 1000000 : 0,
                    });
    }
}

void decisions_add(struct decisions *d, const struct tally_request *request, const struct decision *decision)
{
    struct counts     *counts = d->hour->counts;
    struct sketches   *sketches = d->hour->sketches;
    uint64_t           sums[TOPK_SUMS] = { 0 };
    int64_t            decider = decider_of(decision);
    struct rule_count *count;

    add_applied(d, request, decision);
    count = counts_rule(counts, decider);
    if (decider == 0)
        count->matched++;
    d->minute->requests++;
    switch (decision->verdict) {
    case VERDICT_ALLOW:
        count->allowed++;
        counts->allowed++;
        break;
    case VERDICT_SLOW:
        count->slowed++;
        counts->slowed++;
        break;
    case VERDICT_DENY:
        count->denied++;
        counts->denied++;
        d->minute->denied++;
        sums[SUM_DENIED] = 1;
        if (!note_denial(d, request,
                         &(struct denial){
                             .rule = decider, .status = decision->status, .retry_after_s = decision->retry_after_s }))
            counts->left_out++;
        break;
    }
    topk_add(sketches->clients, request->client_id, request->client, 1, sums);
    topk_add(sketches->paths, request->path_id, request->path, 1, sums);
    if (request->client.n > 0)
        distinct_add(&sketches->distinct, request->client_id.high);
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
    /* One in which many rules were met will meet as many again: growing is for the thread that has time. */
    if (4 * counts->rules_n > counts->slots_n) {
        struct counts *larger = counts_new(counts->slots_n);

        if (larger != NULL) {
            counts_free(counts);
            counts = larger;
        }
    }
    counts_clear(counts);
    pthread_mutex_lock(&d->lock);
    if (d->spare == NULL) {
        d->spare = counts;
        counts = NULL;
    }
    pthread_mutex_unlock(&d->lock);
    counts_free(counts);
}
