/* What was tallied and is not in analytics.db yet; and of the hours and days that are being written, what their
 * sketches began with. Memory only, and bounded: totals are never lost, details may be, and are counted then. One
 * thread. */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/analytics_writer.h"
#include "tally/decisions.h"
#include "tally/responses.h"
#include "tally/totals.h"

/* Hours of totals that wait at a time; the oldest then count for the one after them. */
#define LEDGER_HOURS   48
#define LEDGER_DENIALS 1024
#define LEDGER_BOOKS   8

/* An hour or a day: the sketches of all that is no longer with the workers. */
struct book {
    struct period    period;
    struct sketches *sketches;        /* NULL: a free place */
    struct topk     *durations;       /* of forwarded requests, as in responses.h; NULL: none came */
    bool             restored;        /* what the file had of it is in them */
    bool             changed;         /* since they were written */
    uint64_t         viewed, written; /* requests that were known of when they were looked at, and written */
    int64_t          used;            /* the greater, the later */
};

struct ledger {
    struct counts          *counts[LEDGER_HOURS];
    size_t                  counts_n;
    struct denial          *denials;
    size_t                  denials_n;
    struct book             books[LEDGER_BOOKS];
    int64_t                 uses;
    int64_t                 hour;     /* the running one, as of ledger_collect() */
    bool                    has_live; /* `live` is a copy of what the workers have of it */
    struct sketches        *live, *scratch;
    struct topk_row        *rows; /* RESPONSES_PATHS */
    struct decisions_taken *taken;
    uint64_t                books_lost, hours_joined;
    struct totals          *totals; /* get what is taken, too; NULL: nobody asks for them. Not the ledger's */
};

/* False: no memory. */
bool ledger_init(struct ledger *l);
void ledger_fini(struct ledger *l);

/* Takes from all workers; `details`: a copy of the running hour's sketches as well. */
void ledger_collect(struct ledger *l, struct decisions *const *tallies, size_t n, int64_t hour, bool details);

/* What the feed brought, once: how long each path took. */
void ledger_add_durations(struct ledger *l, const struct responses *responses);

/* The period's; NULL: no memory. */
struct book *ledger_book(struct ledger *l, struct period period);

/* All that the period's rows are to be made of, or NULL: nothing new. Valid until the next call. */
const struct sketches *ledger_view(struct ledger *l, struct book *book);

/* All of it is in the file; `details`: the sketches, too. */
void ledger_written(struct ledger *l, bool details);

/* The file is another one: nothing is known of what is in it, and of what was written to the old one nothing may be
 * written to it. Totals that wait go on waiting. */
void ledger_forget(struct ledger *l, struct decisions *const *tallies, size_t n);

/* Requests that wait. */
uint64_t ledger_waiting(const struct ledger *l);

#endif
