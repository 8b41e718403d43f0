/* Counters in files that are damaged, in use, or cannot be written. */
#include "restart.h"
#include "small_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/images.h"

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
    image_begin(limits, "00000000-0000-0000-0000-000000000000", 1, moment_now());
    limits_free(limits);
    start(two_threads);
    warned(path_of(agent.dir, "counters.live"), "the machine has been restarted");
    ck_assert_int_eq(passing("path=/fifty", 20), 10);
    finish(&agent);
}
END_TEST

/* A live file that was left behind in a runtime directory is older than what the agent counted elsewhere meanwhile. */
START_TEST(live_left_behind)
{
    const char *const elsewhere[] = { "--runtime", other_dir, NULL };

    init();
    strcpy(other_dir, "/tmp/spoa-rules-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(other_dir));
    start(elsewhere);
    ck_assert_int_eq(passing("path=/fifty", 10), 10);
    agent_kill(&agent);
    start(NULL);
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    restart(false, elsewhere);
    ck_assert_int_eq(passing("path=/fifty", 10), 0);
    finish(&agent);
    unlink(path_of(other_dir, "agent.lock"));
    ck_assert_int_eq(rmdir(other_dir), 0);
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

/* ---- what is no file ---- */

/* Opening a FIFO waits for somebody who writes into it. The new file takes its place. */
START_TEST(fifos)
{
    static const char *const names[] = { "counters.live", "counters.snapshot", "counters.live.new",
                                         "counters.snapshot.new" };
    struct stat              st;
    const char              *log;

    init();
    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_int_eq(mkfifo(path_of(agent.dir, names[i]), 0600), 0);
    start(two_threads);
    log = agent_log(&agent);
    ck_assert_msg(strstr(log, "counters.live: not a file; not used") != NULL, "%s", log);
    ck_assert_msg(strstr(log, "counters.snapshot: not a file; not used") != NULL, "%s", log);
    ck_assert_int_eq(passing("path=/fifty", 60), 50);
    restart(false, two_threads);
    ck_assert_int_eq(passing("path=/fifty", 1), 0);
    ck_assert_ptr_null(strstr(agent_log(&agent), "not used"));
    ck_assert(stat(path_of(agent.dir, "counters.snapshot"), &st) == 0 && S_ISREG(st.st_mode));
    finish(&agent);
}
END_TEST

START_TEST(a_lock_that_is_no_file)
{
    init();
    ck_assert_int_eq(mkfifo(path_of(agent.dir, "agent.lock"), 0600), 0);
    refuses(&agent, NULL, "agent.lock: not a file");
    ck_assert_int_eq(unlink(path_of(agent.dir, "agent.lock")), 0);
    ck_assert_int_eq(mkdir(path_of(agent.dir, "agent.lock"), 0700), 0);
    refuses(&agent, NULL, "agent.lock: Is a directory");
    agent_fini(&agent);
}
END_TEST

/* ---- full disks ---- */

static void mount_small(void)
{
    if (!small_disk(other_dir, "size=128k"))
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
    tcase_add_test(cases, damaged_snapshot);
    tcase_add_test(cases, damaged_live);
    tcase_add_test(cases, live_of_another_boot);
    tcase_add_test(cases, live_left_behind);
    tcase_add_test(cases, two_agents);
    tcase_add_test(cases, unusable_directories);
    tcase_add_test(cases, fifos);
    tcase_add_test(cases, a_lock_that_is_no_file);
    tcase_add_test(cases, full_runtime);
    tcase_add_test(cases, full_data);
}

int main(void)
{
    return run_suite("counters_files", add, NULL, NULL);
}
