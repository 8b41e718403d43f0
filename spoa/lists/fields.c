#include "lists/fields.h"

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
