/* The network side: listeners hand connections to workers, workers answer.
 *
 * Threads: one acceptor a listening address and N workers, each with its own event loop. A connection belongs to one
 * worker from accept to close, and only that worker touches it. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/limits.h"
#include "policy/publish.h"
#include "tally/decisions.h"

struct server_options {
    const char *const *listen; /* addresses, see endpoint.h */
    size_t             listen_n;
    unsigned           workers;         /* 1 or more */
    size_t             max_connections; /* beyond it health checks alone are answered, others disconnected */
    unsigned           ipv6_prefix;     /* see struct decider */
};

struct server;

/* Binds all addresses and listens: who connects from now on waits until server_start(). NULL: `error` names the address
 * and the reason. What `options` points to must outlive the server. */
struct server *server_new(const struct server_options *options, char *error, size_t error_size);

/* Starts all threads. `decisions`: one for each worker, or NULL for each. All must outlive the server. False: there are
 * no threads or memory to be had. */
bool server_start(struct server *server, struct ruleset_slot *slot, struct limits *limits,
                  struct decisions *const *decisions);

/* Makes each worker look at the slot, also one that nobody talks to: so that it lets go of the old rule set. Any
 * thread. */
void server_refresh(struct server *server);

/* Whether the loop of each worker has turned since this was last true; each does so twice a second or more often. One
 * thread. */
bool server_turns(struct server *server);

/* Whether each worker's loop turns within the patience, of a second or more; `*silent`: the number of one that does
 * not, from 0. Wakes them all, and waits: some microseconds, where all is well. One thread, which need not be that of
 * server_turns(). */
bool server_answers(struct server *server, unsigned patience_ms, unsigned *silent);

/* Stops accepting, and ends each connection with DISCONNECT 0: together with its next answers, when nothing is left to
 * be answered, or when nothing was asked for some 30 ms. That is done in as many ms, but for peers that do not read or
 * do not end a frame, which are dropped after SERVER_DRAIN_S. Then ends all threads and frees the server, started or
 * not. */
void server_stop(struct server *server);

#define SERVER_DRAIN_S 2

#endif
