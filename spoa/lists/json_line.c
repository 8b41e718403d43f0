#include "lists/json_line.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

struct json_line {
    sqlite3      *db;
    sqlite3_stmt *find;
};

/* From SQLite 3.42 on the other functions accept JSON5 too. json_valid() refuses it, so each version accepts the same. */
static const char find_sql[] = "SELECT json_valid(?1) AND json_type(?1) = 'object',"
                               " (SELECT value FROM json_each(?1) WHERE key = ?2 AND type = 'text' LIMIT 1)";

/* The statement reads no table and no file, so only a lack of memory can be the reason. */
static _Noreturn void give_up(struct json_line *reader)
{
    fprintf(stderr, "spoa-rules: cannot read JSON with SQLite: %s\n", sqlite3_errmsg(reader->db));
    abort(); /* as arena_alloc() */
}

struct json_line *json_line_new(void)
{
    struct json_line *reader = calloc(1, sizeof *reader);

    if (reader == NULL) {
        fputs("spoa-rules: out of memory\n", stderr);
        abort(); /* as arena_alloc() */
    }
    if (sqlite3_open_v2(":memory:", &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(reader->db, find_sql, -1, &reader->find, NULL) != SQLITE_OK)
        give_up(reader);
    return reader;
}

void json_line_free(struct json_line *reader)
{
    if (reader == NULL)
        return;
    sqlite3_finalize(reader->find);
    sqlite3_close(reader->db);
    free(reader);
}

static bool has_nul(struct span line)
{
    static const char escape[] = "\\u0000";

    return memchr(line.p, '\0', line.n) != NULL || memmem(line.p, line.n, escape, sizeof escape - 1) != NULL;
}

enum json_result json_line_find(struct json_line *reader, struct span line, struct span name, struct span *value)
{
    sqlite3_stmt *find = reader->find;
    int           code;

    if (has_nul(line))
        return JSON_NUL;
    sqlite3_reset(find); /* frees the value of the previous call */
    if (sqlite3_bind_text(find, 1, line.p, (int)line.n, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(find, 2, name.p, (int)name.n, SQLITE_STATIC) != SQLITE_OK)
        give_up(reader);
    code = sqlite3_step(find);
    if (code == SQLITE_ERROR) /* malformed JSON */
        return JSON_BROKEN;
    if (code != SQLITE_ROW)
        give_up(reader);
    if (!sqlite3_column_int(find, 0))
        return JSON_BROKEN;
    if (sqlite3_column_type(find, 1) == SQLITE_NULL)
        return JSON_MISSING;
    value->p = (const char *)sqlite3_column_text(find, 1);
    value->n = (size_t)sqlite3_column_bytes(find, 1);
    if (value->p == NULL)
        give_up(reader);
    return JSON_FOUND;
}
