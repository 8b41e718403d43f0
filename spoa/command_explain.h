/* `spoa-rules explain`: what the rules do with one request. */
#ifndef COMMAND_EXPLAIN_H
#define COMMAND_EXPLAIN_H

#include <stddef.h>

/* `attributes` are "name=value". Changes nothing. Returns the exit code: 2 when the database or an attribute is
 * unusable. */
int explain_request(const char *path, char *const attributes[], size_t n, unsigned ipv6_prefix);

/* Asks the agent that listens for it at `address`, written as for --admin-listen: becomes curl, whose exit code is 0
 * when it answered, 22 when it refused and 7 when nobody is there. Returns 2 when there is no curl, or an attribute is
 * unusable. */
int explain_live(const char *address, char *const attributes[], size_t n);

#endif
