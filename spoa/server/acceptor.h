/* A listening socket and the thread that takes HAProxy's connections from it.
 *
 * It looks at what a connection says first. A health check it answers itself: a worker may have a queue of questions, or get no
 * core for a while, and HAProxy would take an agent that is busy for one that has failed. All other connections go to the
 * worker with the fewest, with every byte still unread. */
#ifndef SERVER_ACCEPTOR_H
#define SERVER_ACCEPTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stats.h"

struct worker;

/* Connections above max_connections that are taken until they have said HELLO: each is a health check, or is told that there
 * are too many. */
#define ACCEPTOR_RESERVE 64

struct acceptor {
    const char     *address; /* for messages */
    int             fd;      /* listens; non-blocking */
    int             stop_fd; /* readable once acceptors are to end */
    struct worker  *workers;
    size_t          workers_n, max_connections;
    atomic_size_t  *connections; /* of all workers and acceptors */
    struct stats   *stats;       /* its own */
    pthread_t       thread;
    size_t          waiting_n;
    struct waiting *waiting; /* connections that have not said anything yet; the oldest first */
};

/* Starts the thread. What the fields above `stats` refer to must outlive it. False: no memory, no thread. */
bool acceptor_start(struct acceptor *acceptor);

/* Waits for the thread, which ends when stop_fd is readable. It takes those that have connected by then, unless its socket was
 * passed to this process and so outlives it. */
void acceptor_join(struct acceptor *acceptor);

#endif
