/* Text that anybody may have sent, as UTF-8 that every reader takes.
 *
 * The convention of this project: a byte that is not part of a well-formed sequence, and NUL, is shown as the four
 * characters \xNN, as in a log line. Nobody can tell it from the same four characters sent as such, which is no matter
 * in a report. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

#include "base/span.h"

/* How many bytes the well-formed sequence at the beginning of `text` has, 1 to 4; 0 when there is none, at NUL and at
 * the end of text. Overlong forms, surrogates and what is above U+10FFFF are not well-formed. */
size_t utf8_sequence(struct span text);

/* Bytes that utf8_repair() may write for n, its NUL included. */
#define UTF8_REPAIRED_MAX(n) (4 * (n) + 1)

/* Copies `text` by the convention, with a NUL. Writes what fits into `size` bytes, whole sequences only; returns the
 * length. */
size_t utf8_repair(struct span text, char *out, size_t size);

#endif
