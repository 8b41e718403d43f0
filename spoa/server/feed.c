#include "server/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/moment.h"
#include "base/stats.h"
#include "feed/fold.h"
#include "feed/frame.h"
#include "server/endpoint.h"
#include "server/passed.h"

/* How often a full box is looked at again: its writer takes it once a second. */
#define FULL_WAIT_MS 50

#define US_AN_HOUR   INT64_C(3600000000)

struct feed_conn {
    int      fd; /* -1: free */
    char    *buffer;
    size_t   n; /* bytes in it: from the beginning of a message */
    bool     ended;
    uint64_t lines, skipped;
};

struct feed {
    const char           *address;
    struct responses_box *box;
    struct stats         *stats;       /* its thread's */
    int                   fd, stop_fd; /* stop_fd: readable once the thread is to end */
    pthread_t             thread;
    bool                  started;
    bool                  full; /* some connection waits for room in the box */
    unsigned              n;    /* open connections */
    struct feed_conn      conns[FEED_CONNECTIONS_MAX];
};

/* ---- connections ---- */

/* Keepalive: a connection may be idle for days, and a peer that vanished should not hold one of those that are
 * allowed.
 *
 * Our end, that of a killed process too, is a reset: when we merely end, HAProxy 3.0 never connects again, unless it is
 * sending just then, and 3.2 sends its next line to nobody. A unix socket knows no reset. */
static void tune(int fd)
{
    int           on = 1, idle_s = 60, interval_s = 15, probes = 4;
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/* Every connection ends here. */
static void conn_close(struct feed *feed, struct feed_conn *conn, bool orderly, const char *reason)
{
    static struct log_rate ends, faults;

    log_write_rated(orderly ? &ends : &faults, orderly ? LOG_DEBUG : LOG_WARNING,
                    "log feed: connection closed: %s; lines counted: %" PRIu64 ", skipped: %" PRIu64, reason,
                    conn->lines, conn->skipped);
    close(conn->fd);
    free(conn->buffer);
    *conn = (struct feed_conn){ .fd = -1 };
    feed->n--;
    stat_drop(&feed->stats->feed_connections);
}

static void conn_open(struct feed *feed, int fd)
{
    static struct log_rate rate;
    struct feed_conn      *conn = feed->conns;
    char                  *buffer = NULL;

    if (feed->n < FEED_CONNECTIONS_MAX)
        buffer = malloc(FEED_BUFFER_SIZE);
    if (buffer == NULL) {
        log_write_rated(&rate, LOG_WARNING, "log feed: a connection refused: %s",
                        feed->n < FEED_CONNECTIONS_MAX ? "out of memory" : "too many are open");
        close(fd);
        return;
    }
    while (conn->fd >= 0)
        conn++;
    tune(fd);
    *conn = (struct feed_conn){ .fd = fd, .buffer = buffer };
    feed->n++;
    stat_add(&feed->stats->feed_connections, 1);
}

/* False: nobody is waiting. */
static bool accept_one(struct feed *feed)
{
    static struct log_rate rate;
    int                    fd = accept4(feed->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED)
            return true;
        if (errno != EAGAIN) {
            log_write_rated(&rate, LOG_ERROR, "%s: cannot accept a connection: %s", feed->address, strerror(errno));
            usleep(100000); /* out of descriptors: trying at once would only spin */
        }
        return false;
    }
    conn_open(feed, fd);
    return true;
}

/* ---- lines ---- */

/* One line tells of many: who sends the wrong ones sends them all the time. */
static void skipped(struct feed *feed, struct feed_conn *conn, struct span message, const char *fault)
{
    static struct log_rate rate;

    stat_add(&feed->stats->feed_skipped, 1);
    if (conn->skipped++ == 0)
        log_write_rated(&rate, LOG_WARNING,
                        "log feed: a line skipped, and those like it from this connection: %s: %.*s", fault,
                        message.n < 400 ? (int)message.n : 400, message.p);
}

static void taken(struct feed *feed, struct feed_conn *conn, const struct response *response)
{
    stat_add(&feed->stats->feed_taken, 1);
    stat_add(&feed->stats->feed_undecided, response->by == RESPONSE_BY_NOBODY);
    stat_add(&feed->stats->untimed_tunnels, response->lasting == RESPONSE_TUNNEL);
    stat_add(&feed->stats->untimed_streams, response->lasting == RESPONSE_STREAM);
    stat_add(&feed->stats->untimed_aborted, response->aborted);
    conn->lines++;
}

/* Counts the whole messages at the beginning of `in`, which is left at the rest. */
static enum feed_next fold(struct feed *feed, struct feed_conn *conn, struct span *in)
{
    int64_t         hour = moment_now().unix_us / US_AN_HOUR;
    struct span     message, rest = *in;
    enum feed_next  next;
    struct response response;
    const char     *fault;

    while ((next = feed_frame_next(&rest, &message)) == FEED_NEXT_MESSAGE) {
        enum feed_fold done = feed_fold(message, feed->box->filling, feed->box->seed, hour, &response, &fault);

        if (done == FEED_FULL) {
            feed->full = true;
            return FEED_NEXT_MORE;
        }
        if (done == FEED_SKIPPED)
            skipped(feed, conn, message, fault);
        else
            taken(feed, conn, &response);
        *in = rest;
    }
    return next;
}

/* Counts what is there and keeps the rest. The writer, who waits for the lock meanwhile, waits for one buffer's
 * lines. */
static void serve(struct feed *feed, struct feed_conn *conn)
{
    struct span    in = { conn->buffer, conn->n };
    enum feed_next next;

    pthread_mutex_lock(&feed->box->lock);
    next = fold(feed, conn, &in);
    pthread_mutex_unlock(&feed->box->lock);
    memmove(conn->buffer, in.p, in.n);
    conn->n = in.n;
    if (next == FEED_NEXT_INVALID)
        conn_close(feed, conn, false, "no message with its length in front: write log-proto octet-count");
    else if (next == FEED_NEXT_TOO_BIG)
        conn_close(feed, conn, false, "a message is longer than 16384 bytes");
    else if (conn->ended && !feed->full)
        conn_close(feed, conn, in.n == 0, in.n == 0 ? "by HAProxy" : "in the middle of a message");
}

static void receive(struct feed *feed, struct feed_conn *conn)
{
    ssize_t n = recv(conn->fd, conn->buffer + conn->n, FEED_BUFFER_SIZE - conn->n, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        conn->ended = true;
    else
        conn->n += (size_t)n;
    serve(feed, conn);
}

/* ---- the thread ---- */

/* Waits, when nobody may connect any more for `timeout_ms`, and serves once. False: the thread is to end. */
static bool turn(struct feed *feed, bool accepting, int timeout_ms)
{
    struct pollfd     fds[2 + FEED_CONNECTIONS_MAX];
    struct feed_conn *conns[2 + FEED_CONNECTIONS_MAX];
    nfds_t            n = 0;

    if (accepting) {
        fds[n++] = (struct pollfd){ .fd = feed->stop_fd, .events = POLLIN };
        fds[n++] = (struct pollfd){ .fd = feed->fd, .events = POLLIN };
    }
    for (struct feed_conn *conn = feed->conns; conn < feed->conns + FEED_CONNECTIONS_MAX && !feed->full; conn++) {
        if (conn->fd < 0)
            continue;
        conns[n] = conn;
        fds[n++] = (struct pollfd){ .fd = conn->fd, .events = POLLIN };
    }
    if (poll(fds, n, feed->full ? FULL_WAIT_MS : timeout_ms) == 0 && !feed->full)
        return true;
    if (accepting && fds[0].revents != 0)
        return false;
    if (feed->full) {
        feed->full = false;
        for (struct feed_conn *conn = feed->conns; conn < feed->conns + FEED_CONNECTIONS_MAX; conn++)
            if (conn->fd >= 0 && (conn->n > 0 || conn->ended))
                serve(feed, conn);
    }
    for (nfds_t i = accepting ? 2 : 0; i < n && !feed->full; i++)
        if (fds[i].revents != 0)
            receive(feed, conns[i]);
    if (accepting && fds[1].revents != 0)
        accept_one(feed);
    return true;
}

/* Whole messages were read, and nothing is there. */
static bool at_rest(const struct feed_conn *conn)
{
    char c;

    return conn->n == 0 && recv(conn->fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* There is no word by which HAProxy would stop sending and know how far it got: what it sends between our last look and
 * the reset is lost, the rest waits in its ring. Restarted twice under full load (14,000 to 25,000 lines a second), 2.6
 * and 3.2 lost 1 line, 3.0 lost 7. */
static void drain(struct feed *feed)
{
    int64_t until_us = moment_now().mono_us + FEED_DRAIN_MS * INT64_C(1000);

    while (!passed_is(feed->fd) && accept_one(feed))
        ;
    for (struct feed_conn *conn = feed->conns; conn < feed->conns + FEED_CONNECTIONS_MAX; conn++) {
        while (conn->fd >= 0 && !at_rest(conn) && moment_now().mono_us < until_us)
            turn(feed, false, 1);
        if (conn->fd >= 0)
            conn_close(feed, conn, true, "stopping");
    }
}

static void *run(void *context)
{
    struct feed *feed = context;

    while (turn(feed, true, -1))
        ;
    drain(feed);
    return NULL;
}

/* ---- start and stop ---- */

struct feed *feed_new(const char *address, char *error, size_t error_size)
{
    struct feed *feed = calloc(1, sizeof *feed);

    snprintf(error, error_size, "out of memory or descriptors");
    if (feed == NULL)
        return NULL;
    feed->address = address;
    for (int i = 0; i < FEED_CONNECTIONS_MAX; i++)
        feed->conns[i].fd = -1;
    feed->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (feed->stop_fd >= 0 && endpoint_listen(address, &feed->fd, error, error_size))
        return feed;
    if (feed->stop_fd >= 0)
        close(feed->stop_fd);
    free(feed);
    return NULL;
}

bool feed_start(struct feed *feed, struct responses_box *box)
{
    feed->box = box;
    feed->stats = stats_part();
    feed->started = pthread_create(&feed->thread, NULL, run, feed) == 0;
    if (feed->started)
        pthread_setname_np(feed->thread, "spoa-feed");
    return feed->started;
}

void feed_stop(struct feed *feed)
{
    if (feed == NULL)
        return;
    if (feed->started) {
        eventfd_write(feed->stop_fd, 1);
        pthread_join(feed->thread, NULL);
    }
    close(feed->fd);
    endpoint_forget(feed->address);
    close(feed->stop_fd);
    free(feed);
}
