#include "server/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/endpoint.h"
#include "server/passed.h"
#include "server/worker.h"

struct listener {
    struct server *server;
    const char    *address;
    int            fd;
    pthread_t      thread;
    struct stats  *stats; /* its own */
};

struct server {
    struct worker   *workers;
    size_t           workers_n;
    struct listener *listeners;
    size_t           listeners_n; /* bound */
    size_t           threads_n;   /* acceptors started */
    unsigned         workers_wanted, ipv6_prefix;
    size_t           max_connections;
    atomic_size_t    connections;
    int              stop_fd; /* readable once acceptors are to end */
};

/* ---- accepting ---- */

static struct worker *least_busy(const struct server *server)
{
    struct worker *best = &server->workers[0];

    for (size_t i = 1; i < server->workers_n; i++)
        if (atomic_load(&server->workers[i].conns_n) < atomic_load(&best->conns_n))
            best = &server->workers[i];
    return best;
}

/* Keepalive: a connection may be idle for days, and a peer that vanished should not hold one of those that are
 * allowed. */
static void tune(int fd)
{
    int on = 1, idle_s = 60, interval_s = 15, probes = 4;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/* False: nobody is waiting. */
static bool accept_one(const struct listener *listener)
{
    static struct log_rate rate;
    struct server         *server = listener->server;
    int                    fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            log_write_rated(&rate, LOG_ERROR, "%s: cannot accept a connection: %s", listener->address, strerror(errno));
            /* Out of descriptors or memory: the connection stays in the queue; trying at once would only spin. */
            usleep(100000);
        }
        return errno == EINTR || errno == ECONNABORTED;
    }
    if (atomic_fetch_add(&server->connections, 1) >= server->max_connections + SERVER_HELLO_RESERVE) {
        atomic_fetch_sub(&server->connections, 1);
        stat_add(&listener->stats->connections_refused, 1);
        close(fd);
        log_write_rated(&rate, LOG_WARNING,
                        "%s: a connection refused: %zu are open, as many as --max-connections allows",
                        listener->address, server->max_connections);
        return true;
    }
    tune(fd);
    worker_give(least_busy(server), fd);
    return true;
}

static void *run_listener(void *context)
{
    struct listener *listener = context;
    struct pollfd    fds[] = { { .fd = listener->fd, .events = POLLIN },
                               { .fd = listener->server->stop_fd, .events = POLLIN } };

    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents != 0)
            break;
        if (fds[0].revents != 0)
            accept_one(listener);
    }
    /* Who is connected already may have asked already; who goes on connecting does not keep us. Where the socket was
     * passed, they wait for the next agent: it answers. */
    for (int i = 0; i < ENDPOINT_BACKLOG && !passed_is(listener->fd) && accept_one(listener); i++)
        ;
    return NULL;
}

/* ---- start and stop ---- */

/* What `top -H` shows. */
static void name_thread(pthread_t thread, const char *what, size_t number)
{
    char name[16];

    snprintf(name, sizeof name, "spoa-%s-%u", what, (unsigned)number % 1000);
    pthread_setname_np(thread, name);
}

static bool bind_all(struct server *server, const struct server_options *options, char *error, size_t error_size)
{
    for (size_t i = 0; i < options->listen_n; i++) {
        struct listener *listener = &server->listeners[i];

        *listener = (struct listener){ .server = server, .address = options->listen[i] };
        if (!endpoint_listen(options->listen[i], &listener->fd, error, error_size))
            return false;
        server->listeners_n++;
    }
    return true;
}

struct server *server_new(const struct server_options *options, char *error, size_t error_size)
{
    struct server *server = calloc(1, sizeof *server);

    snprintf(error, error_size, "out of memory or descriptors");
    if (server == NULL)
        return NULL;
    server->workers_wanted = options->workers;
    server->ipv6_prefix = options->ipv6_prefix;
    server->max_connections = options->max_connections;
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    server->workers = calloc(options->workers, sizeof *server->workers);
    server->listeners = calloc(options->listen_n, sizeof *server->listeners);
    if (server->stop_fd >= 0 && server->workers != NULL && server->listeners != NULL &&
        bind_all(server, options, error, error_size))
        return server;
    server_stop(server);
    return NULL;
}

bool server_start(struct server *server, struct ruleset_slot *slot, struct limits *limits,
                  struct decisions *const *decisions)
{
    while (server->workers_n < server->workers_wanted) {
        if (!worker_start(&server->workers[server->workers_n], slot, limits, decisions[server->workers_n],
                          server->ipv6_prefix, server->max_connections, &server->connections))
            return false;
        name_thread(server->workers[server->workers_n].thread, "worker", server->workers_n);
        server->workers_n++;
    }
    while (server->threads_n < server->listeners_n) {
        struct listener *listener = &server->listeners[server->threads_n];

        listener->stats = stats_part();
        if (pthread_create(&listener->thread, NULL, run_listener, listener) != 0)
            return false;
        name_thread(listener->thread, "accept", server->threads_n);
        server->threads_n++;
    }
    return true;
}

void server_refresh(struct server *server)
{
    for (size_t i = 0; i < server->workers_n; i++)
        worker_wake(&server->workers[i]);
}

bool server_turns(struct server *server)
{
    for (size_t i = 0; i < server->workers_n; i++)
        if (!atomic_load(&server->workers[i].turned))
            return false;
    for (size_t i = 0; i < server->workers_n; i++)
        atomic_store(&server->workers[i].turned, false);
    return true;
}

bool server_answers(struct server *server, unsigned patience_ms, unsigned *silent)
{
    int64_t until_us = moment_now().mono_us + patience_ms * INT64_C(1000);

    for (size_t i = 0; i < server->workers_n; i++) {
        atomic_store(&server->workers[i].turned, false);
        worker_wake(&server->workers[i]);
    }
    for (*silent = 0; *silent < server->workers_n; ++*silent) {
        while (!atomic_load(&server->workers[*silent].turned)) {
            if (moment_now().mono_us >= until_us)
                return false;
            usleep(100);
        }
    }
    return true;
}

void server_stop(struct server *server)
{
    if (server->stop_fd >= 0)
        eventfd_write(server->stop_fd, 1);
    for (size_t i = 0; i < server->threads_n; i++)
        pthread_join(server->listeners[i].thread, NULL);
    for (size_t i = 0; i < server->listeners_n; i++) {
        close(server->listeners[i].fd);
        endpoint_forget(server->listeners[i].address);
    }
    for (size_t i = 0; i < server->workers_n; i++)
        worker_stop(&server->workers[i]);
    for (size_t i = 0; i < server->workers_n; i++)
        worker_join(&server->workers[i]);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    free(server->listeners);
    free(server->workers);
    free(server);
}
