/* Questions to a database that somebody else may be writing, or about to exchange. */
#ifndef TESTS_LIB_DB_H
#define TESTS_LIB_DB_H

/* The first column of all rows, with blanks between them, or SQLite's message. Waits for locks. Static: valid until the
 * next call. */
const char *db_ask(const char *path, const char *sql);

/* What sql/questions/totals_agree.sql finds wrong, else empty; as db_ask(). */
const char *db_disagreements(const char *path);

#endif
