/* Building a frame in a caller's buffer. What does not fit sets `full` and is left out, with all that follows: one
 * check at the end of the frame is enough. */
#ifndef SPOP_WRITER_H
#define SPOP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "spop/value.h"

struct spop_writer {
    char  *buf;
    size_t cap;
    size_t used; /* bytes written, <= cap */
    bool   full; /* something did not fit */
};

/* Starts a frame at `buf`: a length to be filled in, type, flags and ids. */
void spop_frame_begin(struct spop_writer *w, char *buf, size_t cap, uint8_t type, uint32_t flags, uint64_t stream_id,
                      uint64_t frame_id);

/* Fills in the length and returns the bytes of the frame, length prefix included; 0 when they did not fit. */
size_t spop_frame_end(struct spop_writer *w);

void spop_write_bytes(struct spop_writer *w, const void *bytes, size_t n);
void spop_write_byte(struct spop_writer *w, unsigned byte); /* 0 to 255 */
void spop_write_varint(struct spop_writer *w, uint64_t v);

/* A length and the bytes, without a type: a name. */
void spop_write_name(struct spop_writer *w, struct span name);

/* Type and data. Integers must be within their type. */
void spop_write_value(struct spop_writer *w, const struct spop_value *value);

#endif
