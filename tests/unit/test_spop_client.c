/* The test client's own blocking parts: addresses, whole frames, deadlines. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/spop_client.h"
#include "spop/hello.h"

#define TIMEOUT_MS 180000

static int  ends[2];
static char buf[512];

static void pair_open(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void pair_close(void)
{
    close(ends[0]);
    close(ends[1]);
}

START_TEST(frames_come_one_by_one)
{
    struct spop_client_arg arg = SPOP_ARG_STR("path", "/");
    struct spop_frame      frame;
    size_t                 n = spop_client_notify_put(buf, sizeof buf, 1, 1, "a", &arg, 1);

    n += spop_client_notify_put(buf + n, sizeof buf - n, 2, 1, "b", &arg, 1);
    ck_assert(spop_client_send(ends[0], buf, n));
    ck_assert(spop_client_receive(ends[1], buf, sizeof buf, TIMEOUT_MS, &frame));
    ck_assert_uint_eq(frame.stream_id, 1);
    ck_assert(spop_client_receive(ends[1], buf, sizeof buf, TIMEOUT_MS, &frame));
    ck_assert_uint_eq(frame.stream_id, 2);
    ck_assert(!spop_client_receive(ends[1], buf, sizeof buf, 1, &frame));
    ck_assert_int_eq(errno, ETIMEDOUT);
}
END_TEST

/* 7 bytes, of which the last two are the ids. */
static const char whole_frame[11] = "\0\0\0\x07\x03\0\0\0\x01\x01\x01";

static const struct {
    const char *what;
    const char *bytes;
    size_t      n;
    size_t      cap;
    int         error;
} ends_badly[] = {
    { "closed", "", 0, 64, 0 },
    { "breaks off in the length", "\0\0", 2, 64, EPROTO },
    { "breaks off in the frame", "\0\0\0\x07\x03", 5, 64, EPROTO },
    { "malformed", "\0\0\0\x01\x03", 5, 64, EPROTO },
    { "above the room", whole_frame, sizeof whole_frame, sizeof whole_frame - 1, EPROTO },
    { "no room at all", "\0\0\0\x07", 4, 4, EPROTO },
};

START_TEST(what_ends_badly)
{
    struct spop_frame frame;

    ck_assert(spop_client_send(ends[0], ends_badly[_i].bytes, ends_badly[_i].n));
    shutdown(ends[0], SHUT_WR);
    ck_assert(!spop_client_receive(ends[1], buf, ends_badly[_i].cap, 1000, &frame));
    ck_assert_msg(errno == ends_badly[_i].error, "%s: errno %d", ends_badly[_i].what, errno);
}
END_TEST

/* An agent that accepts once and answers a HELLO, in two pieces, or with a DISCONNECT when told to. */
struct agent {
    int  listener;
    bool refuse;
};

static void *agent_run(void *arg)
{
    struct agent     *agent = arg;
    char              bytes[256];
    struct spop_frame frame;
    int               fd = accept(agent->listener, NULL, NULL);
    size_t            n;

    if (fd < 0 || !spop_client_receive(fd, bytes, sizeof bytes, TIMEOUT_MS, &frame))
        return NULL;
    n = agent->refuse ? spop_agent_disconnect_put(bytes, sizeof bytes, SPOP_STATUS_RESOURCE, NULL)
                      : spop_agent_hello_put(bytes, sizeof bytes, 16380, true);
    spop_client_send(fd, bytes, 6);
    usleep(1000);
    spop_client_send(fd, bytes + 6, n - 6);
    close(fd);
    return NULL;
}

/* Listens on loopback of that family, or on a path, and writes the address for the client to `address`. */
static int listen_on(int family, char *address, size_t n)
{
    struct sockaddr_storage ss = { .ss_family = (sa_family_t)family };
    struct sockaddr_in     *in = (struct sockaddr_in *)&ss;
    struct sockaddr_in6    *in6 = (struct sockaddr_in6 *)&ss;
    struct sockaddr_un     *un = (struct sockaddr_un *)&ss;
    socklen_t               size = sizeof ss;
    int                     fd = socket(family, SOCK_STREAM, 0);

    if (family == AF_UNIX) {
        size = sizeof *un;
        snprintf(un->sun_path, sizeof un->sun_path, "/tmp/test_spop_client.%d", (int)getpid());
        unlink(un->sun_path);
    } else if (family == AF_INET) {
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        in6->sin6_addr = in6addr_loopback;
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&ss, size) != 0)
        return -1;
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&ss, &size);
    if (family == AF_UNIX)
        snprintf(address, n, "unix:%s", un->sun_path);
    else if (family == AF_INET)
        snprintf(address, n, "127.0.0.1:%d", ntohs(in->sin_port));
    else
        snprintf(address, n, "[::1]:%d", ntohs(in6->sin6_port));
    return fd;
}

START_TEST(open_shakes_hands)
{
    static const int families[] = { AF_INET, AF_UNIX, AF_INET6 };
    char             address[192];
    struct agent     agent = { .refuse = _i >= 3 };
    pthread_t        thread;
    int              fd;

    agent.listener = listen_on(families[_i % 3], address, sizeof address);
    if (agent.listener < 0 && families[_i % 3] == AF_INET6)
        return; /* a machine without IPv6 */
    ck_assert_int_ge(agent.listener, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, agent_run, &agent), 0);
    fd = spop_client_open(address, &SPOP_CLIENT_HELLO, TIMEOUT_MS);
    ck_assert_msg((fd >= 0) == !agent.refuse, "%s: errno %d", address, errno);
    if (fd < 0)
        ck_assert_int_eq(errno, EPROTO);
    else
        close(fd);
    pthread_join(thread, NULL);
    close(agent.listener);
    if (strncmp(address, "unix:", 5) == 0)
        unlink(address + 5);
}
END_TEST

START_TEST(unusable_addresses)
{
    static const char *const addresses[] = { "", "9010", ":9010", "unix:/nonexistent/socket", "127.0.0.1:1" };

    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        ck_assert_msg(spop_client_connect(addresses[i]) == -1, "\"%s\"", addresses[i]);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("spop client");
    TCase   *pairs = tcase_create("socket pair"), *sockets = tcase_create("listeners");
    SRunner *runner;
    int      failed;

    tcase_add_checked_fixture(pairs, pair_open, pair_close);
    tcase_add_test(pairs, frames_come_one_by_one);
    tcase_add_loop_test(pairs, what_ends_badly, 0, (int)(sizeof ends_badly / sizeof ends_badly[0]));
    tcase_add_loop_test(sockets, open_shakes_hands, 0, 6);
    tcase_add_test(sockets, unusable_addresses);
    suite_add_tcase(suite, pairs);
    suite_add_tcase(suite, sockets);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
