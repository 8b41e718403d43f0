/* How the compiler of rules says what is wrong with one: to `check`, to the log, to a test. */
#ifndef POLICY_PROBLEM_H
#define POLICY_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

struct problem {
    bool        warning; /* the rule set works all the same */
    int64_t     rule;    /* id; 0: not of one rule */
    const char *column;  /* or "list NAME"; NULL: the row as a whole */
    const char *value;   /* as it stands there; NULL: none */
    const char *remedy;  /* what to write instead, or what is wrong */
};

/* The problem's texts live only during the call. */
typedef void problem_fn(void *context, const struct problem *problem);

#define PROBLEM_TEXT_MAX 1024

/* One line: "rule 7: host 'API.example.com': write 'api.example.com'". Returns `out`, of PROBLEM_TEXT_MAX bytes; a
 * value that is too long is cut, control bytes are shown as \xNN. */
char *problem_format(const struct problem *problem, char *out);

#endif
