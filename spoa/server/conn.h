/* One connection from HAProxy: its bytes, its state, its end. Used by its worker's thread only.
 *
 *   HELLO --HAPROXY-HELLO--> READY <--> STALLED (the peer does not read its ACKs)
 *     |                        |           |
 *     +---------> close, in one place, with a reason, from any of them
 *
 * A worker that has served connections for long enough defers those that are readable as well to its next round.
 *
 * Bytes are read into the worker's buffer, frames are matched there one after the other and decided together, and their
 * ACKs go out with one write. Where a read brought but few frames, they wait for those of other connections that are
 * readable as well: conn_settle() ends that. A connection owns memory only for what is left over: the start of a frame,
 * and answers that the socket would not take. While there are such answers nothing more is read, so that both are
 * bounded. */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <ev.h>

struct worker;

enum conn_state { CONN_HELLO, CONN_READY, CONN_STALLED };

struct conn {
    struct worker  *worker;
    struct conn    *previous, *next;
    struct ev_io    readable, writable;
    enum conn_state state;
    int64_t  deadline_us; /* when patience ends: for HELLO, for the rest of a frame, for the peer to read; 0: none */
    int64_t  active_us;   /* when something was last read */
    size_t   max_frame;   /* to send */
    unsigned id;          /* for the log */

    char  *rest; /* bytes read but not understood yet */
    size_t rest_n;
    char  *unsent;
    size_t unsent_n, unsent_at;
    bool   closing; /* close when all is sent */

    TAILQ_ENTRY(conn) deferred;
    bool    is_deferred;     /* is in the worker's queue of that name */
    int64_t deferred_cpu_ns; /* CPU time of the worker's thread when it was put there */
};

/* Takes over an accepted, non-blocking socket. NULL: no memory; the socket is closed. */
struct conn *conn_open(struct worker *worker, int fd);

/* Decides what is matched, for all connections of the worker, and sends the ACKs. Before the worker waits for events,
 * and before anything may end a connection. */
void conn_settle(struct worker *worker);

/* Reads and serves a connection that was deferred. */
void conn_take_turn(struct conn *conn);

/* Ends a connection whose deadline has passed, or, while the worker drains, one that is idle. */
void conn_sweep(struct conn *conn, int64_t now_us);

/* Without a further word: at the end of the drain. */
void conn_drop(struct conn *conn);

#endif
