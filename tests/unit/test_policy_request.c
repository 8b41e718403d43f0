/* Attributes of every type, and that scratch space is enough for whatever fits a frame. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/request.h"

#define EXTRA ATTRIBUTES_FIXED

static char           scratch[65536];
static struct request request;

static void begin(void)
{
    request_init(&request, scratch, sizeof scratch);
}

static void check_value(unsigned attribute, const char *expected)
{
    char        text[ADDRESS_TEXT_MAX];
    struct span value = attribute == ATTRIBUTE_SRC ? request_src_text(&request, text) : request.value[attribute];

    if (expected == NULL)
        ck_assert_msg(value.p == NULL, "attribute %u is '%.*s'", attribute, (int)value.n, value.p);
    else
        ck_assert_msg(value.p != NULL && span_eq(value, span_of(expected)), "attribute %u is '%.*s', not '%s'",
                      attribute, (int)value.n, value.p == NULL ? "" : value.p, expected);
}

START_TEST(numbers_and_booleans)
{
    begin();
    request_set_integer(&request, EXTRA, INT64_MIN);
    request_set_integer(&request, EXTRA + 1, INT64_MAX);
    request_set_unsigned(&request, EXTRA + 2, UINT64_MAX);
    request_set_integer(&request, EXTRA + 3, 0);
    request_set_boolean(&request, EXTRA + 4, true);
    request_set_boolean(&request, EXTRA + 5, false);
    request_set_integer(&request, ATTRIBUTE_PATH, -5);
    request_set_unsigned(&request, ATTRIBUTE_SRC, 5);
    request_set_unsigned(&request, ATTRIBUTES_MAX - 1, 5);
    request_finish(&request);
    check_value(EXTRA, "-9223372036854775808");
    check_value(EXTRA + 1, "9223372036854775807");
    check_value(EXTRA + 2, "18446744073709551615");
    check_value(EXTRA + 3, "0");
    check_value(EXTRA + 4, "true");
    check_value(EXTRA + 5, "false");
    check_value(ATTRIBUTE_PATH, "/-5");
    check_value(ATTRIBUTE_SRC, "5");
    check_value(ATTRIBUTES_MAX - 1, "5");
    ck_assert_uint_eq(request.src.bits, 0);
}
END_TEST

static const struct {
    const char *text, *value;
    unsigned    bits;
} sources[] = {
    { "192.0.2.1", "192.0.2.1", 32 },
    { "::ffff:192.0.2.1", "192.0.2.1", 32 },
    { "2001:DB8:0::1", "2001:db8::1", 128 },
    { "unix:7", "unix:7", 0 },
    { "", "", 0 },
};

START_TEST(source)
{
    struct address address;

    begin();
    request_set_text(&request, ATTRIBUTE_SRC, span_of(sources[_i].text));
    request_finish(&request);
    check_value(ATTRIBUTE_SRC, sources[_i].value);
    ck_assert_uint_eq(request.src.bits, sources[_i].bits);
    if (!address_parse(span_of(sources[_i].text), &address))
        return;
    begin();
    request_set_address(&request, ATTRIBUTE_SRC, address);
    request_set_address(&request, EXTRA, address);
    request_set_address(&request, ATTRIBUTE_HOST, address);
    request_finish(&request);
    check_value(ATTRIBUTE_SRC, sources[_i].value);
    check_value(EXTRA, sources[_i].value);
    ck_assert_uint_eq(request.src.bits, sources[_i].bits);
}
END_TEST

START_TEST(absent_and_empty)
{
    begin();
    request_set_text(&request, EXTRA, SPAN_ABSENT);
    request_set_text(&request, EXTRA + 1, SPAN_LITERAL(""));
    request_set_text(&request, ATTRIBUTE_METHOD, SPAN_LITERAL(""));
    request_set_text(&request, ATTRIBUTE_HOST, SPAN_LITERAL(":80"));
    request_finish(&request);
    check_value(EXTRA, NULL);
    check_value(EXTRA + 1, "");
    check_value(ATTRIBUTE_METHOD, "");
    check_value(ATTRIBUTE_HOST, NULL);
    check_value(ATTRIBUTE_SRC, NULL);
    check_value(ATTRIBUTE_QUERY, NULL);
    check_value(ATTRIBUTE_PATH, "/");
    ck_assert_ptr_null(request.raw_path.p);
    ck_assert(!request.ambiguous);
}
END_TEST

START_TEST(the_first_value_counts)
{
    begin();
    request_set_text(&request, ATTRIBUTE_PATH, SPAN_LITERAL("/a"));
    request_set_text(&request, ATTRIBUTE_PATH, SPAN_LITERAL("/x/../b"));
    request_set_text(&request, ATTRIBUTE_SRC, SPAN_LITERAL("x"));
    request_set_text(&request, ATTRIBUTE_SRC, SPAN_LITERAL("::1"));
    request_set_text(&request, ATTRIBUTE_HOST, SPAN_LITERAL("."));
    request_set_text(&request, ATTRIBUTE_HOST, SPAN_LITERAL("h"));
    request_set_integer(&request, EXTRA, 1);
    request_set_boolean(&request, EXTRA, true);
    request_finish(&request);
    check_value(ATTRIBUTE_PATH, "/a");
    ck_assert(span_eq(request.raw_path, SPAN_LITERAL("/a")) && !request.ambiguous);
    check_value(ATTRIBUTE_SRC, "x");
    ck_assert_uint_eq(request.src.bits, 0);
    check_value(ATTRIBUTE_HOST, NULL);
    check_value(EXTRA, "1");
}
END_TEST

START_TEST(paths_as_they_came)
{
    begin();
    request_set_text(&request, ATTRIBUTE_PATH, SPAN_LITERAL("/x/%2e%2e/a"));
    request_finish(&request);
    check_value(ATTRIBUTE_PATH, "/a");
    ck_assert(span_eq(request.raw_path, SPAN_LITERAL("/x/%2e%2e/a")) && request.ambiguous);
    /* nothing is left of the request before */
    begin();
    request_finish(&request);
    check_value(ATTRIBUTE_PATH, "/");
    ck_assert(!request.ambiguous && request.raw_path.p == NULL && request.src.bits == 0);
}
END_TEST

/* ---- scratch ---- */

/* How a value of a type stands in a frame, at its smallest: the name's length, the name, the type, the value. */
enum type { INTEGER, NEGATIVE, ADDRESS_V4, ADDRESS_V6, EMPTY, TEXT_V6, ESCAPES, TYPES };

static const struct {
    const char *name;
    size_t      bytes; /* of type and value */
} types[] = {
    [INTEGER] = { "1", 2 },
    [NEGATIVE] = { "-1", 11 },
    [ADDRESS_V4] = { "an IPv4 address", 5 },
    [ADDRESS_V6] = { "an IPv6 address", 17 },
    [EMPTY] = { "an empty text", 2 },
    [TEXT_V6] = { "'::'", 4 },
    [ESCAPES] = { "bytes that become escapes", 202 },
};

static size_t name_size(unsigned attribute)
{
    static const size_t sizes[ATTRIBUTES_FIXED] = { 3, 6, 4, 4, 5 };

    return attribute < ATTRIBUTES_FIXED ? sizes[attribute] : 1;
}

static void set_typed(unsigned attribute, enum type type)
{
    static const uint8_t v4[4] = { 255, 255, 255, 255 };
    static char          escapes[200];
    uint8_t              v6[16];

    memset(v6, 0xFE, sizeof v6);
    memset(escapes, 0xFF, sizeof escapes);
    switch (type) {
    case INTEGER:
        request_set_unsigned(&request, attribute, 239);
        break;
    case NEGATIVE:
        request_set_integer(&request, attribute, INT64_MIN);
        break;
    case ADDRESS_V4:
        request_set_address(&request, attribute, address_from_v4(v4));
        break;
    case ADDRESS_V6:
        request_set_address(&request, attribute, address_from_v6(v6));
        break;
    case EMPTY:
        request_set_text(&request, attribute, SPAN_LITERAL(""));
        break;
    case TEXT_V6:
        request_set_text(&request, attribute, SPAN_LITERAL("::"));
        break;
    default:
        request_set_text(&request, attribute, (struct span){ escapes, sizeof escapes });
        break;
    }
}

/* A frame of nothing but values of one type, for one attribute again and again, or for a different one each time. That
 * it ends is the test: request.c asserts that there was room. */
START_TEST(scratch_is_enough)
{
    enum type type = (enum type)(_i / ATTRIBUTES_MAX);
    unsigned  first = (unsigned)(_i % ATTRIBUTES_MAX);

    for (int varied = 0; varied < 2; varied++) {
        for (size_t count = 0; count <= 255; count = count * 2 + 1) {
            size_t   frame = 0;
            unsigned attribute = first;
            char    *exact;

            for (size_t i = 0; i < count; i++, attribute = (attribute + (unsigned)varied) % ATTRIBUTES_MAX)
                frame += 1 + name_size(attribute) + types[type].bytes;
            exact = malloc(REQUEST_SCRATCH(frame));
            ck_assert_ptr_nonnull(exact);
            request_init(&request, exact, REQUEST_SCRATCH(frame));
            attribute = first;
            for (size_t i = 0; i < count; i++, attribute = (attribute + (unsigned)varied) % ATTRIBUTES_MAX)
                set_typed(attribute, type);
            request_finish(&request);
            ck_assert(request.scratch <= request.scratch_end);
            free(exact);
        }
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("request");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, numbers_and_booleans);
    tcase_add_loop_test(tcase, source, 0, sizeof sources / sizeof *sources);
    tcase_add_test(tcase, absent_and_empty);
    tcase_add_test(tcase, the_first_value_counts);
    tcase_add_test(tcase, paths_as_they_came);
    tcase_add_loop_test(tcase, scratch_is_enough, 0, TYPES * ATTRIBUTES_MAX);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
