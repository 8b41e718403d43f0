/* SPOP frames: cutting them out of a byte stream, and the codes that the protocol gives to its ends and errors.
 *
 *   | length: 4 bytes, network order | type: 1 | flags: 4 | stream-id: varint | frame-id: varint | payload |
 *
 * `length` does not count itself, and neither do the maximum frame sizes of the handshake. */
#ifndef SPOP_FRAME_H
#define SPOP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define SPOP_PREFIX_SIZE    4   /* bytes of the length */
#define SPOP_FRAME_SIZE_MIN 256 /* each peer accepts frames of at least this many bytes */
#define SPOP_HEAD_MAX       29  /* bytes before the payload at most, length included */

enum spop_frame_type {
    SPOP_FRAME_UNSET = 0, /* a further fragment */
    SPOP_FRAME_HAPROXY_HELLO = 1,
    SPOP_FRAME_HAPROXY_DISCONNECT = 2,
    SPOP_FRAME_NOTIFY = 3,
    SPOP_FRAME_AGENT_HELLO = 101,
    SPOP_FRAME_AGENT_DISCONNECT = 102,
    SPOP_FRAME_ACK = 103
};

#define SPOP_FLAG_FIN   0x1u
#define SPOP_FLAG_ABORT 0x2u

struct spop_frame {
    uint8_t     type;      /* enum spop_frame_type, or any other that the peer made up */
    uint32_t    flags;     /* SPOP_FLAG_*; reserved bits as they came */
    uint64_t    stream_id; /* any value */
    uint64_t    frame_id;
    struct span payload; /* borrows from the bytes that were read */
};

/* Why a connection ends. */
enum spop_status {
    SPOP_STATUS_NORMAL = 0,
    SPOP_STATUS_IO = 1,
    SPOP_STATUS_TIMEOUT = 2,
    SPOP_STATUS_TOO_BIG = 3,
    SPOP_STATUS_INVALID = 4,
    SPOP_STATUS_NO_VERSION = 5,
    SPOP_STATUS_NO_FRAME_SIZE = 6,
    SPOP_STATUS_NO_CAPABILITIES = 7,
    SPOP_STATUS_BAD_VERSION = 8,
    SPOP_STATUS_BAD_FRAME_SIZE = 9,
    SPOP_STATUS_FRAGMENTED = 10,
    SPOP_STATUS_INTERLACED = 11,
    SPOP_STATUS_NO_FRAME_ID = 12,
    SPOP_STATUS_RESOURCE = 13,
    SPOP_STATUS_UNKNOWN = 99
};

/* A phrase for logs and DISCONNECT frames, as HAProxy words it; "unassigned status" for any other number. Static. */
const char *spop_status_text(uint32_t status);

enum spop_next {
    SPOP_NEXT_FRAME,   /* `out` is set, `in` starts behind the frame */
    SPOP_NEXT_PARTIAL, /* more bytes are needed; spop_frame_size() says how many once the length is there */
    SPOP_NEXT_TOO_BIG, /* its length is above `max_frame`: SPOP_STATUS_TOO_BIG */
    SPOP_NEXT_INVALID  /* no frame can start like this: SPOP_STATUS_INVALID */
};

/* Takes the next frame off `in`. `max_frame` is the largest length to accept. The two faults show as soon as the bytes
 * that prove them are there, and leave `in` as it was; nothing after them can be understood. */
enum spop_next spop_frame_next(struct span *in, size_t max_frame, struct spop_frame *out);

/* The bytes that the frame at the start of `in` takes, length prefix included, or 0 while that is not known. Bounded by
 * nothing but 32 bits: ask after spop_frame_next() has said SPOP_NEXT_PARTIAL, and it is at most max_frame + 4. */
size_t spop_frame_size(struct span in);

#endif
