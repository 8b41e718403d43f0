/* A copy of rules.db in memory, of one moment, and found to be sound. Private to spoa/store/rules_*.c. */
#ifndef STORE_RULES_COPY_H
#define STORE_RULES_COPY_H

#include "store/guard.h"
#include "store/rules_db.h"
#include "store/rules_file.h"

struct sqlite3;
struct sqlite3_stmt;

/* Copies the file under one short read lock and closes it. RULES_LOADED: it is not damaged, of a version that is known,
 * and `rules` and `lists` are real tables; what runs on `*db` has the bound of `guard`. Else the reason was told. `*db`, which
 * may be NULL, is the caller's to close in any case, and `guard` must live until then. */
enum rules_load rules_copy(const struct rules_source *source, struct guard *guard, struct sqlite3 **db);

/* NULL, and told: the tables are not those that the agent knows. */
struct sqlite3_stmt *rules_prepare(struct sqlite3 *db, const struct rules_source *source, const char *sql);

#endif
