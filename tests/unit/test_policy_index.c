/* Three ways to the same answer: the index, the plain walk, and an oracle made of SQLite's own GLOB and of addresses as
 * numbers. Random rule sets over a small alphabet, so that much of it matches; each pair of a rule set and a request
 * must give the same rules in the same order.
 *
 * INDEX_PAIRS sets how many pairs (default 200,000). */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "policy/decide.h"
#include "policy/ruleset.h"

#define RULES_MAX      40
#define REQUESTS_A_SET 200

static uint64_t state = 0x9E3779B97F4A7C15u;

static unsigned below(unsigned n)
{
    /* xorshift64 (Marsaglia, 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 20) % n);
}

/* ---- random rules, as text ---- */

struct text_rule {
    char        src[40], method[24], host[40], path[40], key[40]; /* empty: NULL */
    const char *action, *policy;
    char        per[16];
    bool        shadow;
};

static void random_word(char *out, const char *alphabet, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        *out++ = alphabet[below((unsigned)strlen(alphabet))];
    *out = '\0';
}

/* Text over `alphabet`, sometimes with wild cards, sometimes negated. */
static void random_pattern(char *out, const char *start, const char *alphabet)
{
    static const char *const wild[] = { "*", "?", "[ab]", "[^a]", "*", "*" };
    unsigned                 pieces = below(4);

    *out = '\0';
    if (below(8) == 0)
        strcat(out, "!");
    if (below(10) == 0) {
        strcat(out, "*");
        return;
    }
    if (below(4) != 0)
        strcat(out, start);
    else if (*start == '/')
        strcat(out, "*");
    for (unsigned i = 0; i <= pieces; i++) {
        char word[8];

        random_word(word, alphabet, below(4) + 1);
        strcat(out, word);
        if (below(3) == 0)
            strcat(out, wild[below(6)]);
    }
}

static void random_src(char *out)
{
    static const char *const v6[] = { "2001:db8::/32", "2001:db8:0:1::/64", "2001:db8::1", "::/0", "!2001:db8::/33" };
    unsigned                 prefix = below(33);
    uint32_t                 address = 0x0A000000u | below(4) << 22 | below(4);

    if (below(5) == 0) {
        strcpy(out, v6[below(5)]);
        return;
    }
    if (below(10) == 0) {
        strcpy(out, below(2) ? "*" : "!*");
        return;
    }
    address = prefix == 0 ? 0 : address & ~(uint32_t)(((uint64_t)1 << (32 - prefix)) - 1);
    sprintf(out, "%s%u.%u.%u.%u/%u", below(6) == 0 ? "!" : "", address >> 24, address >> 16 & 255, address >> 8 & 255,
            address & 255, prefix);
    if (prefix == 32)
        *strchr(out, '/') = '\0';
}

static void random_rule(struct text_rule *rule)
{
    static const char *const methods[] = { "GET", "POST", "GET,POST", "!GET", "P*", "!GET,P?T", "*" };
    static const char *const pers[] = { "", "src", "k", "src,path", "host" };
    static const char *const policies[] = { NULL, NULL, NULL, "p", "q" };
    unsigned                 action = below(12);

    memset(rule, 0, sizeof *rule);
    if (below(3) == 0)
        random_src(rule->src);
    if (below(4) == 0)
        strcpy(rule->method, methods[below(7)]);
    if (below(3) == 0)
        random_pattern(rule->host, "a", "ab");
    if (below(2) == 0)
        random_pattern(rule->path, "/", "ab");
    if (below(3) == 0)
        random_pattern(rule->key, "k", "ab\xC3\xA4");
    rule->action = action == 0 ? "allow" : action == 1 ? "deny" : "limit";
    rule->policy = policies[below(5)];
    strcpy(rule->per, pers[below(5)]);
    rule->shadow = below(6) == 0;
}

static struct rule_value text_value(const char *text)
{
    if (text == NULL || *text == '\0')
        return (struct rule_value){ .type = VALUE_NULL };
    return (struct rule_value){ .type = VALUE_TEXT, .text = text };
}

static struct rule_value integer_value(int64_t n)
{
    return (struct rule_value){ .type = VALUE_INTEGER, .integer = n, .text = "" };
}

static void count_problem(void *context, const struct problem *problem)
{
    (void)problem;
    ++*(int *)context;
}

static struct list *no_list(void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

/* Those of `rules` that compile move to the front; returns how many. */
static size_t keep_valid(struct text_rule *rules, size_t n, struct ruleset **set)
{
    size_t kept = 0;
    int    problems = 0;

    for (int pass = 0; pass < 2; pass++) {
        struct ruleset_builder *builder = ruleset_builder_new(count_problem, &problems, no_list, NULL);
        size_t                  total = pass == 0 ? n : kept;

        for (size_t i = 0; i < total; i++) {
            struct text_rule *rule = &rules[i];
            struct rule_match match = { "k", rule->key, "text" };
            bool              limit = strcmp(rule->action, "limit") == 0;
            struct rule_row   row = {
                  .id = integer_value((int64_t)i + 1),
                  .src = text_value(rule->src),
                  .method = text_value(rule->method),
                  .host = text_value(rule->host),
                  .path = text_value(rule->path),
                  .action = text_value(rule->action),
                  .requests = limit ? integer_value(10) : text_value(NULL),
                  .period = limit ? integer_value(60) : text_value(NULL),
                  .per = limit ? text_value(rule->per) : text_value(NULL),
                  .policy = text_value(rule->policy),
                  .shadow = integer_value(rule->shadow),
            };

            problems = 0;
            ruleset_builder_add(builder, &row, &match, *rule->key != '\0');
            if (pass == 0 && problems == 0)
                rules[kept++] = *rule;
        }
        *set = ruleset_builder_finish(builder);
        if (pass == 0)
            ruleset_free(*set);
    }
    return kept;
}

/* ---- random requests ---- */

struct text_request {
    char     method[8], host[12], path[16], key[12];
    bool     has_host, has_key, has_src, v6;
    uint32_t v4;
    uint8_t  v6_bytes[16];
};

static void random_request(struct text_request *r)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "P" };
    static const uint8_t     v6[16] = { 0x20, 0x01, 0x0D, 0xB8 };

    memset(r, 0, sizeof *r);
    strcpy(r->method, methods[below(4)]);
    random_word(r->host, "ab", below(8) + 1);
    r->host[0] = 'a';
    r->path[0] = '/';
    random_word(r->path + 1, "aab", below(9));
    r->key[0] = 'k';
    random_word(r->key + 1, "ab\xC3\xA4", below(6));
    r->has_host = below(6) != 0;
    r->has_key = below(3) != 0;
    r->has_src = below(10) != 0;
    r->v6 = below(5) == 0;
    r->v4 = 0x0A000000u | below(4) << 22 | below(4);
    memcpy(r->v6_bytes, v6, sizeof v6);
    r->v6_bytes[7] = (uint8_t)below(2);
    r->v6_bytes[15] = (uint8_t)below(2);
}

static void set_request(const struct ruleset *set, const struct text_request *r, struct request *request, char *scratch,
                        size_t scratch_size)
{
    int     key = ruleset_attribute(set, SPAN_LITERAL("k"));
    uint8_t v4[4] = { (uint8_t)(r->v4 >> 24), (uint8_t)(r->v4 >> 16), (uint8_t)(r->v4 >> 8), (uint8_t)r->v4 };

    request_init(request, scratch, scratch_size);
    if (r->has_src)
        request_set_address(request, ATTRIBUTE_SRC, r->v6 ? address_from_v6(r->v6_bytes) : address_from_v4(v4));
    request_set_text(request, ATTRIBUTE_METHOD, span_of(r->method));
    if (r->has_host)
        request_set_text(request, ATTRIBUTE_HOST, span_of(r->host));
    request_set_text(request, ATTRIBUTE_PATH, span_of(r->path));
    if (r->has_key && key >= 0)
        request_set_text(request, (unsigned)key, span_of(r->key));
    request_finish(request);
}

/* ---- the oracle ---- */

/* `one` may be a list of alternatives with commas. */
static bool oracle_text(const char *pattern, const char *value)
{
    bool negated = *pattern == '!', holds = false;
    char copy[64];

    if (*pattern == '\0')
        return true;
    strcpy(copy, pattern + negated);
    if (value != NULL) {
        char *rest = copy, *one;

        while ((one = strsep(&rest, ",")) != NULL)
            holds = holds || sqlite3_strglob(one, value) == 0;
    }
    return holds != negated;
}

static bool oracle_network(const char *pattern, const struct text_request *r)
{
    unsigned a, b, c, d, prefix = 32;
    uint32_t network;

    if (strchr(pattern, ':') == NULL) {
        ck_assert(sscanf(pattern, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &prefix) >= 4);
        network = a << 24 | b << 16 | c << 8 | d;
        return r->has_src && !r->v6 && (prefix == 0 || (r->v4 ^ network) >> (32 - prefix) == 0);
    }
    if (!r->has_src || !r->v6)
        return false;
    if (strcmp(pattern, "2001:db8:0:1::/64") == 0)
        return r->v6_bytes[7] == 1;
    if (strcmp(pattern, "2001:db8::1") == 0)
        return r->v6_bytes[7] == 0 && r->v6_bytes[15] == 1;
    return true; /* ::/0, 2001:db8::/32 and /33 hold all that random_request() makes */
}

static bool oracle_src(const char *pattern, const struct text_request *r)
{
    bool negated = *pattern == '!';

    if (*pattern == '\0')
        return true;
    pattern += negated;
    return (strcmp(pattern, "*") == 0 ? r->has_src : oracle_network(pattern, r)) != negated;
}

static bool oracle_matches(const struct text_rule *rule, const struct text_request *r)
{
    return oracle_src(rule->src, r) && oracle_text(rule->method, r->method) &&
           oracle_text(rule->host, r->has_host ? r->host : NULL) && oracle_text(rule->path, r->path) &&
           oracle_text(rule->key, r->has_key ? r->key : NULL);
}

/* ---- comparing ---- */

struct compare {
    const struct text_rule    *rules;
    const struct text_request *request;
    size_t                     matched;
};

static void compare_step(void *context, const struct rule *rule, enum step step)
{
    struct compare         *c = context;
    const struct text_rule *text = &c->rules[rule->id - 1];

    if (step == STEP_BEHIND_END)
        return;
    c->matched += step != STEP_NO_MATCH;
    if ((step != STEP_NO_MATCH) != oracle_matches(text, c->request))
        ck_abort_msg("src '%s' method '%s' host '%s' path '%s' k '%s' against %s %s %s %s: step %d", text->src,
                     text->method, text->host, text->path, text->key, c->request->method, c->request->host,
                     c->request->path, c->request->key, step);
}

static void compare_decisions(const struct decision *a, const struct decision *b)
{
    ck_assert_int_eq(a->verdict, b->verdict);
    ck_assert_ptr_eq(a->end, b->end);
    ck_assert_ptr_eq(a->rule, b->rule);
    ck_assert_ptr_eq(a->tightest, b->tightest);
    ck_assert_uint_eq(a->applied_n, b->applied_n);
    for (size_t i = 0; i < a->applied_n; i++)
        ck_assert_ptr_eq(a->applied[i], b->applied[i]);
    ck_assert_uint_eq(a->uses_n, b->uses_n);
    for (size_t i = 0; i < a->uses_n; i++)
        ck_assert_uint_eq(a->uses[i].key, b->uses[i].key);
}

START_TEST(test_index_plain_and_sqlite_agree)
{
    const char            *wanted = getenv("INDEX_PAIRS");
    long                   pairs = wanted == NULL ? 200000 : atol(wanted), matched = 0;
    struct limits         *limits = limits_new(1, 7);
    struct decider         by_index = { .limits = limits, .ipv6_prefix = 64, .look = true };
    struct decider         plain = by_index, traced = by_index;
    struct text_rule       rules[RULES_MAX];
    char                   scratch[1024];
    static struct decision a, b, c;

    plain.plain = true;
    traced.step = compare_step;
    for (long done = 0; done < pairs; done += REQUESTS_A_SET) {
        struct ruleset *set;
        size_t          n = below(RULES_MAX) + 1;

        for (size_t i = 0; i < n; i++)
            random_rule(&rules[i]);
        keep_valid(rules, n, &set);
        ck_assert_ptr_nonnull(set);
        for (int i = 0; i < REQUESTS_A_SET; i++) {
            struct text_request text;
            struct request      request;
            struct compare      compare = { rules, &text, 0 };

            random_request(&text);
            set_request(set, &text, &request, scratch, sizeof scratch);
            request.effort.steps =
                SIZE_MAX; /* time that the machine gives to others must not change what a pattern says */
            traced.step_context = &compare;
            decide(&by_index, set, &request, (struct moment){ 1, 1 }, &a);
            decide(&plain, set, &request, (struct moment){ 1, 1 }, &b);
            decide(&traced, set, &request, (struct moment){ 1, 1 }, &c);
            compare_decisions(&a, &b);
            compare_decisions(&a, &c);
            matched += compare.matched > 0;
        }
        ruleset_free(set);
    }
    /* A test in which next to nothing matched would prove nothing. */
    ck_assert_int_gt(matched, pairs / 2);
    printf("%ld pairs, %ld with a match\n", pairs, matched);
    limits_free(limits);
}
END_TEST

/* Two keys of one request may have one hash, and then it meets their bucket twice. */
START_TEST(test_a_rank_comes_once)
{
    static const uint32_t a[] = { 1, 4, 9 }, b[] = { 0, 4, 5, 9 }, expected[] = { 0, 1, 4, 5, 9 };
    struct index_cursor   cursor = { .n = 3, .runs = { { a, a + 3 }, { b, b + 4 }, { a, a + 3 } } };
    uint32_t              rank;

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ck_assert(index_next(&cursor, &rank));
        ck_assert_uint_eq(rank, expected[i]);
    }
    ck_assert(!index_next(&cursor, &rank));
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("index");
    TCase   *tcase = tcase_create("index");
    SRunner *runner;
    int      failed;

    tcase_add_test(tcase, test_a_rank_comes_once);
    tcase_add_test(tcase, test_index_plain_and_sqlite_agree);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
