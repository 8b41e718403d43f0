#include "store/ledger.h"

#include <stdlib.h>
#include <string.h>

bool ledger_init(struct ledger *l)
{
    *l = (struct ledger){ .denials = malloc(LEDGER_DENIALS * sizeof *l->denials) };
    l->taken = malloc(sizeof *l->taken);
    l->live = sketches_new();
    l->scratch = sketches_new();
    l->rows = malloc(RESPONSES_PATHS * sizeof *l->rows);
    return l->denials != NULL && l->taken != NULL && l->live != NULL && l->scratch != NULL && l->rows != NULL;
}

static void free_book(struct book *book)
{
    sketches_free(book->sketches);
    topk_free(book->durations);
    *book = (struct book){ .sketches = NULL };
}

static void free_books(struct ledger *l)
{
    for (int i = 0; i < LEDGER_BOOKS; i++)
        free_book(&l->books[i]);
}

void ledger_fini(struct ledger *l)
{
    for (size_t i = 0; i < l->counts_n; i++)
        counts_free(l->counts[i]);
    free_books(l);
    free(l->denials);
    free(l->taken);
    sketches_free(l->live);
    sketches_free(l->scratch);
    free(l->rows);
}

/* ---- totals ---- */

static struct counts **find_counts(struct ledger *l, int64_t hour)
{
    for (size_t i = 0; i < l->counts_n; i++) {
        if (l->counts[i]->hour == hour)
            return &l->counts[i];
    }
    return NULL;
}

/* Two places for one. The later hour gets what the earlier had: the day is right but at midnight. */
static void join_oldest(struct ledger *l)
{
    size_t oldest = 0, next = 1;

    if (l->counts[next]->hour < l->counts[oldest]->hour) {
        oldest = 1;
        next = 0;
    }
    for (size_t i = 2; i < l->counts_n; i++) {
        if (l->counts[i]->hour < l->counts[oldest]->hour) {
            next = oldest;
            oldest = i;
        } else if (l->counts[i]->hour < l->counts[next]->hour) {
            next = i;
        }
    }
    counts_merge(l->counts[next], l->counts[oldest]);
    counts_free(l->counts[oldest]);
    l->counts[oldest] = l->counts[--l->counts_n];
    l->hours_joined++;
}

static struct counts *open_counts(struct ledger *l, int64_t hour)
{
    struct counts **known = find_counts(l, hour), *counts;

    if (known != NULL)
        return *known;
    if (l->counts_n == LEDGER_HOURS)
        join_oldest(l);
    counts = counts_new();
    if (counts == NULL)
        abort(); /* no count may be lost */
    counts->hour = hour;
    l->counts[l->counts_n++] = counts;
    return counts;
}

uint64_t ledger_waiting(const struct ledger *l)
{
    uint64_t requests = 0;

    for (size_t i = 0; i < l->counts_n; i++)
        requests += counts_requests(l->counts[i]);
    return requests;
}

/* ---- books ---- */

static struct book *find_book(struct ledger *l, struct period period)
{
    struct book *place = &l->books[0];

    for (int i = 0; i < LEDGER_BOOKS; i++) {
        struct book *book = &l->books[i];

        if (book->sketches != NULL && book->period.is_day == period.is_day && book->period.number == period.number)
            return book;
        if (place->sketches == NULL)
            continue;
        /* What need not be written goes first, then what was not used for longest. */
        if (book->sketches == NULL || book->changed < place->changed ||
            (book->changed == place->changed && book->used < place->used))
            place = book;
    }
    if (place->sketches != NULL && place->changed)
        l->books_lost++;
    free_book(place);
    *place = (struct book){ .period = period, .sketches = sketches_new() };
    return place;
}

struct book *ledger_book(struct ledger *l, struct period period)
{
    struct book *book = find_book(l, period);

    book->used = ++l->uses;
    return book->sketches != NULL ? book : NULL;
}

static void add_sketches(struct ledger *l, int64_t hour, const struct sketches *sketches)
{
    const struct period periods[] = { { false, hour }, { true, hour / 24 } };

    for (int i = 0; i < 2; i++) {
        struct book *book = ledger_book(l, periods[i]);

        if (book == NULL) {
            l->books_lost++;
            continue;
        }
        sketches_merge(book->sketches, sketches);
        book->changed = true;
    }
}

static void add_durations(struct ledger *l, struct period period, const struct topk *durations)
{
    struct book *book = ledger_book(l, period);

    if (book != NULL && book->durations == NULL)
        book->durations = topk_new(RESPONSES_PATHS, TOPK_TEXT_MIN);
    if (book == NULL || book->durations == NULL) {
        l->books_lost++;
        return;
    }
    topk_merge(book->durations, durations);
    book->changed = true;
}

void ledger_add_durations(struct ledger *l, const struct responses *responses)
{
    for (unsigned i = 0; i < responses->n; i++) {
        const struct responses_hour *hour = &responses->hours[i];

        if (topk_size(hour->paths) == 0)
            continue;
        add_durations(l, (struct period){ false, hour->hour }, hour->paths);
        add_durations(l, (struct period){ true, hour->hour / 24 }, hour->paths);
    }
}

static uint64_t known_of(const struct sketches *s)
{
    return topk_other(s->clients, NULL, 0).count;
}

/* To the paths that are kept; what belongs to none of them, to the rest. */
static void apply_durations(struct ledger *l, const struct topk *durations, struct topk *paths)
{
    size_t          n = topk_size(durations);
    struct topk_row other;

    topk_rows(durations, l->rows);
    for (size_t i = 0; i < n; i++) {
        const struct topk_row *row = &l->rows[i];
        const uint64_t         sums[TOPK_SUMS] = {
                    [SUM_DURATIONS] = row->count,
                    [SUM_DURATION_US] = row->sums[RESPONSES_DURATION_US],
        };

        topk_add(paths, row->id, row->text, 0, sums);
    }
    other = topk_other(durations, l->rows, n);
    topk_add_other(paths, (const uint64_t[TOPK_SUMS]){
                              [SUM_DURATIONS] = other.count,
                              [SUM_DURATION_US] = other.sums[RESPONSES_DURATION_US],
                          });
}

const struct sketches *ledger_view(struct ledger *l, struct book *book)
{
    bool     is_running = l->has_live && book->period.number == (book->period.is_day ? l->hour / 24 : l->hour);
    uint64_t known = known_of(book->sketches) + (is_running ? known_of(l->live) : 0);

    if (!book->changed && known == book->written)
        return NULL;
    book->viewed = known;
    sketches_copy(l->scratch, book->sketches);
    if (is_running)
        sketches_merge(l->scratch, l->live);
    if (book->durations != NULL)
        apply_durations(l, book->durations, l->scratch->paths);
    return l->scratch;
}

/* ---- from the workers to the file ---- */

void ledger_collect(struct ledger *l, struct decisions *const *tallies, size_t n, int64_t hour, bool details)
{
    struct decisions_taken *taken = l->taken;

    l->hour = hour;
    l->has_live = false;
    if (details)
        sketches_clear(l->live);
    for (size_t t = 0; t < n; t++) {
        decisions_take(tallies[t], hour, details ? l->scratch : NULL, taken);
        for (size_t i = 0; i < taken->n; i++) {
            if (taken->hours[i].sketches != NULL)
                add_sketches(l, taken->hours[i].hour, taken->hours[i].sketches);
            sketches_free(taken->hours[i].sketches);
            if (taken->hours[i].counts == NULL)
                continue;
            counts_merge(open_counts(l, taken->hours[i].hour), taken->hours[i].counts);
            if (l->totals != NULL)
                totals_add(l->totals, taken->hours[i].counts);
            decisions_reuse(tallies[t], taken->hours[i].counts);
        }
        if (taken->copied) {
            sketches_merge(l->live, l->scratch);
            l->has_live = true;
        }
        for (size_t i = 0; i < taken->denials_n; i++) {
            struct counts **counts = find_counts(l, hour_of(taken->denials[i].unix_us));

            if (l->denials_n < LEDGER_DENIALS)
                l->denials[l->denials_n++] = taken->denials[i];
            else if (counts != NULL && !taken->denials[i].shadow)
                (*counts)->left_out++;
        }
    }
}

void ledger_written(struct ledger *l, bool details)
{
    for (size_t i = 0; i < l->counts_n; i++)
        counts_free(l->counts[i]);
    l->counts_n = l->denials_n = 0;
    for (int i = 0; details && i < LEDGER_BOOKS; i++) {
        l->books[i].changed = false;
        l->books[i].written = l->books[i].viewed;
    }
}

void ledger_forget(struct ledger *l, struct decisions *const *tallies, size_t n)
{
    /* No hour is the running one: all sketches come over. */
    ledger_collect(l, tallies, n, -1, false);
    free_books(l);
}
