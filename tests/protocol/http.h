/* What the tests of --admin-listen ask, over a unix socket in the agent's directory. One answer is kept: the latest. */
#ifndef TESTS_PROTOCOL_HTTP_H
#define TESTS_PROTOCOL_HTTP_H

#include "expect.h"

HELPER struct agent agent;
HELPER char         admin_address[128];

HELPER struct {
    int   status; /* 0: there was no answer */
    char *body;
    char  bytes[1024 * 1024];
} answer;

/* Starts the agent with `more` arguments, NULL at the end, and a place to ask. */
HELPER void start_admin(const char *sql, const char *const *more)
{
    const char *args[16] = { "--admin-listen", admin_address };
    int         code = 0;

    for (size_t n = 2; more != NULL && *more != NULL; n++)
        args[n] = *more++;
    agent_init(&agent);
    snprintf(admin_address, sizeof admin_address, "unix:%s/admin.sock", agent.dir);
    agent_sql(&agent, sql);
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
}

HELPER int connect_admin(void)
{
    int fd = spop_client_connect(admin_address);

    ck_assert_msg(fd >= 0, "%s: %s", admin_address, strerror(errno));
    return fd;
}

/* Reads until the agent closes. */
HELPER void read_answer(int fd)
{
    size_t  n = 0;
    ssize_t got;

    for (;;) {
        struct pollfd at = { .fd = fd, .events = POLLIN };

        ck_assert_msg(poll(&at, 1, AGENT_PATIENCE_MS) == 1, "no answer: %s", agent_log(&agent));
        got = recv(fd, answer.bytes + n, sizeof answer.bytes - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    answer.bytes[n] = '\0';
    if (sscanf(answer.bytes, "HTTP/1.1 %d", &answer.status) != 1)
        answer.status = 0;
    answer.body = strstr(answer.bytes, "\r\n\r\n");
    answer.body = answer.body != NULL ? answer.body + 4 : answer.bytes + n;
    close(fd);
}

/* The bytes of a request as they are. */
HELPER void http_raw(const char *bytes, size_t n)
{
    int fd = connect_admin();

    /* One that is refused early may not be read to its end. */
    if (!spop_client_send(fd, bytes, n))
        ck_assert_msg(errno == EPIPE || errno == ECONNRESET, "sending: %s", strerror(errno));
    read_answer(fd);
}

/* `headers`: whole lines, or "". */
HELPER void http(const char *method, const char *target, const char *headers)
{
    char request[4096];
    int  n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target, headers);

    ck_assert(n > 0 && (size_t)n < sizeof request);
    http_raw(request, (size_t)n);
}

HELPER void get(const char *target)
{
    http("GET", target, "");
    ck_assert_msg(answer.status == 200, "%s: %s", target, answer.bytes);
}

#define expect_answer(code, text)                                                                                      \
    ck_assert_msg(answer.status == (code) && strstr(answer.body, (text)) != NULL, "not %d and '%s': %s", (code),       \
                  (text), answer.bytes)

/* ---- metrics ---- */

/* Check bounds its messages. */
HELPER const char *show(void)
{
    fprintf(stderr, "%s", answer.bytes);
    return "";
}

/* Of a series in the latest answer, with its labels as written there; -1: there is none. */
HELPER double value_of(const char *series)
{
    char line[512];

    snprintf(line, sizeof line, "\nspoa_rules_%s ", series);
    for (const char *at = answer.body; (at = strstr(at, line)) != NULL;)
        return atof(at + strlen(line));
    return -1;
}

/* In the latest answer. */
#define expect_value(series, wanted)                                                                                   \
    ck_assert_msg(value_of(series) == (wanted), "%s is %g, not %g%s", (series), value_of(series), (double)(wanted),    \
                  show())

HELPER void expect_metric(const char *series, double wanted)
{
    get("/metrics");
    expect_value(series, wanted);
}

/* Counts by rule come once a second. */
HELPER void await_metric(const char *series, double wanted)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS;; usleep(20000)) {
        get("/metrics");
        if (value_of(series) == wanted)
            return;
        ck_assert_msg(clock_ms() < end, "%s is %g, never %g%s", series, value_of(series), wanted, show());
    }
}

/* Of all series of one name in the latest answer. */
HELPER double sum_of(const char *name, int *series)
{
    char   line[128];
    double sum = 0;

    snprintf(line, sizeof line, "\nspoa_rules_%s{", name);
    *series = 0;
    for (const char *at = answer.body; (at = strstr(at, line)) != NULL; ++*series) {
        const char *end = strchr(at + 1, '\n');

        while (end > at && end[-1] != ' ')
            end--;
        sum += atof(end);
        at++;
    }
    return sum;
}

#endif
