/* What an operator and a Prometheus may ask the running agent, over HTTP, and the little that they may tell it:
 *
 *   GET /metrics                           in Prometheus' text format, see metrics.h
 *   GET /healthz                           200 "ok", or 503 and why not
 *   GET /explain?src=192.0.2.1&path=/      what the rules and their counters make of a request, see live.h
 *   DELETE /rules/7/ban?src=192.0.2.1      forgets a ban
 *   DELETE /rules/7/counter?src=192.0.2.1  and what the counter has used
 *
 * Who can connect may do all of that; so it listens on loopback addresses and unix sockets only. A web page in a
 * browser of this machine can connect as well: what has another Host than a loopback one (a name that its owner points
 * here) is refused, and so is DELETE with an Origin, which browsers do not send across sites without asking first
 * anyway.
 *
 * One thread, with an event loop of libmicrohttpd's in it. Connections, the bytes of a request and how long a peer may
 * be silent are bounded. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/limits.h"
#include "policy/publish.h"
#include "tally/totals.h"

struct server;
struct admin;

/* Where the answers come from. All outlive the admin. */
struct admin_sources {
    struct server       *server;
    struct ruleset_slot *slot;
    struct limits       *limits;
    size_t               max_counters;
    unsigned             ipv6_prefix;

    struct totals           *totals;
    bool                     takes_totals; /* nobody else takes them from the workers: there are no analytics */
    struct decisions *const *tallies;      /* then; one a worker */
    size_t                   tallies_n;
};

/* Binds `address` (see endpoint.h), which must be local, and listens: who connects from now on waits until
 * admin_start(). NULL: `error` names the address and the reason. `address` must outlive the admin. */
struct admin *admin_new(const char *address, char *error, size_t error_size);

/* Starts the thread, which answers from `sources`, of which a copy is made. False: no thread or memory. */
bool admin_start(struct admin *admin, const struct admin_sources *sources);

/* Ends the thread, and frees the admin, started or not. NULL is allowed. */
void admin_stop(struct admin *admin);

#endif
