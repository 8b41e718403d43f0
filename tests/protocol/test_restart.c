/* What has been used up stays used up: over a stop, over kill -9, with files that are damaged or cannot be written. */
#include "expect.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/images.h"
#include "lib/random.h"

#define RULES                                                                                                          \
    "INSERT INTO rules(path, requests, period) VALUES ('/fifty', 50, 3600);"                                           \
    "INSERT INTO rules(path, per, requests, period, ban) VALUES ('/ban', 'src', 1, 1, 3600);"                          \
    "INSERT INTO rules(path, per, requests, period) VALUES ('/each', 'src', 3, 3600)"

static struct agent         agent;
static struct agent_options options;
static char                 other_dir[64];
static const char *const    two_threads[] = { "--threads", "2", NULL };

static void start(const char *const *arguments)
{
    int code;

    options.args = arguments;
    ck_assert_msg(agent_start(&agent, &options, &code), "exit code %d: %s", code, agent_log(&agent));
}

static void init(void)
{
    options = (struct agent_options){ 0 };
    agent_init(&agent);
    agent_sql(&agent, RULES);
}

static void stop(void)
{
    int code = agent_stop(&agent);

    ck_assert_msg(code == 0, "exit code %d: %s", code, agent_log(&agent));
}

static void restart(bool killed, const char *const *arguments)
{
    if (killed)
        agent_kill(&agent);
    else
        stop();
    start(arguments);
}

/* How many of `n` pass. */
static int passing(const char *attributes, int n)
{
    int fd = opened(&agent), passed = 0;

    for (int i = 0; i < n; i++) {
        ask(fd, attributes);
        passed += is_text("verdict", "allow");
    }
    close(fd);
    return passed;
}

static const char *path_of(const char *dir, const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

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

/* ---- files that are of no use ---- */

static void flip(const char *path, off_t where)
{
    int  fd = open(path, O_RDWR | O_CLOEXEC);
    char byte;

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(pread(fd, &byte, 1, where), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, where), 1);
    close(fd);
}

/* One warning, which names the file and says why. */
static void warned(const char *path, const char *why)
{
    const char *log = agent_log(&agent), *line = strstr(log, "not used");

    ck_assert_msg(line != NULL && strstr(line + 1, "not used") == NULL, "not one warning: %s", log);
    ck_assert_msg(strstr(log, path) != NULL && strstr(log, why) != NULL, "not %s and %s: %s", path, why, log);
}

START_TEST(damaged_snapshot)
{
    init();
    start(two_threads);
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    stop();
    ck_assert_int_ne(access(path_of(agent.dir, "counters.live"), F_OK), 0);
    flip(path_of(agent.dir, "counters.snapshot"), 4100);
    start(two_threads);
    warned(path_of(agent.dir, "counters.snapshot"), "it is damaged");
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    finish(&agent);
}
END_TEST

START_TEST(damaged_live)
{
    init();
    start(two_threads);
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    agent_kill(&agent);
    flip(path_of(agent.dir, "counters.live"), 60);
    start(two_threads);
    warned(path_of(agent.dir, "counters.live"), "it is damaged");
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    restart(true, two_threads);
    ck_assert_int_eq(passing("path=/fifty", 1), 0);
    ck_assert_ptr_null(strstr(agent_log(&agent), "not used"));
    finish(&agent);
}
END_TEST

/* After a reboot the live file may hold anything, and the snapshot is what counts. */
START_TEST(live_of_another_boot)
{
    struct limits *limits;
    int            fd;

    init();
    start(two_threads);
    ck_assert_int_eq(passing("path=/fifty", 40), 40);
    stop();
    fd = open(path_of(agent.dir, "counters.live"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    limits = limits_new_in(fd, 1000, 1);
    ck_assert_ptr_nonnull(limits);
    image_begin(limits, "00000000-0000-0000-0000-000000000000", moment_now());
    limits_free(limits);
    start(two_threads);
    warned(path_of(agent.dir, "counters.live"), "the machine has been restarted");
    ck_assert_int_eq(passing("path=/fifty", 20), 10);
    finish(&agent);
}
END_TEST

/* ---- directories ---- */

START_TEST(two_agents)
{
    struct agent      other;
    const char *const arguments[][5] = { { "--data", agent.dir, "--runtime", agent.dir, NULL },
                                         { "--data", agent.dir, NULL },
                                         { "--runtime", agent.dir, NULL } };

    init();
    start(two_threads);
    for (size_t i = 0; i < COUNT(arguments); i++) {
        agent_init(&other);
        agent_sql(&other, RULES);
        refuses(&other, &(struct agent_options){ .args = arguments[i] }, agent.dir);
        agent_fini(&other);
    }
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    finish(&agent);
}
END_TEST

START_TEST(unusable_directories)
{
    const char *const missing[] = { "--runtime", "/nonexistent/spoa-rules", NULL };
    const char *const none[] = { "--runtime", "", NULL };
    const char *const no_directory[] = { "--runtime", agent.rules, NULL };
    const char *const unwritable[] = { "--runtime", other_dir, NULL };

    init();
    refuses(&agent, &(struct agent_options){ .args = missing }, "--runtime /nonexistent/spoa-rules: No such file");
    refuses(&agent, &(struct agent_options){ .args = none }, "--runtime");
    refuses(&agent, &(struct agent_options){ .args = no_directory }, agent.rules);
    strcpy(other_dir, "/tmp/spoa-rules-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(other_dir));
    ck_assert_int_eq(chmod(other_dir, 0555), 0);
    refuses(&agent, &(struct agent_options){ .args = unwritable, .no_override = true }, other_dir);
    rmdir(other_dir);
    agent_fini(&agent);
}
END_TEST

/* ---- full disks ---- */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    close(fd);
}

/* A file system of 128 kB in the place of other_dir, for this process alone. Without root's rights a user namespace gives
 * those for it. */
static void mount_small(void)
{
    char     map[32];
    unsigned uid = geteuid(), gid = getegid();

    if (unshare(CLONE_NEWNS | (uid != 0 ? CLONE_NEWUSER : 0)) != 0)
        goto fail;
    if (uid != 0) {
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", other_dir, "tmpfs", 0, "size=128k") == 0)
        return;
fail:
    fprintf(stderr, "a small file system on %s: %s\n", other_dir, strerror(errno));
    _exit(99);
}

/* More counters than fit, each exact. */
static void use_many(void)
{
    char attributes[64];
    int  fd = opened(&agent);

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4000; i++) {
            snprintf(attributes, sizeof attributes, "path=/each src=10.0.%d.%d", i / 250, i % 250);
            ask_verdict(fd, attributes, round < 3 ? "allow" : "deny");
        }
    }
    close(fd);
}

START_TEST(full_runtime)
{
    const char *const arguments[] = { "--runtime", other_dir, NULL };
    const char       *full;

    init();
    strcpy(other_dir, "/tmp/spoa-rules-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(other_dir));
    options.before_exec = mount_small;
    start(arguments);
    use_many();
    stop();
    full = strstr(agent_log(&agent), "file system is full");
    ck_assert_msg(full != NULL && strstr(full + 1, "file system is full") == NULL, "not one line: %s",
                  agent_log(&agent));
    /* The snapshot has them all. */
    start(arguments);
    ck_assert_int_eq(passing("path=/each src=10.0.0.1", 1), 0);
    ck_assert_int_eq(passing("path=/each src=10.0.15.249", 1), 0);
    finish(&agent);
    rmdir(other_dir);
}
END_TEST

START_TEST(full_data)
{
    const char *const arguments[] = { "--data", other_dir, "--rules", agent.rules, NULL };

    init();
    strcpy(other_dir, "/tmp/spoa-rules-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(other_dir));
    options.before_exec = mount_small;
    start(arguments);
    use_many();
    stop();
    ck_assert_ptr_nonnull(strstr(agent_log(&agent), "counters.snapshot: No space left on device"));
    /* The live file stays. */
    start(arguments);
    ck_assert_int_eq(passing("path=/each src=10.0.0.1", 1), 0);
    ck_assert_int_eq(passing("path=/each src=10.0.15.249", 1), 0);
    finish(&agent);
    rmdir(other_dir);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, used_up_stays_used_up);
    tcase_add_loop_test(cases, in_another_directory, 0, 2);
    tcase_add_test(cases, bans_stay);
    tcase_add_test(cases, another_size);
    tcase_add_test(cases, killed_under_load);
    tcase_add_test(cases, damaged_snapshot);
    tcase_add_test(cases, damaged_live);
    tcase_add_test(cases, live_of_another_boot);
    tcase_add_test(cases, two_agents);
    tcase_add_test(cases, unusable_directories);
    tcase_add_test(cases, full_runtime);
    tcase_add_test(cases, full_data);
}

int main(void)
{
    return run_suite("restart", add, NULL, NULL);
}
