/* Rules as a large operator has them, for measurements.
 *
 * Of ten rules two are exact paths, two prefixes and one a suffix of paths under one common prefix, three networks (one
 * with a path), one a host, one a limit for an API key; every hundredth is a regular expression on the paths of a host.
 * Two limits for everybody come on top. */
#ifndef TESTS_LIB_MIXED_RULES_H
#define TESTS_LIB_MIXED_RULES_H

/* A new database at `path` with `n` + 2 rules. Ends the process when it cannot. */
void mixed_rules_make(const char *path, int n);

#endif
