/* The analytics thread: once a second it takes what the workers tallied and writes it to DATA/analytics.db, in one
 * transaction. It alone writes there.
 *
 * When it cannot (disk full, file locked or read-only), it says so once, keeps what it has in bounded memory (see
 * ledger.h) and tries again each second. A damaged file is moved aside, and a new one begun; the thread comes upon
 * damage in what it writes within some seconds, elsewhere when old rows are forgotten. Nothing of this keeps a decision
 * waiting. kill -9 loses what was decided since the last transaction: about a second. */
#ifndef STORE_ANALYTICS_H
#define STORE_ANALYTICS_H

#include "policy/publish.h"
#include "tally/decisions.h"
#include "tally/responses.h"
#include "tally/totals.h"

struct analytics;

struct analytics_options {
    const char *data;                  /* directory, which exists; only one agent uses it */
    unsigned    keep_hours, keep_days; /* both in days */
    uint64_t    max_bytes;             /* of the file, see analytics_keep.h; 0: any */

    struct totals *totals; /* get what is taken from the workers, too; NULL: none. They outlive the analytics */
};

/* Looks at what an earlier run left. The file itself is opened by the thread, made if it is missing; one that cannot be
 * used now is tried again later. NULL: no memory. */
struct analytics *analytics_open(const struct analytics_options *options);

/* For decisions_new(). */
uint64_t analytics_seed(const struct analytics *analytics);

/* Starts the thread. `tallies`, `responses` and `slot` (where rules' names come from) must outlive it. False: there is
 * no thread. */
bool analytics_start(struct analytics *analytics, struct decisions *const *tallies, size_t n,
                     struct responses_box *responses, struct ruleset_slot *slot);

/* Closes the file and opens what its path names now, made if it is missing; the thread does so soon, and the log says
 * how it went. Any thread; NULL is allowed. */
void analytics_reopen(struct analytics *analytics);

/* While decisions go on, before their end: ends the thread, which writes all there is by then and leaves the file as
 * its readers need it, so that little is left to analytics_close(). NULL is allowed. */
void analytics_wind_up(struct analytics *analytics);

/* After the last decision: writes what there is, for some seconds if it must. NULL is allowed. */
void analytics_close(struct analytics *analytics);

#endif
