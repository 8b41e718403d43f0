/* One condition of a rule on one attribute, compiled. Immutable once compiled; any thread. */
#ifndef POLICY_PATTERN_H
#define POLICY_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "policy/list.h"
#include "policy/request.h"

enum pattern_kind {
    PATTERN_PRESENT, /* '*' */
    PATTERN_EXACT,   /* text without '*', '?', '[' */
    PATTERN_GLOB,
    PATTERN_NETWORK, /* src: an address is a network of one */
    PATTERN_LIST,    /* '@name' */
    PATTERN_REGEX,   /* '~…' */
    PATTERN_ONE_OF,  /* method: 'GET,POST' */
};

struct pattern_regex; /* owns a PCRE2 code */

struct pattern {
    enum pattern_kind kind;
    bool              negated;   /* '!': matches exactly when the rest does not, absence included */
    uint8_t           attribute; /* its number in the rule set */
    struct span       text;      /* PATTERN_EXACT, PATTERN_GLOB */
    union {
        struct network        network;
        const struct list    *list;
        struct pattern_regex *regex;
        struct {
            struct pattern *first; /* PATTERN_EXACT and PATTERN_GLOB only */
            size_t          n;
        } one_of;
    };
};

#define PATTERN_REMEDY_MAX 512

/* Finds a list by name, finished and not the caller's; NULL: there is none. */
typedef struct list *pattern_list_fn(void *context, const char *name);

/* Compiles `text` for an attribute. What it needs comes from `arena`, but for a regular expression, which the caller
 * frees with pattern_fini(). False: `remedy` (PATTERN_REMEDY_MAX bytes) says what to write instead. */
bool pattern_compile(struct pattern *pattern, unsigned attribute, const char *text, struct arena *arena,
                     pattern_list_fn *find_list, void *context, char *remedy);
void pattern_fini(struct pattern *pattern);

/* After pattern_compile() said no: where the pattern names a list, calls `fn` with the sentence about each entry that
 * cannot be used, in the order of the list, until it returns false. Of a list that is missing or empty, and of any other
 * pattern, it says nothing. */
typedef bool pattern_entry_fn(void *context, const char *sentence);
void         pattern_bad_entries(struct pattern *pattern, pattern_entry_fn *fn, void *context);

enum match { MATCH_NO, MATCH_YES, MATCH_UNSURE /* it would have taken too long to tell */ };

/* Takes from `request->effort` when the pattern backtracks. */
enum match pattern_match(const struct pattern *pattern, struct request *request);

/* The same with another reading of the path, for a pattern on `path`. */
enum match pattern_match_path(const struct pattern *pattern, struct request *request, struct span path);

/* The same with any value for the pattern's attribute, which is not `src`, however long it takes. */
enum match pattern_match_text(const struct pattern *pattern, struct span value);

#endif
