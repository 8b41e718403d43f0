/* An analytics.db that is damaged, foreign or in the way, before the start and under load: every request is answered,
 * the trouble is told once, and what comes later is counted. */
#include "analytics.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define RULES "INSERT INTO rules(path, action) VALUES ('/deny*', 'deny')"

#define PAGE  4096

/* ---- what happens to a file ---- */

/* Every other page from `first` on gets bytes that are none. */
static void overwrite(const char *file, off_t first)
{
    char        noise[PAGE];
    int         fd = open(file, O_WRONLY | O_CLOEXEC);
    struct stat st;

    ck_assert(fd >= 0 && fstat(fd, &st) == 0);
    memset(noise, 0xA5, sizeof noise);
    for (off_t page = first; page < st.st_size / PAGE; page += 2)
        ck_assert_int_eq(pwrite(fd, noise, sizeof noise, page * PAGE), sizeof noise);
    close(fd);
}

static void pages_overwritten(void)
{
    overwrite(path, 1);
}

static void first_page_overwritten(void)
{
    overwrite(path, 0);
}

static void header_only(void)
{
    ck_assert_int_eq(truncate(path, 100), 0);
}

static void cut_short(void)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
}

static void emptied(void)
{
    ck_assert_int_eq(truncate(path, 0), 0);
}

/* A database of somebody else's left its log. */
static void another_log_beside(void)
{
    char     other[sizeof path + 8], command[600];
    sqlite3 *db;

    snprintf(other, sizeof other, "%s.other", path);
    ck_assert_int_eq(sqlite3_open(other, &db), SQLITE_OK);
    sqlite3_exec(db,
                 "PRAGMA journal_mode = WAL; CREATE TABLE mine (a);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
                 " INSERT INTO mine SELECT i FROM n",
                 NULL, NULL, NULL);
    snprintf(command, sizeof command, "cp %s-wal %s-wal && cp %s-shm %s-shm", other, path, other, path);
    ck_assert_int_eq(system(command), 0);
    sqlite3_close(db);
    ck_assert_int_eq(unlink(other), 0);
}

static void log_overwritten(void)
{
    char log[sizeof path + 8];

    snprintf(log, sizeof log, "%s-wal", path);
    overwrite(log, 0);
}

/* What was sent since the copy was made goes with the file. */
static void replaced(void)
{
    char other[sizeof path + 8], sql[256];

    snprintf(other, sizeof other, "%s.other", path);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", other);
    agent_file_sql(path, sql);
    load(1000);
    await_all();
    ck_assert_int_eq(rename(other, path), 0);
}

/* By somebody who keeps what was in it. */
static void moved_away(void)
{
    char command[512];

    snprintf(command, sizeof command, "mkdir %s/away && mv %s* %s/away", agent.dir, path, agent.dir);
    ck_assert_int_eq(system(command), 0);
}

/* ---- the agent ---- */

static int files_moved_aside(void)
{
    char  command[192], line[16] = "";
    FILE *output;

    snprintf(command, sizeof command, "ls -d %s.damaged-*Z 2> /dev/null | wc -l", path);
    output = popen(command, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, output));
    pclose(output);
    return atoi(line);
}

static void start(bool no_override)
{
    static const char *const args[] = { "--threads", "2", NULL };
    int                      code;

    load_fd = -1;
    ck_assert_msg(agent_start(&agent, &(struct agent_options){ .args = args, .no_override = no_override }, &code), "%s",
                  agent_log(&agent));
}

static void begin(void)
{
    agent_init(&agent);
    agent_sql(&agent, RULES);
    snprintf(path, sizeof path, "%s/analytics.db", agent.dir);
    start(false);
    load(3000);
    await_all();
}

static void stop(void)
{
    ck_assert_int_eq(agent_stop(&agent), 0);
    load_closed();
}

/* ---- before the start ---- */

static const struct {
    void (*happens)(void);
    int  moved_aside, mentions; /* of the file, in the log */
    long remains;               /* of the 3,000 */
} before_start[] = {
    { pages_overwritten, 1, 2, 0 }, { first_page_overwritten, 1, 2, 0 },
    { header_only, 1, 2, 0 },       { cut_short, 1, 2, 0 },
    { emptied, 0, 0, 0 },           { another_log_beside, 0, 2, 3000 },
};

START_TEST(damaged_before_the_start)
{
    begin();
    stop();
    before_start[_i].happens();
    sent = before_start[_i].remains;
    start(false);
    load(2000);
    await_all();
    stop();
    expect_whole(sent);
    ck_assert_int_eq(files_moved_aside(), before_start[_i].moved_aside);
    expect_log("/analytics.db", before_start[_i].mentions);
    agent_fini(&agent);
}
END_TEST

/* A directory in its place, then no permission to use it: both pass. */
START_TEST(in_the_way)
{
    begin();
    stop();
    for (int i = 0; i < 2; i++) {
        char away[sizeof path + 8];

        snprintf(away, sizeof away, "%s.away", path);
        if (i == 0)
            ck_assert(rename(path, away) == 0 && mkdir(path, 0700) == 0);
        else
            ck_assert_int_eq(chmod(path, 0), 0);
        start(true);
        load_for_ms(2500);
        expect_log("decisions go on", 1);
        expect_log(i == 0 ? "analytics.db: not a file" : "analytics.db: Permission denied", 1);
        if (i == 0)
            ck_assert(rmdir(path) == 0 && rename(away, path) == 0);
        else
            ck_assert_int_eq(chmod(path, 0600), 0);
        load_until_log("written again", 1);
        await_all();
        stop();
        expect_whole(sent);
        expect_log("/analytics.db", 2);
    }
    agent_fini(&agent);
}
END_TEST

/* That of a program to come: not a byte of it changes. */
START_TEST(of_a_newer_version)
{
    char command[512];

    begin();
    stop();
    agent_file_sql(path, "PRAGMA user_version = 99");
    snprintf(command, sizeof command, "cp %s %s.copy", path, path);
    ck_assert_int_eq(system(command), 0);
    start(false);
    load_for_ms(2500);
    stop();
    expect_log("its schema has version 99, and this program knows 2: upgrade the program", 1);
    expect_log("decisions go on", 1);
    expect_log("decisions are not in it", 1);
    snprintf(command, sizeof command, "cmp %s %s.copy", path, path);
    ck_assert_int_eq(system(command), 0);
    agent_fini(&agent);
}
END_TEST

/* ---- under load ---- */

static const struct {
    void (*happens)(void);
    const char *says;
    int         moved_aside;
} under_load[] = {
    { pages_overwritten, "damaged; moved to", 1 }, { emptied, "damaged; moved to", 1 },
    { log_overwritten, "damaged; moved to", 1 },   { replaced, "removed or replaced", 0 },
    { moved_away, "removed or replaced", 0 },
};

/* The new file has all that came since the old one was given up, and a little more. */
START_TEST(damaged_under_load)
{
    long before;

    begin();
    under_load[_i].happens();
    load_until_log(under_load[_i].says, 1);
    before = atol(ask_db(TOTAL));
    load(2000);
    stop();
    ck_assert_int_ge(atol(ask_db(TOTAL)), before + 2000);
    ck_assert_int_lt(atol(ask_db(TOTAL)), sent);
    expect_whole(atol(ask_db(TOTAL)));
    ck_assert_int_eq(files_moved_aside(), under_load[_i].moved_aside);
    expect_log(under_load[_i].says, 1);
    expect_log("no total was lost", 0);
    agent_fini(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_loop_test(cases, damaged_before_the_start, 0, COUNT(before_start));
    tcase_add_test(cases, in_the_way);
    tcase_add_test(cases, of_a_newer_version);
    tcase_add_loop_test(cases, damaged_under_load, 0, COUNT(under_load));
}

int main(void)
{
    return run_suite("analytics_damaged", add, NULL, NULL);
}
