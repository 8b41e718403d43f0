/* What the agent tells systemd: that it is ready, reloads, stops, and that it does not hang; and how its log looks in
 * the journal. SIGHUP belongs here: systemd sends it to reload. */
#include "expect.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/db.h"

#define RULES "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"

static struct agent agent;
static char         notify_path[128]; /* for the new process, too */
static int          notify_fd;
static char         told[512]; /* the latest datagram */

static void init(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(notify_path, sizeof notify_path, "%s/notify", agent.dir);
    strcpy(sun.sun_path, notify_path);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert(notify_fd >= 0 && bind(notify_fd, (struct sockaddr *)&sun, sizeof sun) == 0);
}

static void want_notices(void)
{
    setenv("NOTIFY_SOCKET", notify_path, 1);
}

static void want_watchdog(void)
{
    char pid[16];

    want_notices();
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "1000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
}

static void start(void (*before_exec)(void))
{
    int code = 0;

    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .before_exec = before_exec }, &code), "%s",
                  agent_log(&agent));
}

/* False: nothing is told within that time. */
static bool is_told(int timeout_ms)
{
    struct pollfd at = { .fd = notify_fd, .events = POLLIN };
    ssize_t       n;

    if (poll(&at, 1, timeout_ms) != 1)
        return false;
    n = recv(notify_fd, told, sizeof told - 1, 0);
    ck_assert_int_gt(n, 0);
    told[n] = '\0';
    return true;
}

/* The next, but for a status that comes between. */
static void expect_told(const char *wanted)
{
    do
        ck_assert_msg(is_told(AGENT_PATIENCE_MS), "never told: %s", wanted);
    while (strncmp(told, "STATUS=", 7) == 0 && strncmp(wanted, "STATUS=", 7) != 0);
    ck_assert_msg(strstr(told, wanted) == told, "told '%s' instead of '%s'", told, wanted);
}

static void end(void)
{
    close(notify_fd);
    agent_fini(&agent);
}

/* ---- ready, reload, stop ---- */

START_TEST(ready_reload_stop)
{
    struct timespec before;
    int64_t         us;

    init();
    start(want_notices);
    expect_told("STATUS=1 rules in force");
    expect_told("READY=1");
    talk_to(agent.address);
    clock_gettime(CLOCK_MONOTONIC, &before);
    kill(agent.pid, SIGHUP);
    expect_told("RELOADING=1\nMONOTONIC_USEC=");
    us = atoll(strchr(strchr(told, '\n'), '=') + 1);
    ck_assert_int_ge(us, (int64_t)before.tv_sec * 1000000 + before.tv_nsec / 1000);
    expect_told("STATUS=1 rules in force");
    expect_told("READY=1");
    kill(agent.pid, SIGTERM);
    expect_told("STOPPING=1");
    ck_assert_int_eq(agent_wait(&agent), 0);
    end();
}
END_TEST

/* A set that is not taken over is seen in `systemctl status`, and the reload is over all the same. */
START_TEST(a_reload_that_fails)
{
    char text[160];

    init();
    start(want_notices);
    expect_told("READY=1");
    agent_sql(&agent, "INSERT INTO rules(action, src) VALUES ('deny', '@nobody')");
    snprintf(text, sizeof text, "STATUS=%s: not taken over", agent.rules);
    kill(agent.pid, SIGHUP);
    expect_told("RELOADING=1");
    expect_told(text);
    expect_told("READY=1");
    talk_to(agent.address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

static int lines_with(const char *wanted)
{
    int n = 0;

    for (const char *at = agent_log(&agent); (at = strstr(at, wanted)) != NULL; at++)
        n++;
    return n;
}

/* Each SIGHUP has its line, whatever became of it, though the file did not change. */
START_TEST(each_reload_has_a_line)
{
    char aside[128];

    init();
    start(want_notices);
    expect_told("READY=1");
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(lines_with("1 rules in force"), i);
        kill(agent.pid, SIGHUP);
        expect_told("RELOADING=1");
        expect_told("READY=1");
    }
    ck_assert_int_eq(lines_with("reloading: SIGHUP"), 3);
    snprintf(aside, sizeof aside, "%s.aside", agent.rules);
    ck_assert_int_eq(rename(agent.rules, aside), 0);
    ck_assert(agent_log_has(&agent, "gone; the rules in force stay"));
    ck_assert_int_eq(lines_with("gone; the rules in force stay"), 1);
    kill(agent.pid, SIGHUP);
    expect_told("RELOADING=1");
    expect_told("READY=1");
    ck_assert_int_eq(lines_with("gone; the rules in force stay"), 2);
    talk_to(agent.address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

static void await_requests(const char *path, const char *wanted)
{
    const char *sql = "SELECT ifnull(sum(requests), 0) FROM daily_summary";

    for (int64_t until = clock_ms() + AGENT_PATIENCE_MS; strcmp(db_ask(path, sql), wanted) != 0; usleep(10000))
        ck_assert_msg(clock_ms() < until, "%s: %s, not %s: %s", path, db_ask(path, sql), wanted, agent_log(&agent));
}

static void expect_whole(const char *path, const char *requests)
{
    await_requests(path, requests);
    ck_assert_str_eq(db_ask(path, "PRAGMA integrity_check"), "ok");
    ck_assert_str_eq(db_disagreements(path), "");
}

/* The one that was moved away has what was decided before, the new one what comes later; what was there stays. */
START_TEST(analytics_are_opened_again)
{
    char path[96], aside[96];

    init();
    start(want_notices);
    expect_told("READY=1");
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    snprintf(aside, sizeof aside, "%s/old.db", agent.dir);
    talk_to(agent.address);
    await_requests(path, "1");
    kill(agent.pid, SIGHUP);
    ck_assert(agent_log_has(&agent, "analytics.db: reopened"));
    talk_to(agent.address);
    await_requests(path, "2");
    ck_assert_int_eq(rename(path, aside), 0);
    kill(agent.pid, SIGHUP);
    for (int64_t until = clock_ms() + AGENT_PATIENCE_MS; lines_with("analytics.db: reopened") < 2; usleep(1000))
        ck_assert(clock_ms() < until);
    talk_to(agent.address);
    ck_assert_int_eq(agent_stop(&agent), 0);
    expect_whole(aside, "2");
    expect_whole(path, "1");
    end();
}
END_TEST

/* ---- the watchdog ---- */

/* A thread of the agent by its name. */
static pid_t thread_named(const char *wanted)
{
    char           path[300], name[32] = "";
    pid_t          found = 0;
    DIR           *tasks;
    struct dirent *task;

    snprintf(path, sizeof path, "/proc/%d/task", (int)agent.pid);
    tasks = opendir(path);
    ck_assert(tasks != NULL);
    while (found == 0 && (task = readdir(tasks)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)agent.pid, task->d_name);
        FILE *file = fopen(path, "re");

        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL && strncmp(name, wanted, strlen(wanted)) == 0)
            found = (pid_t)atol(task->d_name);
        fclose(file);
    }
    closedir(tasks);
    return found;
}

/* The thread hangs until it is detached. */
static pid_t hang(const char *name)
{
    pid_t thread = thread_named(name);
    int   status;

    ck_assert_int_gt(thread, 0);
    ck_assert_msg(ptrace(PTRACE_SEIZE, thread, NULL, NULL) == 0, "%s", strerror(errno));
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(thread, &status, __WALL), thread);
    return thread;
}

START_TEST(a_worker_that_hangs_is_told_by_silence)
{
    pid_t worker;
    int   told_n = 0;

    init();
    start(want_watchdog);
    expect_told("READY=1");
    expect_told("WATCHDOG=1");
    expect_told("WATCHDOG=1");
    worker = hang("spoa-worker-0");
    /* Its latest turn may still be told. */
    while (is_told(2000))
        ck_assert_int_lt(told_n++, 3);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, worker, NULL, NULL), 0);
    expect_told("WATCHDOG=1");
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

/* Else HAProxy would go on asking, and each request wait. */
START_TEST(a_worker_that_hangs_fails_the_health_check)
{
    struct spop_client_hello check = { "2.0", 16380, "", true, NULL };
    int64_t                  until = clock_ms() + AGENT_PATIENCE_MS;
    pid_t                    worker;
    int                      fd;

    init();
    start(want_watchdog);
    expect_told("READY=1");
    expect_healthy(&agent);
    worker = hang("spoa-worker-0");
    while ((fd = spop_client_open(agent.address, &check, AGENT_PATIENCE_MS)) >= 0) {
        ck_assert_msg(clock_ms() < until, "the health check is still answered");
        close(fd);
        usleep(100000);
    }
    ck_assert(agent_log_has(&agent, "worker 0 hangs"));
    ck_assert_int_eq(ptrace(PTRACE_DETACH, worker, NULL, NULL), 0);
    while ((fd = spop_client_open(agent.address, &check, AGENT_PATIENCE_MS)) < 0) {
        ck_assert_msg(clock_ms() < until + AGENT_PATIENCE_MS, "the health check is no longer answered");
        usleep(100000);
    }
    close(fd);
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

/* A reload that takes long is no hanging agent, whose rules are in force meanwhile. */
START_TEST(a_long_reload_is_watched)
{
    pid_t loader;

    init();
    start(want_watchdog);
    expect_told("READY=1");
    loader = hang("spoa-rules-db");
    kill(agent.pid, SIGHUP);
    do
        ck_assert(is_told(AGENT_PATIENCE_MS));
    while (strncmp(told, "RELOADING=1", 11) != 0);
    for (int i = 0; i < 5; i++)
        expect_told("WATCHDOG=1");
    talk_to(agent.address);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, loader, NULL, NULL), 0);
    do
        ck_assert(is_told(AGENT_PATIENCE_MS));
    while (strcmp(told, "READY=1") != 0);
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

/* ---- the journal ---- */

static void set_stream(ino_t more)
{
    char        text[64];
    struct stat st;

    fstat(STDERR_FILENO, &st);
    snprintf(text, sizeof text, "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev, (uint64_t)(st.st_ino + more));
    setenv("JOURNAL_STREAM", text, 1);
}

static void into_the_journal(void)
{
    set_stream(0);
}

/* A service's child that redirects its errors inherits the variable. */
static void elsewhere(void)
{
    set_stream(1);
}

START_TEST(priorities_for_the_journal)
{
    const struct agent_options options = { .args = (const char *const[]){ "--threads", "x", NULL },
                                           .before_exec = into_the_journal };
    int                        code = 0;

    init();
    start(into_the_journal);
    ck_assert_msg(strncmp(agent_log(&agent), "<6>", 3) == 0 && strstr(agent_log(&agent), "\n<6>listening on") != NULL,
                  "%s", agent_log(&agent));
    rename(agent.rules, notify_path);
    ck_assert(agent_log_has(&agent, "\n<3>"));
    rename(notify_path, agent.rules);
    ck_assert_int_eq(agent_stop(&agent), 0);
    ck_assert(!agent_start(&agent, &options, &code));
    ck_assert_msg(strncmp(agent_log(&agent), "<3>spoa-rules: --threads", 24) == 0, "%s", agent_log(&agent));
    start(elsewhere);
    ck_assert_msg(strstr(agent_log(&agent), "Z info listening on") != NULL, "%s", agent_log(&agent));
    ck_assert_int_eq(agent_stop(&agent), 0);
    end();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, ready_reload_stop);
    tcase_add_test(cases, a_reload_that_fails);
    tcase_add_test(cases, each_reload_has_a_line);
    tcase_add_test(cases, analytics_are_opened_again);
    tcase_add_test(cases, a_worker_that_hangs_is_told_by_silence);
    tcase_add_test(cases, a_worker_that_hangs_fails_the_health_check);
    tcase_add_test(cases, a_long_reload_is_watched);
    tcase_add_test(cases, priorities_for_the_journal);
}

int main(void)
{
    return run_suite("notify", add, NULL, NULL);
}
