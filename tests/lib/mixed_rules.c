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

/* xorshift64 (Marsaglia, 2003) */
static unsigned random_below(unsigned n)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % n);
}

void mixed_request_make(struct mixed_request *request, int rules, int clients)
{
    unsigned client = random_below((unsigned)clients), rule = random_below((unsigned)rules);

    request->src[0] = 10;
    request->src[1] = (uint8_t)(client >> 16);
    request->src[2] = (uint8_t)(client >> 8);
    request->src[3] = (uint8_t)client;
    switch (random_below(4)) {
    case 0:
        snprintf(request->path, sizeof request->path, "/api/v1/items/%u", rule);
        break;
    case 1:
        snprintf(request->path, sizeof request->path, "/api/v1/shop%u/cart/%u", rule, client);
        break;
    case 2:
        snprintf(request->path, sizeof request->path, "/api/v1/%u/report%u.pdf", client, rule);
        break;
    default:
        snprintf(request->path, sizeof request->path, "/static/%u.css", client);
    }
    snprintf(request->host, sizeof request->host, "shop%u.example.com", rule);
    snprintf(request->key, sizeof request->key, "K%u", rule);
}
