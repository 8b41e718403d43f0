/* Compiled rules: immutable, shared by all workers, built from rows of text by one thread. */
#ifndef POLICY_RULESET_H
#define POLICY_RULESET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits/limits.h"
#include "policy/index.h"
#include "policy/pattern.h"
#include "policy/problem.h"

enum rule_action { RULE_ALLOW, RULE_DENY, RULE_LIMIT };

#define RULE_PER_MAX 8

struct rule {
    int64_t          id;
    const char      *name;
    int32_t          priority;
    enum rule_action action;
    struct limit     limit; /* RULE_LIMIT */
    bool             slow;  /* RULE_LIMIT: what comes over the limit is slowed, not denied */
    bool             shadow;
    int              status;            /* of a denial; 0: 429 for a limit, 403 for a deny rule */
    int              policy;            /* rules with the same number, 0 or more, share a policy; -1: none */
    const char      *policy_name;       /* NULL: none */
    int64_t          from_us, until_us; /* in force in [from_us, until_us) of Unix time */
    struct pattern  *patterns;          /* all must match */
    size_t           patterns_n;
    uint8_t          per[RULE_PER_MAX]; /* attributes that the limit counts apart by, ascending */
    uint8_t          per_n;
    uint64_t         state; /* identifies (id, period, algorithm, per): what a counter belongs to */
};

struct ruleset {
    struct rule  *rules; /* by (priority, id) */
    size_t        n;
    size_t        attributes_n;
    struct span   attributes[ATTRIBUTES_MAX]; /* names; the fixed ones first */
    struct arena  arena;
    struct list **lists;
    size_t        lists_n;
    struct index  index;

    atomic_size_t   users; /* threads that hold it: see publish.h */
    struct ruleset *next;  /* among the retired */
};

/* The attribute's number, or -1 when no rule names it and it is not one of the fixed. */
int ruleset_attribute(const struct ruleset *ruleset, struct span name);

/* NULL is allowed. */
void ruleset_free(struct ruleset *ruleset);

/* ---- building ---- */

/* A value as SQLite has it: absent, a number, or text. A table that is not ours may hold anything anywhere. */
struct rule_value {
    enum { VALUE_NULL, VALUE_INTEGER, VALUE_TEXT } type;
    int64_t     integer;
    const char *text; /* of an integer too, for messages */
};

/* The columns of one rule in the order of the table; the X-macro names them once for SQL, loader and compiler. */
/* clang-format off */
#define RULE_COLUMNS(X)                                                                                        \
    X(id) X(name) X(priority) X(src) X(method) X(host) X(path) X(match) X(action) X(requests) X(period) X(per) \
    X(algorithm) X(burst) X(over) X(status) X(ban) X(shadow) X(policy) X(valid_from) X(valid_until)
/* clang-format on */

struct rule_row {
#define X(column) struct rule_value column;
    RULE_COLUMNS(X)
#undef X
};

/* One pair of a rule's `match`. `type` is SQLite's json_each.type. */
struct rule_match {
    const char *key, *value, *type;
};

struct ruleset_builder;

/* Where '@name' comes from: returns a finished list, which then belongs to the rule set, or NULL when there is none.
 * Asked once for each name. */
typedef struct list *list_source_fn(void *context, const char *name);

/* Each problem is told to `problem`. */
struct ruleset_builder *ruleset_builder_new(problem_fn *problem, void *problem_context, list_source_fn *lists,
                                            void *lists_context);

/* Rules come ordered by (priority, id), the disabled ones left out; `match` holds the rule's pairs. Texts are
 * copied. */
void ruleset_builder_add(struct ruleset_builder *builder, const struct rule_row *row, const struct rule_match *match,
                         size_t match_n);

/* Tells of a row that could not even be read as one; the set will not be built. */
void ruleset_builder_refuse(struct ruleset_builder *builder, const struct problem *problem);

/* The set is not to be built: finishing only frees. For a caller who knows why, and has told it. */
void ruleset_builder_abandon(struct ruleset_builder *builder);

/* Ends the builder. NULL when there was any problem that is not a warning: a rule set is taken whole or not at all. */
struct ruleset *ruleset_builder_finish(struct ruleset_builder *builder);

#endif
