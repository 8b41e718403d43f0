#include "spop/frame.h"

#include <arpa/inet.h>

#include "spop/varint.h"

/* A type, flags and two ids of one byte each. */
#define LENGTH_MIN 7

const char *spop_status_text(uint32_t status)
{
    switch (status) {
    case SPOP_STATUS_NORMAL:
        return "normal";
    case SPOP_STATUS_IO:
        return "I/O error";
    case SPOP_STATUS_TIMEOUT:
        return "a timeout occurred";
    case SPOP_STATUS_TOO_BIG:
        return "frame is too big";
    case SPOP_STATUS_INVALID:
        return "invalid frame received";
    case SPOP_STATUS_NO_VERSION:
        return "version value not found";
    case SPOP_STATUS_NO_FRAME_SIZE:
        return "max-frame-size value not found";
    case SPOP_STATUS_NO_CAPABILITIES:
        return "capabilities value not found";
    case SPOP_STATUS_BAD_VERSION:
        return "unsupported version";
    case SPOP_STATUS_BAD_FRAME_SIZE:
        return "max-frame-size too big or too small";
    case SPOP_STATUS_FRAGMENTED:
        return "payload fragmentation is not supported";
    case SPOP_STATUS_INTERLACED:
        return "invalid interlaced frames";
    case SPOP_STATUS_NO_FRAME_ID:
        return "frame-id not found";
    case SPOP_STATUS_RESOURCE:
        return "resource allocation error";
    case SPOP_STATUS_UNKNOWN:
        return "an unknown error occurred";
    default:
        return "unassigned status";
    }
}

static uint32_t load_u32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return ntohl(v);
}

enum spop_next spop_frame_next(struct span *in, size_t max_frame, struct spop_frame *out)
{
    struct spop_frame frame;
    struct span       rest;
    uint32_t          length;

    if (in->n < SPOP_PREFIX_SIZE)
        return SPOP_NEXT_PARTIAL;
    length = load_u32(in->p);
    if (length < LENGTH_MIN)
        return SPOP_NEXT_INVALID;
    if (length > max_frame)
        return SPOP_NEXT_TOO_BIG;
    if (in->n - SPOP_PREFIX_SIZE < length)
        return SPOP_NEXT_PARTIAL;

    frame.type = (uint8_t)in->p[4];
    frame.flags = load_u32(in->p + 5);
    rest = (struct span){ in->p + 9, length - 5 };
    if (!spop_varint_get(&rest, &frame.stream_id) || !spop_varint_get(&rest, &frame.frame_id))
        return SPOP_NEXT_INVALID;
    frame.payload = rest;
    *out = frame;
    in->p += SPOP_PREFIX_SIZE + length;
    in->n -= SPOP_PREFIX_SIZE + length;
    return SPOP_NEXT_FRAME;
}

size_t spop_frame_size(struct span in)
{
    return in.n < SPOP_PREFIX_SIZE ? 0 : SPOP_PREFIX_SIZE + (size_t)load_u32(in.p);
}
