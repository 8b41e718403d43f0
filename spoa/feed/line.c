#include "feed/line.h"

/* More than HAProxy can mean: its times are whole numbers of 31 bits, and a response of 16 TB has yet to be seen. */
#define TIME_MAX  INT32_MAX
#define BYTES_MAX (INT64_C(1) << 44)

/* The order of haproxy.cfg, in which each is found at once. */
enum field { TIME, STATUS, BYTES, END, TC, TR, TA, PATH, REFUSED, ASKED, ERROR, VERDICT, STREAM, FIELDS };

/* An older haproxy.cfg does not write this field. Its streams are taken for answers. */
#define OPTIONAL (1u << STREAM)

static const struct span names[FIELDS] = {
    [TIME] = { "time", 4 },       [STATUS] = { "status", 6 }, [BYTES] = { "bytes", 5 }, [END] = { "end", 3 },
    [TC] = { "tc", 2 },           [TR] = { "tr", 2 },         [TA] = { "ta", 2 },       [PATH] = { "path", 4 },
    [REFUSED] = { "refused", 7 }, [ASKED] = { "asked", 5 },   [ERROR] = { "error", 5 }, [VERDICT] = { "verdict", 7 },
    [STREAM] = { "stream", 6 },
};

struct fields {
    struct span value[FIELDS];
    unsigned    seen;
};

static bool is(struct span value, const char *text)
{
    return span_eq(value, span_of(text));
}

/* ---- syslog ---- */

static void skip(struct span *in, size_t n)
{
    in->p += n;
    in->n -= n;
}

static bool take_text(struct span *in, struct span text)
{
    if (in->n < text.n || memcmp(in->p, text.p, text.n) != 0)
        return false;
    skip(in, text.n);
    return true;
}

/* HAProxy logs requests at the levels info and err, and at notice what it has to say itself: from 3.0 on "5 events
 * dropped", when its ring was full, follows the fields of a request that has a line of its own. */
static bool is_notice(struct span in)
{
    unsigned priority = 0;

    if (!take_text(&in, SPAN_LITERAL("<")))
        return false;
    for (; in.n > 0 && in.p[0] >= '0' && in.p[0] <= '9' && priority < 192; skip(&in, 1))
        priority = priority * 10 + (unsigned)(in.p[0] - '0');
    return priority % 8 == 5;
}

/* Up to the first name. */
static bool take_header(struct span *in)
{
    if (in->n == 0 || in->p[0] != '<')
        return false;
    /* Priority and version, time, host, program, process, kind of message. */
    for (int i = 0; i < 6; i++) {
        const char *blank = memchr(in->p, ' ', in->n);

        if (blank == NULL)
            return false;
        skip(in, (size_t)(blank + 1 - in->p));
    }
    return take_text(in, SPAN_LITERAL("[rules@32473 "));
}

/* name="value", in which a backslash takes the next character as it is. */
static bool take_field(struct span *in, struct span *name, struct span *value)
{
    size_t i = 0, from;

    while (i < in->n && in->p[i] >= 'a' && in->p[i] <= 'z')
        i++;
    *name = (struct span){ in->p, i };
    if (i == 0 || in->n - i < 2 || in->p[i] != '=' || in->p[i + 1] != '"')
        return false;
    from = i += 2;
    while (i < in->n && in->p[i] != '"')
        i += in->p[i] == '\\' ? 2 : 1;
    if (i >= in->n)
        return false;
    *value = (struct span){ in->p + from, i - from };
    skip(in, i + 1);
    return true;
}

/* FIELDS: none that we know. `next` is the likeliest. */
static unsigned field_named(struct span name, unsigned next)
{
    for (unsigned i = 0; i < FIELDS; i++, next++) {
        if (next >= FIELDS)
            next = 0;
        if (span_eq(name, names[next]))
            return next;
    }
    return FIELDS;
}

static bool take_fields(struct span in, struct fields *fields, const char **fault)
{
    struct span name, value;
    unsigned    field = 0;

    fields->seen = 0;
    fields->value[STREAM] = SPAN_LITERAL("-");
    *fault = "it is HAProxy's own, as when its ring was full and lines are lost";
    if (is_notice(in))
        return false;
    *fault = "it is not a line of log-format-sd as in haproxy.cfg";
    if (!take_header(&in)) {
        /* HAProxy's text at the start of a connection, in the place of a line for each request. */
        if (take_text(&in, SPAN_LITERAL("- Connect from ")))
            *fault = "HAProxy writes no line for a request: give its front end `option httplog` or a `log-format`";
        return false;
    }
    do {
        *fault = "its fields are cut short or misspelt";
        if (!take_field(&in, &name, &value))
            return false;
        field = field_named(name, field < FIELDS ? field + 1 : 0);
        if (field == FIELDS)
            continue;
        *fault = "a field stands there twice";
        if (fields->seen & 1u << field)
            return false;
        fields->seen |= 1u << field;
        fields->value[field] = value;
    } while (take_text(&in, SPAN_LITERAL(" ")));
    *fault = "its fields are cut short or misspelt";
    if (!take_text(&in, SPAN_LITERAL("]")))
        return false;
    *fault = "a field is missing";
    return (fields->seen | OPTIONAL) == (1u << FIELDS) - 1;
}

/* ---- values ---- */

static bool digits(struct span text, int64_t max, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *number = *number * 10 + (text.p[i] - '0');
        if (*number > max)
            return false;
    }
    return text.n > 0;
}

/* With a + in front where HAProxy logs before the end (option logasap). */
static bool number_or_none(struct span text, int64_t max, int64_t *number)
{
    *number = -1;
    if (is(text, "-1"))
        return true;
    take_text(&text, SPAN_LITERAL("+"));
    return digits(text, max, number);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (Hinnant: "chrono-Compatible Low-Level Date
 * Algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = shifted / 400, of_era = shifted - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "20/Nov/2026:09:15:02 +0000" */
static bool hour_of(struct span text, int64_t *hour)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char       *t = text.p;
    int64_t           day, month = 0, year, hours, minute, second;

    if (text.n != 26 || t[2] != '/' || t[6] != '/' || t[11] != ':' || t[14] != ':' || t[17] != ':' ||
        memcmp(t + 20, " +0000", 6) != 0)
        return false;
    while (month < 12 && memcmp(months + 3 * month, t + 3, 3) != 0)
        month++;
    if (month == 12 || !digits((struct span){ t, 2 }, 31, &day) || day == 0 ||
        !digits((struct span){ t + 7, 4 }, 9999, &year) || year < 1970 ||
        !digits((struct span){ t + 12, 2 }, 23, &hours) || !digits((struct span){ t + 15, 2 }, 59, &minute) ||
        !digits((struct span){ t + 18, 2 }, 60, &second))
        return false;
    *hour = days_of(year, month + 1, day) * 24 + hours;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Letters and digits, - . _ ~, and %XX for each other byte: whatever else is there was not encoded. */
static bool decode_path(struct span text, char *out, struct span *path)
{
    size_t n = 0;

    *path = SPAN_ABSENT;
    for (size_t i = 0; i < text.n; i++, n++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c == '%') {
            if (text.n - i < 3 || hex(text.p[i + 1]) < 0 || hex(text.p[i + 2]) < 0)
                return false;
            c = (unsigned char)(hex(text.p[i + 1]) * 16 + hex(text.p[i + 2]));
            i += 2;
        } else if (!((c >= '-' && c <= '9' && c != '/') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' ||
                     c == '~')) {
            return false;
        }
        if (n < FEED_PATH_MAX)
            out[n] = (char)c;
    }
    if (n > 0 && n <= FEED_PATH_MAX && !is(text, "-"))
        *path = (struct span){ out, n };
    return n > 0;
}

/* ---- meaning ---- */

static bool who(const struct fields *fields, enum response_by *by)
{
    struct span verdict = fields->value[VERDICT], refused = fields->value[REFUSED], error = fields->value[ERROR];
    int64_t     number;

    *by = RESPONSE_BY_AGENT;
    if (is(verdict, "allow") || is(verdict, "deny") || is(verdict, "slow"))
        return true;
    if (!is(verdict, "-") || !(is(error, "-") || digits(error, INT32_MAX, &number)) ||
        !(is(fields->value[ASKED], "-") || digits(fields->value[ASKED], INT64_C(1) << 53, &number)))
        return false;
    if (is(refused, "ban"))
        *by = RESPONSE_BY_BAN;
    else if (is(refused, "coarse"))
        *by = RESPONSE_BY_COARSE;
    else if (is(fields->value[ASKED], "-") || is(error, "3") || is(error, "259"))
        *by = RESPONSE_BY_CONFIGURATION; /* too big for a frame: refused, and the agent never saw it */
    else if (!is(error, "4") && !is(error, "5"))
        *by = RESPONSE_BY_NOBODY;
    /* 4 and 5: the client went away meanwhile; the agent decides about what it was sent even so, and counts it. */
    return true;
}

/* Two letters: who ended it, and while what was awaited. */
static bool how_it_ended(struct span end, struct response *response)
{
    if (end.n != 2)
        return false;
    response->aborted = end.p[0] == 'C' || end.p[0] == 'c';
    /* SQ and sQ: it waited in vain for a connection. PH: what the origin sent was no HTTP. */
    response->origin_error =
        end.p[0] == 'S' || end.p[0] == 's' || end.p[0] == 'D' || (end.p[0] == 'P' && end.p[1] == 'H');
    return true;
}

/* A tunnel or a stream ends when the client or the origin closes it, so its end is neither an abort nor an error. The time
 * until an answer broke off (D and L: its data was under way) is no latency either. */
static void take_lasting(const struct fields *fields, struct response *response)
{
    char awaited = fields->value[END].p[1];

    response->lasting = RESPONSE_ENDS;
    if (response->origin_ms >= 0 && response->status == 101)
        response->lasting = RESPONSE_TUNNEL;
    else if (response->origin_ms >= 0 && is(fields->value[STREAM], "1"))
        response->lasting = RESPONSE_STREAM;
    if (response->lasting != RESPONSE_ENDS)
        response->aborted = response->origin_error = false;
    if (response->lasting != RESPONSE_ENDS || response->aborted || awaited == 'D' || awaited == 'L')
        response->duration_ms = -1;
}

/* After how_it_ended(). */
static bool take_times(const struct fields *fields, struct response *response)
{
    int64_t connected;

    if (!number_or_none(fields->value[TC], TIME_MAX, &connected) ||
        !number_or_none(fields->value[TR], TIME_MAX, &response->origin_ms) ||
        !number_or_none(fields->value[TA], TIME_MAX, &response->duration_ms))
        return false;
    /* Without a connection to an origin it was HAProxy that answered, and with LR as well: out of its cache, which has
     * times like an origin. */
    if (connected < 0 || is(fields->value[END], "LR"))
        response->duration_ms = response->origin_ms = -1;
    response->from = RESPONSE_FROM_OTHER;
    if (response->origin_ms >= 0)
        response->from = RESPONSE_FROM_ORIGIN;
    else if (connected < 0 && !response->aborted && !response->origin_error)
        response->from = RESPONSE_REFUSED;
    take_lasting(fields, response);
    return is(fields->value[STREAM], "-") || is(fields->value[STREAM], "1");
}

bool feed_line_parse(struct span message, struct response *response, char scratch[FEED_PATH_MAX], const char **fault)
{
    struct fields fields;
    int64_t       status, bytes;

    if (!take_fields(message, &fields, fault))
        return false;
    *fault = "a field has no such value";
    if (!hour_of(fields.value[TIME], &response->hour) || !number_or_none(fields.value[STATUS], 999, &status) ||
        !number_or_none(fields.value[BYTES], BYTES_MAX, &bytes) || !how_it_ended(fields.value[END], response))
        return false;
    response->status = (int)status;
    response->bytes = bytes < 0 ? 0 : (uint64_t)bytes;
    if (!take_times(&fields, response) || !decode_path(fields.value[PATH], scratch, &response->path) ||
        !who(&fields, &response->by))
        return false;
    /* This is the answer of haproxy.cfg while no origin is up: an outage, not a refusal. */
    if (response->by == RESPONSE_BY_CONFIGURATION && status == 503)
        response->from = RESPONSE_FROM_OTHER;
    return true;
}
