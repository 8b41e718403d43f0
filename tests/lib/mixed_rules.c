#include "lib/mixed_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

extern const char rules_sql[];

static void fail(const char *what)
{
    fprintf(stderr, "mixed rules: %s\n", what);
    exit(1);
}

static void insert_rule(sqlite3 *db, int i)
{
    char sql[512], *error = NULL;

    switch (i % 100 == 99 ? 99 : i % 10) {
    case 0:
    case 1:
        snprintf(sql, sizeof sql, "INSERT INTO rules(path,requests,period) VALUES('/api/v1/items/%d',1000000,60)", i);
        break;
    case 2:
    case 3:
        snprintf(sql, sizeof sql,
                 "INSERT INTO rules(path,per,requests,period) VALUES('/api/v1/shop%d/*','src',1000000,60)", i);
        break;
    case 4:
        snprintf(sql, sizeof sql, "INSERT INTO rules(path,requests,period) VALUES('/api/*/report%d.pdf',1000000,60)",
                 i);
        break;
    case 5:
        snprintf(sql, sizeof sql, "INSERT INTO rules(src,requests,period) VALUES('%d.%d.%d.0/24',1000000,60)",
                 11 + i / 65536, i / 256 % 256, i % 256);
        break;
    case 6:
        snprintf(sql, sizeof sql, "INSERT INTO rules(src,action) VALUES('2001:db8:%x:%x::/64','deny')", i / 65536 + 1,
                 i % 65536);
        break;
    case 7:
        snprintf(sql, sizeof sql,
                 "INSERT INTO rules(host,per,requests,period) VALUES('shop%d.example.com','src',1000000,60)", i);
        break;
    case 8:
        snprintf(sql, sizeof sql,
                 "INSERT INTO rules(match,per,requests,period,policy) "
                 "VALUES('{\"api_key\":\"K%d\"}','api_key',1000000,60,'k')",
                 i);
        break;
    case 9:
        snprintf(sql, sizeof sql,
                 "INSERT INTO rules(src,path,requests,period) VALUES('172.%d.%d.7','/api/v1/*',1000000,60)",
                 i / 256 % 256, i % 256);
        break;
    default:
        snprintf(
            sql, sizeof sql,
            "INSERT INTO rules(host,path,requests,period) VALUES('shop%d.example.com','~^/api/v[0-9]+/x',1000000,60)",
            i);
        break;
    }
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail(error);
}

void mixed_rules_make(const char *path, int n)
{
    sqlite3 *db;

    unlink(path);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, rules_sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(db));
    sqlite3_exec(db, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
    for (int i = 0; i < n; i++)
        insert_rule(db, i);
    sqlite3_exec(db,
                 "INSERT INTO rules(per,requests,period,priority) VALUES('src',1000000,60,200);"
                 "INSERT INTO rules(per,requests,period,policy) VALUES('api_key',1000000,60,'k'); COMMIT",
                 NULL, NULL, NULL);
    sqlite3_close(db);
}
