#include "store/schema.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

const char *schema_kind(sqlite3 *db, const char *name)
{
    /* A view and a virtual table have no root page. */
    static const char  sql[] = "SELECT type, rootpage FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
    static const char *kinds[] = { "table", "view", "index", "trigger" };
    const char        *kind = NULL;
    sqlite3_stmt      *s = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_bind_text(s, 1, name, -1, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(s, 0);

        for (size_t i = 0; type != NULL && i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(type, kinds[i]) == 0)
                kind = i == 0 && sqlite3_column_int64(s, 1) == 0 ? "virtual table" : kinds[i];
    }
    sqlite3_finalize(s);
    return kind;
}

/* "hidden" is not 0 of a generated column. */
static const char columns_sql[] = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1)";

#define COLUMN_FIELDS 5

static bool is_same(sqlite3_stmt *one, sqlite3_stmt *other)
{
    for (int i = 1; i < COLUMN_FIELDS; i++) {
        const char *a = (const char *)sqlite3_column_text(one, i), *b = (const char *)sqlite3_column_text(other, i);

        if (a == NULL || b == NULL || sqlite3_stricmp(a, b) != 0)
            return false;
    }
    return true;
}

/* Why the column at `wanted` is not one of the table's; NULL: it is. */
static const char *compare_column(sqlite3 *db, const char *table, sqlite3_stmt *wanted)
{
    const char   *name = (const char *)sqlite3_column_text(wanted, 0), *wrong = "is missing";
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(db, columns_sql, -1, &s, NULL) == SQLITE_OK)
        sqlite3_bind_text(s, 1, table, -1, NULL);
    while (s != NULL && sqlite3_step(s) == SQLITE_ROW) {
        if (sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), name) != 0)
            continue;
        wrong = is_same(wanted, s) ? NULL : "is not as the schema makes it";
        break;
    }
    sqlite3_finalize(s);
    return wrong;
}

static bool compare_table(sqlite3 *model, sqlite3 *db, const char *table, char *error, size_t size)
{
    const char   *kind = schema_kind(db, table), *wrong = NULL;
    sqlite3_stmt *columns = NULL;

    if (kind == NULL && sqlite3_errcode(db) != SQLITE_OK) {
        snprintf(error, size, "%s", sqlite3_errmsg(db));
        return false;
    }
    if (kind == NULL) {
        snprintf(error, size, "table %s is missing", table);
        return false;
    }
    if (strcmp(kind, "table") != 0) {
        snprintf(error, size, "%s is not a table, its kind is: %s", table, kind);
        return false;
    }
    if (sqlite3_prepare_v2(model, columns_sql, -1, &columns, NULL) == SQLITE_OK)
        sqlite3_bind_text(columns, 1, table, -1, NULL);
    while (wrong == NULL && columns != NULL && sqlite3_step(columns) == SQLITE_ROW) {
        wrong = compare_column(db, table, columns);
        if (wrong != NULL)
            snprintf(error, size, "table %s: column %s %s", table, (const char *)sqlite3_column_text(columns, 0),
                     wrong);
    }
    sqlite3_finalize(columns);
    return wrong == NULL;
}

bool schema_matches(sqlite3 *model, sqlite3 *db, char *error, size_t size)
{
    static const char sql[] = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    sqlite3_stmt     *tables = NULL;
    bool              good = sqlite3_prepare_v2(model, sql, -1, &tables, NULL) == SQLITE_OK;

    if (!good)
        snprintf(error, size, "%s", sqlite3_errmsg(model));
    while (good && sqlite3_step(tables) == SQLITE_ROW)
        good = compare_table(model, db, (const char *)sqlite3_column_text(tables, 0), error, size);
    sqlite3_finalize(tables);
    return good;
}

bool schema_lend_views(sqlite3 *model, sqlite3 *db)
{
    /* SQLite keeps the text from behind "CREATE " on. */
    static const char sql[] = "SELECT 'CREATE TEMP ' || substr(sql, 8) FROM sqlite_schema WHERE type = 'view'";
    sqlite3_stmt     *views = NULL;
    bool              good = sqlite3_prepare_v2(model, sql, -1, &views, NULL) == SQLITE_OK;

    while (good && sqlite3_step(views) == SQLITE_ROW)
        good = sqlite3_exec(db, (const char *)sqlite3_column_text(views, 0), NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_finalize(views);
    return good;
}
