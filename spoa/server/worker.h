/* A worker: a thread with an event loop that owns connections. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <ev.h>

#include "base/stats.h"
#include "policy/publish.h"
#include "server/answer.h"

struct conn;

/* The largest frame that is accepted, without its length: above HAProxy's default of 16,380, so that a larger
 * tune.bufsize is of use, and with room for early 3.1, which sent frames above the size that it had agreed to. */
#define FRAME_MAX 65532u

/* One read takes this much; a frame may have begun before it, and small reads of other connections. */
#define READ_SIZE  ((size_t)64 * 1024)
#define INPUT_SIZE (2 * READ_SIZE + FRAME_MAX + 4)

/* Answers are collected up to this much before they are written. */
#define OUTPUT_SIZE ((size_t)128 * 1024)

TAILQ_HEAD(conn_queue, conn);

struct worker {
    pthread_t         thread;
    struct ev_loop   *loop;
    struct ev_async   wake;
    struct ev_timer   sweep;
    struct ev_prepare prepare;
    struct ev_idle    next_turn; /* active while `deferred` is not empty */
    struct answerer   answerer;
    struct stats     *stats; /* its own */

    struct ruleset_slot *slot;
    struct ruleset_view  view;

    struct conn         *conns;    /* doubly linked */
    struct conn_queue    deferred; /* readable connections whose turn comes first in the next round of the loop */
    bool                 late;     /* what is being read waited longer than LATE_NS */
    int64_t              turn_ns;  /* when this round of the loop began to read; 0: it has not */
    atomic_size_t       *total;    /* connections of all workers */
    size_t               max_connections;
    atomic_size_t        conns_n; /* read by acceptors to find the worker with the fewest */
    atomic_bool          stopping;
    atomic_bool          turned;   /* set by each sweep and each wake; server_turns() and server_answers() reset it */
    atomic_int_least64_t swept_us; /* time of the latest sweep */
    bool                 draining;
    int64_t              drain_since_us;

    /* Accepted sockets on their way from acceptors: under the lock. */
    pthread_mutex_t inbox_lock;
    int            *inbox;
    size_t          inbox_n, inbox_room;

    /* Nothing stays in these from one wait for events to the next. `input` holds what was read since the last
     * conn_settle(), `output` answers to the connection that is being served, NULL if that has ended meanwhile. */
    struct moment now; /* of the batch */
    int64_t       now_ns;
    struct conn  *serving;
    char         *input, *output;
    size_t        input_n, output_n;
    unsigned      output_acks; /* answers that are in `output` */
    unsigned      sent_acks;   /* answers that were sent, and whose time is to be taken */
};

/* `decisions`: its own, which must outlive it; NULL: nothing is counted. `total` counts the connections of all workers;
 * the acceptor adds, the worker subtracts. There are ACCEPTOR_RESERVE more than `max_connections` at most. False: no
 * thread, no memory. */
bool worker_start(struct worker *worker, struct ruleset_slot *slot, struct limits *limits, struct decisions *decisions,
                  unsigned ipv6_prefix, size_t max_connections, atomic_size_t *total);

/* Any thread: hands over an accepted socket, which has been counted in `total`. */
void worker_give(struct worker *worker, int fd);

/* Any thread. */
void worker_wake(struct worker *worker);

/* Whether this round of the loop has served connections for so long that those that are still readable are deferred to
 * the next one. By the time of the latest batch. */
bool worker_turn_is_over(const struct worker *worker);

/* Takes the time of the answers that were sent: from the beginning of the batch, or of the read, to now. */
void worker_time(struct worker *worker);

/* Begins to drain; worker_join() waits for the end and frees what the worker had. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

#endif
