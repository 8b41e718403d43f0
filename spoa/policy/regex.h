/* Regular expressions: PCRE2 with its JIT and with limits, so that none can hold a worker. Any thread. */
#ifndef POLICY_REGEX_H
#define POLICY_REGEX_H

#include "base/span.h"
#include "policy/pattern.h"

/* NULL: `remedy` says what PCRE2 found wrong and where. Freed with regex_free(). */
struct pattern_regex *regex_compile(const char *expression, char *remedy, size_t remedy_size);
void                  regex_free(struct pattern_regex *regex);

/* Unanchored, as PCRE2 searches. An ordinary search is free; one that backtracks takes from `effort`. MATCH_UNSURE when
 * that, or what one start of a search may take, is used up. */
enum match regex_match(const struct pattern_regex *regex, struct span value, struct effort *effort);

/* Frees what the calling thread kept for matching. A thread that matched calls it before it ends. */
void regex_thread_fini(void);

#endif
