/* Whether the objects of a database are what its schema makes them. Nothing of the database is run to find out. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

struct sqlite3;

/* What `name` is: "table", "view", "virtual table", "index" or "trigger"; NULL: there is no such object, or the database
 * cannot be read. Letters match in either case, as SQLite finds names. */
const char *schema_kind(struct sqlite3 *db, const char *name);

/* Whether each table of `model`, an empty database with the schema, is a table of `db`, too, and has each of its columns
 * with the same type, constraint and place in the key. More objects and columns are allowed. False: `error`, such as
 * "table days: column denied is missing". */
bool schema_matches(struct sqlite3 *model, struct sqlite3 *db, char *error, size_t size);

/* Gives `db` each view of `model` as a TEMP view, which stands before one of its own. False: sqlite3_errmsg(db). */
bool schema_lend_views(struct sqlite3 *model, struct sqlite3 *db);

#endif
