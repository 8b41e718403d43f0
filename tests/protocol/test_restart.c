/* What has been used up stays used up: over a stop, over kill -9. */
#include "restart.h"

#include <poll.h>

#include "lib/random.h"

/* 40 of 50 are used, then a restart and the rest, then a kill. */
static void used_up_stays(const char *const *arguments)
{
    start(arguments);
    ck_assert_int_eq(passing("path=/fifty", 40), 40);
    restart(false, arguments);
    ck_assert_int_eq(passing("path=/fifty", 20), 10);
    restart(true, arguments);
    ck_assert_int_eq(passing("path=/fifty", 5), 0);
    restart(true, arguments);
    restart(false, arguments);
    ck_assert_int_eq(passing("path=/fifty", 5), 0);
}

START_TEST(used_up_stays_used_up)
{
    init();
    used_up_stays(two_threads);
    finish(&agent);
}
END_TEST

START_TEST(in_another_directory)
{
    static const char *const places[] = { "/tmp/spoa-rules-test-XXXXXX", "/dev/shm/spoa-rules-test-XXXXXX" };
    const char *const        arguments[] = { "--runtime", other_dir, NULL };

    init();
    strcpy(other_dir, places[_i]);
    ck_assert_ptr_nonnull(mkdtemp(other_dir));
    start(arguments);
    ck_assert_int_eq(access(path_of(other_dir, "counters.live"), F_OK), 0);
    ck_assert_int_ne(access(path_of(agent.dir, "counters.live"), F_OK), 0);
    stop();
    used_up_stays(arguments);
    finish(&agent);
    unlink(path_of(other_dir, "agent.lock"));
    ck_assert_int_eq(rmdir(other_dir), 0); /* a live file is not left behind */
}
END_TEST

START_TEST(bans_stay)
{
    char attributes[64];

    init();
    start(two_threads);
    for (int round = 0; round < 4; round++) {
        snprintf(attributes, sizeof attributes, "path=/ban src=192.0.2.%d", round);
        ck_assert_int_eq(passing(attributes, 3), 1);
        usleep(1100000); /* the limit is a second's; only the ban is left */
        restart(round % 2 == 0, two_threads);
        for (int i = 0; i <= round; i++) {
            snprintf(attributes, sizeof attributes, "path=/ban src=192.0.2.%d", i);
            ck_assert_int_eq(passing(attributes, 1), 0);
        }
    }
    finish(&agent);
}
END_TEST

/* The number of counters may change; a smaller table keeps who is at a limit. */
START_TEST(another_size)
{
    static const char *const sizes[] = { "100", "100000", "20", "1000000", "50" };
    char                     attributes[64];
    int                      fd;

    init();
    start((const char *const[]){ "--max-counters", sizes[0], NULL });
    for (int i = 0; i < 10; i++) {
        snprintf(attributes, sizeof attributes, "path=/each src=192.0.2.%d", i);
        ck_assert_int_eq(passing(attributes, 4), 3);
    }
    fd = opened(&agent);
    for (int i = 0; i < 50; i++) {
        snprintf(attributes, sizeof attributes, "path=/each src=198.51.100.%d", i);
        ask_verdict(fd, attributes, "allow");
    }
    close(fd);
    for (size_t size = 1; size < COUNT(sizes); size++) {
        restart(size % 2 == 0, (const char *const[]){ "--max-counters", sizes[size], NULL });
        for (int i = 0; i < 10; i++) {
            snprintf(attributes, sizeof attributes, "path=/each src=192.0.2.%d", i);
            ck_assert_int_eq(passing(attributes, 1), 0);
        }
    }
    finish(&agent);
}
END_TEST

/* ---- killed under load ---- */

enum { CONNECTIONS = 6, KILLS = 20, LOAD_LIMIT = 60000 };

/* Takes the whole frames out of what was received, and returns how many of them allow. */
static int take_acks(char *bytes, size_t *held)
{
    struct span              in = { bytes, *held };
    struct spop_frame        frame;
    struct spop_client_ack   ack;
    const struct spop_value *verdict;
    int                      allowed = 0;

    while (spop_frame_next(&in, 16384, &frame) == SPOP_NEXT_FRAME) {
        ck_assert(spop_client_ack_parse(&frame, &ack) && (verdict = spop_client_ack_find(&ack, "verdict")) != NULL);
        allowed += span_eq(verdict->text, span_of("allow"));
    }
    memmove(bytes, in.p, in.n);
    *held = in.n;
    return allowed;
}

/* Sends and receives without waiting for either, until the agent is gone; counts `allow`. */
static int load_until_killed(int64_t kill_at_ms)
{
    char          bytes[256], in[CONNECTIONS][32 * 1024];
    size_t        n = notify_put(bytes, sizeof bytes, 1, 1, "path=/load"), held[CONNECTIONS] = { 0 };
    struct pollfd fds[CONNECTIONS];
    int           allowed = 0, open_n = CONNECTIONS;
    bool          killed = false, whole[CONNECTIONS];

    memset(whole, true, sizeof whole);
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = (struct pollfd){ .fd = opened(&agent), .events = POLLIN };
    while (open_n > 0) {
        if (!killed && clock_ms() >= kill_at_ms) {
            agent_kill(&agent);
            killed = true; /* what it had sent is still read */
        }
        for (int i = 0; i < CONNECTIONS && !killed; i++)
            for (int k = 0; k < 20; k++)
                if (!whole[i] || send(fds[i].fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
                    whole[i] = false; /* it says nothing more */
        poll(fds, CONNECTIONS, 1);
        for (int i = 0; i < CONNECTIONS; i++) {
            ssize_t got = fds[i].fd < 0 ? 0 : recv(fds[i].fd, in[i] + held[i], sizeof in[i] - held[i], MSG_DONTWAIT);

            if (fds[i].fd < 0 || (got < 0 && errno == EAGAIN))
                continue;
            if (got <= 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                open_n--;
                continue;
            }
            held[i] += (size_t)got;
            allowed += take_acks(in[i], &held[i]);
        }
    }
    return allowed;
}

START_TEST(killed_under_load)
{
    struct random random = { 1 };
    int           allowed = 0, last;

    init();
    agent_sql(&agent, "INSERT INTO rules(path, requests, period) VALUES ('/load', 60000, 86400)");
    for (int kills = 0; kills < KILLS; kills++) {
        start(two_threads);
        allowed += load_until_killed(clock_ms() + random_below(&random, 60));
        ck_assert_int_le(allowed, LOAD_LIMIT);
    }
    /* What was charged and not answered is lost, no more: at most what is under way at each kill. */
    start(two_threads);
    ck_assert_int_gt(allowed, 1000);
    last = passing("path=/load", LOAD_LIMIT + 1 - allowed);
    ck_assert_int_le(allowed + last, LOAD_LIMIT);
    ck_assert_int_eq(passing("path=/load", 1), 0);
    finish(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, used_up_stays_used_up);
    tcase_add_loop_test(cases, in_another_directory, 0, 2);
    tcase_add_test(cases, bans_stay);
    tcase_add_test(cases, another_size);
    tcase_add_test(cases, killed_under_load);
}

int main(void)
{
    return run_suite("restart", add, NULL, NULL);
}
