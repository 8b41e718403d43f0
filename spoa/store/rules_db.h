/* rules.db: created, watched and read here. Nothing stays open between two calls, so that an operator, a backup or a
 * rename never meets the agent's lock. One thread at a time. */
#ifndef STORE_RULES_DB_H
#define STORE_RULES_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/ruleset.h"

/* Of sql/rules.sql. A database with a higher one is refused. */
#define RULES_SCHEMA_VERSION 1

/* Creates the database with the schema when there is no file, or an empty one. False: the problem was told. */
bool rules_db_create(const char *path, problem_fn *problem, void *context);

enum rules_load { RULES_LOADED, RULES_REFUSED, RULES_BUSY /* somebody writes: try again soon */ };

/* Copies the file into memory under one short read lock, closes it and compiles the copy. Lists that have not changed are
 * taken from `previous`, which may be NULL. RULES_REFUSED: every reason was told to `problem`. RULES_LOADED: `*set` is the
 * caller's. */
enum rules_load rules_db_load(const char *path, const struct ruleset *previous, problem_fn *problem, void *context,
                              struct ruleset **set);

/* Tells one committed state of the file from the next: a rename over it, a copy, and, by SQLite's own change counter,
 * two commits within one tick of the file system's clock. */
struct rules_stamp {
    uint64_t device, inode, size;
    int64_t  modified_ns;
    uint32_t changes;
    bool     exists;
};

struct rules_stamp rules_db_stamp(const char *path);
bool               rules_stamp_eq(const struct rules_stamp *a, const struct rules_stamp *b);

#endif
