/* Where the agent listens, and what it refuses to listen on. */
#include "expect.h"

#include <netinet/in.h>
#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;

static bool has_ipv6(void)
{
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int                 fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool                has = fd >= 0 && bind(fd, (struct sockaddr *)&sin6, sizeof sin6) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

START_TEST(several_addresses)
{
    const char *args[12] = { NULL };
    char        sockets[2][128], v6[32];
    struct stat st;

    agent_init(&agent);
    agent_sql(&agent, RULES);
    for (size_t i = 0; i < 2; i++) {
        snprintf(sockets[i], sizeof sockets[i], "unix:%s/%zu.sock", agent.dir, i);
        args[2 * i] = "--listen";
        args[2 * i + 1] = sockets[i];
    }
    snprintf(v6, sizeof v6, "[::1]:%s", strchr(agent.address, ':') + 1);
    if (has_ipv6()) {
        args[4] = "--listen";
        args[5] = v6;
    }
    int code = 0;

    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
    talk_to(agent.address);
    talk_to(sockets[0]);
    talk_to(sockets[1]);
    if (has_ipv6())
        talk_to(v6);
    ck_assert_int_eq(agent_stop(&agent), 0);
    for (size_t i = 0; i < 2; i++)
        ck_assert_msg(stat(sockets[i] + 5, &st) != 0, "%s is left behind", sockets[i]);
    agent_fini(&agent);
}
END_TEST

/* A killed agent leaves its socket file behind; the next start takes it over, but not from an agent that lives. */
START_TEST(stale_and_live_sockets)
{
    char                 address[128];
    const char *const    args[] = { "--listen", address, NULL };
    struct agent_options options = { .args = args, .own_address = true };
    struct agent         other;
    int                  code = 0;

    agent_init(&agent);
    snprintf(address, sizeof address, "unix:%s/spop.sock", agent.dir);
    agent_sql(&agent, RULES);
    ck_assert(agent_start(&agent, &options, &code));
    talk_to(address);

    /* `refuses` works on `agent`: the one that lives steps aside meanwhile. */
    other = agent;
    agent_init(&agent);
    refuses(&agent, &options, address);
    talk_to(address);
    agent_fini(&agent);
    agent = other;

    agent_kill(&agent);
    ck_assert_int_eq(access(address + 5, F_OK), 0);
    ck_assert_msg(agent_start(&agent, &options, &code), "%s", agent_log(&agent));
    talk_to(address);
    finish(&agent);
}
END_TEST

/* A new agent may have taken the path over while the old one still ran: it must not lose its socket then. */
START_TEST(a_successor_keeps_its_socket)
{
    char                 address[128];
    const char *const    args[] = { "--listen", address, NULL };
    struct agent_options options = { .args = args, .own_address = true };
    struct agent         successor;
    int                  code = 0;

    agent_init(&agent);
    agent_init(&successor);
    snprintf(address, sizeof address, "unix:%s/spop.sock", agent.dir);
    agent_sql(&successor, RULES);
    ck_assert(agent_start(&agent, &options, &code));
    unlink(address + 5);
    ck_assert(agent_start(&successor, &options, &code));
    talk_to(address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    talk_to(address);
    finish(&successor);
    agent_fini(&agent);
}
END_TEST

START_TEST(bad_addresses)
{
    static const char *const bad[] = {
        "9010",
        ":9010",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:-1",
        "127.0.0.1:+9010",
        "127.0.0.1: 9010",
        "127.0.0.1:9010x",
        "127.0.0.1:4294976306",
        "localhost:9010",
        "127.0.0.256:9010",
        "[::1]",
        "[::1]:",
        "::1:9010",
        "[::1:9010",
        "[127.0.0.1:9010",
        "[]:9010",
        "unix:",
        "192.0.2.1:9010",
        "unix:/nonexistent/dir/spop.sock",
        "unix:/tmp",
        "",
        ("a-name-that-is-long-a-name-that-is-long-a-name-that-is-long"
         "-a-name-that-is-long-a-name-that-is-long-a-name-that-is-long-a-name-that-is-long:9010"),
    };

    agent_init(&agent);
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(
            &agent,
            &(struct agent_options){ .args = (const char *const[]){ "--listen", bad[i], NULL }, .own_address = true },
            bad[i]);
    agent_fini(&agent);
}
END_TEST

START_TEST(addresses_that_are_taken)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof sin;
    char               address[32], file[128], long_path[140] = "unix:/tmp/";
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert(bind(fd, (struct sockaddr *)&sin, size) == 0 && listen(fd, 1) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
    agent_init(&agent);
    refuses(&agent,
            &(struct agent_options){ .args = (const char *const[]){ "--listen", address, NULL }, .own_address = true },
            address);
    close(fd);
    /* Twice the same. */
    refuses(&agent,
            &(struct agent_options){
                .args = (const char *const[]){ "--listen", agent.address, "--listen", agent.address, NULL },
                .own_address = true },
            agent.address);
    /* A file that is no socket is nobody's to remove. */
    agent_sql(&agent, "SELECT 1");
    snprintf(file, sizeof file, "unix:%s/rules.db", agent.dir);
    refuses(&agent,
            &(struct agent_options){ .args = (const char *const[]){ "--listen", file, NULL }, .own_address = true },
            file);
    ck_assert_int_eq(access(file + 5, F_OK), 0);
    memset(long_path + 10, 'x', sizeof long_path - 11);
    refuses(
        &agent,
        &(struct agent_options){ .args = (const char *const[]){ "--listen", long_path, NULL }, .own_address = true },
        long_path);
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, several_addresses);
    tcase_add_test(cases, stale_and_live_sockets);
    tcase_add_test(cases, a_successor_keeps_its_socket);
    tcase_add_test(cases, bad_addresses);
    tcase_add_test(cases, addresses_that_are_taken);
}

int main(void)
{
    return run_suite("listen", add, NULL, NULL);
}
