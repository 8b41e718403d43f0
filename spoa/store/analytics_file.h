/* analytics.db as a file: made, brought up to date, opened, left so that others can read it.
 *
 * The schema is a row of steps: the first, sql/analytics.sql, makes version 1 of an empty file, each further one
 * (sql/analytics_2.sql) the next version of the one before. A new file takes all of them, so that it and a migrated one are the same. Every step
 * is a transaction that ends with its PRAGMA user_version.
 *
 * Both kinds of connection are guarded (store/guard.h): whoever can write the file cannot make the program run what is
 * stored in it, nor wait for it. An error is one sentence that names the file. */
#ifndef STORE_ANALYTICS_FILE_H
#define STORE_ANALYTICS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

#define ANALYTICS_VERSION     2          /* what this program writes and reads */
#define ANALYTICS_APPLICATION 0x53504F4E /* PRAGMA application_id */

/* Before anything of it is read: a log beside a file that can have none is moved to PATH-wal.stray. */
void analytics_set_stray_log_aside(const char *path);

/* Opens it for the one writer: created if it is missing or empty (mode 0640, less the umask), brought up to date, in
 * WAL mode. NULL: `error` says why, and a file that was there is as it was; one that is damaged, foreign or newer is
 * never touched. A stray log is set aside first. For one thread. */
struct sqlite3 *analytics_open_writer(const char *path, char *error, size_t size);

/* Takes the file out of WAL mode, since whoever may read it but not write into its directory cannot open a database in
 * WAL mode that nobody else has open. It can still be written to, which waits for the disk each time. A reader that is
 * in the middle of something for more than a second prevents it: nothing is lost, and the next clean stop does it. */
void analytics_leave_wal(struct sqlite3 *db);

/* The same if need be, and closes what analytics_open_writer() opened, which may be NULL. */
void analytics_close_writer(struct sqlite3 *db);

/* Why analytics_open_writer() failed: the bytes are those of no database, or of one that is broken. */
bool analytics_is_damaged(const char *path);

/* Whether all tables are there and are what the schema makes them; false: `error`, without the path, names the first that
 * is not. analytics_open_writer() and analytics_open_reader() ask it. */
bool analytics_has_tables(struct sqlite3 *db, char *error, size_t size);

/* Opens it read-only, within a transaction: all that is read is of one moment, whatever the writer does meanwhile. The
 * views are the program's own: those of the file are not run. What is read has a bound (store/guard.h). Close it soon:
 * the writer's log file grows as long. NULL: `error` says why. */
struct sqlite3 *analytics_open_reader(const char *path, char *error, size_t size);
void            analytics_close_reader(struct sqlite3 *db);

/* Why the last call that read failed, without the path; valid until the next. */
const char *analytics_reason(struct sqlite3 *db);

/* Takes the steps that are missing of the first `n`: what analytics_open_writer() does with the program's own. False:
 * `error`, without the path, and the version is that of the last step that succeeded. */
bool analytics_migrate(struct sqlite3 *db, const char *const *steps, int n, char *error, size_t size);

/* A day, counted from 1970, as the column `day` has it: "2026-11-20". Years 0 to 9999. */
void day_format(int64_t day, char out[11]);

#endif
