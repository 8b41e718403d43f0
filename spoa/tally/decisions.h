/* What one worker counts of what it decides.
 *
 * The worker takes the lock once a batch, the thread that writes the database once a second, for as long as it takes to
 * exchange some pointers, and now and then to copy the sketches. Totals go over by pointer: each is in one place at any
 * time, so none is lost or counted twice. Sketches of the running hour stay with the worker, since one long one is
 * better than many short ones (see topk.h).
 *
 * A batch belongs to the hour of its unix time. Several hours may be open: around its change, and when the clock
 * steps. */
#ifndef TALLY_DECISIONS_H
#define TALLY_DECISIONS_H

#include "base/utf8.h"
#include "policy/decide.h"
#include "policy/publish.h"
#include "tally/counts.h"
#include "tally/sketches.h"

/* Open at a time. What comes for yet another one, before anything was taken, counts for one of them. */
#define DECISIONS_HOURS 4

/* Single denials that are kept from one taking to the next, of live rules and of shadow rules: what comes too fast is
 * only counted. */
#define DENIALS_MAX 32

struct denial {
    int64_t unix_us, rule;
    int64_t retry_after_s; /* 0: not refused by a limit */
    int     status;
    bool    shadow;
    bool    has_src, has_method, has_host;
    /* Valid UTF-8 with a NUL; what is longer ends with an ellipsis. */
    char    src[ADDRESS_TEXT_MAX], method[32], host[256], path[512];
};

/* Of a src that is no address so many bytes are looked at, but for its id: more than are kept, so that it shows when it
 * is shortened. */
#define TALLY_SRC_MAX (SKETCH_CLIENT + 8)

/* What is counted of a request, from the match to the end of its batch. The spans are borrowed from the request. */
struct tally_request {
    uint64_t    client_id, path_id;
    struct span client, path;
    struct span method, host;
    char        key[UTF8_REPAIRED_MAX(TALLY_SRC_MAX)];
};

struct decisions;

/* `seed`: see tally/id.h. NULL: no memory. */
struct decisions *decisions_new(uint64_t seed, unsigned ipv6_prefix);

/* The same for totals alone: no clients, paths or single denials, and no hours but one, the first. */
struct decisions *decisions_new_totals(void);

void decisions_free(struct decisions *d); /* NULL is allowed */

/* ---- the worker: notes each request that was matched; then begin; add each request that was decided; end ---- */

/* While the request is at hand. Of the decision it takes what applies. */
void decisions_note(const struct decisions *d, struct tally_request *noted, const struct request *request,
                    const struct decision *decision);

/* `view`: holds the rule set that all of the batch was decided by. */
void decisions_begin(struct decisions *d, struct moment now, const struct ruleset_view *view);
void decisions_add(struct decisions *d, const struct tally_request *request, const struct decision *decision);
void decisions_end(struct decisions *d);

/* ---- the writer ---- */

struct decisions_taken {
    struct decisions_hour {
        int64_t          hour;
        struct counts   *counts;   /* NULL: nothing since the last time */
        struct sketches *sketches; /* NULL: the hour goes on */
    } hours[DECISIONS_HOURS];      /* the caller's */
    size_t        n;
    bool          copied;
    struct denial denials[2 * DENIALS_MAX];
    size_t        denials_n;
};

/* Takes all totals and denials, and the sketches of all hours but `hour`; those of `hour` are copied into `copy` if it
 * is not NULL. */
void decisions_take(struct decisions *d, int64_t hour, struct sketches *copy, struct decisions_taken *taken);

/* Gives totals that were taken back for another use, so that the worker need not allocate. */
void decisions_reuse(struct decisions *d, struct counts *counts);

#endif
