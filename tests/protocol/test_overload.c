/* More questions at once than the agent can decide in time, for rules that take a millisecond each: health checks are
 * answered in between, and what has waited too long is answered with `late`, without a charge. */
#include "expect.h"

#include <signal.h>

#define CONNS 40
#define FEW   20 /* questions of a connection: some 0.8 s of work in all */
#define MOST  640

/* No index finds these, and each request is compared with all. */
static const char rules[] =
    "INSERT INTO rules(path, requests, period) VALUES ('*', 100000000, 2592000);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO rules(path, action)"
    "  SELECT '~(a|b)+x' || i || '(c|d)*y[0-9]+$', 'allow' FROM n";

static struct agent agent;
static int          fds[CONNS];

/* The same questions on all connections; the agent finds them together. */
static void flood(unsigned questions)
{
    static char bytes[MOST * 96];
    size_t      n = 0;

    for (unsigned i = 0; i < questions; i++)
        n += notify_put(bytes + n, sizeof bytes - n, i, 1, "path=/aaaaaaaaaaaaaaaaaaaa");
    kill(agent.pid, SIGSTOP);
    for (unsigned i = 0; i < CONNS; i++)
        say(fds[i], bytes, n);
    kill(agent.pid, SIGCONT);
}

/* How many were answered with `late`; all others with a verdict, each once and in order. */
static unsigned take_answers(unsigned questions)
{
    unsigned late = 0;

    for (unsigned i = 0; i < CONNS; i++) {
        for (unsigned k = 0; k < questions; k++) {
            expect_ack(fds[i]);
            ck_assert_uint_eq(reply.frame.stream_id, k);
            if (!has("late")) {
                expect_verdict("allow");
                continue;
            }
            ck_assert_uint_eq(reply.ack.n, 1);
            late++;
        }
    }
    return late;
}

/* Whether something has come for each connection. */
static bool all_begun(void)
{
    char byte;

    for (unsigned i = 0; i < CONNS; i++)
        if (recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 1)
            return false;
    return true;
}

static void start(void)
{
    agent_run(&agent, rules, (const char *const[]){ "--threads", "1", NULL });
    for (unsigned i = 0; i < CONNS; i++)
        fds[i] = opened(&agent);
}

static void end(void)
{
    for (unsigned i = 0; i < CONNS; i++)
        close(fds[i]);
    finish(&agent);
}

/* The agent is stopped when it has answered the check, and has not answered all else. This process might get no core for so
 * long in between that it has: then another try. */
START_TEST(health_check_overtakes)
{
    bool overtaken = false;

    start();
    for (int tries = 0; tries < 10 && !overtaken; tries++) {
        char byte;

        flood(FEW);
        for (unsigned i = 0; recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 1; i = (i + 1) % CONNS)
            usleep(100);
        expect_healthy(&agent);
        kill(agent.pid, SIGSTOP);
        overtaken = !all_begun();
        kill(agent.pid, SIGCONT);
        take_answers(FEW);
    }
    ck_assert_msg(overtaken, "the health check was answered last");
    end();
}
END_TEST

/* More and more at once, until it is too much for this machine. */
START_TEST(late)
{
    unsigned decided = 0, too_late = 0;

    start();
    for (unsigned questions = MOST / 16; questions <= MOST && too_late == 0; questions *= 2) {
        flood(questions);
        too_late = take_answers(questions);
        decided += CONNS * questions - too_late;
    }
    ck_assert_uint_gt(too_late, 0);
    ck_assert(agent_log_has(&agent, "overloaded"));
    ask_verdict(fds[0], "path=/", "allow");
    ck_assert_int_eq(number("remaining"), 100000000 - (int64_t)decided - 1);
    end();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, health_check_overtakes);
    tcase_add_test(cases, late);
}

int main(void)
{
    return run_suite("overload", add, NULL, NULL);
}
