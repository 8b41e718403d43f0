#include "server/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/moment.h"
#include "server/endpoint.h"
#include "server/passed.h"
#include "server/worker.h"
#include "spop/hello.h"

/* HAProxy says HELLO as soon as it is connected. What says nothing for so long, or is the oldest of so many, goes to a worker,
 * which has the patience. */
#define FIRST_WORD_US 1000000
#define WAITING_MAX   256

/* A worker looks around twice a second; one that has not for so long hangs, and so does the agent for HAProxy. */
#define HUNG_US 5000000

struct waiting {
    int     fd;
    int64_t since_us;
};

static void hand_over(const struct acceptor *acceptor, int fd)
{
    struct worker *best = &acceptor->workers[0];

    for (size_t i = 1; i < acceptor->workers_n; i++)
        if (atomic_load(&acceptor->workers[i].conns_n) < atomic_load(&best->conns_n))
            best = &acceptor->workers[i];
    worker_give(best, fd);
}

/* ---- health checks ---- */

/* Whether all that the connection has said is the HELLO of a health check. Nothing is read. */
static bool asks_for_health(int fd, struct spop_hello *hello)
{
    char              bytes[1024];
    ssize_t           n = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    struct span       in = { bytes, n > 0 ? (size_t)n : 0 };
    struct spop_frame frame;

    return spop_frame_next(&in, FRAME_MAX, &frame) == SPOP_NEXT_FRAME && in.n == 0 &&
           frame.type == SPOP_FRAME_HAPROXY_HELLO && (frame.flags & SPOP_FLAG_FIN) && frame.stream_id == 0 &&
           frame.frame_id == 0 && spop_hello_parse(frame.payload, FRAME_MAX, hello) == SPOP_STATUS_NORMAL &&
           hello->healthcheck;
}

static bool is_a_worker_hung(const struct acceptor *acceptor)
{
    static struct log_rate rate;
    int64_t                now_us = moment_now().mono_us;

    for (size_t i = 0; i < acceptor->workers_n; i++) {
        if (now_us - atomic_load(&acceptor->workers[i].swept_us) < HUNG_US)
            continue;
        log_write_rated(&rate, LOG_ERROR, "worker %zu hangs: health checks are not answered", i);
        return true;
    }
    return false;
}

/* A DISCONNECT after the answer would mark the server down on HAProxy 3.2, and so would a reset for bytes left unread. */
static void answer_health(const struct acceptor *acceptor, int fd, const struct spop_hello *hello)
{
    char   bytes[1024];
    size_t n = spop_agent_hello_put(bytes, SPOP_AGENT_HELLO_MAX, hello->max_frame_size, hello->pipelining);

    stat_add(&acceptor->stats->connections, 1);
    stat_add(&acceptor->stats->frames_hello, 1);
    if (!is_a_worker_hung(acceptor) && send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        stat_add(&acceptor->stats->errors_io, 1);
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    close(fd);
    atomic_fetch_sub(acceptor->connections, 1);
}

/* ---- accepting ---- */

static void forget(struct acceptor *acceptor, size_t i)
{
    memmove(&acceptor->waiting[i], &acceptor->waiting[i + 1], (--acceptor->waiting_n - i) * sizeof *acceptor->waiting);
}

/* The connection has said something, or has waited long enough. */
static void send_on(struct acceptor *acceptor, size_t i)
{
    int               fd = acceptor->waiting[i].fd;
    struct spop_hello hello;

    forget(acceptor, i);
    if (asks_for_health(fd, &hello))
        answer_health(acceptor, fd, &hello);
    else
        hand_over(acceptor, fd);
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
static bool accept_one(struct acceptor *acceptor)
{
    static struct log_rate rate;
    int                    fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        int error = errno;

        if (error != EAGAIN && error != EINTR && error != ECONNABORTED) {
            log_write_rated(&rate, LOG_ERROR, "%s: cannot accept a connection: %s", acceptor->address, strerror(error));
            /* Out of descriptors or memory: the connection stays in the queue; trying at once would only spin. */
            usleep(100000);
        }
        return error == EINTR || error == ECONNABORTED;
    }
    if (atomic_fetch_add(acceptor->connections, 1) >= acceptor->max_connections + ACCEPTOR_RESERVE) {
        atomic_fetch_sub(acceptor->connections, 1);
        stat_add(&acceptor->stats->connections_refused, 1);
        close(fd);
        log_write_rated(&rate, LOG_WARNING,
                        "%s: a connection refused: %zu are open, as many as --max-connections allows",
                        acceptor->address, acceptor->max_connections);
        return true;
    }
    tune(fd);
    if (acceptor->waiting_n == WAITING_MAX)
        send_on(acceptor, 0);
    acceptor->waiting[acceptor->waiting_n++] = (struct waiting){ fd, moment_now().mono_us };
    return true;
}

/* Fills `fds`: the two that are always there, then those that wait. The time-out for poll(). */
static int gather(const struct acceptor *acceptor, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = acceptor->fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = acceptor->stop_fd, .events = POLLIN };
    for (size_t i = 0; i < acceptor->waiting_n; i++)
        fds[2 + i] = (struct pollfd){ .fd = acceptor->waiting[i].fd, .events = POLLIN };
    return acceptor->waiting_n > 0 ? FIRST_WORD_US / 1000 : -1;
}

static void *run(void *context)
{
    struct acceptor *acceptor = context;
    struct pollfd    fds[2 + WAITING_MAX];

    for (;;) {
        size_t  n = acceptor->waiting_n;
        int64_t now_us;

        if (poll(fds, (nfds_t)(2 + n), gather(acceptor, fds)) < 0)
            continue;
        if (fds[1].revents != 0)
            break;
        now_us = moment_now().mono_us;
        while (n-- > 0)
            if (fds[2 + n].revents != 0 || now_us - acceptor->waiting[n].since_us >= FIRST_WORD_US)
                send_on(acceptor, n);
        if (fds[0].revents != 0)
            accept_one(acceptor);
    }
    /* Who is connected already may have asked already; who goes on connecting does not keep us. Where the socket was
     * passed, they wait for the next agent: it answers. */
    for (int i = 0; i < ENDPOINT_BACKLOG && !passed_is(acceptor->fd) && accept_one(acceptor); i++)
        ;
    while (acceptor->waiting_n > 0)
        send_on(acceptor, 0);
    return NULL;
}

bool acceptor_start(struct acceptor *acceptor)
{
    acceptor->stats = stats_part();
    acceptor->waiting = calloc(WAITING_MAX, sizeof *acceptor->waiting);
    if (acceptor->waiting == NULL)
        return false;
    if (pthread_create(&acceptor->thread, NULL, run, acceptor) == 0)
        return true;
    free(acceptor->waiting);
    return false;
}

void acceptor_join(struct acceptor *acceptor)
{
    pthread_join(acceptor->thread, NULL);
    free(acceptor->waiting);
}
