/* An analytics.db with other objects than the schema's, at start and under load: the agent goes on to decide, says what is
 * wrong once, writes again when it is mended, and ends when it is told to. */
#include "hostile.h"

#define WRITTEN_EACH_SECOND 5

static const char *const tables[] = {
    "hours",        "days",        "minutes",       "hour_responses", "day_responses", "hour_rules",
    "day_rules",    "running",     "rule_names",    "running_rules",  "hour_paths",    "day_paths",
    "hour_clients", "day_clients", "hour_sketches", "day_sketches",   "denial_log",
};

/* Moved out of the way, with its rows, and nothing or a view that never ends in its place. The column names are those that
 * the agent asks of one table or another. */
static void take_away(const char *table, bool has_view)
{
    char sql[1024];

    snprintf(sql, sizeof sql, "PRAGMA legacy_alter_table = ON; BEGIN; ALTER TABLE %s RENAME TO mine; %s%s%s; COMMIT",
             table, has_view ? "CREATE VIEW " : "SELECT 1", has_view ? table : "",
             has_view
                 ? " AS " FOREVER "SELECT '2026-11-20' AS day, i AS hour, i AS rest, '' AS src, '' AS path,"
                   " i AS requests, i AS denied, i AS allowed, i AS slowed, i AS error_bound, i AS duration_count,"
                   " i AS duration_us, 'x' AS what, x'00' AS sketch, i AS rule, i AS minute, i AS shadow, '' AS time"
                   " FROM n"
                 : "");
    agent_file_sql(path, sql);
}

static void bring_back(const char *table, bool has_view)
{
    char sql[256];

    snprintf(sql, sizeof sql, "PRAGMA legacy_alter_table = ON; BEGIN; %s%s; ALTER TABLE mine RENAME TO %s; COMMIT",
             has_view ? "DROP VIEW " : "SELECT 1", has_view ? table : "", table);
    agent_file_sql(path, sql);
}

/* What is said of it. `kind`: 0 missing, 1 a view. */
static const char *said_of(const char *table, int kind)
{
    static char said[128];

    snprintf(said, sizeof said, kind == 0 ? "table %s is missing: " : "%s is not a table, its kind is: view: ", table);
    return said;
}

/* Each table once. The first ones the writer meets by itself, within a second; the others when it opens the file. */
START_TEST(tables_of_another_kind_under_load)
{
    begin();
    for (size_t i = 0; i < COUNT(tables); i++) {
        take_away(tables[i], _i == 1);
        if (i >= WRITTEN_EACH_SECOND)
            kill(agent.pid, SIGHUP);
        serve_until(said_of(tables[i], _i), 1);
        if (i < WRITTEN_EACH_SECOND)
            serve_on(1200);
        expect_log("decisions go on", (int)i + 1);
        bring_back(tables[i], _i == 1);
        serve_until("written again", (int)i + 1);
    }
    expect_log("removed or replaced", 0);
    expect_log("damaged", 0);
    ends_whole();
}
END_TEST

START_TEST(tables_of_another_kind_at_start)
{
    static const char *const some[] = { "hours", "hour_responses", "day_sketches", "denial_log" };

    begin();
    stop();
    for (size_t i = 0; i < COUNT(some); i++) {
        take_away(some[i], _i == 1);
        start();
        serve_until(said_of(some[i], _i), 1);
        serve_on(1200);
        expect_log("analytics.db: ", 1);
        if (i % 2 == 0) {
            bring_back(some[i], _i == 1);
            serve_until("written again", 1);
            await_all();
            stop();
        } else {
            stop(); /* in the middle of it: what was counted is lost, which the log says */
            expect_log("decisions are not in it", 1);
            bring_back(some[i], _i == 1);
            sent = atol(ask_db(TOTAL));
        }
    }
    start();
    load(100);
    put_response();
    ends_whole();
}
END_TEST

/* What belongs to a table and is not the schema's: it is refused, or not run. */
static const struct {
    const char *sql, *said; /* NULL: nothing is wrong */
    const char *undo;
} others[] = {
    { "ALTER TABLE hour_responses RENAME COLUMN bytes TO octets",
      "table hour_responses: column bytes is missing: restore it, or move the file away",
      "ALTER TABLE hour_responses RENAME COLUMN octets TO bytes" },
    { "ALTER TABLE day_clients RENAME COLUMN src TO source", "table day_clients: column src is missing",
      "ALTER TABLE day_clients RENAME COLUMN source TO src" },
    { "CREATE TRIGGER t AFTER INSERT ON hours BEGIN SELECT RAISE(ABORT, 'mine'); END;"
      "CREATE TRIGGER u BEFORE UPDATE ON days BEGIN SELECT RAISE(ROLLBACK, 'mine'); END;"
      "CREATE TRIGGER w BEFORE INSERT ON denial_log BEGIN SELECT RAISE(IGNORE); END",
      NULL, "DROP TRIGGER t; DROP TRIGGER u; DROP TRIGGER w" },
    { "CREATE TRIGGER t AFTER UPDATE ON days BEGIN INSERT INTO rule_names " FOREVER "SELECT i + 1000, 'x' FROM n; END",
      NULL, "DROP TRIGGER t" },
    { "DROP TRIGGER hour_responses_inserted; DROP TRIGGER day_responses_inserted; DROP VIEW denials", NULL,
      "SELECT 1" },
};

START_TEST(other_objects)
{
    long begun;

    begin();
    begun = sent;
    agent_file_sql(path, others[_i].sql);
    for (int at_start = 0; at_start < 2; at_start++) {
        if (others[_i].said != NULL) {
            serve_until(others[_i].said, 1);
            serve_on(1200);
            expect_log("decisions go on", 1);
        } else {
            serve_on(6500); /* details, too */
            await_all();
            expect_log("analytics.db", 0);
        }
        stop();
        sent = others[_i].said != NULL ? begun : atol(ask_db(TOTAL));
        start();
    }
    load(100);
    if (others[_i].said != NULL)
        serve_until(others[_i].said, 1);
    agent_file_sql(path, others[_i].undo);
    if (others[_i].said != NULL)
        serve_until("written again", 1);
    ends_whole();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_loop_test(cases, tables_of_another_kind_under_load, 0, 2);
    tcase_add_loop_test(cases, tables_of_another_kind_at_start, 0, 2);
    tcase_add_loop_test(cases, other_objects, 0, (int)COUNT(others));
}

int main(void)
{
    return run_suite("hostile_tables", add, NULL, NULL);
}
