/* Databases that others can write. SQLite runs what is stored in them (views, triggers, generated columns) and takes as
 * long as it takes; a name that belongs to a FIFO stops it for ever. A guarded connection does not:
 *   - it opens regular files only; the same holds for the journal and the log beside the database;
 *   - it runs no view and no trigger of the file. TEMP views, which are the program's own, work;
 *   - with guard_begin() its work has a bound, and ends when the agent is told to stop.
 *
 * The bound is in steps of SQLite's virtual machine, not in time: a slow machine meets it no sooner than a fast one. */
#ifndef STORE_GUARD_H
#define STORE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/* A report about all 400 days of a file of 48 MB takes 2 steps a byte, sorting included, and so does loading 100,000 rules:
 * allowed are ten times as many. The constant part is for small files; it takes SQLite about a second. */
#define GUARD_STEPS          UINT64_C(100000000)
#define GUARD_STEPS_PER_BYTE 20
#define GUARD_STEPS_PER_ROW  1000 /* of those that the caller writes */

/* Rows of one result: as many as the file can hold, and some thousands for days without any. */
#define GUARD_ROWS UINT64_C(100000)

struct guard {
    bool (*stop)(void *context); /* whether the work is to end now; NULL: nobody stops it. Called by the same thread */
    void    *context;
    uint64_t steps;   /* left */
    bool     stopped; /* `stop` said so */
};

/* What is wrong with the kind of `path`, or of the -journal, -wal or -shm beside it: "not a file but a FIFO: ...". One
 * that is missing is not wrong. False: `reason`, without the path. */
bool guard_is_file(const char *path, char *reason, size_t size);

/* sqlite3_open_v2() with these flags, guarded, for one thread; the caller has asked guard_is_file(). NULL: `reason`. */
struct sqlite3 *guard_open(const char *path, int flags, char *reason, size_t size);

/* Bounds all that the connection does from now on, by the size of its database and the number of rows that the caller
 * writes. `guard` must outlive the connection, or the next guard_begin(); `stop` and `context` are set by the caller. */
void guard_begin(struct guard *guard, struct sqlite3 *db, uint64_t rows);

/* Asks `stop`, for work that is not SQLite's own. Once true, it stays so. */
bool guard_is_stopped(struct guard *guard);

/* guard_begin() with a guard that nobody stops and that is freed with the connection. False: no memory. */
bool guard_begin_own(struct sqlite3 *db);

/* How many rows one result may have. */
uint64_t guard_rows(struct sqlite3 *db);

/* sqlite3_errmsg(), where the bound was met a sentence of our own. Valid until the next call. */
const char *guard_reason(struct sqlite3 *db);

#endif
