/* Requests that touch several limits, at random: what limits_look() says of each limit alone decides what the request
 * gets, what is charged and who is banned, and nothing else changes. And what it says of each limit alone is true, by
 * the record of what it was charged. */
#include <check.h>
#include <stdlib.h>

#include "lib/promise.h"
#include "lib/random.h"
#include "lib/require.h"

#define SECOND INT64_C(1000000)

enum { KEYS = 12, MOST_USES = 6, REQUESTS = 20000 };

/* One key is one limit with its record. */
static struct limit   rules[KEYS];
static struct promise promises[KEYS];
static struct limits *limits;
static struct random  numbers;

static uint64_t key_of(size_t k)
{
    return (k + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static struct limit_use look(size_t k, struct moment now)
{
    struct limit_use use = { .key = key_of(k), .limit = &rules[k] };

    require(limits_look(limits, &use, 1, now), "a look alone that binds nothing, refused");
    return use;
}

static void check_look(size_t k, struct moment now)
{
    struct limit_use use = look(k, now);

    require(use.used_up == (use.remaining == 0) && use.used_up == (use.retry_us > 0), "key %zu: used up or not", k);
    if (use.ban_us == 0 && promise_judge(&promises[k], &rules[k], now, !use.used_up) != PROMISE_KEPT)
        ck_abort_msg("key %zu, algorithm %d: %ld remain wrongly", k, rules[k].algorithm, (long)use.remaining);
}

static void setup(uint64_t seed)
{
    numbers.state = seed;
    limits = limits_new(100000, 1);
    ck_assert_ptr_nonnull(limits);
    for (size_t k = 0; k < KEYS; k++) {
        rules[k] = (struct limit){
            .algorithm = (enum limit_algorithm)(k % 3),
            .requests = (uint32_t)random_magnitude(&numbers, 30),
            .period_s = (uint32_t)random_magnitude(&numbers, 100),
            .burst = (uint32_t)random_magnitude(&numbers, 30),
            .ban_s = k % 4 == 0 ? (uint32_t)random_magnitude(&numbers, 50) : 0,
        };
        promises[k] = (struct promise){ .algorithm = rules[k].algorithm };
    }
}

static void teardown(void)
{
    for (size_t k = 0; k < KEYS; k++)
        promise_fini(&promises[k]);
    limits_free(limits);
}

/* Some keys, none twice, in any order. */
static size_t choose(size_t *keys)
{
    size_t n = 1 + (size_t)random_below(&numbers, MOST_USES), chosen = 0;

    while (chosen < n) {
        size_t k = (size_t)random_below(&numbers, KEYS);
        bool   twice = false;

        for (size_t i = 0; i < chosen; i++)
            twice = twice || keys[i] == k;
        if (!twice)
            keys[chosen++] = k;
    }
    return n;
}

/* What the looks before the request lead one to expect of the looks after it. */
static void expect(const size_t *keys, const struct limit_use *uses, size_t n, bool charged, struct limit_use *expected)
{
    bool refused = false;

    for (size_t i = 0; i < n; i++) {
        struct limit_use *e = &expected[keys[i]];

        require(uses[i].used_up == e->used_up, "use %zu of %zu: used up %d", i, n, uses[i].used_up);
        if (e->used_up && !refused && e->ban_us == 0)
            e->ban_us = rules[keys[i]].ban_s * SECOND;
        if (charged && !e->used_up)
            e->remaining--;
        refused = refused || (e->used_up && uses[i].binding);
    }
}

static void request(struct moment now)
{
    struct limit_use before[KEYS], uses[MOST_USES];
    size_t           keys[MOST_USES], n = choose(keys);
    bool             charge = random_below(&numbers, 8) != 0, expect_pass = true, pass;

    for (size_t k = 0; k < KEYS; k++)
        before[k] = look(k, now);
    for (size_t i = 0; i < n; i++) {
        uses[i] = (struct limit_use){ .key = key_of(keys[i]), .limit = &rules[keys[i]] };
        uses[i].binding = random_below(&numbers, 4) != 0;
        expect_pass = expect_pass && !(uses[i].binding && before[keys[i]].used_up);
    }
    require(limits_look(limits, uses, n, now) == expect_pass, "a look at all: pass %d", !expect_pass);
    pass = limits_decide(limits, uses, n, charge, now);
    require(pass == expect_pass, "%zu uses: pass %d", n, pass);
    expect(keys, uses, n, pass && charge, before);
    for (size_t k = 0; k < KEYS; k++) {
        struct limit_use after = look(k, now);

        require(after.remaining == before[k].remaining && after.ban_us == before[k].ban_us,
                "key %zu: %ld remain, banned for %ld, not %ld and %ld", k, (long)after.remaining, (long)after.ban_us,
                (long)before[k].remaining, (long)before[k].ban_us);
        before[k] = after;
    }
    for (size_t i = 0; i < n; i++) {
        const struct limit_use *after = &before[keys[i]];

        require(uses[i].remaining == after->remaining && uses[i].reset_us == after->reset_us &&
                    uses[i].ban_us == after->ban_us,
                "key %zu: the decision says other than a look right behind it", keys[i]);
        require(uses[i].retry_us == (uses[i].used_up ? after->retry_us : 0), "key %zu: retry %ld, not %ld", keys[i],
                (long)uses[i].retry_us, (long)after->retry_us);
        if (pass && charge && !uses[i].used_up)
            promise_charge(&promises[keys[i]], &rules[keys[i]], now);
    }
}

START_TEST(test_together)
{
    struct moment now = { .mono_us = 1000 * SECOND, .unix_us = 1795000020 * SECOND };

    setup((uint64_t)_i);
    for (int i = 0; i < REQUESTS; i++) {
        size_t  k = (size_t)random_below(&numbers, KEYS);
        int64_t gap_us = random_below(&numbers, 1 + (8 * SECOND >> random_below(&numbers, 24)));

        request(now);
        for (size_t j = 0; j < KEYS; j++)
            check_look(j, now);
        if (random_below(&numbers, 8) == 0)
            gap_us = look(k, now).retry_us - random_below(&numbers, 2);
        now.mono_us += gap_us > 0 ? gap_us : 0;
        now.unix_us += gap_us > 0 ? gap_us : 0;
        if (random_below(&numbers, 50) == 0)
            rules[k].ban_s = (uint32_t)random_below(&numbers, 3) * (uint32_t)random_magnitude(&numbers, 50);
        if (random_below(&numbers, 50) == 0 && rules[k].algorithm != LIMIT_TOKEN)
            rules[k].requests = (uint32_t)random_magnitude(&numbers, 30);
    }
    teardown();
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_together");
    TCase   *tcase = tcase_create("together");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_together, 0, 8);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
