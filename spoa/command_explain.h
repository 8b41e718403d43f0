/* `spoa-rules explain`: what the rules do with one request. */
#ifndef COMMAND_EXPLAIN_H
#define COMMAND_EXPLAIN_H

#include <stddef.h>

/* `attributes` are "name=value". Changes nothing. Returns the exit code: 2 when the database or an attribute is
 * unusable. */
int explain_request(const char *path, char *const attributes[], size_t n, unsigned ipv6_prefix);

#endif
