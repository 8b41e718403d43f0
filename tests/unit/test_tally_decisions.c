/* What a worker counts: each request once, in the right row, hour and minute, whatever is taken meanwhile. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally/decisions.h"

#define NOON INT64_C(1795262400000000) /* 2026-11-21T12:00:00Z */

static struct decisions      *d;
static struct decisions_taken taken;
static struct counts         *sum;
static struct rule            rules[64]; /* each at its id */
static struct ruleset         set = { .rules = rules, .n = 64 };
static struct ruleset_view    view = { .held = &set, .generation = 1 };

static void begin(void)
{
    d = decisions_new(1, 64);
    sum = counts_new();
}

static void end(void)
{
    decisions_free(d);
    counts_free(sum);
}

static struct moment at(int64_t unix_us)
{
    return (struct moment){ .mono_us = 1, .unix_us = unix_us };
}

static struct rule *rule(int64_t id, enum rule_action action, bool shadow)
{
    rules[id] = (struct rule){ .id = id, .action = action, .shadow = shadow };
    return &rules[id];
}

static void add_from(struct moment now, struct request request, const struct decision *decision)
{
    struct tally_request noted;

    decisions_note(d, &noted, &request, decision);
    decisions_begin(d, now, &view);
    decisions_add(d, &noted, decision);
    decisions_end(d);
}

static struct request from(const char *src, const char *path)
{
    struct request request = { .value[ATTRIBUTE_PATH] = span_of(path) };

    if (src != NULL && !address_parse(span_of(src), &request.src))
        request.value[ATTRIBUTE_SRC] = span_of(src);
    return request;
}

static void add(int64_t unix_us, const struct decision *decision)
{
    add_from(at(unix_us), from("192.0.2.1", "/"), decision);
}

/* Takes with `hour` running and adds all up; the sketches go. */
static void take(int64_t hour)
{
    decisions_take(d, hour, NULL, &taken);
    for (size_t i = 0; i < taken.n; i++) {
        if (taken.hours[i].counts != NULL) {
            counts_merge(sum, taken.hours[i].counts);
            decisions_reuse(d, taken.hours[i].counts);
        }
        sketches_free(taken.hours[i].sketches);
    }
}

static void expect_rule(int64_t id, const char *wanted)
{
    const struct rule_count *c = counts_rule(sum, id);
    char                     got[128];

    snprintf(got, sizeof got, "%d %d %d %d %d", (int)c->matched, (int)c->allowed, (int)c->slowed, (int)c->denied,
             (int)c->shadow_denied);
    ck_assert_msg(strcmp(got, wanted) == 0, "rule %d: %s, not %s", (int)id, got, wanted);
}

/* ---- who decided ---- */

START_TEST(each_request_is_in_one_row)
{
    const struct rule *allow = rule(1, RULE_ALLOW, false), *deny = rule(2, RULE_DENY, false),
                      *a = rule(3, RULE_LIMIT, false), *b = rule(4, RULE_LIMIT, false);
    struct decision decision = { .verdict = VERDICT_ALLOW };

    add(NOON, &decision); /* no rule */
    decision.applied[0] = a;
    decision.applied[1] = b;
    decision.applied_n = decision.uses_n = 2;
    decision.rule = decision.tightest = b;
    add(NOON, &decision);
    decision.verdict = VERDICT_SLOW;
    decision.rule = a;
    add(NOON, &decision);
    decision.verdict = VERDICT_DENY;
    add(NOON, &decision);
    decision.applied[2] = allow;
    decision.applied_n = 3;
    decision.verdict = VERDICT_ALLOW;
    decision.rule = b;
    decision.end = allow;
    add(NOON, &decision); /* the allow ended the walk, though b is the tightest */
    decision.applied[2] = deny;
    decision.end = decision.rule = deny;
    decision.verdict = VERDICT_DENY;
    add(NOON, &decision);
    decision.end = decision.rule = NULL;
    decision.overflow = true;
    add(NOON, &decision); /* more rules than there is room for: nobody's */
    take(hour_of(NOON));
    expect_rule(0, "2 1 0 1 0");
    expect_rule(1, "1 1 0 0 0");
    expect_rule(2, "2 0 0 1 0");
    expect_rule(3, "6 0 1 1 0");
    expect_rule(4, "6 1 0 0 0");
    ck_assert_uint_eq(sum->allowed, 3);
    ck_assert_uint_eq(sum->slowed, 1);
    ck_assert_uint_eq(sum->denied, 3);
    ck_assert_uint_eq(sum->minutes[0].requests, 7);
    ck_assert_uint_eq(sum->minutes[0].denied, 3);
}
END_TEST

START_TEST(shadow_rules)
{
    const struct rule *live = rule(1, RULE_LIMIT, false), *deny = rule(2, RULE_DENY, true),
                      *limit = rule(3, RULE_LIMIT, true), *allow = rule(4, RULE_ALLOW, true);
    struct rule    *slow = rule(5, RULE_LIMIT, true);
    struct decision decision = { .verdict = VERDICT_ALLOW, .rule = live, .tightest = live, .shadow = true };

    slow->slow = true;
    decision.applied[0] = live;
    decision.applied[1] = deny;
    decision.applied[2] = limit;
    decision.applied[3] = allow;
    decision.applied[4] = slow;
    decision.applied_n = 5;
    decision.uses[1].used_up = decision.uses[2].used_up = true; /* of `limit` and `slow` */
    decision.uses[1].retry_us = 1500000;
    decision.uses_n = 3;
    add(NOON, &decision);
    decision.uses[1].used_up = false;
    decision.uses[0].used_up = true;
    add(NOON, &decision);
    take(hour_of(NOON));
    expect_rule(1, "2 2 0 0 0");
    expect_rule(2, "2 0 0 0 2");
    expect_rule(3, "2 0 0 0 1");
    expect_rule(4, "2 0 0 0 0");
    expect_rule(5, "2 0 0 0 0");
    expect_rule(0, "0 0 0 0 0");
    ck_assert_uint_eq(sum->shadow_denied, 3);
    ck_assert_uint_eq(taken.denials_n, 3);
    ck_assert(taken.denials[0].shadow && taken.denials[0].rule == 2 && taken.denials[0].status == 403);
    ck_assert(taken.denials[1].rule == 3 && taken.denials[1].status == 429 && taken.denials[1].retry_after_s == 2);
}
END_TEST

/* ---- when ---- */

START_TEST(hours_and_minutes)
{
    const struct decision decision = { .verdict = VERDICT_ALLOW };
    const int64_t         noon = hour_of(NOON);

    add(NOON - 1, &decision);
    add(NOON, &decision);
    add(NOON + 59 * INT64_C(60000000), &decision);
    add(NOON - 1, &decision); /* the clock steps back */
    add(-1, &decision);
    decisions_take(d, noon, NULL, &taken);
    ck_assert_uint_eq(taken.n, 3);
    ck_assert_int_eq(taken.hours[0].hour, noon - 1);
    ck_assert_uint_eq(taken.hours[0].counts->minutes[59].requests, 2);
    ck_assert_ptr_nonnull(taken.hours[0].sketches);
    ck_assert_int_eq(taken.hours[1].hour, noon);
    ck_assert_uint_eq(taken.hours[1].counts->minutes[0].requests, 1);
    ck_assert_uint_eq(taken.hours[1].counts->minutes[59].requests, 1);
    ck_assert_ptr_null(taken.hours[1].sketches);
    ck_assert_int_eq(taken.hours[2].hour, 0);
    for (size_t i = 0; i < taken.n; i++) {
        counts_free(taken.hours[i].counts);
        sketches_free(taken.hours[i].sketches);
    }

    /* Once more, after the hour was taken. */
    add(NOON - 1, &decision);
    take(noon);
    ck_assert_uint_eq(taken.n, 2);
    ck_assert_uint_eq(sum->allowed, 1);
}
END_TEST

START_TEST(more_hours_than_there_is_room_for)
{
    const struct decision decision = { .verdict = VERDICT_ALLOW };

    for (int i = 0; i < 100; i++)
        add(NOON + i * HOUR_US, &decision);
    take(-1);
    ck_assert_uint_eq(taken.n, DECISIONS_HOURS);
    ck_assert_uint_eq(sum->allowed, 100);
}
END_TEST

/* Numbered counts are of 32 bits, and go over before they are full. */
START_TEST(more_than_fits)
{
    struct counts *counts = counts_new();

    rule(3, RULE_LIMIT, false);
    counts_number(counts, &view);
    counts->numbered[1 + 3].matched = counts->numbered[1 + 3].allowed = UINT32_MAX - COUNTS_BATCH_MAX;
    counts->allowed = UINT32_MAX - COUNTS_BATCH_MAX;
    for (int i = 0; i < 3; i++) {
        counts_number(counts, &view);
        counts->numbered[1 + 3].matched += COUNTS_BATCH_MAX;
        counts->allowed += COUNTS_BATCH_MAX;
    }
    counts_merge(sum, counts);
    ck_assert_uint_eq(counts_rule(sum, 3)->matched, UINT32_MAX + UINT64_C(2) * COUNTS_BATCH_MAX);
    ck_assert_uint_eq(counts_rule(sum, 3)->allowed, UINT32_MAX - COUNTS_BATCH_MAX);
    counts_free(counts);
    ck_assert_uint_eq(set.users, 0);
}
END_TEST

/* ---- who ---- */

static void expect_client(const struct topk_row *row, const char *wanted, unsigned count)
{
    char        address[ADDRESS_TEXT_MAX];
    struct span text = client_text(row->text, address);

    ck_assert_msg(span_eq(text, span_of(wanted)), "%.*s, not %s", (int)text.n, text.p, wanted);
    ck_assert_uint_eq(row->count, count);
}

START_TEST(clients_and_paths)
{
    const struct decision allow = { .verdict = VERDICT_ALLOW }, deny = { .verdict = VERDICT_DENY, .status = 403 };
    struct sketches      *s = sketches_new();
    struct topk_row       rows[8];
    char                  key[CLIENT_KEY_MAX];

    for (int i = 0; i < 4; i++)
        add_from(at(NOON), from("192.0.2.1", "/a"), i == 0 ? &deny : &allow);
    for (int i = 0; i < 3; i++)
        add_from(at(NOON), from(i == 0 ? "2001:db8::1" : "2001:db8::2", "/a"), &allow);
    for (int i = 0; i < 2; i++)
        add_from(at(NOON), from("caf\xC3\xA9 \xFF", "/b"), &allow);
    add_from(at(NOON), from(NULL, "/b"), &allow);
    decisions_take(d, hour_of(NOON), s, &taken);
    ck_assert(taken.copied);
    counts_free(taken.hours[0].counts);
    ck_assert_uint_eq(topk_size(s->clients), 4);
    topk_rows(s->clients, rows);
    expect_client(&rows[0], "192.0.2.1", 4);
    ck_assert_uint_eq(rows[0].sums[SUM_DENIED], 1);
    expect_client(&rows[1], "2001:db8::/64", 3);
    expect_client(&rows[2], "caf\xC3\xA9 \\xFF", 2);
    expect_client(&rows[3], "", 1);
    ck_assert_uint_eq(distinct_count(&s->distinct), 3); /* who has no src is nobody */
    /* From the text to the same key. */
    for (int i = 0; i < 4; i++) {
        char        address[ADDRESS_TEXT_MAX];
        struct span text = client_text(rows[i].text, address);

        ck_assert(tally_id_of(client_key_of_text(text, key), 1) == rows[i].id);
    }
    topk_rows(s->paths, rows);
    ck_assert_uint_eq(topk_size(s->paths), 2);
    ck_assert(span_eq(rows[0].text, span_of("/a")) && rows[0].count == 7);
    sketches_free(s);
}
END_TEST

/* ---- one by one ---- */

START_TEST(a_flood_of_denials)
{
    struct decision deny = { .verdict = VERDICT_DENY, .status = 403 };
    struct request  request = from("192.0.2.1", "/denied");
    char            path[2000];

    deny.applied[0] = deny.rule = deny.end = rule(9, RULE_DENY, false);
    deny.applied_n = 1;
    memset(path, 'a', sizeof path);
    request.value[ATTRIBUTE_METHOD] = span_of("GET");
    request.value[ATTRIBUTE_PATH] = (struct span){ path, sizeof path };
    for (int i = 0; i < 1000; i++) {
        add_from(at(NOON), request, &deny);
        request.value[ATTRIBUTE_PATH] = span_of("/denied");
    }
    take(hour_of(NOON));
    ck_assert_uint_eq(taken.denials_n, DENIALS_MAX);
    ck_assert_uint_eq(sum->left_out, 1000 - DENIALS_MAX);
    ck_assert_uint_eq(sum->denied, 1000);
    ck_assert_uint_eq(strlen(taken.denials[0].path), sizeof taken.denials[0].path - 1);
    ck_assert_str_eq(taken.denials[0].path + sizeof taken.denials[0].path - 4, "\xE2\x80\xA6");
    ck_assert_str_eq(taken.denials[1].path, "/denied");
    ck_assert_str_eq(taken.denials[1].src, "192.0.2.1");
    ck_assert(taken.denials[1].has_method && !taken.denials[1].has_host);
    add_from(at(NOON), request, &deny);
    take(hour_of(NOON));
    ck_assert_uint_eq(taken.denials_n, 1);
}
END_TEST

/* ---- together ---- */

#define BATCHES 3000
#define BATCH   16

static atomic_int running;

static struct rule         many_rules[BATCHES + BATCH];
static struct ruleset      sets[BATCHES / 3];
static struct ruleset_view views[BATCHES / 3];

/* Ever newer sets of rules, of ever other sizes; each three batches long. */
static void *work(void *context)
{
    struct decision decision = { .verdict = VERDICT_ALLOW };

    (void)context;
    for (int i = 0; i < BATCHES + BATCH; i++)
        many_rules[i].id = i + 1;
    for (int i = 0; i < BATCHES; i++) {
        if (i % 3 == 0) { /* from then on the taking thread may look at it */
            sets[i / 3].rules = many_rules + i / 3;
            sets[i / 3].n = 16 + (size_t)i / 3 % 40;
            views[i / 3] = (struct ruleset_view){ .held = &sets[i / 3], .generation = 1 + (uint64_t)i / 3 };
        }
        decisions_begin(d, at(NOON + i * (HOUR_US / 1000)), &views[i / 3]);
        for (int j = 0; j < BATCH; j++) {
            const struct request request = from("192.0.2.1", "/");
            struct tally_request noted;

            decision.applied[0] = decision.rule = decision.tightest = &sets[i / 3].rules[j];
            decision.applied_n = decision.uses_n = 1;
            decisions_note(d, &noted, &request, &decision);
            decisions_add(d, &noted, &decision);
        }
        decisions_end(d);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* One worker fills, over three hours and a thousand sets of rules, while another thread takes: nothing is lost. */
START_TEST(taken_while_it_fills)
{
    struct sketches *copy = sketches_new(), *all = sketches_new();
    pthread_t        thread;
    uint64_t         matched = 0;
    int64_t          hour = hour_of(NOON);
    bool             over;

    atomic_store(&running, 1);
    pthread_create(&thread, NULL, work, NULL);
    do {
        over = atomic_load(&running) == 0;
        decisions_take(d, over ? -1 : hour + 1, copy, &taken);
        for (size_t i = 0; i < taken.n; i++) {
            if (taken.hours[i].counts != NULL) {
                counts_merge(sum, taken.hours[i].counts);
                decisions_reuse(d, taken.hours[i].counts);
            }
            if (taken.hours[i].sketches != NULL)
                sketches_merge(all, taken.hours[i].sketches);
            sketches_free(taken.hours[i].sketches);
        }
    } while (!over);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(sum->allowed, BATCHES * BATCH);
    for (uint32_t i = 0; i < sum->rules_n; i++)
        matched += sum->rules[i].matched;
    expect_rule(1, "3 3 0 0 0");
    expect_rule(BATCHES / 3, "48 48 0 0 0");
    ck_assert_uint_eq(matched, BATCHES * BATCH);
    ck_assert_uint_eq(sum->rules_n, BATCHES / 3 + BATCH - 1);
    ck_assert_uint_eq(topk_other(all->clients, NULL, 0).count, BATCHES * BATCH);
    decisions_free(d);
    d = NULL;
    for (int i = 0; i < BATCHES / 3; i++)
        ck_assert_uint_eq(sets[i].users, 0);
    sketches_free(copy);
    sketches_free(all);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("tally_decisions");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, each_request_is_in_one_row);
    tcase_add_test(tcase, shadow_rules);
    tcase_add_test(tcase, hours_and_minutes);
    tcase_add_test(tcase, more_hours_than_there_is_room_for);
    tcase_add_test(tcase, more_than_fits);
    tcase_add_test(tcase, clients_and_paths);
    tcase_add_test(tcase, a_flood_of_denials);
    tcase_add_test(tcase, taken_while_it_fills);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
