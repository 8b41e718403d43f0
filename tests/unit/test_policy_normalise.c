/* Hostile spellings of paths and hosts, and that normalising twice equals once. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/require.h"
#include "policy/normalise.h"

static const struct {
    const char *from, *to;
    bool        ambiguous;
} paths[] = {
    { "", "/", false },
    { "*", "/", false },
    { "/", "/", false },
    { "//", "/", false },
    { "/items/1", "/items/1", false },
    { "items/1", "/items/1", false },
    { "**", "/**", false },
    { "/*", "/*", false },
    { "//a///b////", "/a/b/", false },
    /* dot segments */
    { ".", "/", false },
    { "..", "/", true },
    { "/.", "/", false },
    { "/..", "/", true },
    { "/./", "/", false },
    { "/../", "/", true },
    { "/a/.", "/a/", false },
    { "/a/..", "/", true },
    { "/a/../", "/", true },
    { "/a/b/..", "/a/", true },
    { "/a/b/../", "/a/", true },
    { "/a/b/../c", "/a/c", true },
    { "/a/./b/./c", "/a/b/c", false },
    { "/../../../a", "/a", true },
    { "/a/b/c/../../d", "/a/d", true },
    { "/a//../b", "/b", true },
    { "/a/..//b", "/b", true },
    { "/./.././a", "/a", true },
    { "/...", "/...", false },
    { "/a/.../b", "/a/.../b", false },
    { "/.a/..b/c../d.", "/.a/..b/c../d.", false },
    { "/a/.../..", "/a/", true },
    /* escapes of what prints */
    { "/%61%64min", "/admin", false },
    { "/%7E%7e", "/~~", false },
    { "/%20", "/ ", false },
    { "/%3F%23", "/?#", false },
    { "/%2E", "/", true },
    { "/%2e%2e", "/", true },
    { "/a/%2e./b", "/b", true },
    { "/a/.%2E/b", "/b", true },
    { "/a%2eb", "/a.b", true },
    { "/a%2Fb", "/a/b", true },
    { "/a%2f%2fb", "/a/b", true },
    { "/a/%2fb", "/a/b", true },
    { "%2f", "/", true },
    { "%2F%2E%2E%2Fa", "/a", true },
    { "/a%2f..%2fb", "/b", true },
    { "/a%5Cb", "/a\\b", true },
    { "/a%5cb", "/a\\b", true },
    { "/a\\b", "/a\\b", true },
    { "/a\\..\\b", "/a\\..\\b", true },
    { "\\", "/\\", true },
    /* escapes of what does not */
    { "/caf\xC3\xA9", "/caf%C3%A9", false },
    { "/caf%c3%a9", "/caf%C3%A9", false },
    { "/%00", "/%00", false },
    { "/a%0a\n\t", "/a%0A%0A%09", false },
    { "/\x7F\x80\xFF", "/%7F%80%FF", false },
    { "/%c0%af", "/%C0%AF", false },
    { "/%C0%AE%c0%ae/", "/%C0%AE%C0%AE/", false },
    /* '%' */
    { "/%", "/%25", false },
    { "/%2", "/%252", false },
    { "/%2/", "/%252/", false },
    { "/%zz", "/%25zz", false },
    { "/%6", "/%256", false },
    { "/%25", "/%25", false },
    { "/%2561", "/%2561", false },
    { "/%25%36%31", "/%2561", false },
    { "/%2%35", "/%2525", false },
    { "/%%36%31", "/%2561", false },
    { "/%%41", "/%25A", false },
    { "/%252e%252e/", "/%252e%252e/", false },
    { "/%25252f", "/%25252f", false },
    { "/%%2f", "/%25/", true },
    { "/%%%2e", "/%25%25.", true },
    { "/%u0041", "/%25u0041", false },
    { "/%-1/%+1/% 1", "/%25-1/%25+1/%25 1", false },
    { "/%0x41", "/%250x41", false },
    { "/%gg%g1%1g", "/%25gg%25g1%251g", false },
    /* what is not for us */
    { "/a;x=1/b", "/a;x=1/b", false },
    { "/a/..;/b", "/a/..;/b", true },
    { "/a/..;x=1", "/a/..;x=1", true },
    { "/a/..x;/b", "/a/..x;/b", false },
    { "http://h/a", "/http:/h/a", false },
    { "/A/a", "/A/a", false },
};

static bool normalises(struct span from, struct span to, bool ambiguous)
{
    char       *out = malloc(NORMALISED_PATH_MAX(from.n)), *copy = malloc(from.n);
    bool        told;
    struct span got;

    if (from.n > 0)
        memcpy(copy, from.p, from.n);
    got = normalise_path((struct span){ copy, from.n }, out, &told);
    if (!span_eq(got, to) || told != ambiguous)
        ck_abort_msg("'%.*s' became '%.*s', %sambiguous", (int)from.n, from.p, (int)got.n, got.p, told ? "" : "not ");
    free(out);
    free(copy);
    return true;
}

START_TEST(path_spelling)
{
    normalises(span_of(paths[_i].from), span_of(paths[_i].to), paths[_i].ambiguous);
}
END_TEST

START_TEST(path_edges)
{
    char big[4096], out[NORMALISED_PATH_MAX(sizeof big)];
    bool ambiguous = true;

    /* absent */
    ck_assert(span_eq(normalise_path(SPAN_ABSENT, out, &ambiguous), SPAN_LITERAL("/")) && !ambiguous);
    normalises(SPAN_LITERAL("/a\0b"), SPAN_LITERAL("/a%00b"), false);
    /* every byte an escape, and a slash before it: all that NORMALISED_PATH_MAX gives */
    memset(big, 0xFF, sizeof big);
    ck_assert_uint_eq(normalise_path((struct span){ big, sizeof big }, out, &ambiguous).n, sizeof out);
    /* as deep as can be, and back */
    for (size_t i = 0; i < sizeof big; i += 4)
        memcpy(big + i, i < sizeof big / 2 ? "/a/b" : "/../", 4);
    ck_assert(span_eq(normalise_path((struct span){ big, sizeof big }, out, &ambiguous), SPAN_LITERAL("/")) == false);
    memset(big, '/', sizeof big);
    ck_assert(span_eq(normalise_path((struct span){ big, sizeof big }, out, &ambiguous), SPAN_LITERAL("/")));
}
END_TEST

/* Each byte alone: printable ones stand for themselves, however they were written; all others are escapes. */
START_TEST(path_each_byte)
{
    char escaped[8], upper[8], plain[3] = { '/', (char)_i, 0 };
    bool decoded = _i >= 0x20 && _i <= 0x7E && _i != '%';
    bool special = _i == '.' || _i == '/' || _i == '\\';

    snprintf(escaped, sizeof escaped, "/%%%02x", (unsigned)_i);
    snprintf(upper, sizeof upper, "/%%%02X", (unsigned)_i);
    if (_i == '.' || _i == '/')
        normalises(span_of(escaped), SPAN_LITERAL("/"), true);
    else
        normalises(span_of(escaped), decoded ? (struct span){ plain, 2 } : span_of(upper), special);
    normalises(span_of(upper),
               _i == '.' || _i == '/' ? SPAN_LITERAL("/")
               : decoded              ? (struct span){ plain, 2 }
                                      : span_of(upper),
               special);
    if (_i != '.' && _i != '/')
        normalises((struct span){ plain, 2 }, decoded ? (struct span){ plain, 2 } : span_of(upper), _i == '\\');
}
END_TEST

static const struct {
    const char *from, *to; /* NULL: absent */
} hosts[] = {
    { "api.example.com", "api.example.com" },
    { "API.Example.COM", "api.example.com" },
    { "a.example:80", "a.example" },
    { "a.example:", "a.example" },
    { "a.example.", "a.example" },
    { "a.example...", "a.example" },
    { "A.EXAMPLE.:443", "a.example" },
    { "a:80:80", "a" },
    { "a:80.", "a" },
    { "a:x.y", "a" },
    { "[::1]", "[::1]" },
    { "[::1]:80", "[::1]" },
    { "[2001:DB8::A]:80", "[2001:db8::a]" },
    { "[::1].", "[::1]" },
    { "[::1].:80", "[::1]" },
    { "[::1", "[" },
    { "[", "[" },
    { "[]:1", "[]" },
    { "x[::1]:80", "x[" },
    { "192.0.2.1:8080", "192.0.2.1" },
    { "", NULL },
    { ".", NULL },
    { "....", NULL },
    { ":", NULL },
    { ":80", NULL },
    { ".:80", NULL },
    { ".a", ".a" },
    { "a..b", "a..b" },
    { "\xC3\x84.example", "\xC3\x84.example" },
    { "a b\tc", "a b\tc" },
    { "@`[{AZ", "@`[{az" },
};

START_TEST(host_spelling)
{
    struct span from = span_of(hosts[_i].from), got;
    char       *copy = malloc(from.n), *out = malloc(from.n);

    memcpy(copy, from.p, from.n);
    got = normalise_host((struct span){ copy, from.n }, out);
    if (hosts[_i].to == NULL)
        ck_assert_msg(got.p == NULL, "'%s' became '%.*s'", from.p, (int)got.n, got.p);
    else
        ck_assert_msg(got.p == out && span_eq(got, span_of(hosts[_i].to)), "'%s' became '%.*s'", from.p, (int)got.n,
                      got.p);
    free(copy);
    free(out);
}
END_TEST

START_TEST(host_absent)
{
    char out[1];

    ck_assert_ptr_null(normalise_host(SPAN_ABSENT, out).p);
}
END_TEST

/* ---- properties ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

static size_t random_spelling(char *out)
{
    static const char *const pieces[] = { "/",   "/",   "/",   ".",   "..",       "...", "%",    "%2", "%2e", "%2E",
                                          "%2f", "%2F", "%5c", "%25", "%32",      "%45", "%61",  "\\", "a",   "A",
                                          "*",   ":",   "[",   "]",   "\xC3\xA9", "%c3", "\x01", ";" };
    size_t                   n = 0;

    for (uint32_t left = random_below(14); left > 0; left--) {
        const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];

        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

START_TEST(other_readings)
{
    static const struct {
        const char *path, *other;
    } cases[] = {
        { "/a/b", "/a/b" },   { "/a/..;/b", "/b" },  { "/a/..;x=1/b", "/b" }, { "/a/..;", "/" },
        { "/a/..\\b", "/b" }, { "/a\\..\\b", "/b" }, { "/a\\b", "/a/b" },     { "/a;x/b", "/a;x/b" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t      n = strlen(cases[i].path);
        char       *out = malloc(2 * n + 1);
        struct span got = other_reading(span_of(cases[i].path), out);

        require(span_eq(got, span_of(cases[i].other)), "'%s' was read as '%.*s'", cases[i].path, (int)got.n, got.p);
        free(out);
    }
}
END_TEST

START_TEST(paths_are_idempotent)
{
    random_state = 1;
    for (int i = 0; i < 500000; i++) {
        char        from[64], once[256], twice[1024];
        bool        ambiguous, again;
        size_t      n = random_spelling(from);
        struct span a = normalise_path((struct span){ from, n }, once, &ambiguous),
                    b = normalise_path(a, twice, &again);

        require(span_eq(a, b), "'%.*s' -> '%.*s' -> '%.*s'", (int)n, from, (int)a.n, a.p, (int)b.n, b.p);
        require(a.n >= 1 && a.n <= NORMALISED_PATH_MAX(n) && a.p[0] == '/', "'%.*s'", (int)n, from);
        require(memmem(a.p, a.n, "//", 2) == NULL && memmem(a.p, a.n, "/./", 3) == NULL &&
                    memmem(a.p, a.n, "/../", 4) == NULL,
                "'%.*s' -> '%.*s'", (int)n, from, (int)a.n, a.p);
        require(again == (memchr(a.p, '\\', a.n) != NULL || memmem(a.p, a.n, "/..;", 4) != NULL), "'%.*s'", (int)a.n,
                a.p);
    }
}
END_TEST

/* An escape instead of a letter, a slash more, a "." segment: the same path, and not ambiguous for it. */
START_TEST(harmless_spellings_are_one)
{
    random_state = 2;
    for (int i = 0; i < 100000; i++) {
        char        plain[64], spelt[256], a[256], b[1024];
        size_t      plain_n = 0, n = 0;
        bool        ambiguous;
        struct span x, y;

        for (uint32_t left = 1 + random_below(10); left > 0; left--) {
            char c = "/abc%d"[random_below(6)];

            if (c == '%')
                c = ' ';
            plain[plain_n++] = c;
            if (c == '/')
                n += (size_t)sprintf(spelt + n, "%s",
                                     (const char *const[]){ "/", "//", "/./", "/.//./" }[random_below(4)]);
            else
                n += (size_t)sprintf(spelt + n, random_below(2) ? "%c" : "%%%02x", c);
        }
        x = normalise_path((struct span){ plain, plain_n }, a, &ambiguous);
        y = normalise_path((struct span){ spelt, n }, b, &ambiguous);
        require(span_eq(x, y) && !ambiguous, "'%.*s' and '%.*s'", (int)plain_n, plain, (int)n, spelt);
    }
}
END_TEST

START_TEST(hosts_are_idempotent)
{
    random_state = 3;
    for (int i = 0; i < 500000; i++) {
        char        from[64], once[64], twice[64];
        size_t      n = random_spelling(from);
        struct span a = normalise_host((struct span){ from, n }, once), b;

        if (a.p == NULL)
            continue;
        b = normalise_host(a, twice);
        require(b.p != NULL && span_eq(a, b), "'%.*s' -> '%.*s'", (int)n, from, (int)a.n, a.p);
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("normalise");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, path_spelling, 0, sizeof paths / sizeof *paths);
    tcase_add_test(tcase, path_edges);
    tcase_add_loop_test(tcase, path_each_byte, 1, 256);
    tcase_add_loop_test(tcase, host_spelling, 0, sizeof hosts / sizeof *hosts);
    tcase_add_test(tcase, host_absent);
    tcase_add_test(tcase, other_readings);
    tcase_add_test(tcase, paths_are_idempotent);
    tcase_add_test(tcase, harmless_spellings_are_one);
    tcase_add_test(tcase, hosts_are_idempotent);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
