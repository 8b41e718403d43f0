#include "store/rules_copy.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/schema.h"

/* ---- copying ---- */

static bool is_busy(int code)
{
    return (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED;
}

/* Pages that are copied before the next look at whether to stop. */
#define PAGES_AT_A_TIME 1000

/* Whether the file ends within a page: then it was cut. SQLite notices only where whole pages are missing. */
static bool is_cut(sqlite3 *file)
{
    sqlite3_file *opened = NULL;
    sqlite3_int64 size = 0, page = 0;
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(file, "PRAGMA page_size", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        page = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return page == 0 || sqlite3_file_control(file, "main", SQLITE_FCNTL_FILE_POINTER, &opened) != SQLITE_OK ||
           opened->pMethods->xFileSize(opened, &size) != SQLITE_OK || size % page != 0;
}

/* SQLITE_DONE: all of it, and of one moment: the transaction holds the read lock between the steps. */
static int copy_pages(sqlite3 *memory, sqlite3 *file, struct guard *guard)
{
    sqlite3_backup *backup;
    int             code = sqlite3_exec(file, "BEGIN; PRAGMA schema_version", NULL, NULL, NULL);

    if (code != SQLITE_OK)
        return code;
    if (is_cut(file))
        return SQLITE_CORRUPT;
    backup = sqlite3_backup_init(memory, "main", file, "main");
    if (backup == NULL)
        return sqlite3_errcode(memory);
    do
        code = guard_is_stopped(guard) ? SQLITE_INTERRUPT : sqlite3_backup_step(backup, PAGES_AT_A_TIME);
    while (code == SQLITE_OK);
    sqlite3_backup_finish(backup);
    return code;
}

static enum rules_load copy_into(sqlite3 *memory, const struct rules_source *source, struct guard *guard)
{
    enum rules_load result = RULES_REFUSED;
    char            reason[200];
    sqlite3        *file;
    int             code;

    /* Read-write, since the journal of a writer that died must be rolled back; SQLite falls back to read-only by
     * itself. */
    file = guard_open(source->path, SQLITE_OPEN_READWRITE, reason, sizeof reason);
    if (file == NULL) {
        rules_tell(source, "%s", reason);
        return RULES_REFUSED;
    }
    code = copy_pages(memory, file, guard);
    if (code == SQLITE_DONE)
        result = RULES_LOADED;
    else if (guard->stopped)
        result = RULES_STOPPED;
    else if (is_busy(code))
        result = RULES_BUSY;
    else
        rules_tell(source, "%s", sqlite3_errcode(file) == code ? sqlite3_errmsg(file) : sqlite3_errstr(code));
    sqlite3_close(file);
    return result;
}

/* ---- whether it is sound ---- */

sqlite3_stmt *rules_prepare(sqlite3 *db, const struct rules_source *source, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK)
        return statement;
    rules_tell(source, "not a rules database that this agent knows: %s", guard_reason(db));
    return NULL;
}

/* The first column of the first row of a query; -1 when it fails. */
static int64_t query_integer(sqlite3 *db, const struct rules_source *source, const char *sql)
{
    sqlite3_stmt *statement = rules_prepare(db, source, sql);
    int64_t       value = -1;

    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* Rules and lists are rows of real tables: a view, a virtual table and a generated column run what somebody wrote into the
 * file. A table that is missing is the concern of who reads it. */
static bool is_plain_table(sqlite3 *db, const struct rules_source *source, const char *name)
{
    const char   *kind = schema_kind(db, name);
    sqlite3_stmt *columns;
    bool          plain;

    if (kind != NULL && strcmp(kind, "table") != 0) {
        rules_tell(source, "%s is not a table, its kind is: %s: restore the table of sql/rules.sql", name, kind);
        return false;
    }
    /* 2 and 3 stand for generated columns. */
    columns = rules_prepare(db, source, "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 0");
    if (columns == NULL)
        return false;
    sqlite3_bind_text(columns, 1, name, -1, SQLITE_STATIC);
    plain = sqlite3_step(columns) != SQLITE_ROW;
    if (!plain)
        rules_tell(source, "table %s: column %s is generated: restore the table of sql/rules.sql", name,
                   (const char *)sqlite3_column_text(columns, 0));
    sqlite3_finalize(columns);
    return plain;
}

/* Half a file can still be read as fewer rules than there were. Other tables than ours are left alone: a virtual one has a
 * check of its own. */
static bool is_whole(sqlite3 *db, const struct rules_source *source, const char *table)
{
    char          check[64];
    sqlite3_stmt *statement;
    const char   *finding = "";
    bool          whole;

    snprintf(check, sizeof check, "PRAGMA quick_check(%s)", table);
    statement = rules_prepare(db, source, check);
    if (statement == NULL)
        return false;
    whole = sqlite3_step(statement) == SQLITE_ROW;
    if (whole) {
        finding = (const char *)sqlite3_column_text(statement, 0);
        whole = finding != NULL && strcmp(finding, "ok") == 0;
    }
    if (!whole)
        rules_tell(source, "the database is damaged: %s",
                   finding != NULL && *finding != '\0' ? finding : guard_reason(db));
    sqlite3_finalize(statement);
    return whole;
}

static bool is_sound(sqlite3 *db, const struct rules_source *source)
{
    int64_t version = query_integer(db, source, "PRAGMA user_version");

    if (version > RULES_SCHEMA_VERSION) {
        rules_tell(source, "its schema has version %lld, and this agent knows %d: upgrade the agent",
                   (long long)version, RULES_SCHEMA_VERSION);
        return false;
    }
    /* The CHECKs are left out: the builder names the row and the column of what was forced past them. */
    sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    return is_plain_table(db, source, "rules") && is_plain_table(db, source, "lists") &&
           is_whole(db, source, "rules") && (schema_kind(db, "lists") == NULL || is_whole(db, source, "lists"));
}

enum rules_load rules_copy(const struct rules_source *source, struct guard *guard, sqlite3 **db)
{
    char            reason[200];
    enum rules_load result;

    *db = guard_open(":memory:", SQLITE_OPEN_READWRITE, reason, sizeof reason);
    if (*db == NULL) {
        rules_tell(source, "%s", reason);
        return RULES_REFUSED;
    }
    result = copy_into(*db, source, guard);
    if (result != RULES_LOADED)
        return result;
    guard_begin(guard, *db, 0);
    return is_sound(*db, source) ? RULES_LOADED : RULES_REFUSED;
}
