#include "spop/writer.h"

#include <arpa/inet.h>
#include <assert.h>

#include "spop/frame.h"
#include "spop/varint.h"

void spop_write_bytes(struct spop_writer *w, const void *bytes, size_t n)
{
    if (w->full || n > w->cap - w->used) {
        w->full = true;
        return;
    }
    if (n > 0) /* an absent span has no address to copy from */
        memcpy(w->buf + w->used, bytes, n);
    w->used += n;
}

void spop_write_byte(struct spop_writer *w, unsigned byte)
{
    uint8_t b = (uint8_t)byte;

    assert(byte <= UINT8_MAX);
    spop_write_bytes(w, &b, 1);
}

void spop_write_varint(struct spop_writer *w, uint64_t v)
{
    char bytes[SPOP_VARINT_MAX];

    spop_write_bytes(w, bytes, spop_varint_put(bytes, v));
}

void spop_write_name(struct spop_writer *w, struct span name)
{
    spop_write_varint(w, name.n);
    spop_write_bytes(w, name.p, name.n);
}

void spop_write_value(struct spop_writer *w, const struct spop_value *value)
{
    unsigned flags = value->type == SPOP_BOOL && value->boolean ? SPOP_FLAG_TRUE : 0;

    spop_write_byte(w, flags | value->type);
    switch (value->type) {
    case SPOP_NULL:
    case SPOP_BOOL:
        break;
    case SPOP_INT32:
        assert(value->sint >= INT32_MIN && value->sint <= INT32_MAX);
        spop_write_varint(w, (uint64_t)value->sint);
        break;
    case SPOP_INT64:
        spop_write_varint(w, (uint64_t)value->sint);
        break;
    case SPOP_UINT32:
        assert(value->uint <= UINT32_MAX);
        spop_write_varint(w, value->uint);
        break;
    case SPOP_UINT64:
        spop_write_varint(w, value->uint);
        break;
    case SPOP_IPV4:
        spop_write_bytes(w, &value->ipv4, sizeof value->ipv4);
        break;
    case SPOP_IPV6:
        spop_write_bytes(w, &value->ipv6, sizeof value->ipv6);
        break;
    case SPOP_STRING:
    case SPOP_BINARY:
        spop_write_name(w, value->text);
        break;
    }
}

void spop_frame_begin(struct spop_writer *w, char *buf, size_t cap, uint8_t type, uint32_t flags, uint64_t stream_id,
                      uint64_t frame_id)
{
    uint32_t net_flags = htonl(flags);

    *w = (struct spop_writer){ .buf = buf, .cap = cap };
    spop_write_bytes(w, "\0\0\0\0", SPOP_PREFIX_SIZE);
    spop_write_byte(w, type);
    spop_write_bytes(w, &net_flags, sizeof net_flags);
    spop_write_varint(w, stream_id);
    spop_write_varint(w, frame_id);
}

size_t spop_frame_end(struct spop_writer *w)
{
    uint32_t length;

    if (w->full)
        return 0;
    assert(w->used - SPOP_PREFIX_SIZE <= UINT32_MAX);
    length = htonl((uint32_t)(w->used - SPOP_PREFIX_SIZE));
    memcpy(w->buf, &length, sizeof length);
    return w->used;
}
