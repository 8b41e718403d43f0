/* The log feed: HAProxy's ring connects and sends a line for each request; they are counted into a box of responses.
 *
 * One thread for all connections, of which there are few: one a HAProxy process. A connection may be idle for as long
 * as it likes; one that sends what is no message is closed, a message that is no line of ours is skipped. While there
 * is no room in the box nothing is read, so that lines wait in HAProxy's ring. */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "tally/responses.h"

/* Several HAProxy, each with old processes that end after a reload. */
#define FEED_CONNECTIONS_MAX 64

/* Bytes that a connection may have unread; the longest message fits several times. */
#define FEED_BUFFER_SIZE ((size_t)64 * 1024)

struct feed;

/* Binds `address` (see endpoint.h) and listens: who connects from now on waits until feed_start(). NULL: `error` names
 * the address and the reason. `address` must outlive the feed. */
struct feed *feed_new(const char *address, char *error, size_t error_size);

/* `box` must outlive the feed. False: there is no thread to be had. */
bool feed_start(struct feed *feed, struct responses_box *box);

/* Reads what HAProxy has sent until then, at most FEED_DRAIN_MS long, resets its connections, and frees the feed, started
 * or not. NULL is allowed. */
void feed_stop(struct feed *feed);

#define FEED_DRAIN_MS 500

#endif
