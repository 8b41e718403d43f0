/* SIGTERM: what was asked is answered, what is idle is told, and the end comes in time. */
#include "expect.h"

#include <poll.h>
#include <signal.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;

static void start(void)
{
    agent_run(&agent, RULES, (const char *const[]){ "--threads", "2", NULL });
}

static void ended_well(void)
{
    int code = agent_wait(&agent);

    ck_assert_msg(code == 0, "exit code %d: %s", code, agent_log(&agent));
    agent_fini(&agent);
}

START_TEST(nobody_connected)
{
    start();
    finish(&agent);
}
END_TEST

START_TEST(at_once)
{
    int code;

    /* Also while it is still starting: whatever it has begun by then. */
    for (int i = 0; i < 10; i++) {
        agent_init(&agent);
        agent_sql(&agent, RULES);
        agent_start(&agent, &(struct agent_options){ .no_stderr = true }, &code);
        usleep((useconds_t)i * 3000);
        kill(agent.pid, SIGTERM);
        code = agent_wait(&agent);
        ck_assert_msg(code == 0 || code == 128 + SIGTERM, "exit code %d", code);
        agent_fini(&agent);
    }
}
END_TEST

START_TEST(idle_connections_are_told)
{
    int fds[50], fresh;

    start();
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = opened(&agent);
        ask_verdict(fds[i], "path=/denied", "deny");
    }
    fresh = plain(&agent); /* said nothing yet */
    usleep(100000);
    kill(agent.pid, SIGTERM);
    for (size_t i = 0; i < COUNT(fds); i++)
        expect_disconnect(fds[i], SPOP_STATUS_NORMAL);
    expect_disconnect(fresh, SPOP_STATUS_NORMAL);
    ended_well();
}
END_TEST

START_TEST(sigint_too)
{
    int fd;

    start();
    fd = opened(&agent);
    kill(agent.pid, SIGINT);
    expect_disconnect(fd, SPOP_STATUS_NORMAL);
    ended_well();
}
END_TEST

START_TEST(what_was_asked_is_answered)
{
    char   bytes[64 * 1024];
    size_t n = 0;
    int    fds[20];

    start();
    for (size_t i = 0; i < 500; i++)
        n += notify_put(bytes + n, sizeof bytes - n, i, 1, "path=/denied");
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = opened(&agent);
    for (size_t i = 0; i < COUNT(fds); i++)
        say(fds[i], bytes, n);
    kill(agent.pid, SIGTERM);
    for (size_t i = 0; i < COUNT(fds); i++) {
        for (size_t j = 0; j < 500; j++) {
            expect_ack(fds[i]);
            expect_verdict("deny");
        }
        expect_disconnect(fds[i], SPOP_STATUS_NORMAL);
    }
    ended_well();
}
END_TEST

/* While it drains, a connection that asks is answered before it ends; new ones are not taken. */
START_TEST(busy_connections_are_answered)
{
    char bytes[256];
    int  fd, asked = 0;

    start();
    fd = opened(&agent);
    kill(agent.pid, SIGTERM);
    ck_assert(agent_log_has(&agent, "stopping"));
    for (;; asked++) {
        size_t n = notify_put(bytes, sizeof bytes, 1, 1, "path=/denied");

        if (!spop_client_send(fd, bytes, n) ||
            !spop_client_receive(fd, reply.bytes, sizeof reply.bytes, AGENT_PATIENCE_MS, &reply.frame) ||
            !spop_client_ack_parse(&reply.frame, &reply.ack))
            break;
        expect_verdict("deny");
        usleep(2000);
    }
    ck_assert_int_gt(asked, 0);
    close(fd);
    ended_well();
}
END_TEST

static void stall(int fd)
{
    char          bytes[32 * 1024];
    size_t        n = 0, total = 0;
    int           small = 4096;
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (size_t i = 0; i < 500; i++)
        n += notify_put(bytes + n, sizeof bytes - n, i, 1, "path=/denied");
    while (poll(&pfd, 1, 200) == 1) {
        ssize_t sent = send(fd, bytes + total % n, n - total % n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent <= 0)
            break;
        total += (size_t)sent;
    }
}

/* Peers that do not read, that stopped in the middle of a frame, that say nothing or noise, do not keep it from
 * ending. */
START_TEST(stalled_peers)
{
    int stalled, half, other;

    start();
    stalled = opened(&agent);
    stall(stalled);
    half = opened(&agent);
    say(half, "\0\0\x10\0\x03", 5);
    other = opened(&agent);
    kill(agent.pid, SIGTERM);
    expect_disconnect(other, SPOP_STATUS_NORMAL);
    ended_well();
    close(stalled);
    close(half);
}
END_TEST

/* Connections come in as it goes. */
START_TEST(amid_a_storm)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[256];
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);
    int                      opened_n = 0;

    start();
    for (int i = 0; i < 3000; i++) {
        int fd = spop_client_connect(agent.address);

        if (i == 300)
            kill(agent.pid, SIGTERM);
        if (fd < 0) {
            ck_assert_int_ge(i, 300);
            break;
        }
        opened_n++;
        spop_client_send(fd, bytes, i % 2 == 0 ? n : n / 2);
        close(fd);
    }
    ck_assert_int_ge(opened_n, 300);
    ended_well();
}
END_TEST

/* While the rules are locked or being taken over. */
START_TEST(amid_a_reload)
{
    for (int i = 0; i < 3; i++) {
        start();
        agent_sql(&agent, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                          " INSERT INTO rules(path, action) SELECT '/p' || i, 'deny' FROM n");
        usleep(100000 * (useconds_t)i);
        finish(&agent);
    }
}
END_TEST

/* The signal waits, blocked, for the agent. */
static void term_myself(void)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    raise(SIGTERM);
}

/* SIGHUP and SIGTERM at the same time: the agent takes up the reload first and hears of the end while that is under way.
 * It gives up what it has begun, for 100,000 rules much more than it takes to hear the signal. */
START_TEST(a_reload_hears_it)
{
    start();
    kill(agent.pid, SIGSTOP);
    agent_sql(&agent, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                      " INSERT INTO rules(path, action) SELECT '~^/p' || i || '/[a-z]+$', 'deny' FROM n");
    kill(agent.pid, SIGHUP);
    kill(agent.pid, SIGTERM);
    kill(agent.pid, SIGCONT);
    ck_assert_int_eq(agent_wait(&agent), 0);
    ck_assert_ptr_nonnull(strstr(agent_log(&agent), "stopping: Terminated"));
    ck_assert_ptr_null(strstr(agent_log(&agent), "100001 rules in force"));
    ck_assert_ptr_null(strstr(agent_log(&agent), "not taken over"));
    agent_fini(&agent);
}
END_TEST

/* The same before it serves anybody. */
START_TEST(the_start_hears_it)
{
    int code;

    agent_init(&agent);
    agent_sql(&agent, "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                      " INSERT INTO rules(path, action) SELECT '~^/p' || i || '/[a-z]+$', 'deny' FROM n; COMMIT");
    ck_assert(!agent_start(&agent, &(struct agent_options){ .before_exec = term_myself }, &code));
    ck_assert_int_eq(code, 0);
    ck_assert_ptr_nonnull(strstr(agent_log(&agent), "stopping: Terminated"));
    ck_assert_ptr_null(strstr(agent_log(&agent), "rules in force"));
    agent_fini(&agent);
}
END_TEST

/* Signals that mean nothing to it. */
START_TEST(other_signals)
{
    static const int others[] = { SIGUSR1, SIGUSR2, SIGPIPE,   SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
                                  SIGPWR,  SIGXFSZ, SIGSTKFLT, SIGURG,  SIGWINCH,  SIGCHLD, SIGCONT };
    int              fd;

    start();
    fd = opened(&agent);
    for (size_t i = 0; i < COUNT(others); i++) {
        kill(agent.pid, others[i]);
        ask_verdict(fd, "path=/denied", "deny");
    }
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
        kill(agent.pid, i);
    ask_verdict(fd, "path=/denied", "deny");
    close(fd);
    finish(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, nobody_connected);
    tcase_add_test(cases, at_once);
    tcase_add_test(cases, idle_connections_are_told);
    tcase_add_test(cases, sigint_too);
    tcase_add_test(cases, what_was_asked_is_answered);
    tcase_add_test(cases, busy_connections_are_answered);
    tcase_add_test(cases, stalled_peers);
    tcase_add_test(cases, amid_a_storm);
    tcase_add_test(cases, amid_a_reload);
    tcase_add_test(cases, a_reload_hears_it);
    tcase_add_test(cases, the_start_hears_it);
    tcase_add_test(cases, other_signals);
}

int main(void)
{
    return run_suite("stop", add, NULL, NULL);
}
