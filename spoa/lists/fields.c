#include "lists/fields.h"

/* ---- CSV ---- */

static bool is_separator(char c, char separator)
{
    return c == separator || (separator == ' ' && c == '\t');
}

/* The position behind a field that begins at `at`: of its separator, or the end. `*open`: its quote is not closed. */
static size_t field_end(struct span record, size_t at, char separator, bool *open)
{
    *open = false;
    if (at < record.n && record.p[at] == '"') {
        *open = true;
        for (at++; at < record.n && *open; at++) {
            if (record.p[at] != '"')
                continue;
            if (at + 1 < record.n && record.p[at + 1] == '"')
                at++; /* two quotes within a quoted field are one quote */
            else
                *open = false;
        }
    }
    while (at < record.n && !is_separator(record.p[at], separator))
        at++;
    return at;
}

char csv_separator(struct span record)
{
    static const char candidates[] = { ',', '\t', ';', '|' };
    size_t            first = record.n;
    char              separator = ' ';

    for (size_t i = 0; i < sizeof candidates; i++) {
        bool   open;
        size_t at = field_end(record, 0, candidates[i], &open);

        if (at < first) {
            first = at;
            separator = candidates[i];
        }
    }
    return separator;
}

bool csv_is_open(struct span record, char separator)
{
    bool open = false;

    for (size_t at = 0; at < record.n; at++)
        at = field_end(record, at, separator, &open);
    return open;
}

/* Between quotes two quotes are one; what stands behind the closing quote belongs to the field as well. */
static size_t unquote(struct span field, char *out)
{
    bool   quoted = field.n > 0 && field.p[0] == '"';
    size_t n = 0;

    for (size_t i = quoted ? 1 : 0; i < field.n; i++) {
        if (quoted && field.p[i] == '"') {
            if (i + 1 < field.n && field.p[i + 1] == '"')
                i++;
            else {
                quoted = false;
                continue;
            }
        }
        out[n++] = field.p[i];
    }
    return n;
}

struct span csv_next(struct span *record, char separator, char *out)
{
    bool        open;
    size_t      end = field_end(*record, 0, separator, &open), n;
    struct span field = { record->p, end };

    n = unquote(field, out);
    if (end == record->n) {
        *record = SPAN_ABSENT;
        return (struct span){ out, n };
    }
    do
        end++;
    while (separator == ' ' && end < record->n && is_separator(record->p[end], separator));
    record->p += end;
    record->n -= end;
    return (struct span){ out, n };
}

/* ---- JSON ---- */

/* What is left to read. */
struct json {
    const char *p, *end;
};

static void skip_blanks(struct json *json)
{
    while (json->p < json->end && (*json->p == ' ' || (*json->p >= '\t' && *json->p <= '\r')))
        json->p++;
}

static bool take(struct json *json, char c)
{
    skip_blanks(json);
    if (json->p == json->end || *json->p != c)
        return false;
    json->p++;
    return true;
}

static bool read_unicode(struct json *json, char *c)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++, json->p++) {
        char digit = json->p < json->end ? *json->p : '\0';

        if (digit >= '0' && digit <= '9')
            code = code * 16 + (unsigned)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            code = code * 16 + (unsigned)((digit | 0x20) - 'a') + 10;
        else
            return false;
    }
    *c = code >= 0x20 && code < 0x7F ? (char)code : '?';
    return true;
}

/* `out` has room for all that is left: a string is never longer than it is written. */
static bool read_string(struct json *json, char *out, struct span *value)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t            n = 0;

    if (!take(json, '"'))
        return false;
    while (json->p < json->end && *json->p != '"') {
        char        c = *json->p++;
        const char *escape;

        if (c == '\\') {
            if (json->p == json->end)
                return false;
            c = *json->p++;
            escape = c == '\0' ? NULL : strchr(escapes, c);
            if (escape != NULL)
                c = meanings[escape - escapes];
            else if (c != 'u' || !read_unicode(json, &c))
                return false;
        }
        out[n++] = c;
    }
    *value = (struct span){ out, n };
    return take(json, '"');
}

/* A value that is no string: a number, a word, or an array or object with all that is in it, whose form is not
 * looked at any closer. */
static bool skip_value(struct json *json, char *out)
{
    const char *from = json->p;
    struct span ignored;
    unsigned    depth = 0;

    while (json->p < json->end) {
        char c = *json->p;

        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        if (c == '"') {
            if (!read_string(json, out, &ignored))
                return false;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        json->p++;
    }
    return depth == 0 && json->p > from;
}

/* Reads one member. A string that is the member `name` goes into `*value`; `*found` says that it was. */
static bool read_member(struct json *json, struct span name, char *out, bool *found, struct span *value)
{
    struct span text;

    *found = false;
    if (!read_string(json, out, &text) || !take(json, ':'))
        return false;
    skip_blanks(json);
    if (json->p == json->end || *json->p != '"')
        return skip_value(json, out);
    *found = span_eq(text, name);
    if (!read_string(json, out, &text))
        return false;
    if (*found)
        *value = text;
    return true;
}

enum json_result json_find(struct span line, struct span name, char *out, struct span *value)
{
    struct json json = { line.p, line.p + line.n };
    bool        found = false, any = false;

    if (!take(&json, '{'))
        return JSON_BROKEN;
    if (take(&json, '}')) {
        skip_blanks(&json);
        return json.p == json.end ? JSON_MISSING : JSON_BROKEN;
    }
    do {
        /* Once found, the value stays where it is, and what follows is decoded behind it. */
        if (!read_member(&json, name, out, &found, value))
            return JSON_BROKEN;
        if (found && !any)
            out += value->n;
        any |= found;
    } while (take(&json, ','));
    if (!take(&json, '}'))
        return JSON_BROKEN;
    skip_blanks(&json);
    if (json.p != json.end)
        return JSON_BROKEN;
    return any ? JSON_FOUND : JSON_MISSING;
}
