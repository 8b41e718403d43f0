/* A run of bytes that somebody else owns.
 *
 * A span borrows: from a frame buffer, from a request's scratch space, from a rule set. It carries no
 * terminating NUL, may hold any byte, and is only ever made shorter. What must outlive the owner is copied.
 * An absent value is a span whose `p` is NULL; an empty one has a non-NULL `p` and n == 0. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *p;
    size_t      n;
};

#define SPAN_ABSENT     ((struct span){ NULL, 0 })
#define SPAN_LITERAL(s) ((struct span){ (s), sizeof(s) - 1 })

static inline struct span span_of(const char *text)
{
    return (struct span){ text, strlen(text) };
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
