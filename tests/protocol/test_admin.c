/* --admin-listen: who is heard there, what the running agent says of a request, and what it forgets when it is told. */
#include "http.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define LIMIT "INSERT INTO rules(id, per, requests, period, ban) VALUES (7, 'src', 2, 3600, 600)"

/* ---- where it listens ---- */

START_TEST(local_addresses_only)
{
    static const char *const bad[] = {
        "0.0.0.0:9012",
        "192.0.2.1:9012",
        "[::]:9012",
        "[::ffff:127.0.0.1]:9012",
        "[2001:db8::1]:9012",
        "9012",
        "127.0.0.1:0",
        "localhost:9012",
        "127.0.0.1:9012x",
        "unix:",
        "",
        "none",
    };

    agent_init(&agent);
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(&agent, &(struct agent_options){ .args = (const char *const[]){ "--admin-listen", bad[i], NULL } },
                bad[i]);
    agent_fini(&agent);
}
END_TEST

/* The same port on another loopback address is as free as the first. */
START_TEST(over_tcp)
{
    char        address[64], host[128];
    const char *args[] = { "--admin-listen", address, NULL };
    int         code = 0;

    agent_init(&agent);
    agent_sql(&agent, LIMIT);
    snprintf(address, sizeof address, "127.0.0.77:%s", strchr(agent.address, ':') + 1);
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args }, &code), "%s", agent_log(&agent));
    strcpy(admin_address, address);
    get("/healthz");
    ck_assert_str_eq(answer.body, "ok\n");
    snprintf(host, sizeof host, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", address);
    http_raw(host, strlen(host));
    expect_answer(200, "ok");
    finish(&agent);
}
END_TEST

START_TEST(socket_is_removed)
{
    start_admin(LIMIT, NULL);
    ck_assert_int_eq(access(admin_address + 5, F_OK), 0);
    ck_assert_int_eq(agent_stop(&agent), 0);
    ck_assert_int_ne(access(admin_address + 5, F_OK), 0);
    agent_fini(&agent);
}
END_TEST

/* ---- who is heard ---- */

static void expect_raw(const char *request, int status)
{
    http_raw(request, strlen(request));
    ck_assert_msg(answer.status == status, "%.200s: %.200s", request, answer.bytes);
}

START_TEST(pages_and_methods)
{
    start_admin(LIMIT, NULL);
    http("HEAD", "/healthz", "");
    ck_assert(answer.status == 200 && *answer.body == '\0');
    ck_assert(strstr(answer.bytes, "Content-Length: 3") != NULL);
    http("HEAD", "/metrics", "");
    ck_assert(answer.status == 200 && *answer.body == '\0');
    http("GET", "/", "");
    expect_answer(404, "/healthz");
    http("GET", "/metrics/", "");
    expect_answer(404, "");
    http("GET", "/rules/7/ban/x", "");
    expect_answer(404, "");
    http("DELETE", "/rules/-7/ban?src=192.0.2.1", "");
    expect_answer(404, "");
    http("DELETE", "/rules/99999999999999999999/ban?src=192.0.2.1", "");
    expect_answer(404, "");
    http("POST", "/metrics", "Content-Length: 5\r\n");
    expect_answer(405, "GET");
    http("BREW", "/healthz", "");
    expect_answer(405, "GET");
    http("GET", "/rules/7/ban?src=192.0.2.1", "");
    expect_answer(405, "DELETE");
    ck_assert(strstr(answer.bytes, "Allow: DELETE\r\n") != NULL);
    expect_raw("GET /healthz HTTP/1.0\r\n\r\n", 200); /* as HAProxy's health check asks */
    finish(&agent);
}
END_TEST

/* A name that its owner points at this machine, and a page of another site: both are in a browser of ours. */
START_TEST(browsers)
{
    static const char *const hosts[] = { "evil.example", "127.0.0.1.evil.example", "192.0.2.1", "localhost.",
                                         "[::2]:1",      "127.0.0.1@evil.example", "" };
    static const char *const ours[] = {
        "localhost", "LOCALHOST:9012", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:9012"
    };
    char request[256];

    start_admin(LIMIT, NULL);
    for (size_t i = 0; i < COUNT(hosts); i++) {
        snprintf(request, sizeof request, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        expect_raw(request, 403);
    }
    for (size_t i = 0; i < COUNT(ours); i++) {
        snprintf(request, sizeof request, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", ours[i]);
        expect_raw(request, 200);
    }
    http("DELETE", "/rules/7/counter?src=192.0.2.1", "Origin: http://evil.example\r\n");
    expect_answer(403, "Origin");
    http("DELETE", "/rules/7/counter?src=192.0.2.1", "Origin: null\r\n");
    expect_answer(403, "Origin");
    http("OPTIONS", "/rules/7/counter", "Origin: http://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n");
    expect_answer(405, "DELETE");
    ck_assert(strstr(answer.bytes, "Access-Control") == NULL);
    finish(&agent);
}
END_TEST

/* Nothing of it is answered with 200, and the agent is there afterwards, for this peer and for HAProxy. */
START_TEST(hostile_requests)
{
    static const char *const requests[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "GET /explain?src HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /explain?=x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    static char large[200000];
    int         fd;

    start_admin(LIMIT, NULL);
    for (size_t i = 0; i < COUNT(requests); i++) {
        int fd_i = connect_admin();

        say(fd_i, requests[i], strlen(requests[i]));
        shutdown(fd_i, SHUT_WR);
        read_answer(fd_i);
        ck_assert_msg(answer.status != 200, "%zu: %.200s", i, answer.bytes);
    }
    /* Too much of everything: of a header, of a path, of arguments. */
    memset(large, 'x', sizeof large);
    memcpy(large, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", 43);
    http_raw(large, sizeof large);
    ck_assert_int_ne(answer.status, 200);
    memset(large, 'x', sizeof large);
    memcpy(large, "GET /", 5);
    http_raw(large, sizeof large);
    ck_assert_int_ne(answer.status, 200);
    strcpy(large, "GET /explain?");
    for (int i = 0; i < 65; i++)
        sprintf(large + strlen(large), "a%d=1&", i);
    strcat(large, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    http_raw(large, strlen(large));
    expect_answer(400, "64");

    get("/healthz");
    fd = opened(&agent);
    ask_verdict(fd, "src=192.0.2.1", "allow");
    close(fd);
    finish(&agent);
}
END_TEST

/* Peers that say nothing take the places of others, but not HAProxy's, nor for good. */
START_TEST(silent_peers)
{
    int silent[20], fd; /* more than there are places */

    start_admin(LIMIT, NULL);
    for (size_t i = 0; i < COUNT(silent); i++) {
        silent[i] = connect_admin();
        say(silent[i], "GET /hea", 8);
    }
    fd = opened(&agent);
    ask_verdict(fd, "src=192.0.2.1", "allow");
    get("/healthz"); /* when the first of them have been given up */
    for (size_t i = 0; i < COUNT(silent); i++)
        close(silent[i]);
    close(fd);
    finish(&agent);
}
END_TEST

/* ---- health ---- */

/* The number of the thread of that name. */
static pid_t thread_of(const char *name)
{
    char                 path[300], comm[32] = "";
    DIR                 *tasks;
    const struct dirent *entry;
    pid_t                found = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)agent.pid);
    tasks = opendir(path);
    ck_assert(tasks != NULL);
    while (found == 0 && (entry = readdir(tasks)) != NULL) {
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)agent.pid, entry->d_name);
        file = fopen(path, "r");
        if (file != NULL && fgets(comm, sizeof comm, file) != NULL) {
            comm[strcspn(comm, "\n")] = '\0';
            found = strcmp(comm, name) == 0 ? (pid_t)atoi(entry->d_name) : 0;
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    ck_assert_int_gt(found, 0);
    return found;
}

/* A debugger's means: only this thread stands still. */
START_TEST(a_worker_that_stands_still)
{
    pid_t worker;
    int   state;

    start_admin(LIMIT, NULL);
    get("/healthz");
    ck_assert_str_eq(answer.body, "ok\n");
    worker = thread_of("spoa-worker-0");
    if (ptrace(PTRACE_SEIZE, worker, NULL, NULL) != 0) {
        fprintf(stderr, "health: not tested with a worker that stands still: no thread may be stopped here: %s\n",
                strerror(errno));
        finish(&agent);
        return;
    }
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, worker, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(worker, &state, __WALL), worker);
    http("GET", "/healthz", "");
    expect_answer(503, "worker 1");
    get("/metrics");
    ck_assert_int_eq(ptrace(PTRACE_DETACH, worker, NULL, NULL), 0);
    get("/healthz");
    ck_assert_str_eq(answer.body, "ok\n");
    finish(&agent);
}
END_TEST

/* ---- live questions ---- */

static void expect_words(const char *target, const char *const *words)
{
    get(target);
    for (; *words != NULL; words++)
        ck_assert_msg(strstr(answer.body, *words) != NULL, "no '%s' in: %s", *words, answer.body);
}

#define expect_explained(target, ...) expect_words(target, (const char *const[]){ __VA_ARGS__, NULL })

START_TEST(before_and_after)
{
    int fd;

    start_admin(LIMIT ", (8, 'src,path', 5, 3600, NULL)", NULL);
    fd = opened(&agent);
    for (int i = 0; i < 3; i++) /* none of which counts */
        expect_explained("/explain?src=192.0.2.1&path=%2Fa%2f%2Fb", "path       /a/b\n",
                         "rule 7 (priority 100): limit of 2",
                         "counted under src=192.0.2.1\n         now: 0 of 2 used\n",
                         "counted under src=192.0.2.1, path=/a/b\n         now: 0 of 5 used\n", "verdict now: allow");
    ask_verdict(fd, "src=192.0.2.1 path=/a/b", "allow");
    expect_explained("/explain?src=192.0.2.1&path=/a/b", "now: 1 of 2 used, 1 left; all in 36",
                     "now: 1 of 5 used, 4 left", "verdict now: allow (rule 7)");
    ask_verdict(fd, "src=192.0.2.1 path=/a/b", "allow");
    expect_explained("/explain?src=192.0.2.1&path=/a/b", "now: 2 of 2 used, none left; the next one passes in 36",
                     "now: 2 of 5 used, 3 left", "verdict now: deny with 429 (rule 7), retry after 36");
    ask_verdict(fd, "src=192.0.2.1 path=/a/b", "deny");
    expect_explained("/explain?src=192.0.2.1&path=/other", "now: banned for ", "now: 0 of 5 used", "verdict now: deny");
    expect_explained("/explain?src=192.0.2.2&nosuch=1", "note: no rule uses the attribute 'nosuch'",
                     "now: 0 of 2 used");
    /* As HAProxy's spelling of the same client is counted. */
    expect_explained("/explain?src=::ffff:192.0.2.1", "now: banned for ");
    expect_metric("decisions_total{verdict=\"allow\"}", 2);
    expect_value("decisions_total{verdict=\"deny\"}", 1);
    expect_value("bans", 1);
    close(fd);
    finish(&agent);
}
END_TEST

static void delete (const char *target, int status, const char *words)
{
    http("DELETE", target, "");
    expect_answer(status, words);
}

START_TEST(let_him_in)
{
    int fd;

    start_admin(LIMIT ", (8, 'api_key', 1, 3600, 600); INSERT INTO rules(id, path, action) VALUES (9, '/no', 'deny');"
                      "INSERT INTO rules(id, path, requests, period) VALUES (10, '/all', 1, 3600)",
                NULL);
    fd = opened(&agent);
    delete ("/rules/7/ban?src=192.0.2.1", 404, "src=192.0.2.1 is not banned");
    delete ("/rules/7/counter?src=192.0.2.1", 404, "has used nothing");
    delete ("/rules/6/ban?src=192.0.2.1", 404, "rule 6 is not in force");
    delete ("/rules/9/ban?src=192.0.2.1", 404, "rule 9 is no limit");
    delete ("/rules/8/ban?src=192.0.2.1", 400, "rule 8 counts by 'api_key'");
    for (int i = 0; i < 2; i++) {
        ask_verdict(fd, "src=192.0.2.1", "allow");
        ask_verdict(fd, "src=192.0.2.2", "allow");
    }
    ask_verdict(fd, "src=192.0.2.1", "deny");
    ask_verdict(fd, "src=192.0.2.2", "deny");
    ck_assert(has("ban"));

    /* The ban alone: what was used stays used, and the next request begins another ban. */
    delete ("/rules/7/ban?src=192.0.2.1&path=/any", 200, "src=192.0.2.1 is not banned any more");
    ck_assert_msg(agent_log_has(&agent, "rule 7 forgets the ban of src=192.0.2.1"), "%s", agent_log(&agent));
    expect_metric("bans", 1);
    expect_explained("/explain?src=192.0.2.1", "now: 2 of 2 used, none left");
    ask_verdict(fd, "src=192.0.2.1", "deny");
    expect_metric("bans", 2);
    /* All of it; others stay banned. */
    delete ("/rules/7/counter?src=192.0.2.1", 200, "begins anew");
    expect_explained("/explain?src=192.0.2.1", "now: 0 of 2 used");
    ask_verdict(fd, "src=192.0.2.1", "allow");
    ask_verdict(fd, "src=192.0.2.1", "allow");
    ask_verdict(fd, "src=192.0.2.1", "deny");
    ask_verdict(fd, "src=192.0.2.2", "deny");

    /* By something else than src, and by nothing. */
    ask_verdict(fd, "api_key=a/b&c", "allow");
    ask_verdict(fd, "api_key=a/b&c", "deny");
    delete ("/rules/8/ban?api_key=a%2Fb%26c", 200, "api_key=a/b&c is not banned");
    ask_verdict(fd, "path=/all", "allow");
    ask_verdict(fd, "path=/all", "deny");
    delete ("/rules/10/counter", 200, "everybody begins anew");
    ask_verdict(fd, "path=/all", "allow");
    close(fd);
    finish(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, local_addresses_only);
    tcase_add_test(cases, over_tcp);
    tcase_add_test(cases, socket_is_removed);
    tcase_add_test(cases, pages_and_methods);
    tcase_add_test(cases, browsers);
    tcase_add_test(cases, hostile_requests);
    tcase_add_test(cases, silent_peers);
    tcase_add_test(cases, a_worker_that_stands_still);
    tcase_add_test(cases, before_and_after);
    tcase_add_test(cases, let_him_in);
}

int main(void)
{
    return run_suite("admin", add, NULL, NULL);
}
