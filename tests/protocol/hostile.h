/* An agent with a log feed whose files somebody else makes or changes. */
#ifndef TESTS_PROTOCOL_HOSTILE_H
#define TESTS_PROTOCOL_HOSTILE_H

#include "analytics.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/deny*', 'deny')"

/* A view in the place of a table that never ends. */
#define FOREVER "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "

HELPER char feed_address[128];

/* ---- the agent ---- */

/* A path beside analytics.db; static, two at a time. */
HELPER const char *beside(const char *name)
{
    static char paths[2][192];
    static int  which;
    char       *at = paths[which++ % 2];

    snprintf(at, sizeof paths[0], "%s/%s", agent.dir, name);
    return at;
}

HELPER void prepare(void)
{
    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    snprintf(feed_address, sizeof feed_address, "unix:%s/feed.sock", agent.dir);
    sent = 0;
}

HELPER void start(void)
{
    const char *const args[] = { "--threads", "2", "--log-listen", feed_address, NULL };
    int               code;

    load_fd = -1;
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%d: %s", code,
                  agent_log(&agent));
}

/* Whatever state the files are in. */
HELPER void stop(void)
{
    ck_assert_int_eq(agent_stop(&agent), 0);
    if (load_fd >= 0)
        load_closed();
}

/* One answer of HAProxy's. */
HELPER void put_response(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    char               text[512], message[600], at[64];
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    time_t             now = time(NULL);
    int                n;

    strftime(at, sizeof at, "%d/%b/%Y:%H:%M:%S +0000", gmtime(&now));
    n = snprintf(
        text, sizeof text,
        "<134>1 2026-11-20T09:15:02.123456+00:00 - haproxy 17069 - [rules@32473 time=\"%s\" status=\"200\" "
        "bytes=\"73\" end=\"--\" tc=\"0\" tr=\"1\" ta=\"2\" path=\"%%2F\" refused=\"-\" asked=\"1\" error=\"-\" "
        "verdict=\"allow\"] rest",
        at);
    n = snprintf(message, sizeof message, "%d %s", n, text);
    strcpy(sun.sun_path, feed_address + strlen("unix:"));
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sun, sizeof sun), 0);
    ck_assert_int_eq(send(fd, message, (size_t)n, MSG_NOSIGNAL), n);
    close(fd);
}

/* Requests and answers until the log has `text` so many times. */
HELPER void serve_until(const char *text, int times)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; log_count(text) < times; usleep(20000)) {
        ck_assert_msg(clock_ms() < end, "no '%s' in: %s", text, agent_log(&agent));
        load(5);
        put_response();
    }
}

/* So many more seconds' work of the writer's. */
HELPER void serve_on(int64_t ms)
{
    for (int64_t end = clock_ms() + ms; clock_ms() < end; usleep(20000)) {
        load(5);
        put_response();
    }
}

/* Started, with a file that has something. */
HELPER void begin(void)
{
    prepare();
    start();
    load(100);
    put_response();
    await_all();
}

/* The file is right, and has all. */
HELPER void ends_whole(void)
{
    await_all();
    stop();
    expect_whole(sent);
    ck_assert_int_gt(atoi(ask_db("SELECT sum(responses) FROM daily_summary")), 0);
    agent_fini(&agent);
}

#endif
