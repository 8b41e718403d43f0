/* What the tests of analytics.db have in common: an agent under load whose every request is counted, and questions to
 * the file. */
#ifndef TESTS_PROTOCOL_ANALYTICS_H
#define TESTS_PROTOCOL_ANALYTICS_H

#include "expect.h"

#include "lib/db.h"

#define BATCH 200

HELPER struct agent agent;
HELPER char         path[128]; /* of analytics.db */

/* ---- the file ---- */

#define ask_db(sql)            db_ask(path, sql)
#define expect_db(sql, wanted) ck_assert_str_eq(ask_db(sql), (wanted))

HELPER void expect_count(const char *sql, long long wanted)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", wanted);
    ck_assert_msg(strcmp(ask_db(sql), text) == 0, "%s: %s, not %s", sql, ask_db(sql), text);
}

#define expect_sums_agree() ck_assert_str_eq(db_disagreements(path), "")

#define TOTAL               "SELECT ifnull(sum(requests), 0) FROM daily_summary"

/* All of it is readable, and adds up to so many. */
HELPER void expect_whole(long long total)
{
    expect_db("PRAGMA integrity_check", "ok");
    expect_count(TOTAL, total);
    expect_sums_agree();
}

/* ---- the log ---- */

HELPER int log_count(const char *text)
{
    const char *at = agent_log(&agent);
    int         n = 0;

    while ((at = strstr(at, text)) != NULL) {
        n++;
        at += strlen(text);
    }
    return n;
}

#define expect_log(text, times)                                                                                        \
    ck_assert_msg(log_count(text) == (times), "'%s' not %d times: %s", text, times, agent_log(&agent))

/* Until the file says so. */
HELPER void await_db(const char *sql, const char *wanted)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; strcmp(ask_db(sql), wanted) != 0; usleep(50000))
        ck_assert_msg(clock_ms() < end, "%s: %s; %s", sql, ask_db(sql), agent_log(&agent));
}

/* ---- load ---- */

HELPER int  load_fd = -1;
HELPER long sent; /* and answered */

/* So many requests, each from a client and for a path of their own; every fifth is denied where the rules deny
 * "/deny*". */
HELPER void load(long n)
{
    static char bytes[BATCH * 128];
    char        attributes[96];

    if (load_fd < 0)
        load_fd = opened(&agent);
    while (n > 0) {
        long   batch = n < BATCH ? n : BATCH;
        size_t size = 0;

        for (long i = 0; i < batch; i++, sent++) {
            snprintf(attributes, sizeof attributes, "src=10.%ld.%ld.%ld path=/%s/%ld", sent >> 16 & 255,
                     sent >> 8 & 255, sent & 255, sent % 5 == 0 ? "deny" : "load", sent);
            size += notify_put(bytes + size, sizeof bytes - size, (uint64_t)i, 1, attributes);
        }
        say(load_fd, bytes, size);
        expect_acks(load_fd, batch);
        n -= batch;
    }
}

/* Asks on, and is answered, until the log has it so many times. */
HELPER void load_until_log(const char *text, int times)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; log_count(text) < times;) {
        ck_assert_msg(clock_ms() < end, "no '%s' in: %s", text, agent_log(&agent));
        load(BATCH);
        usleep(20000);
    }
}

/* The same for some intervals of the writer's. */
HELPER void load_for_ms(int64_t ms)
{
    for (int64_t end = clock_ms() + ms; clock_ms() < end;) {
        load(BATCH);
        usleep(20000);
    }
}

/* Until all that was sent is in the file. */
HELPER void await_all(void)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; atol(ask_db(TOTAL)) != sent; usleep(20000))
        ck_assert_msg(clock_ms() < end, "%ld sent, in the file: %s; %s", sent, ask_db(TOTAL), agent_log(&agent));
}

HELPER void load_closed(void)
{
    close(load_fd);
    load_fd = -1;
}

#endif
