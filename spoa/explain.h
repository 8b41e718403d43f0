/* `spoa-rules check` and `spoa-rules explain`: what an operator asks about a rules database. Both return the exit code. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stddef.h>

/* One line an error on standard output; 1 when there is any. */
int check_rules(const char *path);

/* `attributes` are "name=value". Changes nothing. 2 when the database or an attribute is unusable. */
int explain_request(const char *path, char *const attributes[], size_t n, unsigned ipv6_prefix);

#endif
