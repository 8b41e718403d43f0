#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/acceptor.h"
#include "server/endpoint.h"
#include "server/worker.h"

struct server {
    struct worker   *workers;
    size_t           workers_n;
    struct acceptor *acceptors;
    size_t           acceptors_n; /* bound */
    size_t           started_n;   /* of these */
    unsigned         workers_wanted, ipv6_prefix;
    size_t           max_connections;
    atomic_size_t    connections;
    int              stop_fd; /* readable once acceptors are to end */
};

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
        struct acceptor *acceptor = &server->acceptors[i];

        acceptor->address = options->listen[i];
        if (!endpoint_listen(options->listen[i], &acceptor->fd, error, error_size))
            return false;
        server->acceptors_n++;
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
    server->acceptors = calloc(options->listen_n, sizeof *server->acceptors);
    if (server->stop_fd >= 0 && server->workers != NULL && server->acceptors != NULL &&
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
    while (server->started_n < server->acceptors_n) {
        struct acceptor *acceptor = &server->acceptors[server->started_n];

        acceptor->stop_fd = server->stop_fd;
        acceptor->workers = server->workers;
        acceptor->workers_n = server->workers_n;
        acceptor->max_connections = server->max_connections;
        acceptor->connections = &server->connections;
        if (!acceptor_start(acceptor))
            return false;
        name_thread(acceptor->thread, "accept", server->started_n);
        server->started_n++;
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
    for (size_t i = 0; i < server->started_n; i++)
        acceptor_join(&server->acceptors[i]);
    for (size_t i = 0; i < server->acceptors_n; i++) {
        close(server->acceptors[i].fd);
        endpoint_forget(server->acceptors[i].address);
    }
    for (size_t i = 0; i < server->workers_n; i++)
        worker_stop(&server->workers[i]);
    for (size_t i = 0; i < server->workers_n; i++)
        worker_join(&server->workers[i]);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    free(server->acceptors);
    free(server->workers);
    free(server);
}
