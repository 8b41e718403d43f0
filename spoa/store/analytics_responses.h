/* What HAProxy answered, written to analytics.db: rows of hour_responses and day_responses, and the histograms behind
 * their percentiles.
 *
 * Nothing is kept in memory from one call to the next: histograms are read from the file, added to and written back,
 * some 2 kB each. So a transaction that is rolled back needs no more than to be tried again, and a restart within the
 * hour goes on where it was. For the thread that has the database open. */
#ifndef STORE_ANALYTICS_RESPONSES_H
#define STORE_ANALYTICS_RESPONSES_H

#include <stdbool.h>

#include "tally/responses.h"

struct sqlite3;
struct analytics_responses;

/* Prepares its statements on `db`, which must outlive it. NULL: no memory, or analytics_reason() says why. */
struct analytics_responses *analytics_responses_new(struct sqlite3 *db);
void                        analytics_responses_free(struct analytics_responses *a); /* NULL is allowed */

/* Adds what was taken, within a transaction that the caller has begun. Paths are left to the caller, who writes their
 * rows. False: analytics_reason() says why; the caller must roll back, and may call again with the same. */
bool analytics_responses_write(struct analytics_responses *a, const struct responses *taken);

#endif
