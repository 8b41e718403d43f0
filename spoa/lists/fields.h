/* Fields of one record: of a line of CSV (RFC 4180) or of a JSON object that stands on one line. Pure; any thread. */
#ifndef LISTS_FIELDS_H
#define LISTS_FIELDS_H

#include <stdbool.h>

#include "base/span.h"

/* What separates the fields of a record: the first ',', tab, ';' or '|' outside quotes, else ' ' for runs of blanks. */
char csv_separator(struct span record);

/* Whether a quoted field is still open at the end of the record: it goes on in the next line. */
bool csv_is_open(struct span record, char separator);

/* Takes the next field off the record, which is not absent: copied into `out`, of record->n bytes, without its quotes.
 * Behind the last field the record becomes absent. */
struct span csv_next(struct span *record, char separator, char *out);

enum json_result {
    JSON_FOUND,
    JSON_MISSING, /* the object has no such member, or its value is no string */
    JSON_BROKEN,  /* not one whole object */
};

/* Looks for the string that is the member `name` of the object itself. What a string decodes to goes into `out`, of
 * line.n bytes. A \u escape above U+007F becomes '?', since no address has one. */
enum json_result json_find(struct span line, struct span name, char *out, struct span *value);

#endif
