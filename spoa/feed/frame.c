#include "feed/frame.h"

enum feed_next feed_frame_next(struct span *in, struct span *message)
{
    size_t length = 0, i = 0;

    for (; i < in->n && in->p[i] >= '0' && in->p[i] <= '9'; i++) {
        length = length * 10 + (size_t)(in->p[i] - '0');
        if (length > FEED_MESSAGE_MAX)
            return FEED_NEXT_TOO_BIG;
        if (length == 0)
            return FEED_NEXT_INVALID; /* RFC 6587: the first digit is no 0 */
    }
    if (i == in->n)
        return FEED_NEXT_MORE;
    if (i == 0 || in->p[i] != ' ')
        return FEED_NEXT_INVALID;
    i++;
    if (in->n - i < length)
        return FEED_NEXT_MORE;
    *message = (struct span){ in->p + i, length };
    *in = (struct span){ in->p + i + length, in->n - i - length };
    return FEED_NEXT_MESSAGE;
}
