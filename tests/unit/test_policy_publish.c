/* Rule sets published under workers' feet: what a worker holds stays, what nobody holds goes. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "policy/publish.h"

static void no_problem(void *context, const struct problem *problem)
{
    (void)context;
    ck_abort_msg("%s", problem->remedy);
}

/* A set with a rule of the given id, which tells it from others, and a regular expression, which must be freed. */
static struct ruleset *numbered_set(int64_t id)
{
    struct ruleset_builder *builder = ruleset_builder_new(no_problem, NULL, NULL, NULL);
    struct rule_row         row = { 0 };

    row.id = (struct rule_value){ .type = VALUE_INTEGER, .integer = id, .text = "id" };
    row.action = (struct rule_value){ .type = VALUE_TEXT, .text = "deny" };
    row.path = (struct rule_value){ .type = VALUE_TEXT, .text = "~^/x" };
    ruleset_builder_add(builder, &row, NULL, 0);
    return ruleset_builder_finish(builder);
}

START_TEST(old_sets_go_when_nobody_holds_them)
{
    struct ruleset_slot slot;
    struct ruleset_view a = { 0 }, b = { 0 };

    ruleset_slot_init(&slot, numbered_set(1));
    ck_assert_int_eq(ruleset_refresh(&slot, &a)->rules[0].id, 1);
    ck_assert_int_eq(ruleset_refresh(&slot, &b)->rules[0].id, 1);
    ruleset_publish(&slot, numbered_set(2));
    ck_assert_uint_eq(ruleset_collect(&slot), 1);
    /* b still has the old one, whole */
    ck_assert_int_eq(b.held->rules[0].id, 1);
    ck_assert_int_eq(ruleset_refresh(&slot, &a)->rules[0].id, 2);
    ruleset_publish(&slot, numbered_set(3));
    ck_assert_uint_eq(ruleset_collect(&slot), 2);
    ck_assert_int_eq(ruleset_refresh(&slot, &a)->rules[0].id, 3);
    ck_assert_uint_eq(ruleset_collect(&slot), 1);
    ck_assert_int_eq(ruleset_refresh(&slot, &b)->rules[0].id, 3);
    ck_assert_uint_eq(ruleset_collect(&slot), 0);
    ck_assert_ptr_eq(ruleset_refresh(&slot, &a), ruleset_refresh(&slot, &b));
    ruleset_release(&a);
    ruleset_release(&a);
    ruleset_release(&b);
    ruleset_slot_fini(&slot);
}
END_TEST

START_TEST(never_refreshed)
{
    struct ruleset_slot slot;
    struct ruleset_view view = { 0 };

    ruleset_slot_init(&slot, numbered_set(1));
    for (int64_t id = 2; id < 50; id++)
        ruleset_publish(&slot, numbered_set(id));
    ck_assert_uint_eq(ruleset_collect(&slot), 0);
    ck_assert_int_eq(ruleset_refresh(&slot, &view)->rules[0].id, 49);
    ruleset_release(&view);
    ruleset_slot_fini(&slot);
}
END_TEST

#define WORKERS 4

struct worker {
    pthread_t            thread;
    struct ruleset_slot *slot;
    atomic_bool         *stop;
    int64_t              last;
    bool                 went_back;
};

static void *work(void *context)
{
    struct worker      *worker = context;
    struct ruleset_view view = { 0 };
    bool                stop;

    do {
        stop = atomic_load(worker->stop);
        for (int i = 0; i < 100; i++) {
            int64_t id = ruleset_refresh(worker->slot, &view)->rules[0].id;

            worker->went_back |= id < worker->last;
            worker->last = id;
        }
        if (worker->last % 3 == 0)
            ruleset_release(&view);
    } while (!stop);
    ruleset_release(&view);
    return NULL;
}

/* A sanitizer sees a set that is used after it was freed, or never freed. */
START_TEST(workers_and_a_publisher)
{
    struct ruleset_slot slot;
    struct worker       workers[WORKERS];
    atomic_bool         stop = false;

    ruleset_slot_init(&slot, numbered_set(1));
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ .slot = &slot, .stop = &stop };
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int64_t id = 2; id <= 3000; id++)
        ruleset_publish(&slot, numbered_set(id));
    atomic_store(&stop, true);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        /* The last round began after the last publication. */
        ck_assert_int_eq(workers[i].last, 3000);
        ck_assert(!workers[i].went_back);
    }
    ck_assert_uint_eq(ruleset_collect(&slot), 0);
    ruleset_slot_fini(&slot);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("publish");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, old_sets_go_when_nobody_holds_them);
    tcase_add_test(tcase, never_refreshed);
    tcase_add_test(tcase, workers_and_a_publisher);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
