#include "spop/varint.h"

bool spop_varint_get_long(struct span *in, uint64_t *v)
{
    uint64_t value;
    unsigned shift = 4;
    size_t   i = 0;
    uint8_t  byte;

    if (in->n == 0)
        return false;
    value = byte = (uint8_t)in->p[i++];
    if (byte >= SPOP_VARINT_LONG) {
        do {
            uint64_t part;

            /* Shifts are 4, 11, and so on to 60. The last leaves room for four bits, and even these may carry over the
             * top, because the parts are summed and not or-ed. */
            if (i == in->n || shift > 63)
                return false;
            byte = (uint8_t)in->p[i++];
            part = (uint64_t)byte << shift;
            if (part >> shift != byte || __builtin_add_overflow(value, part, &value))
                return false;
            shift += 7;
        } while (byte >= 128);
    }
    in->p += i;
    in->n -= i;
    *v = value;
    return true;
}

size_t spop_varint_put_long(char *out, uint64_t v)
{
    size_t n = 0;

    out[n++] = (char)(v | 240);
    v = (v - SPOP_VARINT_LONG) >> 4;
    while (v >= 128) {
        out[n++] = (char)(v | 128);
        v = (v - 128) >> 7;
    }
    out[n++] = (char)v;
    return n;
}
