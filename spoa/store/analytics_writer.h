/* What is written into an open analytics.db, and read back from it: its statements. All calls are within a transaction
 * of the caller's. False: sqlite3_errmsg() of `db` says why, and nothing of the transaction may be kept. */
#ifndef STORE_ANALYTICS_WRITER_H
#define STORE_ANALYTICS_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "tally/counts.h"
#include "tally/decisions.h"
#include "tally/sketches.h"

struct sqlite3;
struct sqlite3_stmt;

/* A UTC hour or day. */
struct period {
    bool    is_day;
    int64_t number; /* of hours, or of days, since 1970 */
};

/* Single denials that are kept, of live rules and of shadow rules; what is beyond, the oldest first, goes. */
#define DENIAL_LOG_MAX        50000

#define WRITER_STATEMENTS_MAX 64

struct analytics_writer {
    struct sqlite3      *db; /* NULL: not open */
    struct sqlite3_stmt *statements[WRITER_STATEMENTS_MAX];
    uint64_t             seed;
    struct topk_row     *rows;  /* SKETCH_KEYS */
    char                *texts; /* SKETCH_PATH each */
};

/* Prepares for `db`, which is closed with the writer, or by the caller if this is false. */
bool writer_init(struct analytics_writer *w, struct sqlite3 *db, uint64_t seed);

/* Ends all statements; `db` is the caller's again. */
struct sqlite3 *writer_fini(struct analytics_writer *w);

/* `running`: these are of the hour that is running, whose rules are written to running_rules. */
bool writer_counts(struct analytics_writer *w, struct counts *c, bool running);
bool writer_denial(struct analytics_writer *w, const struct denial *denial);
bool writer_trim_denials(struct analytics_writer *w);
bool writer_name(struct analytics_writer *w, int64_t rule, const char *name);

/* Replaces the rows of the heaviest clients and paths, and what belongs to them. Requests of the period's total that
 * `s` does not know of, since they were counted where it got lost, may have been anybody's: all bounds are wider by as
 * much. */
bool writer_details(struct analytics_writer *w, struct period period, const struct sketches *s);

/* Adds what the file has of the period to `s`. `scratch` is overwritten. */
bool writer_restore(struct analytics_writer *w, struct period period, struct sketches *s, struct sketches *scratch);

/* The seed that the newest sketches of a file were made with. False: it has none. */
bool writer_read_seed(struct sqlite3 *db, uint64_t *seed);

#endif
