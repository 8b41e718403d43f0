/* Memory for the counters: private, or shared with a file that outlives the process.
 *
 * All of it is reserved at once, but costs only what is claimed, page by page. A file that cannot grow (its file system
 * is full) does no harm: what is claimed from then on is private memory in the same place, and only lost if the process
 * is killed. To write to a page of the file that was not claimed would be a SIGBUS. */
#ifndef LIMITS_MEMORY_H
#define LIMITS_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define MEMORY_PAGE 4096u

struct memory {
    char       *base;
    size_t      size;
    int         fd;      /* -1: private */
    atomic_bool is_full; /* something that should be in the file is not */
};

/* All zero. `fd`: an empty file, which the memory then owns; -1: none. False: no memory, or errno of the file. */
bool memory_init(struct memory *m, size_t size, int fd);
void memory_fini(struct memory *m);

/* Makes the page at `at`, which begins one, usable. False: all up to `end` became private and usable, and is not to be
 * claimed any more. Any thread, as long as nobody else claims or uses anything between the two. */
bool memory_claim(struct memory *m, void *at, void *end);

#endif
