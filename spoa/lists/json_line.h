/* Reads a member of a JSON object that stands on one line. SQLite's JSON functions do the parsing.
 *
 * The memory that SQLite needs grows with the longest line, which is at most ADDRESS_FILE_LINE_MAX bytes long. One
 * thread. */
#ifndef LISTS_JSON_LINE_H
#define LISTS_JSON_LINE_H

#include "base/span.h"

struct json_line;

/* Aborts if memory runs out. */
struct json_line *json_line_new(void);
void              json_line_free(struct json_line *reader); /* NULL is allowed */

enum json_result {
    JSON_FOUND,
    JSON_MISSING, /* the object has no such member, or the member is not a string */
    JSON_BROKEN,  /* the line is not exactly one object of strict JSON */
    JSON_NUL,     /* the line contains a NUL byte or \u0000, where some versions of SQLite cut the text */
};

/* Looks up the string member `name` of the outermost object; of several, the first. If the result is JSON_FOUND,
 * `*value` is the decoded string, which may be invalid UTF-8. The reader owns it, and it is valid until the next call.
 * Aborts if memory runs out. */
enum json_result json_line_find(struct json_line *reader, struct span line, struct span name, struct span *value);

#endif
