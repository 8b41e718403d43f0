/* Sockets that are passed to the agent, as systemd's socket activation does, and what it tells systemd. */
#include "expect.h"

#include <fcntl.h>
#include <sys/un.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;

static int listening(const struct sockaddr *sa, socklen_t size)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_msg(fd >= 0 && bind(fd, sa, size) == 0 && listen(fd, 64) == 0, "%s", strerror(errno));
    return fd;
}

/* On a free port, which `address` then names. */
static int listening_tcp(char address[32])
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof sin;
    int                fd = listening((struct sockaddr *)&sin, sizeof sin);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
    snprintf(address, 32, "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
    return fd;
}

static int listening_unix(char address[128], const char *name)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    snprintf(address, 128, "unix:%s/%s", agent.dir, name);
    strcpy(sun.sun_path, address + 5);
    return listening((struct sockaddr *)&sun, sizeof sun);
}

/* Each is matched to its option whatever the order, the agent binds what was not passed, and a file that was passed
 * stays. */
START_TEST(matched_by_address)
{
    char              addresses[3][128];
    const char *const args[] = {
        "--listen", addresses[0], "--listen", addresses[1], "--log-listen", addresses[2], NULL
    };
    int fds[3], code = 0;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    fds[2] = listening_tcp(addresses[0]);
    fds[0] = listening_unix(addresses[1], "passed.sock");
    fds[1] = listening_unix(addresses[2], "feed.sock");
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args, .sockets = fds, .sockets_n = 3 }, &code),
                  "%s", agent_log(&agent));
    talk_to(addresses[0]);
    talk_to(addresses[1]);
    talk_to(agent.address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    ck_assert_int_eq(access(addresses[1] + 5, F_OK), 0);
    ck_assert_int_eq(access(addresses[2] + 5, F_OK), 0);
    /* Named no more: it says which. */
    for (int i = 0; i < 3; i++) {
        char named[sizeof addresses + 64];

        snprintf(named, sizeof named, "%s: a socket was passed", addresses[i == 2 ? 0 : i + 1]);
        refuses(&agent, &(struct agent_options){ .sockets = &fds[i], .sockets_n = 1 }, named);
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    agent_fini(&agent);
}
END_TEST

/* Who connects while no agent runs is served by the next one; so is who connects while the old one ends. */
START_TEST(who_connects_meanwhile_waits)
{
    char                     address[32], bytes[256];
    int                      passed = listening_tcp(address), fd, code = 0;
    const char *const        args[] = { "--listen", address, NULL };
    struct agent_options     options = { .args = args, .own_address = true, .sockets = &passed, .sockets_n = 1 };
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);

    agent_init(&agent);
    agent_sql(&agent, RULES);
    for (int kills = 0; kills < 2; kills++) {
        fd = spop_client_connect(address);
        ck_assert_int_ge(fd, 0);
        say(fd, bytes, n);
        ck_assert_msg(agent_start(&agent, &options, &code), "%s", agent_log(&agent));
        expect_frame(fd);
        ck_assert_uint_eq(reply.frame.type, SPOP_FRAME_AGENT_HELLO);
        ask_verdict(fd, "path=/denied", "deny");
        close(fd);
        if (kills == 0)
            agent_kill(&agent);
    }
    ck_assert_int_eq(agent_stop(&agent), 0);
    close(passed);
    agent_fini(&agent);
}
END_TEST

static void set_bad_number(void)
{
    setenv("LISTEN_FDS", "3 sockets", 1);
}
static void set_too_many(void)
{
    setenv("LISTEN_FDS", "65", 1);
}
static void set_one_more(void)
{
    setenv("LISTEN_FDS", "2", 1);
}
static void set_other_pid(void)
{
    setenv("LISTEN_PID", "1", 1);
}
static void set_no_pid(void)
{
    unsetenv("LISTEN_PID");
}

START_TEST(what_cannot_be_listened_on)
{
    char address[32];
    int  passed = listening_tcp(address),
        others[3] = { open("/dev/null", O_RDONLY | O_CLOEXEC), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
    const char *const    args[] = { "--listen", address, NULL };
    struct agent_options options = { .args = args, .own_address = true, .sockets = &passed, .sockets_n = 1 };

    agent_init(&agent);
    options.before_exec = set_bad_number;
    refuses(&agent, &options, "LISTEN_FDS");
    options.before_exec = set_too_many;
    refuses(&agent, &options, "LISTEN_FDS");
    options.before_exec = set_one_more; /* that is not open */
    refuses(&agent, &options, "descriptor 4");
    options.before_exec = NULL;
    for (size_t i = 0; i < COUNT(others); i++) {
        options.sockets = &others[i];
        refuses(&agent, &options, "descriptor 3");
        close(others[i]);
    }
    close(passed);
    agent_fini(&agent);
}
END_TEST

/* Variables that were meant for another process say nothing: the agent binds for itself. */
START_TEST(meant_for_another)
{
    void (*const others[])(void) = { set_other_pid, set_no_pid };
    char address[32];
    int  passed = listening_tcp(address), code = 0;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    for (size_t i = 0; i < COUNT(others); i++) {
        struct agent_options options = { .sockets = &passed, .sockets_n = 1, .before_exec = others[i] };

        ck_assert_msg(agent_start(&agent, &options, &code), "%s", agent_log(&agent));
        talk_to(agent.address);
        ck_assert_int_eq(agent_stop(&agent), 0);
    }
    close(passed);
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, matched_by_address);
    tcase_add_test(cases, who_connects_meanwhile_waits);
    tcase_add_test(cases, what_cannot_be_listened_on);
    tcase_add_test(cases, meant_for_another);
}

int main(void)
{
    return run_suite("passed", add, NULL, NULL);
}
