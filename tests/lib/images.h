/* Images of counters (limits/image.h) in files without a name, for unit tests. What cannot be when the tests are right
 * is told on standard error and aborts. */
#ifndef TESTS_LIB_IMAGES_H
#define TESTS_LIB_IMAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/image.h"

/* A limit with a ban of `b` seconds; its burst is its number of requests. */
#define LIMIT_OF(a, n, s, b)                                                                                           \
    {                                                                                                                  \
        .algorithm = (a), .requests = (n), .period_s = (s), .burst = (n), .ban_s = (b)                                 \
    }

/* An empty file. */
int images_file(void);

/* A table in such a file, which is a live image from now on. The file is the table's. */
struct limits *images_live(size_t max_counters, const char *boot, struct moment now, int *fd);

/* The file of a snapshot. */
int images_snapshot(struct limits *limits, const char *boot, struct moment now);

/* A copy of a file's first `n` bytes; SIZE_MAX: of all. */
int images_copy(int fd, size_t n);

size_t images_size(int fd);

/* A new table, in private memory, of what the file holds. NULL: it is of no use; `*problem` says why. False in `*all`:
 * some of it could not be read. Both may be NULL. */
struct limits *images_restore(int fd, size_t max_counters, const char *boot, struct moment now, const char **problem,
                              bool *all);

#endif
