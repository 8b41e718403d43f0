/* Threads that race for the same limits, at one fixed moment, so that nothing expires and every count has to be exact.
 *
 * What must fail here:
 * - a count for each thread that is merged later: each thread sees room that others have taken already, and the total
 *   exceeds the limit by what is not merged yet;
 * - check, then add, under two holds of a lock (or with atomic additions): two threads both see the last place, and
 *   both take it. The limits are small and the rounds many, for there is one last place a round;
 * - charging one limit before all have been looked at: what a refused request has taken from the others is missing when
 *   admissions are compared with what remains. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "limits/limits.h"

enum { THREADS = 4, A_KEYS = 4, B_KEYS = 3, ROUNDS = 400, KEYS = 1 + A_KEYS + B_KEYS };

/* The limits of one kind of round. Each request uses the one T, one A, one B and, watching only, one W. */
struct mix {
    const char  *name;
    struct limit t, a, b, w;
    uint32_t     expect_total; /* admitted in all; 0: not determined by the numbers alone */
};

#define SLIDING(n)                                                                                                     \
    {                                                                                                                  \
        .algorithm = LIMIT_SLIDING, .requests = (n), .period_s = 60                                                    \
    }
#define FIXED(n)                                                                                                       \
    {                                                                                                                  \
        .algorithm = LIMIT_FIXED, .requests = (n), .period_s = 60                                                      \
    }
#define TOKEN(n)                                                                                                       \
    {                                                                                                                  \
        .algorithm = LIMIT_TOKEN, .requests = 1, .period_s = 60, .burst = (n)                                          \
    }

static const struct mix mixes[] = {
    { "the common one binds", SLIDING(7), SLIDING(100), TOKEN(100), FIXED(3), 7 },
    { "each A binds", SLIDING(1000), FIXED(5), SLIDING(1000), SLIDING(2), A_KEYS * 5 },
    { "each B binds", FIXED(1000), SLIDING(1000), TOKEN(9), TOKEN(4), B_KEYS * 9 },
    { "A and B bind by turns", TOKEN(1000), SLIDING(6), SLIDING(7), SLIDING(1), 0 },
    { "all close together", SLIDING(22), TOKEN(6), FIXED(8), SLIDING(5), 22 },
};

static const struct moment now = { .mono_us = 77000000, .unix_us = 1795000020000000 };

static struct limits    *limits;
static const struct mix *mix;
static pthread_barrier_t barrier;
static atomic_uint       ready; /* a barrier lets threads go one by one; they should meet at the same instant */

/* Of one thread, by key. [KEYS] is W: let through with room. */
static uint32_t admitted[THREADS][KEYS + 1];

static uint64_t key_of(uint64_t round, uint64_t key)
{
    return (round * 64 + key + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Asks once for each pair, in an order of the thread's own, and returns how many passed. */
static uint32_t ask_all(unsigned thread, uint64_t round)
{
    uint32_t passed = 0;

    for (unsigned i = 0; i < A_KEYS * B_KEYS; i++) {
        unsigned         pair = (i * 5 + thread * 3 + (unsigned)round) % (A_KEYS * B_KEYS);
        unsigned         a = 1 + pair % A_KEYS, b = 1 + A_KEYS + pair / A_KEYS;
        struct limit_use uses[4];
        unsigned         first = (i + thread) % 4;

        uses[first] = (struct limit_use){ .key = key_of(round, 0), .limit = &mix->t, .binding = true };
        uses[(first + 1) % 4] = (struct limit_use){ .key = key_of(round, a), .limit = &mix->a, .binding = true };
        uses[(first + 2) % 4] = (struct limit_use){ .key = key_of(round, b), .limit = &mix->b, .binding = true };
        uses[(first + 3) % 4] = (struct limit_use){ .key = key_of(round, KEYS), .limit = &mix->w };
        if (!limits_decide(limits, uses, 4, true, now))
            continue;
        passed++;
        admitted[thread][0]++;
        admitted[thread][a]++;
        admitted[thread][b]++;
        admitted[thread][KEYS] += !uses[(first + 3) % 4].used_up;
    }
    return passed;
}

static int64_t check_key(uint64_t round, unsigned key, const struct limit *limit)
{
    struct limit_use use = { .key = key_of(round, key), .limit = limit };
    int64_t          total = 0, requests = limit->algorithm == LIMIT_TOKEN ? limit->burst : limit->requests;

    for (int thread = 0; thread < THREADS; thread++) {
        total += admitted[thread][key];
        admitted[thread][key] = 0;
    }
    limits_look(limits, &use, 1, now);
    if (total > requests || use.remaining != requests - total)
        ck_abort_msg("%s, round %ju, key %u: %ld admitted of %ld, %ld remain", mix->name, round, key, (long)total,
                     (long)requests, (long)use.remaining);
    return use.remaining;
}

/* Every count is exact, and each pair is refused for a reason. */
static void check_round(uint64_t round)
{
    int64_t t, a[A_KEYS], b[B_KEYS];

    t = check_key(round, 0, &mix->t);
    for (unsigned i = 0; i < A_KEYS; i++)
        a[i] = check_key(round, 1 + i, &mix->a);
    for (unsigned i = 0; i < B_KEYS; i++)
        b[i] = check_key(round, 1 + A_KEYS + i, &mix->b);
    if (check_key(round, KEYS, &mix->w) != 0)
        ck_abort_msg("%s, round %ju: the watching limit has room", mix->name, round);
    for (unsigned i = 0; i < A_KEYS * B_KEYS; i++) {
        if (t > 0 && a[i % A_KEYS] > 0 && b[i / A_KEYS] > 0)
            ck_abort_msg("%s, round %ju: pair %u refused with room", mix->name, round, i);
    }
    if (mix->expect_total != 0) {
        int64_t all = mix->t.algorithm == LIMIT_TOKEN ? mix->t.burst : mix->t.requests;

        if (all - t != mix->expect_total)
            ck_abort_msg("%s, round %ju: %ld admitted in all", mix->name, round, (long)(all - t));
    }
}

static void *race(void *argument)
{
    unsigned thread = (unsigned)(size_t)argument;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        atomic_fetch_add(&ready, 1);
        while (atomic_load(&ready) < (round + 1) * THREADS)
            sched_yield();
        while (ask_all(thread, round) > 0)
            ;
        pthread_barrier_wait(&barrier);
        if (thread == 0)
            check_round(round);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

START_TEST(test_race)
{
    pthread_t threads[THREADS];

    mix = &mixes[_i];
    limits = limits_new(100000, 1);
    ck_assert_ptr_nonnull(limits);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    ck_assert_uint_eq(limits_counts(limits).counters, (KEYS + 1) * ROUNDS);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_racing");
    TCase   *tcase = tcase_create("racing");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_race, 0, (int)(sizeof mixes / sizeof mixes[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
