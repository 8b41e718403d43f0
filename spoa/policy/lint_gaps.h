/* Requests beside those that a rule matches, which most origins answer in the same way: '/admin/' beside '/admin', HEAD
 * beside GET. For lint.c; one thread. */
#ifndef POLICY_LINT_GAPS_H
#define POLICY_LINT_GAPS_H

#include "policy/ruleset.h"

/* What lint.c says of one rule and another. */

/* Whether whatever `b` matches, `a` matches too; false where that is not plain to see. */
bool lint_covers(const struct pattern *a, const struct pattern *b);

/* A request that the index takes to all rules that may cover `rule`: with the values that its patterns fix. A GLOB
 * stands for itself, since it begins and ends as what it matches does. */
void lint_typical_request(const struct rule *rule, struct request *request);

/* ---- gaps ---- */

/* Bytes for the paths that a rule leaves open, with quotes and a NUL; of a longer path nothing is said. */
#define LINT_OPEN_MAX 640

/* For a rule that denies or limits one exact path: which paths beside it no such rule matches. Writes them into `open`,
 * as in "'/admin/' and '/admin;...'". An absent span where there is none, else the path. A deny also leaves what is
 * below the path open. Nothing is said of '/', of a path that ends in '/', and of one whose last part has a dot, since
 * that is mostly a file. */
struct span lint_open_paths(const struct ruleset *set, const struct rule *rule, int64_t unix_us, char *open);

/* Whether a rule denies or limits GET, but neither it nor another such rule matches HEAD. */
bool lint_open_head(const struct ruleset *set, const struct rule *rule, int64_t unix_us);

#endif
