/* Bytes as a network and a hostile peer deliver them. */
#include "expect.h"

#include <poll.h>

#include "server/worker.h"

static const char rules[] = "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')";

static struct agent agent;

static void start(void)
{
    agent_run(&agent, rules, (const char *const[]){ "--threads", "2", NULL });
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

/* ---- pieces ---- */

/* Long enough for the agent to see the first piece by itself, mostly; right either way. */
static void say_in_two(int fd, const char *bytes, size_t n, size_t at)
{
    say(fd, bytes, at);
    usleep(300);
    say(fd, bytes + at, n - at);
}

START_TEST(hello_split_at_every_byte)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[512];
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);

    for (size_t at = 1; at < n; at++) {
        int fd = plain(&agent);

        say_in_two(fd, bytes, n, at);
        expect_frame(fd);
        ck_assert_uint_eq(reply.frame.type, SPOP_FRAME_AGENT_HELLO);
        close(fd);
    }
}
END_TEST

START_TEST(frames_split_at_every_byte)
{
    char   bytes[1024];
    size_t n = batch_put(bytes, sizeof bytes, 1, 3);
    int    fd = opened(&agent);

    for (size_t at = 1; at < n; at++) {
        say_in_two(fd, bytes, n, at);
        expect_batch(fd, 1, 3);
    }
    close(fd);
}
END_TEST

START_TEST(byte_by_byte)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[1024];
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);
    int                      fd = plain(&agent);

    n += batch_put(bytes + n, sizeof bytes - n, 1, 5);
    for (size_t i = 0; i < n; i++) {
        say(fd, bytes + i, 1);
        usleep(100);
    }
    expect_frame(fd);
    expect_batch(fd, 1, 5);
    close(fd);
}
END_TEST

/* Frames that end anywhere in the agent's reads, small ones among the longest. */
START_TEST(frames_of_all_lengths)
{
    static char bytes[FRAME_MAX + 1024], filler[FRAME_MAX];
    int         fd = opened(&agent);

    memset(filler, 'x', sizeof filler);
    for (unsigned i = 1; i <= 60; i++) {
        struct spop_client_arg args[] = { SPOP_ARG_STR("path", i % 2 == 1 ? "/denied" : "/"), { "x", { 0 } } };
        size_t                 n;

        args[1].value =
            (struct spop_value){ .type = SPOP_STRING, .text = { filler, FRAME_MAX - 50 - 1087 * (i % 60) } };
        n = spop_client_notify_put(bytes, sizeof bytes, i, 1, "check-request", args, 2);
        ck_assert_uint_gt(n, 0);
        say(fd, bytes, n);
        if (i % 3 == 0) {
            say(fd, bytes, batch_put(bytes, sizeof bytes, 1000, 5));
            expect_batch(fd, i - 2, 3);
            expect_batch(fd, 1000, 5);
        }
    }
    close(fd);
}
END_TEST

/* The frame that just fits, and one byte more. */
START_TEST(the_longest_frame)
{
    static char            bytes[FRAME_MAX + 1024], filler[FRAME_MAX + 8];
    struct spop_client_arg args[] = { SPOP_ARG_STR("path", "/denied"), { "x", { .type = SPOP_STRING } } };
    int                    fd = opened(&agent);
    size_t                 n;

    memset(filler, 'x', sizeof filler);
    args[1].value.text = (struct span){ filler, 60000 };
    n = spop_client_notify_put(bytes, sizeof bytes, 1, 1, "check-request", args, 2);
    args[1].value.text.n += FRAME_MAX + SPOP_PREFIX_SIZE - n;
    n = spop_client_notify_put(bytes, sizeof bytes, 1, 1, "check-request", args, 2);
    ck_assert_uint_eq(n, FRAME_MAX + SPOP_PREFIX_SIZE);
    for (int i = 0; i < 4; i++)
        say(fd, bytes, n);
    for (int i = 0; i < 4; i++) {
        expect_ack(fd);
        expect_verdict("deny");
    }
    args[1].value.text.n++;
    n = spop_client_notify_put(bytes, sizeof bytes, 1, 1, "check-request", args, 2);
    say(fd, bytes, n < 100 ? n : 100);
    expect_disconnect(fd, SPOP_STATUS_TOO_BIG);
}
END_TEST

/* ---- many at once ---- */

START_TEST(thousands_in_one_write)
{
    size_t cap = 2000 * 64, n;
    char  *bytes = malloc(cap);
    int    small = 16384, fd;

    n = batch_put(bytes, cap, 1, 2000);
    /* Once as it comes, once into a receive buffer that fills up. */
    for (int i = 0; i < 2; i++) {
        fd = opened(&agent);
        if (i == 1)
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        for (unsigned round = i; round < 3; round += 2) {
            say(fd, bytes, n);
            expect_batch(fd, 1, 2000);
        }
        close(fd);
    }
    free(bytes);
}
END_TEST

START_TEST(hundreds_of_connections)
{
    enum { N = 500 };
    static int               fds[N];
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[2048];
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);

    n += batch_put(bytes + n, sizeof bytes - n, 1, 7);
    for (size_t i = 0; i < N; i++)
        fds[i] = plain(&agent);
    for (size_t i = 0; i < N; i++)
        say(fds[i], bytes, n);
    for (size_t i = 0; i < N; i++) {
        expect_frame(fds[i]);
        ck_assert_uint_eq(reply.frame.type, SPOP_FRAME_AGENT_HELLO);
        expect_batch(fds[i], 1, 7);
    }
    /* Each second one goes without a word, some with a reset; the rest do not notice. */
    for (size_t i = 0; i < N; i += 2) {
        struct linger reset = { .l_onoff = 1 };

        if (i % 4 == 0)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fds[i]);
    }
    for (size_t i = 1; i < N; i += 2) {
        ask_verdict(fds[i], "path=/denied", "deny");
        close(fds[i]);
    }
}
END_TEST

/* ---- mutations ---- */

static uint64_t random_state = 0x9E3779B97F4A7C15u;

/* xorshift64: the same frames on every run. */
static unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

/* Changes some of the `n` bytes, which may become fewer or more. */
static size_t mutate(char *bytes, size_t n, size_t cap)
{
    static const unsigned char telling[] = { 0, 1, 0x0F, 0x7F, 0x80, 0xEF, 0xF0, 0xFF };
    unsigned                   from, to, run;

    for (unsigned i = 1 + random_below(4); i > 0 && n > 4; i--) {
        unsigned at = random_below((unsigned)n);

        switch (random_below(6)) {
        case 0:
            bytes[at] = (char)(bytes[at] ^ (1 << random_below(8)));
            break;
        case 1:
            bytes[at] = (char)telling[random_below(sizeof telling)];
            break;
        case 2:
            n = at + 1;
            break;
        case 3: /* the length */
            bytes[2 + random_below(2)] = (char)random_below(256);
            break;
        case 4: /* a run over another place */
            run = 1 + random_below(16);
            from = random_below((unsigned)n);
            to = random_below((unsigned)n);
            if (from + run <= n && to + run <= cap) {
                memmove(bytes + to, bytes + from, run);
                n = to + run > n ? to + run : n;
            }
            break;
        default: /* a varint that is long */
            run = random_below(12);
            if (at + run + 1 < cap) {
                memset(bytes + at, 0xFF, run);
                n = at + run > n ? at + run : n;
            }
        }
    }
    return n;
}

static size_t original_put(char *out, size_t cap)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;

    switch (random_below(5)) {
    case 0:
        return spop_client_hello_put(out, cap, &hello);
    case 1:
        return spop_client_disconnect_put(out, cap, random_below(15), "bye");
    default:
        return notify_put(out, cap, random_below(UINT32_MAX), 1,
                          "src=192.0.2.1 method=GET host=example.com path=/a/b?c n=5");
    }
}

START_TEST(mutated_frames)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[2048], drain[4096];
    int                      good = opened(&agent);

    for (unsigned i = 0; i < 3000; i++) {
        int    fd = plain(&agent);
        size_t n = 0;

        /* Before and after the handshake; several in a row; the end of the connection comes at any time. */
        if (random_below(4) != 0)
            n = spop_client_hello_put(bytes, sizeof bytes, &hello);
        for (unsigned frames = 1 + random_below(3); frames > 0; frames--) {
            size_t original = original_put(bytes + n, sizeof bytes - n);

            n += mutate(bytes + n, original, sizeof bytes - n);
        }
        say(fd, bytes, n);
        if (random_below(2) == 0) {
            struct pollfd pfd = { .fd = fd, .events = POLLIN };

            shutdown(fd, SHUT_WR);
            /* It answers or closes. */
            ck_assert_msg(poll(&pfd, 1, AGENT_PATIENCE_MS) == 1, "mutation %u: neither answered nor closed", i);
            recv(fd, drain, sizeof drain, MSG_DONTWAIT);
        }
        close(fd);
        if (i % 10 == 0)
            ask_verdict(good, i % 20 == 0 ? "path=/denied" : "path=/", i % 20 == 0 ? "deny" : "allow");
    }
    close(good);
}
END_TEST

/* A stream of noise after a good start, in long writes. */
START_TEST(noise)
{
    static char bytes[100000];
    int         good = opened(&agent);

    for (int i = 0; i < 50; i++) {
        int fd = opened(&agent);

        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)random_below(256);
        memcpy(bytes, "\0\0", 2);
        send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        close(fd);
        ask_verdict(good, "path=/denied", "deny");
    }
    close(good);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, NULL, others_are_served);
    tcase_add_test(cases, hello_split_at_every_byte);
    tcase_add_test(cases, frames_split_at_every_byte);
    tcase_add_test(cases, byte_by_byte);
    tcase_add_test(cases, frames_of_all_lengths);
    tcase_add_test(cases, the_longest_frame);
    tcase_add_test(cases, thousands_in_one_write);
    tcase_add_test(cases, hundreds_of_connections);
    tcase_add_test(cases, mutated_frames);
    tcase_add_test(cases, noise);
}

int main(void)
{
    return run_suite("wire", add, start, stop);
}
