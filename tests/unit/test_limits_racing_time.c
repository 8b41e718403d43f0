/* Threads that race while time goes on, so that counts expire under them. A request uses one limit, or two.
 *
 * In lockstep: all threads ask at one moment until all are refused, then the moment moves on, to where windows and
 * sub-buckets end. So each round's count is known, and is held against an exact record. A count for each thread that is
 * merged later, or check then add, admits too many; two threads that both move a window on lose or double what it held.
 *
 * Each at its own pace: moments differ from thread to thread, by as much as one is held up. However they fall, no more
 * than the limit is admitted within a period, from the moment that the first decision read to the end of the last.
 *
 * And two threads race for one last place. That is what finds check, then add, most surely: the gap between the two is
 * some nanoseconds wide, so the threads must start within nanoseconds, and often. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "lib/promise.h"
#include "lib/random.h"

#define SECOND INT64_C(1000000)

enum { THREADS = 4, KEYS = 3, ROUNDS = 3000, PACED = 60000 };

static const struct limit rules[] = {
    { .algorithm = LIMIT_SLIDING, .requests = 5, .period_s = 1 },
    { .algorithm = LIMIT_SLIDING, .requests = 64, .period_s = 10 },
    { .algorithm = LIMIT_FIXED, .requests = 7, .period_s = 1 },
    { .algorithm = LIMIT_TOKEN, .requests = 3, .period_s = 1, .burst = 6 },
};

static const struct limit *rule;
static struct limits      *limits;

/* Each waits for all, spinning: they should start at the same instant. */
static void meet(atomic_uint *arrived, unsigned round)
{
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < (round + 1) * THREADS)
        sched_yield();
}

static struct limit_use use_of(uint64_t key)
{
    return (struct limit_use){ .key = (key + 1) * UINT64_C(0x9E3779B97F4A7C15), .limit = rule, .binding = true };
}

static atomic_uint    started, ended;
static struct moment  now;
static struct random  pace;
static struct promise promises[KEYS];
static uint32_t       admitted[THREADS][KEYS];

/* Until neither a key alone nor a pair has room. */
static void ask_all(unsigned thread, unsigned round)
{
    bool passed = true;

    while (passed) {
        passed = false;
        for (unsigned i = 0; i < KEYS; i++) {
            unsigned         a = (i + thread + round) % KEYS, b = (a + 1 + thread % 2) % KEYS;
            struct limit_use uses[] = { use_of(a), use_of(b) };
            size_t           n = (thread + i + round) % 4 == 0 ? 2 : 1;

            if (limits_decide(limits, uses, n, true, now)) {
                passed = true;
                admitted[thread][a]++;
                admitted[thread][b] += n == 2;
            } else if (n == 2 && limits_decide(limits, uses, 1, true, now)) {
                passed = true;
                admitted[thread][a]++;
            }
        }
    }
}

static void must(unsigned round, unsigned key, bool room, const char *what)
{
    if (promise_judge(&promises[key], rule, now, room) != PROMISE_KEPT)
        ck_abort_msg("algorithm %d, round %u, key %u: %s", rule->algorithm, round, key, what);
}

/* All have been refused, and nobody asks now. */
static void check_round(unsigned round)
{
    for (unsigned key = 0; key < KEYS; key++) {
        for (unsigned thread = 0; thread < THREADS; thread++) {
            for (; admitted[thread][key] > 0; admitted[thread][key]--) {
                must(round, key, true, "too many admitted");
                promise_charge(&promises[key], rule, now);
            }
        }
        must(round, key, false, "refused with room");
    }
}

static void move_on(void)
{
    int64_t period_us = rule->period_s * SECOND, gap_us;

    if (random_below(&pace, 3) == 0)
        gap_us = period_us / 50 * random_below(&pace, 53) + random_below(&pace, 3) - 1;
    else
        gap_us = random_below(&pace, 1 + (period_us >> random_below(&pace, 12)));
    now.mono_us += gap_us > 0 ? gap_us : 0;
    now.unix_us += gap_us > 0 ? gap_us : 0;
}

static void *race_in_lockstep(void *argument)
{
    unsigned thread = (unsigned)(size_t)argument;

    for (unsigned round = 0; round < ROUNDS; round++) {
        meet(&started, round);
        ask_all(thread, round);
        atomic_fetch_add(&ended, 1);
        if (thread != 0)
            continue;
        while (atomic_load(&ended) < (round + 1) * THREADS)
            sched_yield();
        check_round(round);
        move_on();
    }
    return NULL;
}

/* Every test is a process of its own, where all that is static is zero. */
static void run_threads(void *(*run)(void *), size_t n)
{
    pthread_t threads[THREADS];

    limits = limits_new(100000, 1);
    ck_assert_ptr_nonnull(limits);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    limits_free(limits);
}

START_TEST(test_in_lockstep)
{
    rule = &rules[_i];
    pace.state = (uint64_t)_i;
    now = (struct moment){ .mono_us = 77 * SECOND, .unix_us = 1795000020 * SECOND };
    for (unsigned key = 0; key < KEYS; key++)
        promises[key] = (struct promise){ .algorithm = rule->algorithm };
    run_threads(race_in_lockstep, THREADS);
    for (unsigned key = 0; key < KEYS; key++)
        promise_fini(&promises[key]);
}
END_TEST

/* What was admitted between the moment that the thread had read and the end of the decision. */
struct admission {
    int64_t from_us, to_us;
};

static atomic_llong     clock_us;
static struct admission paced[THREADS * PACED];
static atomic_uint      paced_n;

static void *race_at_own_pace(void *argument)
{
    struct random random = { (uint64_t)(size_t)argument };

    meet(&started, 0);
    for (int i = 0; i < PACED; i++) {
        struct limit_use use = use_of(0);
        int64_t          at_us = atomic_fetch_add(&clock_us, random_below(&random, 2000));
        struct moment    mine = { .mono_us = at_us, .unix_us = 1795000020 * SECOND + at_us };

        if (limits_decide(limits, &use, 1, true, mine))
            paced[atomic_fetch_add(&paced_n, 1)] = (struct admission){ at_us, atomic_load(&clock_us) };
    }
    return NULL;
}

static int by_from(const void *a, const void *b)
{
    const struct admission *x = a, *y = b;

    return (x->from_us > y->from_us) - (x->from_us < y->from_us);
}

/* From the first to the end of the last of so many admissions. */
static int64_t span_of(const struct admission *first, unsigned n)
{
    int64_t to_us = 0;

    for (unsigned i = 0; i < n; i++)
        to_us = first[i].to_us > to_us ? first[i].to_us : to_us;
    return to_us - first->from_us;
}

/* Not LIMIT_FIXED: a thread held up for more than a window turns its clock back that far. */
static const size_t paced_rules[] = { 0, 1, 3 };

START_TEST(test_at_own_pace)
{
    unsigned n;

    rule = &rules[paced_rules[_i]];
    atomic_store(&clock_us, 77 * SECOND);
    run_threads(race_at_own_pace, THREADS);
    n = atomic_load(&paced_n);
    qsort(paced, n, sizeof paced[0], by_from);
    ck_assert_uint_gt(n, 300);
    for (unsigned i = 0; i < n; i++) {
        /* Sliding: one more than the limit takes a period, at least. Token: one more than the burst, a token's time. */
        unsigned burst = rule->algorithm == LIMIT_TOKEN ? rule->burst : rule->requests;
        int64_t  least_us = rule->period_s * SECOND;

        if (rule->algorithm == LIMIT_TOKEN)
            least_us /= rule->requests;
        if (i + burst < n && span_of(&paced[i], burst + 1) < least_us)
            ck_abort_msg("algorithm %d: %u admitted within %ld us", rule->algorithm, burst + 1,
                         (long)span_of(&paced[i], burst + 1));
    }
}
END_TEST

/* Two threads and the last place of a limit, over and over, each time with another distance between them. */
enum { RACERS = 2, PLACES = 100000, LEAST_PLACES = 2000 };

static const struct limit one_place[] = {
    { .algorithm = LIMIT_SLIDING, .requests = 1, .period_s = 1 },
    { .algorithm = LIMIT_FIXED, .requests = 1, .period_s = 1 },
    { .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 1, .burst = 1 },
};

static atomic_uint at_start[RACERS], at_end[RACERS];
static bool        got_place[RACERS];
static atomic_bool enough;

/* Spins, for a thread that sleeps does not start at the same instant; but the other may need this processor. */
static void wait_for(atomic_uint *counter, unsigned n)
{
    for (unsigned spins = 0; atomic_load(counter) < n; spins++) {
        if (spins % 4096 == 4095)
            sched_yield();
    }
}

static void *race_for_last_place(void *argument)
{
    unsigned      thread = (unsigned)(size_t)argument;
    struct random random = { thread };
    time_t        until = time(NULL) + 5; /* a busy machine lets the two meet seldom: then fewer have to do */

    for (unsigned round = 0; !atomic_load(&enough); round++) {
        /* Every other round the keys are new. The last one's admissions no longer count. */
        uint64_t         key = round / 2 * 2;
        struct limit_use uses[] = { use_of(key + thread), use_of(key + 1 - thread) };
        struct moment    then = { .mono_us = (77 + 2 * round) * SECOND, .unix_us = (2000000000 + 2 * round) * SECOND };
        size_t           n = 1 + round / 2 % 2;

        if (n == 1)
            uses[0] = use_of(key);
        atomic_store(&at_start[thread], round + 1);
        wait_for(&at_start[1 - thread], round + 1);
        for (volatile int64_t delay = random_below(&random, 64); delay > 0; delay--)
            ;
        got_place[thread] = limits_decide(limits, uses, n, true, then);
        if (thread == 0 && (round == PLACES || (round > LEAST_PLACES && time(NULL) > until)))
            atomic_store(&enough, true); /* before the end of the round, so that both leave after the same one */
        atomic_store(&at_end[thread], round + 1);
        wait_for(&at_end[1 - thread], round + 1);
        if (got_place[0] + got_place[1] != 1)
            ck_abort_msg("algorithm %d, round %u: %d let through", rule->algorithm, round, got_place[0] + got_place[1]);
    }
    return NULL;
}

START_TEST(test_last_place)
{
    rule = &one_place[_i];
    run_threads(race_for_last_place, RACERS);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_racing_time");
    TCase   *tcase = tcase_create("racing");
    SRunner *runner = srunner_create(suite);
    int      failed;

    srunner_set_fork_status(runner, CK_FORK);
    tcase_add_loop_test(tcase, test_in_lockstep, 0, (int)(sizeof rules / sizeof rules[0]));
    tcase_add_loop_test(tcase, test_at_own_pace, 0, (int)(sizeof paced_rules / sizeof paced_rules[0]));
    tcase_add_loop_test(tcase, test_last_place, 0, (int)(sizeof one_place / sizeof one_place[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
