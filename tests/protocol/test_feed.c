/* The log feed of a running agent: what it counts, skips and refuses, and that decisions never suffer from it. */
#include "expect.h"

#include <poll.h>
#include <signal.h>
#include <sys/un.h>

#include "lib/db.h"

#include "server/feed.h"

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;
static char         feed_address[128];

static void begin(void)
{
    const char *const args[] = { "--log-listen", feed_address, "--log-level", "debug", NULL };
    int               code = 0;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(feed_address, sizeof feed_address, "unix:%s/feed.sock", agent.dir);
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
}

static void end(void)
{
    talk_to(agent.address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    agent_fini(&agent);
}

static int connect_feed(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(sun.sun_path, feed_address + strlen("unix:"));
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sun, sizeof sun), 0);
    return fd;
}

static void put(int fd, const char *bytes, size_t n)
{
    ck_assert_int_eq(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* A message with its length: a request of this moment. */
static const char *line(void)
{
    static char text[512], message[600];
    char        at[64];
    time_t      now = time(NULL);

    strftime(at, sizeof at, "%d/%b/%Y:%H:%M:%S +0000", gmtime(&now));
    snprintf(text, sizeof text,
             "<134>1 2026-11-20T09:15:02.123456+00:00 - haproxy 17069 - [rules@32473 time=\"%s\" status=\"200\" "
             "bytes=\"73\" "
             "end=\"--\" tc=\"0\" tr=\"1\" ta=\"2\" path=\"%%2F\" refused=\"-\" asked=\"1\" error=\"-\" "
             "verdict=\"allow\"] rest",
             at);
    snprintf(message, sizeof message, "%zu %s", strlen(text), text);
    return message;
}

static void put_line(int fd)
{
    put(fd, line(), strlen(line()));
}

/* The peer's end, without a word before it. */
static void expect_eof(int fd)
{
    struct pollfd at = { .fd = fd, .events = POLLIN };
    char          byte;

    ck_assert_int_eq(poll(&at, 1, AGENT_PATIENCE_MS), 1);
    ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
}

static void expect_log(const char *text)
{
    ck_assert_msg(agent_log_has(&agent, text), "no '%s' in: %s", text, agent_log(&agent));
}

/* Byte by byte, and many at once. */
START_TEST(counted)
{
    int         fd = connect_feed();
    const char *one = line();

    for (size_t i = 0; i < strlen(one); i++)
        put(fd, one + i, 1);
    for (int i = 0; i < 2000; i++)
        put_line(fd);
    close(fd);
    expect_log("connection closed: by HAProxy; lines counted: 2001, skipped: 0");
}
END_TEST

START_TEST(skipped)
{
    int fd = connect_feed();

    put(fd, "5 hello", 7);
    put_line(fd);
    put(fd, "21 <134>1 - - - - - - \x1b[31", 24);
    put_line(fd);
    close(fd);
    expect_log("a line skipped, and those like it from this connection: it is not a line of log-format-sd as in "
               "haproxy.cfg: hello");
    expect_log("lines counted: 2, skipped: 2");
}
END_TEST

START_TEST(without_log_format)
{
    int         fd = connect_feed();
    const char *line = "108 <134>1 2026-11-20T09:00:00.000000+00:00 - haproxy 7 - - Connect from 192.0.2.1:1 to "
                       "192.0.2.2:80 (mine/HTTP)";

    put(fd, line, strlen(line));
    close(fd);
    expect_log("a line skipped, and those like it from this connection: HAProxy writes no line for a request: give its "
               "front end `option httplog` or a `log-format`: <134>1 ");
    expect_log("lines counted: 0, skipped: 1");
}
END_TEST

static const struct {
    const char *bytes, *reason;
} faults[] = {
    { "GET / HTTP/1.1\r\n\r\n", "write log-proto octet-count; lines counted: 1" },
    { "<134>1 - - - - - -\n", "write log-proto octet-count; lines counted: 1" },
    { "16385 ", "a message is longer than 16384 bytes; lines counted: 1" },
};

/* Closed at once; who has sent something right on another connection is not. */
START_TEST(bad_peer)
{
    int good = connect_feed(), bad = connect_feed();

    put_line(good);
    put_line(bad);
    put(bad, faults[_i].bytes, strlen(faults[_i].bytes));
    expect_eof(bad);
    expect_log(faults[_i].reason);
    put_line(good);
    close(good);
    expect_log("by HAProxy; lines counted: 2, skipped: 0");
    close(bad);
}
END_TEST

START_TEST(cut_short)
{
    int fd = connect_feed();

    put_line(fd);
    put(fd, line(), 100);
    close(fd);
    expect_log("in the middle of a message; lines counted: 1, skipped: 0");
}
END_TEST

/* As many as there may be, idle ones; one more is refused, and has its place when another goes. */
START_TEST(many)
{
    int fds[FEED_CONNECTIONS_MAX], more;

    for (int i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        fds[i] = connect_feed();
        put(fds[i], "1", 1);
    }
    more = connect_feed();
    expect_eof(more);
    expect_log("a connection refused: too many are open");
    close(more);
    close(fds[3]);
    expect_log("in the middle of a message");
    more = connect_feed();
    put_line(more);
    close(more);
    expect_log("by HAProxy; lines counted: 1, skipped: 0");
    for (int i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (i != 3)
            close(fds[i]);
}
END_TEST

/* At the end the agent reads what its peer has sent by then, and a message that has begun; all of it is written. */
START_TEST(stopped)
{
    int         fd = connect_feed();
    const char *one = line();
    char        path[128];

    for (int i = 0; i < 100; i++)
        put_line(fd);
    put(fd, one, 100);
    kill(agent.pid, SIGTERM);
    put(fd, one + 100, strlen(one) - 100);
    expect_eof(fd);
    close(fd);
    ck_assert_int_eq(agent_wait(&agent), 0);
    expect_log("stopping; lines counted: 101, skipped: 0");
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    ck_assert_str_eq(db_ask(path, "SELECT sum(responses) FROM daily_summary"), "101");
    agent_fini(&agent);
    begin();
}
END_TEST

/* HAProxy 3.0 and 3.2 do not see another end of an idle connection. */
START_TEST(reset)
{
    static const int           signals[] = { SIGTERM, SIGKILL };
    struct sockaddr_in         sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct agent               other, spare;
    const char                *args[] = { "--log-listen", spare.address, NULL };
    const struct agent_options options = { .args = args };
    int                        code = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char                       byte;

    agent_init(&spare); /* for its port */
    agent_init(&other);
    agent_sql(&other, RULES);
    ck_assert_msg(agent_start(&other, &options, &code), "%s", agent_log(&other));
    sin.sin_port = htons((uint16_t)atoi(strchr(spare.address, ':') + 1));
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sin, sizeof sin), 0);
    /* What is not read would be reason for a reset. */
    put(fd, "5 hello", 7);
    ck_assert(agent_log_has(&other, "a line skipped"));
    kill(other.pid, signals[_i]);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    agent_wait(&other);
    agent_fini(&other);
    agent_fini(&spare);
    close(fd);
}
END_TEST

/* Nor does a peer that stays keep it. */
START_TEST(stopped_in_time)
{
    int fd = connect_feed();

    put(fd, "100 ", 4);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_log("connection closed: stopping");
    close(fd);
    agent_fini(&agent);
    begin();
}
END_TEST

START_TEST(addresses)
{
    static const char *const   wrong[] = { "nowhere", "", "127.0.0.1:0", "127.0.0.1" };
    struct agent               other;
    int                        code = 0;
    const char                *args[] = { "--log-listen", NULL, NULL };
    const struct agent_options options = { .args = args };

    agent_init(&other);
    agent_sql(&other, RULES);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        args[1] = wrong[i];
        ck_assert(!agent_start(&other, &options, &code));
        ck_assert_int_eq(code, 2);
        ck_assert_ptr_nonnull(strstr(agent_log(&other), "write an address and port such as"));
    }
    args[1] = feed_address;
    ck_assert(!agent_start(&other, &options, &code));
    ck_assert_int_eq(code, 2);
    ck_assert_ptr_nonnull(strstr(agent_log(&other), "Address already in use"));
    args[1] = "none";
    ck_assert(agent_start(&other, &options, &code));
    ck_assert_ptr_null(strstr(agent_log(&other), "log feed"));
    ck_assert_int_eq(agent_stop(&other), 0);
    agent_fini(&other);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, counted);
    tcase_add_test(cases, skipped);
    tcase_add_test(cases, without_log_format);
    tcase_add_loop_test(cases, bad_peer, 0, COUNT(faults));
    tcase_add_test(cases, cut_short);
    tcase_add_test(cases, many);
    tcase_add_test(cases, stopped);
    tcase_add_test(cases, stopped_in_time);
    tcase_add_loop_test(cases, reset, 0, 2);
    tcase_add_test(cases, addresses);
}

int main(void)
{
    return run_suite("log feed", add, NULL, NULL);
}
