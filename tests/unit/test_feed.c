/* The log feed: bytes to messages, a message to a response, a response to the counts of its hour. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/fold.h"
#include "feed/frame.h"
#include "feed/line.h"

#define HEAD "<134>1 2026-11-20T09:15:02.123456+00:00 - haproxy 17069 - "
#define TAIL " 192.0.2.1:4711 [20/Nov/2026:09:15:02.123] api o/s 0/0/0/1/2 200 73 \"GET / HTTP/1.1\""

/* 2026-11-20T09 */
#define HOUR INT64_C(498657)

/* ---- frames ---- */

static const struct {
    const char    *in;
    const char    *messages; /* with | behind each */
    enum feed_next last;
    const char    *left;
} framings[] = {
    { "", "", FEED_NEXT_MORE, "" },
    { "5", "", FEED_NEXT_MORE, "5" },
    { "5 ", "", FEED_NEXT_MORE, "5 " },
    { "5 abcd", "", FEED_NEXT_MORE, "5 abcd" },
    { "5 abcde", "abcde|", FEED_NEXT_MORE, "" },
    { "5 abcde3 x y", "abcde|x y|", FEED_NEXT_MORE, "" },
    { "5 abcde3 x", "abcde|", FEED_NEXT_MORE, "3 x" },
    { "2 5 1 a", "5 |a|", FEED_NEXT_MORE, "" },
    { "2 \n\n1 \n", "\n\n|\n|", FEED_NEXT_MORE, "" },
    { "16385", "", FEED_NEXT_TOO_BIG, NULL },
    { "99999999999999999999999999 x", "", FEED_NEXT_TOO_BIG, NULL },
    { "1 a18446744073709551617 ", "a|", FEED_NEXT_TOO_BIG, NULL },
    { "0 ", "", FEED_NEXT_INVALID, NULL },
    { "05 abcde", "", FEED_NEXT_INVALID, NULL },
    { " 5 abcde", "", FEED_NEXT_INVALID, NULL },
    { "-5 abcde", "", FEED_NEXT_INVALID, NULL },
    { "5\tabcde", "", FEED_NEXT_INVALID, NULL },
    { "<134>1 - - - - - -\n", "", FEED_NEXT_INVALID, NULL },
    { "GET / HTTP/1.1\r\n", "", FEED_NEXT_INVALID, NULL },
};

START_TEST(frames)
{
    struct span    in = span_of(framings[_i].in), message;
    char           seen[64] = "";
    enum feed_next next;

    while ((next = feed_frame_next(&in, &message)) == FEED_NEXT_MESSAGE)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s|", (int)message.n, message.p);
    ck_assert_str_eq(seen, framings[_i].messages);
    ck_assert_int_eq(next, framings[_i].last);
    if (framings[_i].left != NULL)
        ck_assert(span_eq(in, span_of(framings[_i].left)));
}
END_TEST

/* The longest one, and one more. */
START_TEST(frame_bounds)
{
    static char text[FEED_LENGTH_MAX + FEED_MESSAGE_MAX];
    struct span in = { text, sizeof text }, message;

    memset(text, 'x', sizeof text);
    memcpy(text, "16384 ", 6);
    ck_assert_int_eq(feed_frame_next(&in, &message), FEED_NEXT_MESSAGE);
    ck_assert_uint_eq(message.n, FEED_MESSAGE_MAX);
    ck_assert_uint_eq(in.n, 0);
    in = (struct span){ text, sizeof text - 1 };
    ck_assert_int_eq(feed_frame_next(&in, &message), FEED_NEXT_MORE);
    ck_assert_uint_eq(in.n, sizeof text - 1);
}
END_TEST

/* ---- lines ---- */

/* A good line, and what to put in the place of one of its fields: "name=value", or "-name" to leave it out. */
static const char *const good[] = { "time=\"20/Nov/2026:09:15:02 +0000\"",
                                    "status=\"200\"",
                                    "bytes=\"73\"",
                                    "end=\"--\"",
                                    "tc=\"0\"",
                                    "tr=\"1\"",
                                    "ta=\"2\"",
                                    "path=\"%2Fitems%2F1\"",
                                    "refused=\"-\"",
                                    "asked=\"1795278222997\"",
                                    "error=\"-\"",
                                    "verdict=\"allow\"" };
#define GOOD_N (sizeof good / sizeof *good)

static struct span line_with(const char *const *changes, size_t changes_n)
{
    static char text[FEED_MESSAGE_MAX];
    size_t      n = (size_t)snprintf(text, sizeof text, HEAD "[rules@32473");

    for (size_t i = 0; i < GOOD_N; i++) {
        const char *field = good[i];
        size_t      name = strcspn(field, "=");

        for (size_t c = 0; c < changes_n && changes[c] != NULL; c++) {
            if (strncmp(changes[c], field, name + 1) == 0)
                field = changes[c];
            else if (changes[c][0] == '-' && strlen(changes[c]) == name + 1 &&
                     strncmp(changes[c] + 1, field, name) == 0)
                field = NULL;
            if (field == NULL)
                break;
        }
        if (field != NULL)
            n += (size_t)snprintf(text + n, sizeof text - n, " %s", field);
    }
    snprintf(text + n, sizeof text - n, "]" TAIL);
    return span_of(text);
}

static const struct {
    const char      *changes[4];
    int              status;
    enum response_by by;
    bool             aborted, origin_error;
    int64_t          duration_ms, origin_ms;
    const char      *path; /* NULL: absent */
} meanings[] = {
    /* Cut off: it took that long to break. */
    { { "end=\"CD\"", "ta=\"29951\"" }, 200, RESPONSE_BY_AGENT, true, false, -1, 1, "/items/1" },
    { { "end=\"cL\"" }, 200, RESPONSE_BY_AGENT, true, false, -1, 1, "/items/1" },
    { { "end=\"SD\"" }, 200, RESPONSE_BY_AGENT, false, true, -1, 1, "/items/1" },
    { { "end=\"sL\"" }, 200, RESPONSE_BY_AGENT, false, true, -1, 1, "/items/1" },
    { { "end=\"KD\"" }, 200, RESPONSE_BY_AGENT, false, false, -1, 1, "/items/1" },
    /* An upload that the client gave up; 2.6 and later versions say it so. */
    { { "end=\"CD\"", "tr=\"-1\"", "status=\"-1\"" }, -1, RESPONSE_BY_AGENT, true, false, -1, -1, "/items/1" },
    { { "end=\"CH\"", "tr=\"-1\"", "status=\"400\"" }, 400, RESPONSE_BY_AGENT, true, false, -1, -1, "/items/1" },
    /* HAProxy's own answer came when it had waited long enough. */
    { { "end=\"sH\"", "tr=\"-1\"", "status=\"504\"", "ta=\"30000\"" },
      504,
      RESPONSE_BY_AGENT,
      false,
      true,
      30000,
      -1,
      "/items/1" },
    { { NULL }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "/items/1" },
    { { "verdict=\"deny\"", "status=\"429\"", "tc=\"-1\"", "end=\"LR\"" },
      429,
      RESPONSE_BY_AGENT,
      false,
      false,
      -1,
      -1,
      "/items/1" },
    /* out of HAProxy's cache */
    { { "tc=\"0\"", "end=\"LR\"" }, 200, RESPONSE_BY_AGENT, false, false, -1, -1, "/items/1" },
    { { "verdict=\"slow\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"" }, 200, RESPONSE_BY_NOBODY, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "error=\"1\"" }, 200, RESPONSE_BY_NOBODY, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "error=\"256\"" }, 200, RESPONSE_BY_NOBODY, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "error=\"3\"" }, 200, RESPONSE_BY_CONFIGURATION, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "error=\"259\"" }, 200, RESPONSE_BY_CONFIGURATION, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "error=\"5\"", "end=\"CR\"" }, 200, RESPONSE_BY_AGENT, true, false, -1, 1, "/items/1" },
    { { "verdict=\"-\"", "asked=\"-\"" }, 200, RESPONSE_BY_CONFIGURATION, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "asked=\"-\"", "refused=\"waf\"" },
      200,
      RESPONSE_BY_CONFIGURATION,
      false,
      false,
      2,
      1,
      "/items/1" },
    { { "verdict=\"-\"", "asked=\"-\"", "refused=\"ban\"" }, 200, RESPONSE_BY_BAN, false, false, 2, 1, "/items/1" },
    { { "verdict=\"-\"", "asked=\"-\"", "refused=\"coarse\"" },
      200,
      RESPONSE_BY_COARSE,
      false,
      false,
      2,
      1,
      "/items/1" },
    { { "status=\"-1\"", "end=\"CD\"" }, -1, RESPONSE_BY_AGENT, true, false, -1, 1, "/items/1" },
    { { "status=\"0\"", "end=\"cD\"" }, 0, RESPONSE_BY_AGENT, true, false, -1, 1, "/items/1" },
    { { "end=\"SC\"", "tc=\"-1\"", "tr=\"-1\"" }, 200, RESPONSE_BY_AGENT, false, true, -1, -1, "/items/1" },
    { { "end=\"sH\"", "tr=\"-1\"" }, 200, RESPONSE_BY_AGENT, false, true, 2, -1, "/items/1" },
    { { "end=\"PH\"", "tr=\"-1\"" }, 200, RESPONSE_BY_AGENT, false, true, 2, -1, "/items/1" },
    { { "end=\"DC\"" }, 200, RESPONSE_BY_AGENT, false, true, 2, 1, "/items/1" },
    { { "end=\"PR\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "/items/1" },
    { { "ta=\"+7\"", "bytes=\"+73\"" }, 200, RESPONSE_BY_AGENT, false, false, 7, 1, "/items/1" },
    { { "ta=\"-1\"" }, 200, RESPONSE_BY_AGENT, false, false, -1, 1, "/items/1" },
    { { "path=\"-\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, NULL },
    { { "path=\"%2D\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "-" },
    { { "path=\"%2a\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "*" },
    { { "path=\"%2Fa%22%5D%20status%3D%22500\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "/a\"] status=\"500" },
    { { "path=\"%2Fa%0A%FFb-._~\"" },
      200,
      RESPONSE_BY_AGENT,
      false,
      false,
      2,
      1,
      "/a\n\xFF"
      "b-._~" },
    /* What an operator adds is skipped, also where it is not encoded but escaped. */
    { { "end=\"--\" agent=\"Mozilla\\\"] verdict=\\\"deny\\\\\" x=\"\"" },
      200,
      RESPONSE_BY_AGENT,
      false,
      false,
      2,
      1,
      "/items/1" },
    { { "-tc", "verdict=\"allow\" tc=\"0\"" }, 200, RESPONSE_BY_AGENT, false, false, 2, 1, "/items/1" },
};

START_TEST(meaning)
{
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault = NULL;
    struct span     line = line_with(meanings[_i].changes, 4);

    ck_assert_msg(feed_line_parse(line, &r, scratch, &fault), "%s: %s", fault, line.p);
    ck_assert_int_eq(r.hour, HOUR);
    ck_assert_int_eq(r.status, meanings[_i].status);
    ck_assert_uint_eq(r.bytes, 73);
    ck_assert_int_eq(r.by, meanings[_i].by);
    ck_assert_int_eq(r.aborted, meanings[_i].aborted);
    ck_assert_int_eq(r.origin_error, meanings[_i].origin_error);
    ck_assert_int_eq(r.duration_ms, meanings[_i].duration_ms);
    ck_assert_int_eq(r.origin_ms, meanings[_i].origin_ms);
    if (meanings[_i].path == NULL)
        ck_assert_ptr_null(r.path.p);
    else
        ck_assert(span_eq(r.path, span_of(meanings[_i].path)));
}
END_TEST

/* Whose answer it was, and whether it had an end of its own. */
static const struct {
    const char           *changes[5];
    enum response_from    from;
    enum response_lasting lasting;
    bool                  aborted, origin_error;
    int64_t               duration_ms;
} kinds[] = {
    { { NULL }, RESPONSE_FROM_ORIGIN, RESPONSE_ENDS, false, false, 2 },
    { { "status=\"404\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_ENDS, false, false, 2 },
    { { "status=\"429\"", "verdict=\"deny\"", "tc=\"-1\"", "tr=\"-1\"", "end=\"LR\"" },
      RESPONSE_REFUSED,
      RESPONSE_ENDS,
      false,
      false,
      -1 },
    { { "status=\"400\"", "asked=\"-\"", "tc=\"-1\"", "tr=\"-1\"", "end=\"PR\"" },
      RESPONSE_REFUSED,
      RESPONSE_ENDS,
      false,
      false,
      -1 },
    /* No origin is up; a request that could not be decided, where that is refused; the slow lane is full. */
    { { "status=\"503\"", "verdict=\"-\"", "asked=\"-\"", "tc=\"-1\"", "end=\"LR\"" },
      RESPONSE_FROM_OTHER,
      RESPONSE_ENDS,
      false,
      false,
      -1 },
    { { "status=\"503\"", "verdict=\"-\"", "tc=\"-1\"", "end=\"LR\"" },
      RESPONSE_REFUSED,
      RESPONSE_ENDS,
      false,
      false,
      -1 },
    { { "status=\"503\"", "verdict=\"slow\"", "tc=\"-1\"", "end=\"LR\"" },
      RESPONSE_REFUSED,
      RESPONSE_ENDS,
      false,
      false,
      -1 },
    { { "end=\"LR\"" }, RESPONSE_FROM_OTHER, RESPONSE_ENDS, false, false, -1 }, /* out of the cache */
    { { "status=\"503\"", "tc=\"-1\"", "tr=\"-1\"", "end=\"SC\"" },
      RESPONSE_FROM_OTHER,
      RESPONSE_ENDS,
      false,
      true,
      -1 },
    { { "status=\"400\"", "tr=\"-1\"", "end=\"CH\"" }, RESPONSE_FROM_OTHER, RESPONSE_ENDS, true, false, -1 },
    { { "status=\"408\"", "tc=\"-1\"", "tr=\"-1\"", "end=\"cR\"" },
      RESPONSE_FROM_OTHER,
      RESPONSE_ENDS,
      true,
      false,
      -1 },
    { { "status=\"101\"", "ta=\"29951\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_TUNNEL, false, false, -1 },
    { { "status=\"101\"", "end=\"sD\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_TUNNEL, false, false, -1 },
    { { "verdict=\"allow\" stream=\"-\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_ENDS, false, false, 2 },
    { { "verdict=\"allow\" stream=\"1\"", "ta=\"29951\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_STREAM, false, false, -1 },
    { { "verdict=\"allow\" stream=\"1\"", "end=\"CD\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_STREAM, false, false, -1 },
    { { "verdict=\"allow\" stream=\"1\"", "status=\"101\"" }, RESPONSE_FROM_ORIGIN, RESPONSE_TUNNEL, false, false, -1 },
};

START_TEST(kind)
{
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault = NULL;
    struct span     line = line_with(kinds[_i].changes, 5);

    ck_assert_msg(feed_line_parse(line, &r, scratch, &fault), "%s: %s", fault, line.p);
    ck_assert_int_eq(r.from, kinds[_i].from);
    ck_assert_int_eq(r.lasting, kinds[_i].lasting);
    ck_assert_int_eq(r.aborted, kinds[_i].aborted);
    ck_assert_int_eq(r.origin_error, kinds[_i].origin_error);
    ck_assert_int_eq(r.duration_ms, kinds[_i].duration_ms);
}
END_TEST

static const char *const refused[][3] = {
    { "-time" },
    { "-status" },
    { "-bytes" },
    { "-end" },
    { "-tc" },
    { "-tr" },
    { "-ta" },
    { "-path" },
    { "-refused" },
    { "-asked" },
    { "-error" },
    { "-verdict" },
    /* Twice: somebody forges, and who is not to be told. */
    { "status=\"200\" status=\"200\"" },
    { "verdict=\"deny\" verdict=\"allow\"" },
    { "end=\"--\" ua=\"x\" status=\"200\" y=\"\"" },
    /* Misspelt. */
    { "status=200" },
    { "status=\"200" },
    { "status=\"200\"  " },
    { "status=\"200\"]" },
    { "status=\"200\" =\"\"" },
    { "status=\"200\" X=\"\"" },
    { "status=\"200\\\"" },
    /* Values. */
    { "status=\"\"" },
    { "status=\"-\"" },
    { "status=\"2e2\"" },
    { "status=\"1000\"" },
    { "status=\"-2\"" },
    { "status=\"--1\"" },
    { "status=\" 200\"" },
    { "status=\"++200\"" },
    { "bytes=\"x\"" },
    { "bytes=\"17592186044417\"" },
    { "bytes=\"99999999999999999999999999\"" },
    { "end=\"\"" },
    { "end=\"----\"" },
    { "tc=\"\"" },
    { "tr=\"2147483648\"" },
    { "ta=\"0x1\"" },
    { "path=\"\"" },
    { "path=\"/items\"" },
    { "path=\"%2\"" },
    { "path=\"%\"" },
    { "path=\"%G0\"" },
    { "path=\"a b\"" },
    { "path=\"a+b\"" },
    { "path=\"\xFF\"" },
    { "verdict=\"\"" },
    { "verdict=\"allowed\"" },
    { "verdict=\"ALLOW\"" },
    { "verdict=\"allow\" stream=\"\"" },
    { "verdict=\"allow\" stream=\"0\"" },
    { "verdict=\"allow\" stream=\"text/event-stream\"" },
    { "verdict=\"allow\" stream=\"-\" stream=\"1\"" },
    { "verdict=\"-\"", "error=\"x\"" },
    { "verdict=\"-\"", "asked=\"x\"" },
    { "time=\"\"" },
    { "time=\"20/Nov/2026:09:15:02 +0100\"" },
    { "time=\"20/nov/2026:09:15:02 +0000\"" },
    { "time=\"00/Nov/2026:09:15:02 +0000\"" },
    { "time=\"32/Nov/2026:09:15:02 +0000\"" },
    { "time=\"20/Nov/2026:24:15:02 +0000\"" },
    { "time=\"20/Nov/1969:09:15:02 +0000\"" },
    { "time=\"20/ovD/2026:09:15:02 +0000\"" },
    { "time=\"20/Nov/2026 09:15:02 +0000\"" },
    { "time=\"20/Nov/2026:09:15:02 +00000\"" },
};

START_TEST(refusal)
{
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault = NULL;
    struct span     line = line_with(refused[_i], 3);

    ck_assert_msg(!feed_line_parse(line, &r, scratch, &fault), "taken: %s", line.p);
    ck_assert_ptr_nonnull(fault);
}
END_TEST

static const char *const foreign[] = {
    "",
    "<",
    "<134>1",
    "<134>1 a b c d e f",
    "hello",
    "<134>1 2026 - haproxy 1 - - message",
    HEAD "[other@32473 time=\"x\"]",
    HEAD,
    HEAD "[rules@32473]",
    HEAD "[rules@32473 ]",
    HEAD "[rules@32473 x",
    HEAD "[rules@32473 x=",
    HEAD "[rules@32473 x=\"",
    HEAD "[rules@32473 x=\"\\",
    HEAD "[rules@32473 x=\"\\\"",
    "<0>2 events dropped",
    "192.0.2.1:4711 [20/Nov/2026:09:15:02.123] api o/s 0/0/0/1/2 200 73 \"GET / HTTP/1.1\"",
};

START_TEST(foreign_line)
{
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault = NULL;

    ck_assert(!feed_line_parse(span_of(foreign[_i]), &r, scratch, &fault));
    ck_assert_ptr_nonnull(fault);
}
END_TEST

static const struct {
    const char *priority;
    bool        taken;
} levels[] = { { "<134>", true }, { "<131>", true }, { "<14>", true }, { "<133>", false }, { "<13>", false } };

/* What HAProxy says of lines that it dropped stands behind the fields of another, which must not count twice. */
START_TEST(level)
{
    char            scratch[FEED_PATH_MAX], text[FEED_MESSAGE_MAX];
    struct response r;
    const char     *fault = NULL;

    snprintf(text, sizeof text, "%s%s", levels[_i].priority, line_with(NULL, 0).p + strlen("<134>"));
    ck_assert(feed_line_parse(span_of(text), &r, scratch, &fault) == levels[_i].taken);
}
END_TEST

/* Cut anywhere before the end of its fields a line is refused; behind that nothing matters. In memory of just that
 * size, where a sanitizer sees a byte too far. */
START_TEST(truncated)
{
    struct span     line = line_with(NULL, 0);
    size_t          fields_end = (size_t)(strchr(line.p, ']') + 1 - line.p);
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault;

    for (size_t n = 0; n <= line.n; n++) {
        char *copy = malloc(n + (n == 0));

        memcpy(copy, line.p, n);
        ck_assert_msg(feed_line_parse((struct span){ copy, n }, &r, scratch, &fault) == (n >= fields_end), "%zu bytes",
                      n);
        free(copy);
    }
}
END_TEST

/* The longest path of haproxy.cfg is kept, a longer one is not, and both are counted. */
START_TEST(long_path)
{
    static char     field[3 * FEED_PATH_MAX + 64];
    const char     *changes[] = { field };
    char            scratch[FEED_PATH_MAX];
    struct response r;
    const char     *fault;
    size_t          n;

    for (size_t extra = 0; extra <= 1; extra++) {
        n = (size_t)sprintf(field, "path=\"");
        for (size_t i = 0; i < FEED_PATH_MAX + extra; i++)
            n += (size_t)sprintf(field + n, "%%22");
        sprintf(field + n, "\"");
        ck_assert(feed_line_parse(line_with(changes, 1), &r, scratch, &fault));
        ck_assert_uint_eq(r.path.n, extra == 0 ? FEED_PATH_MAX : 0);
        ck_assert_int_eq(r.path.p != NULL, extra == 0);
    }
}
END_TEST

static const struct {
    const char *time;
    int64_t     hour;
} hours[] = {
    { "01/Jan/1970:00:00:00 +0000", 0 },        { "31/Dec/1999:23:59:59 +0000", 262967 },
    { "29/Feb/2000:12:00:00 +0000", 264396 },   { "01/Mar/2000:00:00:00 +0000", 264408 },
    { "20/Nov/2026:08:59:59 +0000", HOUR - 1 }, { "20/Nov/2026:10:00:00 +0000", HOUR + 1 },
    { "31/Dec/2026:23:59:60 +0000", 499655 },   { "01/Jan/2027:00:00:00 +0000", 499656 },
};

START_TEST(hour)
{
    char            field[64], scratch[FEED_PATH_MAX];
    const char     *changes[] = { field };
    struct response r;
    const char     *fault;

    snprintf(field, sizeof field, "time=\"%s\"", hours[_i].time);
    ck_assert(feed_line_parse(line_with(changes, 1), &r, scratch, &fault));
    ck_assert_int_eq(r.hour, hours[_i].hour);
}
END_TEST

/* ---- counting ---- */

START_TEST(fold)
{
    static const char *const later[] = { "time=\"20/Nov/2026:10:00:00 +0000\"", "path=\"%2F%2Fitems%2Fx%2F..%2F%31\"" };
    static const char *const much_later[] = { "time=\"20/Nov/2026:11:00:00 +0000\"" };
    static const char *const old[] = { "time=\"13/Nov/2026:09:00:00 +0000\"" };
    static const char *const too_old[] = { "time=\"13/Nov/2026:08:59:59 +0000\"" };
    struct responses        *into = responses_new();
    struct topk_row          rows[RESPONSES_PATHS];
    struct response          response;
    const char              *fault = NULL;

    ck_assert_ptr_nonnull(into);
    ck_assert_int_eq(feed_fold(line_with(NULL, 0), into, 7, HOUR, &response, &fault), FEED_FOLDED);
    ck_assert_int_eq(feed_fold(line_with(later, 2), into, 7, HOUR, &response, &fault), FEED_FOLDED);
    ck_assert_int_eq(feed_fold(line_with(old, 1), into, 7, HOUR, &response, &fault), FEED_FOLDED);
    ck_assert_int_eq(feed_fold(line_with(much_later, 1), into, 7, HOUR, &response, &fault), FEED_SKIPPED);
    ck_assert_int_eq(feed_fold(line_with(too_old, 1), into, 7, HOUR, &response, &fault), FEED_SKIPPED);
    ck_assert_int_eq(feed_fold(SPAN_LITERAL("hello"), into, 7, HOUR, &response, &fault), FEED_SKIPPED);
    ck_assert_uint_eq(into->n, 3);
    ck_assert_int_eq(feed_fold(line_with(NULL, 0), into, 7, HOUR, &response, &fault), FEED_FOLDED);
    ck_assert_int_eq(response.status, 200);
    ck_assert_ptr_null(response.path.p);
    /* However it is spelt, the path is that of the decisions. */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(into->hours[i].status_2xx, i == 0 ? 2 : 1);
        ck_assert_uint_eq(topk_size(into->hours[i].paths), 1);
        topk_rows(into->hours[i].paths, rows);
        ck_assert(rows[0].id == tally_id_of(SPAN_LITERAL("/items/1"), 7));
    }
    responses_free(into);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("feed");
    TCase   *tcase = tcase_create("feed");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, frames, 0, sizeof framings / sizeof *framings);
    tcase_add_test(tcase, frame_bounds);
    tcase_add_loop_test(tcase, meaning, 0, sizeof meanings / sizeof *meanings);
    tcase_add_loop_test(tcase, kind, 0, sizeof kinds / sizeof *kinds);
    tcase_add_loop_test(tcase, refusal, 0, sizeof refused / sizeof *refused);
    tcase_add_loop_test(tcase, foreign_line, 0, sizeof foreign / sizeof *foreign);
    tcase_add_loop_test(tcase, level, 0, sizeof levels / sizeof *levels);
    tcase_add_test(tcase, truncated);
    tcase_add_test(tcase, long_path);
    tcase_add_loop_test(tcase, hour, 0, sizeof hours / sizeof *hours);
    tcase_add_test(tcase, fold);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
