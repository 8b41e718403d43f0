/* One spelling for each path and host, so that no spelling escapes a rule. Pure; any thread.
 *
 * Both functions are idempotent: normalising twice equals once. */
#ifndef POLICY_NORMALISE_H
#define POLICY_NORMALISE_H

#include <stdbool.h>

#include "base/span.h"

/* Bytes that normalise_path() may write for a path of n bytes: each may become an escape, and a '/' may come first. */
#define NORMALISED_PATH_MAX(n) (3 * (n) + 1)

/* Into `out`, or `path` itself where nothing is to change: percent-escapes of printable ASCII other than '%' decoded,
 * all other bytes as %XX in upper case (a '%' that begins no escape as %25), repeated slashes merged, then "." and ".."
 * segments resolved (RFC 3986, 5.2.4). Absent, empty and "*" become "/".
 *
 * `*ambiguous`: the path held an encoded slash, backslash or dot, a backslash, or a segment ".." or "..;x". Origins
 * differ in what they make of these, so nobody may be let through on the strength of the normalised form alone. */
struct span normalise_path(struct span path, char *out, bool *ambiguous);

/* How another origin may read a normalised path: '\\' as '/', and a segment "..;x" as "..". Into `out`, of 2 * path.n +
 * 1 bytes. */
struct span other_reading(struct span path, char *out);

/* Into `out` (host.n bytes): lower case, without port and trailing dots. What is then empty is absent. */
struct span normalise_host(struct span host, char *out);

#endif
