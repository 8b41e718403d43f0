/* Patterns: what is refused and what to write instead, lists, regular expressions and their limits. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/pattern.h"
#include "policy/regex.h"

#define EXTRA ATTRIBUTES_FIXED

static struct list *list;

static struct list *find_list(void *context, const char *name)
{
    (void)context;
    return list != NULL && strcmp(name, list_name(list)) == 0 ? list : NULL;
}

static const struct {
    unsigned    attribute;
    const char *text;
    const char *remedy; /* NULL: taken */
} compilations[] = {
    { ATTRIBUTE_SRC, "192.0.2.1", NULL },
    { ATTRIBUTE_SRC, "!2001:db8::/32", NULL },
    { ATTRIBUTE_SRC, "*", NULL },
    { ATTRIBUTE_SRC, "!*", NULL },
    { ATTRIBUTE_SRC, "192.0.2.1/24", "write '192.0.2.0/24'" },
    { ATTRIBUTE_SRC, "!192.0.2.1/24", "write '!192.0.2.0/24'" },
    { ATTRIBUTE_SRC, "2001:db8::1/32", "write '2001:db8::/32'" },
    { ATTRIBUTE_SRC, "::ffff:192.0.2.1", "write '192.0.2.1'" },
    { ATTRIBUTE_SRC, "::ffff:192.0.2.0/120", "write '192.0.2.0/24'" },
    { ATTRIBUTE_SRC, "192.0.2.*", "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32" },
    { ATTRIBUTE_SRC, "~^10", "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32" },
    { ATTRIBUTE_SRC, "10.0.0.0/33", "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32" },
    { ATTRIBUTE_SRC, "", "write a pattern, or NULL for any" },
    { ATTRIBUTE_SRC, "!", "write a pattern, or NULL for any" },
    { ATTRIBUTE_SRC, "@none", "the list is empty: fill it, or disable the rule" },
    { ATTRIBUTE_METHOD, "GET", NULL },
    { ATTRIBUTE_METHOD, "!GET,HE*", NULL },
    { ATTRIBUTE_METHOD, "GET,,PUT", "write methods with single commas between them, such as 'GET,HEAD'" },
    { ATTRIBUTE_METHOD, ",GET", "write methods with single commas between them, such as 'GET,HEAD'" },
    { ATTRIBUTE_METHOD, "GET,", "write methods with single commas between them, such as 'GET,HEAD'" },
    { ATTRIBUTE_METHOD, ",", "write methods with single commas between them, such as 'GET,HEAD'" },
    { ATTRIBUTE_METHOD, "GET,[P", "close the '[', or write '[[]' for the character itself" },
    { ATTRIBUTE_METHOD, "!", "write a pattern, or NULL for any" },
    { ATTRIBUTE_HOST, "api.example.com", NULL },
    { ATTRIBUTE_HOST, "*.example.com", NULL },
    { ATTRIBUTE_HOST, "~^API", NULL },
    { ATTRIBUTE_HOST, "API.Example.com", "write 'api.example.com'" },
    { ATTRIBUTE_HOST, "!API.example.com:80", "write '!api.example.com'" },
    { ATTRIBUTE_HOST, "api.example.com.", "write 'api.example.com'" },
    { ATTRIBUTE_HOST, "*.Example.com", "write '*.example.com'" },
    { ATTRIBUTE_HOST, ":80", "write a host name" },
    { ATTRIBUTE_HOST, ".", "write a host name" },
    { ATTRIBUTE_PATH, "/", NULL },
    { ATTRIBUTE_PATH, "/items/*", NULL },
    { ATTRIBUTE_PATH, "*.php", NULL },
    { ATTRIBUTE_PATH, "?", NULL },
    { ATTRIBUTE_PATH, "*/x", NULL },
    { ATTRIBUTE_PATH, "[/]x", NULL },
    { ATTRIBUTE_PATH, "/caf%C3%A9", NULL },
    { ATTRIBUTE_PATH, "/%25", NULL },
    { ATTRIBUTE_PATH, "~^//", NULL },
    { ATTRIBUTE_PATH, "items", "a path begins with '/' (or, as a pattern, with '*', '?' or '[')" },
    { ATTRIBUTE_PATH, "!items/*", "a path begins with '/' (or, as a pattern, with '*', '?' or '[')" },
    { ATTRIBUTE_PATH, "/%61", "write '/a'" },
    { ATTRIBUTE_PATH, "!/%61/*", "write '!/a/*'" },
    { ATTRIBUTE_PATH, "//a", "write '/a'" },
    { ATTRIBUTE_PATH, "/a/../b", "write '/b'" },
    { ATTRIBUTE_PATH, "/a/.", "write '/a/'" },
    { ATTRIBUTE_PATH, "/caf%c3%a9", "write '/caf%C3%A9'" },
    { ATTRIBUTE_PATH, "/caf\xC3\xA9", "write '/caf%C3%A9'" },
    { ATTRIBUTE_PATH, "/100%", "write '/100%25'" },
    { ATTRIBUTE_PATH, "*//x", "write '*/x'" },
    { ATTRIBUTE_PATH, "*.%70hp", "write '*.php'" },
    { ATTRIBUTE_PATH, "/a[b", "close the '[', or write '[[]' for the character itself" },
    { ATTRIBUTE_PATH, "@", "the list is empty: fill it, or disable the rule" },
    { EXTRA, "K123", NULL },
    { EXTRA, "a,b", NULL },
    { EXTRA, "API/../x", NULL },
    { EXTRA, "~a|b", NULL },
    { EXTRA, "~(", "at character 2 of the regular expression: missing closing parenthesis" },
    { EXTRA, "!~a{2,1}", "at character 6 of the regular expression: numbers out of order in {} quantifier" },
    { EXTRA, "~\\C", "at character 3 of the regular expression: using \\C is disabled by the application" },
    { EXTRA, "[", "close the '[', or write '[[]' for the character itself" },
};

START_TEST(compilation)
{
    struct arena   arena = { 0 };
    struct pattern pattern;
    char           remedy[PATTERN_REMEDY_MAX] = "";
    const char    *expected = compilations[_i].remedy;
    bool           taken;

    taken =
        pattern_compile(&pattern, compilations[_i].attribute, compilations[_i].text, &arena, find_list, NULL, remedy);
    ck_assert_msg(taken == (expected == NULL), "'%s': %s", compilations[_i].text, remedy);
    if (expected != NULL)
        ck_assert_str_eq(remedy, expected);
    pattern_fini(&pattern);
    arena_fini(&arena);
}
END_TEST

/* A form to write that is longer than any sentence. */
START_TEST(long_remedy)
{
    struct arena   arena = { 0 };
    struct pattern pattern;
    char           remedy[PATTERN_REMEDY_MAX], text[3000];

    memset(text, 'A', sizeof text);
    text[sizeof text - 1] = '\0';
    ck_assert(!pattern_compile(&pattern, ATTRIBUTE_HOST, text, &arena, find_list, NULL, remedy));
    ck_assert_int_eq(strncmp(remedy, "write 'aaa", 10), 0);
    ck_assert_uint_lt(strlen(remedy), PATTERN_REMEDY_MAX);
    arena_fini(&arena);
}
END_TEST

/* ---- lists ---- */

static const struct {
    unsigned    attribute;
    const char *entries[4];
    const char *remedy; /* NULL: taken */
} list_compilations[] = {
    { ATTRIBUTE_SRC, { "192.0.2.0/24", "::1" }, NULL },
    { ATTRIBUTE_SRC, { "::1", "192.0.2.1/24" }, "entry '192.0.2.1/24' of list 'l': write 192.0.2.0/24" },
    { ATTRIBUTE_SRC, { "::ffff:1.2.3.4" }, "entry '::ffff:1.2.3.4' of list 'l': write 1.2.3.4" },
    { ATTRIBUTE_SRC, { "::1", "x" }, "entry 'x' of list 'l': write an address or a network such as 192.0.2.0/24" },
    { ATTRIBUTE_SRC, { "*" }, "entry '*' of list 'l': write an address or a network such as 192.0.2.0/24" },
    { ATTRIBUTE_HOST, { "a", "b.example" }, NULL },
    { ATTRIBUTE_HOST, { "a", "B.example" }, "entry 'B.example' of list 'l': write 'b.example'" },
    { ATTRIBUTE_HOST, { "a:80" }, "entry 'a:80' of list 'l': write 'a'" },
    { ATTRIBUTE_PATH, { "/a", "/b/c" }, NULL },
    { ATTRIBUTE_PATH, { "/a", "/b//c" }, "entry '/b//c' of list 'l': write '/b/c'" },
    { ATTRIBUTE_PATH, { "a" }, "entry 'a' of list 'l': a path begins with '/'" },
    { ATTRIBUTE_PATH, { "/a", "*.php" }, "entry '*.php' of list 'l': a path begins with '/'" },
    { ATTRIBUTE_PATH, { "*" }, "entry '*' of list 'l': a path begins with '/'" },
    { ATTRIBUTE_METHOD, { "GET", "get" }, NULL },
    { EXTRA, { "anything", "/b//c", "B" }, NULL },
};

START_TEST(list_compilation)
{
    struct arena   arena = { 0 };
    struct pattern pattern;
    char           remedy[PATTERN_REMEDY_MAX] = "";
    const char    *expected = list_compilations[_i].remedy;

    list = list_new("l", 0);
    for (int i = 0; list_compilations[_i].entries[i] != NULL; i++)
        list_add(list, span_of(list_compilations[_i].entries[i]));
    list_finish(list);
    if (pattern_compile(&pattern, list_compilations[_i].attribute, "!@l", &arena, find_list, NULL, remedy))
        ck_assert_ptr_null(expected);
    else
        ck_assert_str_eq(remedy, expected != NULL ? expected : "(taken)");
    arena_fini(&arena);
    list_free(list);
    list = NULL;
}
END_TEST

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

static struct address random_address(void)
{
    uint8_t bytes[16];

    /* Few values a byte, so that networks overlap and repeat. */
    for (int k = 0; k < 16; k++)
        bytes[k] = (uint8_t)(random_below(3) * 0x7F);
    bytes[0] |= 1;
    return random_below(2) ? address_from_v4(bytes) : address_from_v6(bytes);
}

/* Against a walk over all networks. */
START_TEST(lists_of_networks)
{
    random_state = (uint64_t)_i;
    for (int round = 0; round < 20; round++) {
        struct network networks[200];
        size_t         n = 1 + random_below(200);
        struct span    bad;
        char           text[ADDRESS_TEXT_MAX], remedy[ADDRESS_TEXT_MAX + 32];

        list = list_new("l", 0);
        for (size_t i = 0; i < n; i++) {
            struct address address = random_address();

            networks[i].prefix = (uint8_t)(address.bits / 4 + random_below(address.bits * 3 / 4 + 1));
            networks[i].address = address_masked(address, networks[i].prefix);
            list_add(list, (struct span){ text, network_format(networks[i].address, networks[i].prefix, text) });
        }
        list_finish(list);
        ck_assert_uint_eq(list_size(list), n);
        ck_assert(list_compile_addresses(list, &bad, remedy));
        ck_assert(list_compile_addresses(list, &bad, remedy));
        for (int i = 0; i < 500; i++) {
            struct address address = random_address();
            bool           held = false;

            for (size_t k = 0; k < n; k++)
                held = held || network_holds(&networks[k], &address);
            if (list_holds_address(list, &address) != held)
                ck_abort_msg("a list of %zu networks is wrong about an address", n);
        }
        list_free(list);
    }
    list = NULL;
}
END_TEST

START_TEST(lists_of_texts)
{
    char text[16];

    list = list_new("l", 7);
    ck_assert_str_eq(list_name(list), "l");
    ck_assert_int_eq(list_fingerprint(list), 7);
    for (int i = 0; i < 5000; i++)
        list_add(list, (struct span){ text, (size_t)sprintf(text, "%d", i * 2) });
    list_add(list, SPAN_LITERAL(""));
    list_add(list, SPAN_LITERAL("a\0b"));
    list_add(list, SPAN_LITERAL("8"));
    list_finish(list);
    for (int i = 0; i < 10000; i++)
        if (list_holds_text(list, (struct span){ text, (size_t)sprintf(text, "%d", i) }) != (i % 2 == 0))
            ck_abort_msg("'%s'", text);
    ck_assert(list_holds_text(list, SPAN_LITERAL("")));
    ck_assert(list_holds_text(list, SPAN_LITERAL("a\0b")));
    ck_assert(!list_holds_text(list, SPAN_LITERAL("a\0c")));
    ck_assert(!list_holds_text(list, SPAN_LITERAL("a")));
    /* Two hold it, so the first to free it does not. */
    ck_assert_ptr_eq(list_hold(list), list);
    list_free(list);
    ck_assert(list_holds_text(list, SPAN_LITERAL("8")));
    list_free(list);
    list = NULL;
}
END_TEST

/* ---- regular expressions ---- */

static const struct {
    const char *expression;
    char        repeated; /* 2,000 times behind a '/' */
    const char *end;
    enum match  match;
} searches[] = {
    { "^/(a+)+$", 'a', "!", MATCH_UNSURE },
    { "^/(a|aa)+$", 'a', "!", MATCH_UNSURE },
    { "^/((a*)*)*$", 'a', "!", MATCH_UNSURE },
    { "^/a+$", 'a', "", MATCH_YES },
    { "^/a+$", 'a', "!", MATCH_NO },
    /* long, but not hostile: these must not run into a limit */
    { "^/(foo|bar|a)+$", 'a', "", MATCH_YES },
    { "^/(foo|bar|a)+$", 'a', "!", MATCH_NO },
    { "^/(?:[a-z]|[0-9])+$", 'a', "!", MATCH_NO },
    { "(?i)^/(FOO|BAR|A)+$", 'a', "!", MATCH_NO },
    { "^/.*/secret$", 'a', "/secret", MATCH_YES },
    { "(/+)+x$", '/', "x", MATCH_YES },
    { "(*UTF)x", 'a', "\xFFx", MATCH_UNSURE },
};

START_TEST(search)
{
    char                  remedy[PATTERN_REMEDY_MAX], text[2048];
    struct pattern_regex *regex = regex_compile(searches[_i].expression, remedy, sizeof remedy);
    size_t                n = 2001;
    clock_t               start = clock();

    ck_assert_msg(regex != NULL, "%s", remedy);
    text[0] = '/';
    memset(text + 1, searches[_i].repeated, 2000);
    memcpy(text + n, searches[_i].end, strlen(searches[_i].end));
    n += strlen(searches[_i].end);
    for (int i = 0; i < 10; i++) {
        struct effort effort = { .steps = REQUEST_STEPS };

        ck_assert_msg(regex_match(regex, (struct span){ text, n }, &effort) == searches[_i].match, "%s",
                      searches[_i].expression);
    }
    /* A tenth of a millisecond each is usual; it is a hundred times that before this fails. */
    ck_assert_msg((clock() - start) < CLOCKS_PER_SEC, "%s takes too long", searches[_i].expression);
    regex_free(regex);
    regex_thread_fini();
    regex_thread_fini();
}
END_TEST

/* Neither an unsure match nor an unsure '!' may come out as a match or its opposite. */
START_TEST(unsure_stays_unsure)
{
    static const char *const texts[] = { "~^(a+)+$", "!~^(a+)+$" };
    struct arena             arena = { 0 };
    struct pattern           pattern;
    char                     remedy[PATTERN_REMEDY_MAX], value[200];

    memset(value, 'a', sizeof value);
    value[sizeof value - 1] = '!';
    ck_assert(pattern_compile(&pattern, EXTRA, texts[_i], &arena, find_list, NULL, remedy));
    ck_assert_int_eq(pattern_match_text(&pattern, (struct span){ value, sizeof value }), MATCH_UNSURE);
    ck_assert_int_eq(pattern_match_text(&pattern, SPAN_LITERAL("a")), _i == 0 ? MATCH_YES : MATCH_NO);
    ck_assert_int_eq(pattern_match_text(&pattern, SPAN_LITERAL("b")), _i == 0 ? MATCH_NO : MATCH_YES);
    ck_assert_int_eq(pattern_match_text(&pattern, SPAN_LITERAL("")), _i == 0 ? MATCH_NO : MATCH_YES);
    ck_assert_int_eq(pattern_match_text(&pattern, SPAN_ABSENT), _i == 0 ? MATCH_NO : MATCH_YES);
    pattern_fini(&pattern);
    regex_thread_fini();
    arena_fini(&arena);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("pattern");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, compilation, 0, sizeof compilations / sizeof *compilations);
    tcase_add_test(tcase, long_remedy);
    tcase_add_loop_test(tcase, list_compilation, 0, sizeof list_compilations / sizeof *list_compilations);
    tcase_add_loop_test(tcase, lists_of_networks, 0, 5);
    tcase_add_test(tcase, lists_of_texts);
    tcase_add_loop_test(tcase, search, 0, sizeof searches / sizeof *searches);
    tcase_add_loop_test(tcase, unsure_stays_unsure, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
