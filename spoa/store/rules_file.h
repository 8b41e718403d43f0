/* rules.db as a file: made, looked at, known again. */
#ifndef STORE_RULES_FILE_H
#define STORE_RULES_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/problem.h"

/* A path, and who is told what is wrong with it. */
struct rules_source {
    const char *path;
    problem_fn *problem;
    void       *context;
};

/* Tells a problem of the file as a whole. */
void rules_tell(const struct rules_source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Creates the database with the schema when there is no file, or an empty one. False: the problem was told. */
bool rules_file_create(const char *path, problem_fn *problem, void *context);

/* False, and told: it is missing, larger than 1 GiB, or something that SQLite would open in a way that an operator does not
 * expect: a FIFO, a database in WAL mode, text. */
bool rules_file_is_usable(const struct rules_source *source);

/* Tells one committed state of the file from the next: a rename over it, a copy, and, by SQLite's own change counter,
 * two commits within one tick of the file system's clock. */
struct rules_stamp {
    uint64_t device, inode, size;
    int64_t  modified_ns;
    uint32_t changes;
    bool     exists;
};

/* Where the file does not exist, errno says why. */
struct rules_stamp rules_file_stamp(const char *path);
bool               rules_stamp_eq(const struct rules_stamp *a, const struct rules_stamp *b);

#endif
