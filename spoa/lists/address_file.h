/* Reads a list of addresses as it is published, whatever its format: an entry a line with comments, CSV with a column,
 * or a JSON object a line. Which of these a file is, its first line that is neither blank nor a comment tells.
 *
 * Memory is bounded whatever the file holds. One thread. */
#ifndef LISTS_ADDRESS_FILE_H
#define LISTS_ADDRESS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "lists/networks.h"

/* A longer line, or a record of CSV that is longer or has more lines, is refused. */
#define ADDRESS_FILE_LINE_MAX         ((size_t)65536)
#define ADDRESS_FILE_RECORD_LINES_MAX 16

/* Of CSV without a --column, and of JSON: the member that Spamhaus publishes. */
#define ADDRESS_FILE_JSON_NAME "cidr"

struct address_file;

/* Hears of each line that holds no entry that can be used. `line` counts from 1; `text`, which may hold any bytes, is
 * what should have been an entry, absent where there is none; both texts live only during the call. */
typedef void address_file_refused_fn(void *context, uint64_t line, struct span text, const char *reason);

struct address_file_counts {
    uint64_t lines, taken, refused; /* blank lines, comments and a header are neither taken nor refused */
};

/* `column`: a number from 1 or a name, of CSV, or the name of a member of JSON objects; NULL: an entry is a whole line,
 * or the member "cidr". Entries go into `networks`. Both must live as long as the reader. */
struct address_file *address_file_new(const char *column, struct networks *networks, address_file_refused_fn *refused,
                                      void *context);
void                 address_file_free(struct address_file *file);

/* The bytes of the file in order, cut anywhere. False: there is no sense in reading on, address_file_end() says why. */
bool address_file_feed(struct address_file *file, struct span bytes);

/* After the last byte. NULL when the file can be used, else why not: a phrase such as "compressed with gzip: ...",
 * valid as long as the reader. A file with only comments can be used; one of no bytes, or most of whose entries were
 * refused, cannot. */
const char *address_file_end(struct address_file *file, struct address_file_counts *counts);

#endif
