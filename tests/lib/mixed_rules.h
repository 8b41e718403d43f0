/* Rules as a large operator has them, and requests that meet them, for measurements.
 *
 * Of ten rules two are exact paths, two prefixes and one a suffix of paths under one common prefix, three networks (one
 * with a path), one a host, one a limit for an API key; every hundredth is a regular expression on the paths of a host.
 * Two limits for everybody come on top. */
#ifndef TESTS_LIB_MIXED_RULES_H
#define TESTS_LIB_MIXED_RULES_H

#include <stdint.h>

/* A new database at `path` with `n` + 2 rules. Ends the process when it cannot. */
void mixed_rules_make(const char *path, int n);

/* Its method is GET. */
struct mixed_request {
    char    path[64], host[64], key[16];
    uint8_t src[4]; /* an IPv4 address in network order */
};

/* The next of a fixed sequence of requests. Nine in ten meet one of the first `rules` rules of the mix besides the two
 * general ones; one in ten meets none. They come from `clients` clients (2^24 at most), each as often as the others.
 * Not for several threads. */
void mixed_request_make(struct mixed_request *request, int rules, int clients);

#endif
