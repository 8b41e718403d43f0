#include "lib/db.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#define PATIENCE_MS 180000

const char *db_ask(const char *path, const char *sql)
{
    static char   answer[4096];
    size_t        n = 0;
    sqlite3      *db;
    sqlite3_stmt *s = NULL;

    answer[0] = '\0';
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        snprintf(answer, sizeof answer, "%s", sqlite3_errmsg(db));
    while (s != NULL && sqlite3_step(s) == SQLITE_ROW && n < sizeof answer - 256)
        n += (size_t)snprintf(answer + n, sizeof answer - n, "%s%s", n > 0 ? " " : "",
                              (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return answer;
}

const char *db_disagreements(const char *path)
{
    char   sql[8192] = "";
    FILE  *file = fopen("sql/questions/totals_agree.sql", "r");
    size_t n = file != NULL ? fread(sql, 1, sizeof sql - 1, file) : 0;

    if (file != NULL)
        fclose(file);
    return n > 0 && n < sizeof sql - 1 ? db_ask(path, sql) : "sql/questions/totals_agree.sql cannot be read";
}
