#include "tally/responses.h"

#include <stdlib.h>

/* ---- life ---- */

struct responses *responses_new(void)
{
    struct responses *r = calloc(1, sizeof *r);

    for (unsigned i = 0; r != NULL && i < RESPONSES_HOURS; i++) {
        r->hours[i].paths = topk_new(RESPONSES_PATHS, TOPK_TEXT_MIN);
        if (r->hours[i].paths == NULL) {
            responses_free(r);
            return NULL;
        }
    }
    return r;
}

void responses_free(struct responses *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < RESPONSES_HOURS; i++)
        topk_free(r->hours[i].paths);
    free(r);
}

void responses_clear(struct responses *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct topk *paths = r->hours[i].paths;

        topk_clear(paths);
        r->hours[i] = (struct responses_hour){ .paths = paths };
    }
    r->n = 0;
}

/* ---- counting ---- */

/* NULL: there is no room for it. Nearly always it is the first. */
static struct responses_hour *hour_of(struct responses *r, int64_t hour)
{
    for (unsigned i = 0; i < r->n; i++)
        if (r->hours[i].hour == hour)
            return &r->hours[i];
    if (r->n == RESPONSES_HOURS)
        return NULL;
    r->hours[r->n].hour = hour;
    return &r->hours[r->n++];
}

static void add_status(struct responses_hour *h, int status)
{
    switch (status / 100) {
    case 1:
        h->status_1xx++;
        break;
    case 2:
        h->status_2xx++;
        break;
    case 3:
        h->status_3xx++;
        break;
    case 4:
        h->status_4xx++;
        break;
    case 5:
        h->status_5xx++;
        break;
    default:
        h->status_other++;
    }
    if (status == 404)
        h->not_found++;
}

static void add_origin(struct responses_hour *h, const struct response *response)
{
    int class = response->status / 100;

    if (response->from == RESPONSE_FROM_ORIGIN) {
        h->origin_4xx += class == 4;
        h->origin_404 += response->status == 404;
        h->origin_5xx += class == 5;
    } else if (response->from == RESPONSE_REFUSED) {
        h->refused_4xx += class == 4;
        h->refused_5xx += class == 5;
    }
}

static void add_durations(struct responses_hour *h, const struct response *response, uint64_t seed)
{
    uint64_t sums[TOPK_SUMS] = { 0 };

    if (response->origin_ms >= 0)
        histogram_add(&h->origin, (uint64_t)response->origin_ms);
    if (response->duration_ms < 0)
        return;
    histogram_add(&h->duration, (uint64_t)response->duration_ms);
    if (response->path.p == NULL)
        return;
    sums[RESPONSES_DURATION_US] = (uint64_t)response->duration_ms * 1000;
    topk_add(h->paths, tally_id_of(response->path, seed), response->path, 1, sums);
}

bool responses_add(struct responses *r, const struct response *response, uint64_t seed)
{
    struct responses_hour *h = hour_of(r, response->hour);

    if (h == NULL)
        return false;
    add_status(h, response->status);
    add_origin(h, response);
    h->bytes += response->bytes;
    h->coarse_denied += response->by == RESPONSE_BY_COARSE;
    h->ban_denied += response->by == RESPONSE_BY_BAN;
    h->undecided += response->by == RESPONSE_BY_NOBODY;
    h->aborted += response->aborted;
    h->origin_errors += response->origin_error;
    h->tunnels += response->lasting == RESPONSE_TUNNEL;
    h->streams += response->lasting == RESPONSE_STREAM;
    add_durations(h, response, seed);
    return true;
}

/* ---- handing over ---- */

bool responses_box_init(struct responses_box *box, uint64_t seed)
{
    box->seed = seed;
    box->filling = responses_new();
    pthread_mutex_init(&box->lock, NULL);
    return box->filling != NULL;
}

void responses_box_fini(struct responses_box *box)
{
    responses_free(box->filling);
    pthread_mutex_destroy(&box->lock);
}

struct responses *responses_take(struct responses_box *box, struct responses *empty)
{
    struct responses *taken;

    pthread_mutex_lock(&box->lock);
    taken = box->filling;
    box->filling = empty;
    pthread_mutex_unlock(&box->lock);
    return taken;
}
