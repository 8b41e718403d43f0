#include "spop/value.h"

#include "spop/varint.h"

/* HAProxy keeps every integer as 64 bits and sends a negative one as the 64-bit two's complement, whatever its type. */
static bool integer_get(struct span *in, struct spop_value *value)
{
    uint64_t v;

    if (!spop_varint_get(in, &v))
        return false;
    switch (value->type) {
    case SPOP_INT32:
        value->sint = (int64_t)v;
        return value->sint >= INT32_MIN && value->sint <= INT32_MAX;
    case SPOP_INT64:
        value->sint = (int64_t)v;
        return true;
    case SPOP_UINT32:
        value->uint = v;
        return v <= UINT32_MAX;
    default:
        value->uint = v;
        return true;
    }
}

static bool bytes_get(struct span *in, void *to, size_t n)
{
    if (n > in->n)
        return false;
    memcpy(to, in->p, n);
    in->p += n;
    in->n -= n;
    return true;
}

bool spop_name_get(struct span *in, struct span *name)
{
    uint64_t n;

    if (!spop_varint_get(in, &n) || n > in->n)
        return false;
    *name = (struct span){ in->p, (size_t)n };
    in->p += n;
    in->n -= (size_t)n;
    return true;
}

bool spop_value_get(struct span *in, struct spop_value *value)
{
    uint8_t head;

    if (!bytes_get(in, &head, 1))
        return false;
    value->type = (enum spop_type)(head & 0x0F);
    switch (value->type) {
    case SPOP_NULL:
        return true;
    case SPOP_BOOL:
        value->boolean = (head & SPOP_FLAG_TRUE) != 0;
        return true;
    case SPOP_INT32:
    case SPOP_UINT32:
    case SPOP_INT64:
    case SPOP_UINT64:
        return integer_get(in, value);
    case SPOP_IPV4:
        return bytes_get(in, &value->ipv4, sizeof value->ipv4);
    case SPOP_IPV6:
        return bytes_get(in, &value->ipv6, sizeof value->ipv6);
    case SPOP_STRING:
    case SPOP_BINARY:
        return spop_name_get(in, &value->text);
    default: /* 10 to 15 are unassigned, and nothing tells how long their data is */
        return false;
    }
}
