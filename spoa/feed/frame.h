/* Messages out of the bytes of a log connection: octet counting of RFC 6587, "123 <134>1 ...", as HAProxy's ring sends
 * them with `log-proto octet-count`. Nothing stands between one message and the next. Pure. */
#ifndef FEED_FRAME_H
#define FEED_FRAME_H

#include "base/span.h"

/* The longest message; haproxy.cfg sends up to 8,192 bytes. */
#define FEED_MESSAGE_MAX 16384
#define FEED_LENGTH_MAX  6 /* bytes of its length, blank included */

enum feed_next {
    FEED_NEXT_MESSAGE,
    FEED_NEXT_MORE,    /* what is left in `in` is the beginning of a message, shorter than LENGTH_MAX + MESSAGE_MAX */
    FEED_NEXT_TOO_BIG, /* a message is longer than MESSAGE_MAX */
    FEED_NEXT_INVALID  /* there is no length: where a message begins is not to be known any more */
};

/* Takes the next message off `in`. After TOO_BIG and INVALID the connection is of no more use. */
enum feed_next feed_frame_next(struct span *in, struct span *message);

#endif
