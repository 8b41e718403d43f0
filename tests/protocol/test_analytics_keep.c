/* What stays in analytics.db: over a kill, when old rows go, and for those who only read. */
#include "analytics.h"

#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/deny*', 'deny')"

static void begin(void)
{
    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
}

static void start(const char *const *args)
{
    int code;

    load_closed();
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
}

/* ---- kill -9 ---- */

#define HEAVY      3000
#define HEAVY_TEXT "src=192.0.2.1 path=/heavy"
#define HEAVY_FITS "sum(requests) <= 6000 AND sum(requests + error_bound) >= 6000"

static void ask_heavy(void)
{
    static char bytes[BATCH * 128];

    for (int i = 0; i < HEAVY / BATCH; i++) {
        size_t size = 0;

        for (int n = 0; n < BATCH; n++)
            size += notify_put(bytes + size, sizeof bytes - size, (uint64_t)n, 1, HEAVY_TEXT);
        say(load_fd, bytes, size);
        expect_acks(load_fd, BATCH);
    }
}

/* Whoever was heavy before goes on in the same row, and who was counted before is not a new one. */
START_TEST(killed_under_load)
{
    static const char *const args[] = { "--threads", "2", NULL };
    char                     bytes[256];
    size_t                   n = notify_put(bytes, sizeof bytes, 1, 1, "src=192.0.2.2 path=/late");
    long                     in_file;

    begin();
    start(args);
    load(4000);
    ask_heavy();
    await_db("SELECT max(requests + error_bound) >= 3000 FROM day_clients WHERE src = '192.0.2.1' AND rest = 0", "1");
    await_db("SELECT count(*) > 0 FROM day_sketches", "1");
    for (int i = 0; i < 100; i++)
        say(load_fd, bytes, n);
    agent_kill(&agent);
    expect_db("PRAGMA integrity_check", "ok");
    expect_sums_agree();
    in_file = atol(ask_db(TOTAL));
    ck_assert(in_file >= 4000 + HEAVY && in_file <= 4000 + HEAVY + 100);

    start(args);
    sent = 0;
    load(4000);
    ask_heavy();
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(in_file + 4000 + HEAVY);
    expect_db("SELECT " HEAVY_FITS " FROM day_clients WHERE src = '192.0.2.1'", "1");
    expect_db("SELECT " HEAVY_FITS " FROM hour_clients WHERE src = '192.0.2.1'", "1");
    expect_db("SELECT " HEAVY_FITS " FROM day_paths WHERE path = '/heavy'", "1");
    expect_db("SELECT min(kept) <= 1001 FROM (SELECT count(*) AS kept FROM hour_paths GROUP BY day, hour)", "1");
    /* 4,002 at most; those of both halves would be 8,000. */
    expect_db("SELECT max(clients) BETWEEN 3850 AND 4150 FROM daily_summary", "1");
    expect_log("analytics.db", 0);
    load_closed();
    agent_fini(&agent);
}
END_TEST

/* ---- retention ---- */

#define DAYS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40), "
/* Each day one hour with a thousand of the longest paths. */
#define OLD_ROWS                                                                                                       \
    DAYS "p(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM p WHERE j < 1000)"                                             \
         " INSERT INTO hour_paths (day, hour, rest, path, requests, denied)"                                           \
         " SELECT date('now', -i || ' days'), 7, 0, '/' || j || hex(zeroblob(120)), 5, 0 FROM n, p;" DAYS              \
         "p(j) AS (SELECT 1) INSERT INTO hours (day, hour, allowed) SELECT date('now', -i || ' days'), 7, 5000"        \
         " FROM n, p;" DAYS                                                                                            \
         "p(j) AS (SELECT 1) INSERT INTO days (day, allowed) SELECT date('now', -i || ' days'), 5000 FROM n, p"

static void fill(void)
{
    begin();
    start(NULL);
    load(10);
    ck_assert_int_eq(agent_stop(&agent), 0);
    agent_file_sql(path, OLD_ROWS);
}

START_TEST(a_bound_on_the_size)
{
    static const char *const args[] = { "--max-analytics", "4", NULL };
    struct stat              before, after;

    fill();
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_gt(before.st_size, 10 << 20);
    start(args);
    load(1000);
    await_db("SELECT freelist_count <= 512 AND page_count * 4096 <= 6 << 20 FROM pragma_freelist_count,"
             " pragma_page_count",
             "1");
    load(1000);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_db("PRAGMA integrity_check", "ok");
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_le(after.st_size, 6 << 20); /* 512 free pages may stay */
    /* The newest stay, and the days say what was in the hours that went. */
    expect_db("SELECT count(*) BETWEEN 2 AND 20 AND max(day) = date('now', '-1 days') FROM hours WHERE hour = 7 AND"
              " allowed = 5000",
              "1");
    expect_db("SELECT count(*) FROM days WHERE allowed = 5000", "40");
    expect_log("analytics.db", 0);
    load_closed();
    agent_fini(&agent);
}
END_TEST

/* Each second it fails, and each second all else is written: one line, not two a second. */
START_TEST(what_cannot_go)
{
    static const char *const args[] = { "--keep-hours", "3", NULL };

    fill();
    /* SQLite works out an overflow when a row of the old hours goes. */
    agent_file_sql(path, "CREATE INDEX keep ON hours(day) WHERE hour = 7 AND allowed = 5000;"
                         "PRAGMA writable_schema = ON;"
                         "UPDATE sqlite_schema SET sql = replace(sql, '(day)', '(abs(-9223372036854775801 - hour))')"
                         " WHERE name = 'keep'");
    start(args);
    load_for_ms(5000);
    expect_log("analytics.db: integer overflow; decisions go on", 1);
    expect_log("analytics.db", 1);
    agent_file_sql(path, "DROP INDEX keep");
    load_until_log("written again", 1);
    await_db("SELECT count(*) FROM hours WHERE hour = 7 AND allowed = 5000", "3");
    ck_assert_int_eq(agent_stop(&agent), 0);
    load_closed();
    agent_fini(&agent);
}
END_TEST

/* ---- readers ---- */

/* Somebody of its group, with no right to write. */
static void expect_for_group(const char *sql, long wanted)
{
    char  command[512], line[256] = "";
    FILE *output;

    snprintf(command, sizeof command, "setpriv --reuid=54321 --regid=54321 --groups=54322 sqlite3 %s \"%s\" 2>&1", path,
             sql);
    output = popen(command, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, output));
    pclose(output);
    ck_assert_msg(atol(line) == wanted, "%s: %s, not %ld", sql, line, wanted);
}

START_TEST(read_by_the_group)
{
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: another user needs root's rights\n");
        return;
    }
    begin();
    ck_assert(chown(agent.dir, 0, 54322) == 0 && chmod(agent.dir, 02750) == 0);
    start(NULL);
    load(1000);
    await_all();
    expect_for_group(TOTAL, 1000);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_for_group(TOTAL, 1000);
    start(NULL);
    load(1000);
    await_all();
    agent_kill(&agent);
    expect_for_group(TOTAL, 2000);
    load_closed();
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, killed_under_load);
    tcase_add_test(cases, a_bound_on_the_size);
    tcase_add_test(cases, what_cannot_go);
    tcase_add_test(cases, read_by_the_group);
}

int main(void)
{
    return run_suite("analytics_keep", add, NULL, NULL);
}
