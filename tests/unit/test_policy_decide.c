/* Random rules and requests: what the index finds is what a walk over all rules finds, and the walk is as the words
 * say. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/require.h"
#include "policy/decide.h"
#include "policy/regex.h"

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof *(array))]

static void no_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    ck_abort_msg("%s", problem_format(problem, text));
}

static struct list *find_list(void *context, const char *name)
{
    struct list *list = list_new(name, 0);

    (void)context;
    if (strcmp(name, "nets") == 0) {
        list_add(list, SPAN_LITERAL("10.0.0.0/8"));
        list_add(list, SPAN_LITERAL("2001:db8::/32"));
    } else {
        list_add(list, strcmp(name, "keys") == 0 ? SPAN_LITERAL("K1") : SPAN_LITERAL("/items/1"));
    }
    list_finish(list);
    return list;
}

static struct rule_value text(const char *value)
{
    return (struct rule_value){ .type = value == NULL ? VALUE_NULL : VALUE_TEXT, .text = value };
}

static struct rule_value integer(int64_t value)
{
    return (struct rule_value){ .type = VALUE_INTEGER, .integer = value, .text = "" };
}

/* Of rules that share literal parts, so that buckets of the index overlap. */
static struct ruleset *random_set(size_t n)
{
    static const char *const sources[] = {
        NULL,          NULL,        NULL,   "10.0.0.0/8",  "10.1.0.0/16", "10.1.2.3", "2001:db8::/32",
        "2001:db8::1", "0.0.0.0/0", "::/0", "!10.0.0.0/8", "*",           "!*",       "@nets"
    };
    static const char *const methods[] = { NULL, NULL, NULL, "GET", "GET,POST", "!GET", "P*", "*" };
    static const char *const hosts[] = {
        NULL, NULL, "a.example", "*.example", "a.*", "~^a", "!a.example", "b.a.example"
    };
    static const char *const matched_paths[] = { NULL,        NULL,    "/items/1",   "/items/*",    "/*",
                                                 "*/1",       "*.php", "/i?ems/*",   "/items/[12]", "~items",
                                                 "!/items/*", "@list", "/items/*/1", "*items*",     "/",
                                                 "/items/1*", "*" };
    static const char *const keys[] = { "K1", "K*", "!K1", "*", "!*", "@keys", "*1" };
    static const char *const actions[] = { "limit", "limit", "limit", "limit", "limit",
                                           "limit", "limit", "deny",  "allow" };
    static const char *const pers[] = { NULL, "src", "src,path", "key", "host,key" };
    static const char *const policies[] = { NULL, NULL, NULL, "a", "b" };
    static const char *const instants[] = { NULL, NULL, NULL, "1970-01-01T00:00:50Z", "1970-01-01T00:00:00Z" };
    struct ruleset_builder  *builder = ruleset_builder_new(no_problem, NULL, find_list, NULL);

    for (size_t i = 0; i < n; i++) {
        struct rule_match pair = { "key", PICK(keys), "text" };
        struct rule_row   row = { .id = integer((int64_t)i + 1), .action = text(PICK(actions)) };

        row.src = text(PICK(sources));
        row.method = text(PICK(methods));
        row.host = text(PICK(hosts));
        row.path = text(PICK(matched_paths));
        row.policy = text(PICK(policies));
        row.valid_from = text(PICK(instants));
        row.shadow = integer(random_below(4) == 0);
        if (strcmp(row.action.text, "limit") == 0) {
            row.requests = integer(1 + random_below(8));
            row.period = integer(60);
            row.per = text(PICK(pers));
        }
        ruleset_builder_add(builder, &row, &pair, random_below(3) == 0);
    }
    return ruleset_builder_finish(builder);
}

static char scratch[REQUEST_SCRATCH(512)];

static void random_request(struct request *request, const struct ruleset *set)
{
    static const char *const sources[] = { NULL,          "10.1.2.3", "10.9.9.9",        "192.0.2.1",
                                           "2001:db8::1", "::1",      "::ffff:10.1.2.3", "unix" };
    static const char *const methods[] = { NULL, "GET", "POST", "PUT", "" };
    static const char *const hosts[] = { NULL, "a.example", "A.example:80", "b.a.example.", "c", "" };
    static const char *const paths[] = { NULL,     "/",          "/items/1", "/items/2", "//items/%31", "/x/../items/1",
                                         "/a.php", "/items/x/1", "*",        "/items/",  "/items%2f1",  "/i" };
    static const char *const keys[] = { NULL, "K1", "K2", "", "1" };
    int                      key = ruleset_attribute(set, SPAN_LITERAL("key"));
    const char              *values[] = { PICK(sources), PICK(methods), PICK(hosts), PICK(paths), PICK(keys) };

    request_init(request, scratch, sizeof scratch);
    for (unsigned i = 0; i < 4; i++)
        if (values[i] != NULL)
            request_set_text(request, i, span_of(values[i]));
    if (values[4] != NULL && key >= 0)
        request_set_text(request, (unsigned)key, span_of(values[4]));
    request_finish(request);
    /* Time that the machine gives to others must not change what a pattern says. */
    request->effort.steps = SIZE_MAX;
}

static void compare(const struct decision *a, const struct decision *b)
{
    require(a->applied_n == b->applied_n && a->uses_n == b->uses_n && a->end == b->end && a->overflow == b->overflow,
            "other rules apply");
    for (size_t i = 0; i < a->applied_n; i++)
        require(a->applied[i] == b->applied[i], "rule %d applies, and not rule %d", (int)a->applied[i]->id,
                (int)b->applied[i]->id);
    for (size_t i = 0; i < a->uses_n; i++)
        require(a->uses[i].used_up == b->uses[i].used_up && a->uses[i].remaining == b->uses[i].remaining &&
                    a->uses[i].key == b->uses[i].key,
                "a limit is used in another way");
    require(a->verdict == b->verdict && a->status == b->status && a->rule == b->rule && a->tightest == b->tightest &&
                a->limit == b->limit && a->remaining == b->remaining && a->reset_s == b->reset_s &&
                a->retry_after_s == b->retry_after_s && a->ban_s == b->ban_s,
            "another verdict");
}

/* What the words say of which rules apply, said once more. */
static void check_walk(const struct ruleset *set, struct request *request, struct moment now, const struct decision *d)
{
    const char *taken[64];
    size_t      taken_n = 0, at = 0;
    bool        ended = false;

    for (size_t i = 0; i < set->n && !ended; i++) {
        const struct rule *rule = &set->rules[i];
        bool               applies = now.unix_us >= rule->from_us && now.unix_us < rule->until_us, certain = true;

        for (size_t k = 0; k < rule->patterns_n; k++) {
            const struct pattern *pattern = &rule->patterns[k];
            bool                  matches = pattern_match(pattern, request) == MATCH_YES;

            if (request->ambiguous && pattern->attribute == ATTRIBUTE_PATH) {
                bool raw = pattern_match_text(pattern, request->raw_path) == MATCH_YES;
                bool other = pattern_match_text(pattern, request->other_path) == MATCH_YES;

                certain = certain && matches && raw && other;
                matches = matches || raw || other;
            }
            applies = applies && matches;
        }
        for (size_t k = 0; k < rule->per_n; k++)
            applies = applies && request->value[rule->per[k]].p != NULL;
        for (size_t k = 0; k < taken_n; k++)
            applies = applies && (rule->policy_name == NULL || strcmp(rule->policy_name, taken[k]) != 0);
        if (!applies || (!certain && rule->action == RULE_ALLOW))
            continue;
        require(at < d->applied_n && d->applied[at] == rule, "rule %d does not apply", (int)rule->id);
        at++;
        if (rule->shadow)
            continue;
        if (rule->policy_name != NULL && certain)
            taken[taken_n++] = rule->policy_name;
        ended = rule->action != RULE_LIMIT;
    }
    require(at == d->applied_n, "%zu rules too many apply", d->applied_n - at);
}

/* `retry_after`: no second too short or too long, if nobody else comes. */
static void check_retry(const struct decider *decider, const struct ruleset *set, struct request *request,
                        struct moment now, const struct decision *denied)
{
    struct decider         look = { .limits = decider->limits, .ipv6_prefix = decider->ipv6_prefix, .look = true };
    static struct decision then;

    for (int64_t less_s = 0; less_s < 2; less_s++) {
        int64_t       later_us = (denied->retry_after_s - less_s) * 1000000;
        struct moment later = { now.mono_us + later_us, now.unix_us + later_us };

        decide(&look, set, request, later, &then);
        /* Another rule may have come into force meanwhile. */
        if (then.applied_n == denied->applied_n &&
            memcmp(then.applied, denied->applied, then.applied_n * sizeof(void *)) == 0)
            require((then.verdict == VERDICT_DENY) == (less_s == 1), "%d seconds is wrong", (int)denied->retry_after_s);
    }
}

struct watcher {
    size_t told, applies;
    bool   out_of_order;
};

static void note_step(void *context, const struct rule *rule, enum step step)
{
    struct watcher *watcher = context;

    watcher->out_of_order |= rule->id != (int64_t)++watcher->told;
    watcher->applies += step == STEP_APPLIES;
}

/* Two tables of counters see the same requests, one by way of the index and one without; a look beforehand, at either,
 * changes nothing and tells of each rule. */
START_TEST(index_and_walk_agree)
{
    struct decider         by_index = { .limits = limits_new(10000, 5), .ipv6_prefix = 64 };
    struct decider         plain = { .limits = limits_new(10000, 5), .ipv6_prefix = 64, .plain = true };
    struct ruleset        *set;
    static struct request  request;
    static struct decision a, b;
    unsigned               verdicts[3] = { 0 };

    random_state = (uint64_t)_i + 1;
    set = random_set(1 + random_below(60));
    ck_assert_ptr_nonnull(set);
    for (int i = 0; i < 2000; i++) {
        struct moment  now = { .mono_us = (int64_t)i * 50000 + 1, .unix_us = (int64_t)i * 50000 };
        struct watcher watcher = { 0 };
        struct decider look = {
            .limits = by_index.limits, .ipv6_prefix = 64, .look = true, .step = note_step, .step_context = &watcher
        };

        random_request(&request, set);
        decide(&look, set, &request, now, &b);
        require(watcher.told == set->n && !watcher.out_of_order && watcher.applies == b.applied_n,
                "not each rule was told of");
        decide(&by_index, set, &request, now, &a);
        require(b.verdict == a.verdict && b.status == a.status, "a look says otherwise");
        decide(&plain, set, &request, now, &b);
        compare(&a, &b);
        if (!a.overflow)
            check_walk(set, &request, now, &a);
        if (a.retry_after_s > 0 && a.end == NULL && !a.overflow)
            check_retry(&by_index, set, &request, now, &a);
        verdicts[a.verdict]++;
    }
    /* Else nothing was tried. */
    ck_assert_uint_gt(verdicts[VERDICT_ALLOW], 0);
    regex_thread_fini();
    ruleset_free(set);
    limits_free(by_index.limits);
    limits_free(plain.limits);
}
END_TEST

START_TEST(counted_source)
{
    static const struct {
        const char *from, *to;
        unsigned    prefix;
    } sources[] = {
        { "192.0.2.1", "192.0.2.1", 64 },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", 64 },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1::/56", 56 },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", 128 },
        { "::ffff:192.0.2.1", "192.0.2.1", 1 },
        { "unix", "unix", 64 },
    };
    static struct request request;
    char                  out[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        request_init(&request, scratch, sizeof scratch);
        request_set_text(&request, ATTRIBUTE_SRC, span_of(sources[i].from));
        request_finish(&request);
        ck_assert_msg(span_eq(counted_src(&request, sources[i].prefix, out), span_of(sources[i].to)), "%s",
                      sources[i].from);
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("decide");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, index_and_walk_agree, 0, 60);
    tcase_add_test(tcase, counted_source);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
