/* rules.db, read. Nothing stays open between two calls, so that an operator, a backup or a rename never meets a lock of
 * the agent's. One thread at a time. */
#ifndef STORE_RULES_DB_H
#define STORE_RULES_DB_H

#include "policy/ruleset.h"

/* Of sql/rules.sql. A database with a higher one is refused. */
#define RULES_SCHEMA_VERSION 1

enum rules_load { RULES_LOADED, RULES_REFUSED, RULES_BUSY /* somebody writes: try again soon */ };

/* Copies the file into memory under one short read lock, closes it and compiles the copy. Lists that have not changed
 * are taken from `previous`, which may be NULL. RULES_REFUSED: every reason was told to `problem`. RULES_LOADED: `*set`
 * is the caller's. */
enum rules_load rules_db_load(const char *path, const struct ruleset *previous, problem_fn *problem, void *context,
                              struct ruleset **set);

#endif
