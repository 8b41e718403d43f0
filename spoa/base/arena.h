/* Memory that is allocated piece by piece and freed at once: what a rule set is made of. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *last;
    size_t              bytes; /* taken from the system */
};

/* A zeroed struct arena is an empty one. The calls below end the process when memory is exhausted: a rule set
 * that does not fit leaves nothing sensible to do, and Linux rarely says so in time. */
void       *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any type */
char       *arena_text(struct arena *arena, const char *text);
struct span arena_span(struct arena *arena, struct span span);
void        arena_fini(struct arena *arena);

#endif
