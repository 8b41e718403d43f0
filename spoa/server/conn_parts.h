/* What the parts of a connection's code share: conn.c has its events, conn_frames.c what it reads, conn_out.c what it
 * writes and its end. conn.h is for others. */
#ifndef SERVER_CONN_PARTS_H
#define SERVER_CONN_PARTS_H

#include "server/conn.h"
#include "server/worker.h"
#include "spop/hello.h"

/* Something can be read: bytes, the peer's end, or an error. */
bool conn_has_input(const struct conn *conn);

/* ---- conn_out.c ---- */

/* Every connection ends here. An orderly end is nobody's concern; a fault is a peer's doing and is told at a bounded
 * rate. Nothing of the connection waits to be decided: see conn_settle(). */
void conn_close(struct conn *conn, bool orderly, const char *reason);

/* The same for an error of the socket, which is in errno: also nobody's concern, but counted. */
void conn_break(struct conn *conn);

/* The same, a fault, for want of memory. */
void conn_starve(struct conn *conn);

/* Sends what the worker has collected. What the socket does not take is kept, and the connection stalls until it does.
 * False: the connection is gone. */
bool conn_flush(struct conn *conn);

/* Ends a connection that is one too many. A health check is answered all the same: an agent that has all the work it can
 * take is well, and HAProxy would ask nobody if it took it for failed. */
void conn_refuse(struct conn *conn);

/* Says why, and ends the connection; the word is lost if the peer does not read. */
void conn_disconnect(struct conn *conn, enum spop_status status);

/* ---- conn_frames.c ---- */

/* `in` is at the end of what the worker's input buffer holds. */
void conn_serve(struct conn *conn, struct span in);

#endif
