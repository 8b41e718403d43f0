/* What is allowed but is probably not meant: warnings about a compiled rule set, for `check`. One thread. */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "policy/problem.h"
#include "policy/ruleset.h"

/* `sent`: the names of the attributes that HAProxy sends, or NULL where nobody knows. `unix_us` is now. Tells
 * `problem`:
 * - a rule that an earlier allow, deny or rule of the same policy always comes before (an allow not for ambiguous
 * paths,
 *   which only an origin that reads them in its own way sees);
 * - a validity that is over;
 * - an attribute that is not sent;
 * - a rule that says the same as an earlier one;
 * - a limit that counts by an attribute that a client can leave out, where nothing limits those who do;
 * - a deny or limit of '/admin' that leaves '/admin/' or '/admin;x' open, or of GET that leaves HEAD open: 20 rules by
 *   name, how many more there are. */
void ruleset_lint(const struct ruleset *set, const struct span *sent, size_t sent_n, int64_t unix_us,
                  problem_fn *problem, void *context);

#endif
