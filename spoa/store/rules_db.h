/* rules.db, read. Nothing stays open between two calls, so that an operator, a backup or a rename never meets a lock of
 * the agent's. One thread at a time. */
#ifndef STORE_RULES_DB_H
#define STORE_RULES_DB_H

#include "policy/ruleset.h"

/* Of sql/rules.sql. A database with a higher one is refused. */
#define RULES_SCHEMA_VERSION 1

enum rules_load {
    RULES_LOADED,
    RULES_REFUSED,
    RULES_BUSY,   /* somebody writes: try again soon */
    RULES_STOPPED /* as rules_db_load_until() was asked */
};

/* Copies the file into memory under one short read lock, closes it and compiles the copy. Lists that have not changed
 * are taken from `previous`, which may be NULL. RULES_REFUSED: every reason was told to `problem`. RULES_LOADED: `*set`
 * is the caller's.
 *
 * No view, trigger or generated column of the file is run, and what SQLite does has a bound (store/guard.h). */
enum rules_load rules_db_load(const char *path, const struct ruleset *previous, problem_fn *problem, void *context,
                              struct ruleset **set);

/* Whether to end now; asked every few microseconds of work. */
struct rules_stop {
    bool (*asked)(void *context);
    void *context;
};

/* The same, but RULES_STOPPED as soon as `stop` says so. */
enum rules_load rules_db_load_until(const char *path, const struct ruleset *previous, const struct rules_stop *stop,
                                    problem_fn *problem, void *context, struct ruleset **set);

#endif
