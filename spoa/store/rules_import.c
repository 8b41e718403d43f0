#include "store/rules_import.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "store/rules_db.h"
#include "store/rules_file.h"

/* The agent reads a file of a million entries in less than a second. */
#define BUSY_MS 10000

struct rules_import {
    struct rules_source source;
    const char         *list;
    sqlite3            *db;
    bool                used;
};

static bool failed(const struct rules_import *import)
{
    int code = sqlite3_errcode(import->db) & 0xFF;

    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        rules_tell(&import->source, "locked by another program: try again when it is done");
    else
        rules_tell(&import->source, "%s", sqlite3_errmsg(import->db));
    return false;
}

static bool run(const struct rules_import *import, const char *sql)
{
    return sqlite3_exec(import->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(import);
}

/* Prepares with ?1 as the name of the list. */
static sqlite3_stmt *prepare(const struct rules_import *import, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(import->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        failed(import);
        return NULL;
    }
    sqlite3_bind_text(statement, 1, import->list, -1, SQLITE_STATIC);
    return statement;
}

/* The first column of the only row. */
static bool query(const struct rules_import *import, const char *sql, sqlite3_int64 *value)
{
    sqlite3_stmt *statement = prepare(import, sql);
    bool          good = false;

    if (statement == NULL)
        return false;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
        good = sqlite3_step(statement) == SQLITE_DONE;
    }
    if (!good)
        failed(import);
    sqlite3_finalize(statement);
    return good;
}

/* ---- opening ---- */

static bool is_rules_database(const struct rules_import *import)
{
    sqlite3_int64 version, tables;

    if (!query(import, "PRAGMA user_version", &version) ||
        !query(import, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('rules', 'lists')",
               &tables))
        return false;
    if (version > RULES_SCHEMA_VERSION) {
        rules_tell(&import->source, "its schema has version %lld, and this program knows %d: upgrade it",
                   (long long)version, RULES_SCHEMA_VERSION);
        return false;
    }
    if (tables != 2)
        rules_tell(&import->source, "not a rules database: it has no tables 'rules' and 'lists'");
    return tables == 2;
}

/* The first rule that uses the list as texts: there, addresses as they are written here would match nothing, or not
 * what they should. */
static bool holds_addresses(struct rules_import *import)
{
    static const char sql[] =
        "SELECT id, CASE WHEN ltrim(method, '!') = '@' || ?1 THEN 'method' WHEN ltrim(host, '!') = '@' || ?1 THEN "
        "'host'"
        "  WHEN ltrim(path, '!') = '@' || ?1 THEN 'path' WHEN EXISTS (SELECT 1"
        "  FROM json_each(CASE WHEN json_valid(match) AND json_type(match) = 'object' THEN match ELSE '{}' END)"
        "  WHERE type = 'text' AND ltrim(value, '!') = '@' || ?1) THEN 'match' ELSE 'src' END AS used"
        " FROM rules WHERE used <> 'src' OR ltrim(src, '!') = '@' || ?1 ORDER BY used = 'src' LIMIT 1";
    sqlite3_stmt *statement = prepare(import, sql);
    const char   *column;
    int           code;
    bool          good;

    if (statement == NULL)
        return false;
    code = sqlite3_step(statement);
    good = code == SQLITE_DONE;
    if (code == SQLITE_ROW) {
        column = (const char *)sqlite3_column_text(statement, 1);
        import->used = true;
        good = column != NULL && strcmp(column, "src") == 0;
        if (!good)
            rules_tell(&import->source, "rule %lld uses list '%s' for %s: import fills lists that rules use for src",
                       (long long)sqlite3_column_int64(statement, 0), import->list, column == NULL ? "?" : column);
    } else if (!good) {
        failed(import);
    }
    sqlite3_finalize(statement);
    return good;
}

/* The triggers of `lists` refuse what the agent would refuse. What is written here is never that, and they would take
 * ten times as long as the rest. */
static bool skip_triggers(const struct rules_import *import)
{
    return sqlite3_db_config(import->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL) == SQLITE_OK;
}

struct rules_import *rules_import_open(const char *path, const char *list, problem_fn *problem, void *context)
{
    struct rules_import *import = calloc(1, sizeof *import);

    if (import == NULL)
        abort(); /* as arena_alloc() */
    import->source = (struct rules_source){ path, problem, context };
    import->list = list;
    if (rules_file_is_usable(&import->source)) {
        if (sqlite3_open_v2(path, &import->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
            failed(import);
        /* What is to be written stays in memory until the commit: else SQLite would lock readers out before. */
        else if (sqlite3_busy_timeout(import->db, BUSY_MS) == SQLITE_OK && skip_triggers(import) &&
                 is_rules_database(import) && holds_addresses(import) &&
                 run(import, "PRAGMA cache_spill = 0; PRAGMA temp_store = MEMORY"))
            return import;
    }
    rules_import_close(import);
    return NULL;
}

void rules_import_close(struct rules_import *import)
{
    if (import == NULL)
        return;
    sqlite3_close(import->db);
    free(import);
}

/* ---- replacing ---- */

struct writer {
    sqlite3_stmt *insert;
    size_t        n;
    bool          good;
};

static bool write_network(void *context, const struct network *network)
{
    struct writer *writer = context;
    char           text[ADDRESS_TEXT_MAX];
    size_t         n = network_format(network->address, network->prefix, text);

    sqlite3_bind_text(writer->insert, 1, text, (int)n, SQLITE_STATIC);
    writer->good = sqlite3_step(writer->insert) == SQLITE_DONE;
    writer->good &= sqlite3_reset(writer->insert) == SQLITE_OK;
    writer->n++;
    return writer->good;
}

/* The entries that the list is to have, in a table beside the database. */
static bool write_wanted(const struct rules_import *import, const struct networks *networks, size_t *n)
{
    struct writer writer = { .good = true };

    if (!run(import, "CREATE TEMP TABLE wanted (entry TEXT PRIMARY KEY) WITHOUT ROWID"))
        return false;
    writer.insert = prepare(import, "INSERT INTO temp.wanted VALUES (?1)");
    if (writer.insert == NULL)
        return false;
    networks_each(networks, write_network, &writer);
    if (!writer.good)
        failed(import);
    sqlite3_finalize(writer.insert);
    *n = writer.n;
    return writer.good;
}

#define MISSING "temp.wanted WHERE entry NOT IN (SELECT entry FROM main.lists WHERE list = ?1)"
#define SPARE   "main.lists WHERE list = ?1 AND entry NOT IN (SELECT entry FROM temp.wanted)"

static bool execute(const struct rules_import *import, const char *sql)
{
    sqlite3_stmt *statement = prepare(import, sql);
    bool          good;

    if (statement == NULL)
        return false;
    good = sqlite3_step(statement) == SQLITE_DONE || failed(import);
    sqlite3_finalize(statement);
    return good;
}

/* Within a transaction. */
static bool replace(const struct rules_import *import, bool dry_run, struct rules_import_counts *counts)
{
    sqlite3_int64 added, removed;

    if (!query(import, "SELECT count(*) FROM " MISSING, &added) ||
        !query(import, "SELECT count(*) FROM " SPARE, &removed))
        return false;
    counts->added = (size_t)added;
    counts->removed = (size_t)removed;
    return dry_run || ((removed == 0 || execute(import, "DELETE FROM " SPARE)) &&
                       (added == 0 || execute(import, "INSERT INTO main.lists SELECT ?1, entry FROM " MISSING)));
}

bool rules_import_replace(struct rules_import *import, const struct networks *networks, bool dry_run,
                          struct rules_import_counts *counts)
{
    *counts = (struct rules_import_counts){ .used = import->used };
    if (!write_wanted(import, networks, &counts->entries) || !run(import, dry_run ? "BEGIN" : "BEGIN IMMEDIATE"))
        return false;
    if (replace(import, dry_run, counts) && run(import, dry_run ? "ROLLBACK" : "COMMIT"))
        return true;
    sqlite3_exec(import->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
