/* Peers that take their time, and how long the agent goes along. */
#include "expect.h"

#include <poll.h>

static const char rules[] = "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')";

static struct agent agent;

static char socket_address[64];

static void start(void)
{
    int code;

    agent_init(&agent);
    agent_sql(&agent, rules);
    snprintf(socket_address, sizeof socket_address, "unix:%.50s/sock", agent.dir);
    if (!agent_start(&agent,
                     &(struct agent_options){
                         .args = (const char *const[]){ "--threads", "2", "--listen", socket_address, NULL } },
                     &code)) {
        fputs(agent_log(&agent), stderr);
        exit(1);
    }
}

static int stop(void)
{
    return ends_badly(&agent);
}

static void others_are_served(void)
{
    int fd = opened(&agent);

    ask_verdict(fd, "path=/", "allow");
    ask_verdict(fd, "path=/denied", "deny");
    close(fd);
}

/* Receive buffers stay as they are: the kernel throws away what a buffer that shrinks has no room for, and takes it when it
 * is sent again, seconds later. That is progress, for which the agent waits on.
 *
 * Sends, from `total` on in the endless repetition of `bytes`, until nothing is taken for `wait_ms`; the new total. */
static size_t stuff(int fd, const char *bytes, size_t n, size_t total, int wait_ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };

    while (poll(&pfd, 1, wait_ms) == 1) {
        ssize_t sent = send(fd, bytes + total % n, n - total % n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent <= 0)
            break;
        total += (size_t)sent;
        ck_assert_uint_lt(total, 256u << 20);
    }
    return total;
}

#define UNKNOWN_FRAME "\0\0\0\x07\x2A\0\0\0\x01\x01\x01"

/* All that may wait, waits at once: peers that say no HELLO, never end a frame, do not read. */
enum { SILENT, CHATTY, BROKEN, DRIPPING, STALLED, WAITING = STALLED + 10 };

static void open_waiting(int *fds, size_t *stuffed, const char *batch, size_t batch_n)
{
    for (int i = SILENT; i <= BROKEN; i++)
        fds[i] = plain(&agent);
    say(fds[BROKEN], "\0\0\0\x50\x01\0", 6);
    fds[DRIPPING] = opened(&agent);
    say(fds[DRIPPING], "\0\0\xF0\0\x03\0\0\0\x01\x01\x01", 11);
    for (int i = STALLED; i < WAITING; i++) {
        fds[i] = opened(&agent);
        stuffed[i] = stuff(fds[i], batch, batch_n, 0, 200);
    }
}

/* Says a little on those that drip; true when it was closed meanwhile. */
static bool is_closed(int fd, int which)
{
    struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };

    if (which == DRIPPING)
        send(fd, "x", 1, MSG_NOSIGNAL);
    if (which == CHATTY)
        send(fd, UNKNOWN_FRAME, sizeof UNKNOWN_FRAME - 1, MSG_NOSIGNAL);
    return poll(&pfd, 1, 0) == 1;
}

START_TEST(patience_ends)
{
    size_t cap = 1000 * 64, n;
    char  *bytes = malloc(cap);
    int    fds[WAITING], good = opened(&agent), closed = 0;
    size_t stuffed[WAITING];
    bool   gone[WAITING] = { false };
    long   before_kb = agent_rss_kb(&agent), cpu_ms;

    n = batch_put(bytes, cap, 0, 1000);
    open_waiting(fds, stuffed, bytes, n);
    /* 128 kB of answers and as much of questions on each that stalls; sanitizers keep what was freed for a while. */
    if (!with_sanitizer())
        ck_assert_int_lt(agent_rss_kb(&agent) - before_kb, (WAITING - STALLED) * 300 + 2000);
    cpu_ms = agent_cpu_ms(&agent);
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS; closed < WAITING && clock_ms() < end; usleep(20000)) {
        ask_verdict(good, "path=/denied", "deny");
        for (int i = 0; i < WAITING; i++) {
            if (gone[i])
                continue;
            /* An agent that was slow for a moment may only now have taken what was there, and be owed nothing. */
            if (i >= STALLED)
                stuffed[i] = stuff(fds[i], bytes, n, stuffed[i], 0);
            if (!is_closed(fds[i], i))
                continue;
            gone[i] = true;
            closed++;
            if (i == SILENT || i == BROKEN)
                expect_disconnect(fds[i], SPOP_STATUS_TIMEOUT);
            else
                close(fds[i]);
        }
    }
    for (int i = 0; i < WAITING; i++)
        ck_assert_msg(gone[i], "connection %d is still open", i);
    /* Waiting costs nothing: it does not turn round and round over sockets that take no byte. */
    ck_assert_int_lt(agent_cpu_ms(&agent) - cpu_ms, 5000);
    ck_assert(agent_log_has(&agent, "did not read its answers in time"));
    ask_verdict(good, "path=/denied", "deny");
    free(bytes);
    close(good);
}
END_TEST

/* One that reads late, but in time, loses nothing. */
START_TEST(a_peer_that_reads_late)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    size_t                   cap = 1000 * 64, n, total;
    char                    *bytes = malloc(cap);
    int                      fd = spop_client_open(socket_address, &hello, AGENT_PATIENCE_MS);

    ck_assert_int_ge(fd, 0);
    n = batch_put(bytes, cap, 0, 1000);
    total = stuff(fd, bytes, n, 0, 200);
    /* As many answers as whole frames went out; the last may hang over. */
    for (size_t sent = 0, i = 0;; i++) {
        struct span in = { bytes + sent % n, n - sent % n };

        sent += spop_frame_size(in);
        if (sent > total)
            break;
        expect_ack(fd);
        ck_assert_uint_eq(reply.frame.stream_id, i % 1000);
    }
    close(fd);
    free(bytes);
}
END_TEST

/* Stalled peers that vanish are noticed, whichever way they go. */
START_TEST(stalled_peers_that_vanish)
{
    size_t        cap = 1000 * 64, n;
    char         *bytes = malloc(cap);
    struct linger reset = { .l_onoff = 1 };

    n = batch_put(bytes, cap, 0, 1000);
    for (int i = 0; i < 6; i++) {
        int fd = opened(&agent);

        stuff(fd, bytes, n, 0, 200);
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    free(bytes);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, NULL, others_are_served);
    tcase_add_test(cases, patience_ends);
    tcase_add_test(cases, a_peer_that_reads_late);
    tcase_add_test(cases, stalled_peers_that_vanish);
}

int main(void)
{
    return run_suite("patience", add, start, stop);
}
