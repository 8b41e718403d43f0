/* What somebody else wrote, on one line of a log or terminal. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

#include "base/span.h"

/* Bytes that escape_controls() may write for n, its NUL included. */
#define ESCAPED_MAX(n) (4 * (n) + 1)

/* Copies `text` with control bytes as \xNN, so that it can neither forge a line nor move a cursor. Writes what fits
 * into `size` bytes, whole escapes only, with a NUL; returns the length. */
size_t escape_controls(struct span text, char *out, size_t size);

#endif
