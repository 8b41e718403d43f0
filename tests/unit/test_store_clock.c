/* The analytics thread while the clock is set, forward and back over midnight: each request is counted in the day and
 * hour in which it was decided, whatever the writer takes for the running one. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/db.h"
#include "store/analytics.h"

#define PATIENCE_US 180000000
#define MINUTE_US   INT64_C(60000000)

static char                dir[32], path[64];
static struct analytics   *analytics;
static struct decisions   *tallies[1];
static struct ruleset_slot slot;
static int64_t             midnight; /* unix time, in microseconds */

/* ---- a clock that can be set ---- */

static atomic_llong offset_us;

/* In the place of the C library's, for this program. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int64_t us;

    if (syscall(SYS_clock_gettime, clock, ts) != 0)
        return -1;
    if (clock == CLOCK_REALTIME) {
        us = (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000 + atomic_load(&offset_us);
        ts->tv_sec = (time_t)(us / 1000000);
        ts->tv_nsec = us % 1000000 * 1000;
    }
    return 0;
}

static void set_clock(int64_t unix_us)
{
    atomic_fetch_add(&offset_us, unix_us - moment_now().unix_us);
}

/* ---- one worker, one client ---- */

static void begin(void)
{
    struct analytics_options options = { .data = dir, .keep_hours = 30, .keep_days = 400 };

    strcpy(dir, "/tmp/spoa-clock-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/analytics.db", dir);
    midnight = (moment_now().unix_us / (24 * HOUR_US) + 1) * 24 * HOUR_US;
    set_clock(midnight - 30 * MINUTE_US);
    ruleset_slot_init(&slot, calloc(1, sizeof(struct ruleset)));
    analytics = analytics_open(&options);
    ck_assert_ptr_nonnull(analytics);
    tallies[0] = decisions_new(analytics_seed(analytics), 64);
    ck_assert(analytics_start(analytics, tallies, 1, NULL, &slot));
}

static void end(void)
{
    char command[64];

    decisions_free(tallies[0]);
    ruleset_slot_fini(&slot);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* Of a client, at the time that the clock shows. */
static void requests(uint8_t client, int n)
{
    const uint8_t             bytes[4] = { 10, 0, 0, client };
    const struct ruleset_view view = { .held = slot.current, .generation = 1 };
    const struct decision     allow = { .verdict = VERDICT_ALLOW };

    for (int i = 0; i < n; i++) {
        const struct request request = { .src = address_from_v4(bytes), .value[ATTRIBUTE_PATH] = SPAN_LITERAL("/") };
        struct tally_request noted;

        decisions_note(tallies[0], &noted, &request, &allow);
        decisions_begin(tallies[0], moment_now(), &view);
        decisions_add(tallies[0], &noted, &allow);
        decisions_end(tallies[0]);
    }
}

/* ---- the file ---- */

#define ask_file(sql)       db_ask(path, sql)
#define expect_sums_agree() ck_assert_str_eq(db_disagreements(path), "")

static void await_total(const char *wanted)
{
    const char *sql = "SELECT sum(requests) FROM daily_summary";

    for (int waited_us = 0; strcmp(ask_file(sql), wanted) != 0; waited_us += 50000) {
        ck_assert_msg(waited_us < PATIENCE_US, "%s, not %s", ask_file(sql), wanted);
        usleep(50000);
    }
}

static void expect(const char *sql, const char *wanted)
{
    ck_assert_str_eq(ask_file(sql), wanted);
}

/* ---- cases ---- */

/* The writer looks between the steps: it has met, and left, each hour. */
START_TEST(set_between_its_looks)
{
    requests(1, 1);
    await_total("1");
    set_clock(midnight + 5 * MINUTE_US);
    requests(1, 2);
    requests(2, 4);
    await_total("7");
    set_clock(midnight - 20 * MINUTE_US);
    requests(1, 8);
    requests(3, 16);
    await_total("31");
    set_clock(midnight + 70 * MINUTE_US);
    requests(1, 32);
    await_total("63");
    set_clock(midnight + 6 * MINUTE_US);
    requests(2, 64);
    analytics_close(analytics);
    expect("SELECT requests FROM daily_summary", "25 102");
    expect("SELECT clients FROM daily_summary", "2 2");
    expect("SELECT hour || ':' || requests || ':' || clients FROM hourly_summary", "23:25:2 0:70:2 1:32:1");
    expect("SELECT src || ' ' || requests || ' ' || error_bound FROM daily_clients",
           "10.0.0.3 16 0 10.0.0.1 9 0 10.0.0.2 68 0 10.0.0.1 34 0");
    expect("SELECT minute || ':' || requests FROM minutes", "1410:1 1420:24 5:6 6:64 70:32");
    expect_sums_agree();
}
END_TEST

/* It sees none of the steps, or some: all but the last are past when it looks. */
START_TEST(set_while_it_sleeps)
{
    requests(1, 1);
    set_clock(midnight + 5 * MINUTE_US);
    requests(2, 2);
    set_clock(midnight - 10 * MINUTE_US);
    requests(3, 4);
    set_clock(midnight + 5 * MINUTE_US);
    requests(1, 8);
    set_clock(midnight - 25 * HOUR_US);
    requests(4, 16);
    await_total("31");
    analytics_close(analytics);
    expect("SELECT requests FROM daily_summary", "16 5 10");
    expect("SELECT src || ' ' || requests FROM daily_clients",
           "10.0.0.4 16 10.0.0.3 4 10.0.0.1 1 10.0.0.1 8 10.0.0.2 2");
    expect("SELECT hour || ':' || requests FROM hourly_summary", "23:16 23:5 0:10");
    expect_sums_agree();
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("store_clock");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, set_between_its_looks);
    tcase_add_test(tcase, set_while_it_sleeps);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
