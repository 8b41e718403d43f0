/* Far more clients and paths than there are rows for: memory and file stay as they are, and what is said of the heaviest
 * holds, by exact counts. */
#include "analytics.h"

#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/deny*', 'deny')"

/* The heavy one number k makes so many requests for each STEP of others, each from a new client for a new path. */
#define HEAVY   20
#define STEP    1000
#define TURN(k) (2 + (k) * (k))

static long truth[HEAVY];

static void ask_heavy(int k, int n)
{
    static char bytes[1024 * 96];
    char        attributes[64];
    size_t      size = 0;

    snprintf(attributes, sizeof attributes, "src=192.0.2.%d path=/heavy/%d", k, k);
    for (int i = 0; i < n; i++)
        size += notify_put(bytes + size, sizeof bytes - size, (uint64_t)i, 1, attributes);
    say(load_fd, bytes, size);
    expect_acks(load_fd, n);
    truth[k] += n;
}

static void ask_steps(int n)
{
    for (int i = 0; i < n; i++) {
        load(STEP);
        for (int k = 0; k < HEAVY; k++)
            ask_heavy(k, TURN(k));
    }
}

/* Of clients or paths: no row says what is not so, and none that is heavier than the bound is missing. */
static void expect_right(const char *column, const char *table, const char *name, long total)
{
    char sql[320];

    for (int k = 0; k < HEAVY; k++) {
        snprintf(sql, sizeof sql,
                 "SELECT iif(count(*) = 0, %ld <= %ld, sum(requests) <= %ld AND sum(requests + error_bound) >= %ld)"
                 " FROM %s WHERE %s = '%s%d' AND error_bound IS NOT NULL",
                 truth[k], total / 1000, truth[k], truth[k], table, column, name, k);
        ck_assert_msg(strcmp(ask_db(sql), "1") == 0, "%s", sql);
    }
    snprintf(sql, sizeof sql, "SELECT max(error_bound) <= %ld AND max(error_bound) > 0 FROM %s", total / 1000, table);
    expect_db(sql, "1");
    /* Of each other there was one request. */
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM %s WHERE error_bound IS NOT NULL AND requests > 1 AND %s NOT LIKE '%s%%'", table,
             column, name);
    expect_db(sql, "0");
    snprintf(sql, sizeof sql, "SELECT sum(requests) FROM %s", table);
    expect_count(sql, total);
}

START_TEST(more_than_there_is_room_for)
{
    static const char *const args[] = { "--threads", "2", NULL };
    long                     total, rss_kb;
    struct stat              st;

    agent_run(&agent, RULES, args);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    ask_steps(15);
    await_db("SELECT count(*) > 1000 FROM day_clients", "1"); /* the writer, too, has all it needs */
    rss_kb = agent_rss_kb(&agent);
    ask_steps(45);
    await_db("SELECT max(clients) > 40000 FROM days", "1");
    if (!with_sanitizer())
        ck_assert_int_lt(agent_rss_kb(&agent) - rss_kb, 4096);
    ck_assert_int_eq(agent_stop(&agent), 0);
    load_closed();
    total = sent;
    for (int k = 0; k < HEAVY; k++)
        total += truth[k];
    expect_whole(total);
    expect_right("src", "daily_clients", "192.0.2.", total);
    expect_right("path", "daily_paths", "/heavy/", total);
    expect_db("SELECT max(clients) BETWEEN 58000 AND 62000 FROM daily_summary", "1");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 1 << 20);
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, more_than_there_is_room_for);
}

int main(void)
{
    return run_suite("analytics_heavy", add, NULL, NULL);
}
