/* Splits a record of CSV (RFC 4180) into its fields. Pure; any thread. */
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

#endif
