#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/conn_parts.h"

/* For a peer to read its answers: several times HAProxy's longest sensible processing timeout. */
#define READ_PATIENCE_US 10000000

/* ---- the end ---- */

static void conn_free(struct conn *conn)
{
    struct worker *worker = conn->worker;

    ev_io_stop(worker->loop, &conn->readable);
    ev_io_stop(worker->loop, &conn->writable);
    if (conn->is_deferred)
        TAILQ_REMOVE(&worker->deferred, conn, deferred);
    close(conn->readable.fd);
    for (size_t i = 0; i < worker->answerer.matched; i++)
        assert(worker->answerer.batch[i].conn != conn);
    if (worker->serving == conn) {
        worker->serving = NULL;
        worker->output_n = worker->output_acks = 0; /* nobody else's */
    }
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    atomic_fetch_sub(&worker->conns_n, 1);
    atomic_fetch_sub(worker->total, 1);
    stat_drop(&worker->stats->connections_open);
    free(conn->rest);
    free(conn->unsent);
    free(conn);
}

void conn_close(struct conn *conn, bool orderly, const char *reason)
{
    static struct log_rate ends, faults;

    log_write_rated(orderly ? &ends : &faults, orderly ? LOG_DEBUG : LOG_WARNING, "connection %u closed: %s", conn->id,
                    reason);
    conn_free(conn);
}

void conn_break(struct conn *conn)
{
    stat_add(&conn->worker->stats->errors_io, 1);
    conn_close(conn, true, strerror(errno));
}

void conn_starve(struct conn *conn)
{
    stat_add(&conn->worker->stats->errors_memory, 1);
    conn_close(conn, false, "out of memory");
}

/* ---- writing ---- */

bool conn_flush(struct conn *conn)
{
    struct worker *worker = conn->worker;
    size_t         n = worker->output_n;
    unsigned       acks = worker->output_acks;
    ssize_t        sent;

    worker->output_n = worker->output_acks = 0;
    if (n == 0)
        return true;
    assert(conn->unsent == NULL);
    sent = send(conn->readable.fd, worker->output, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn_break(conn);
        return false;
    }
    stat_add(&worker->stats->acks, acks);
    worker->sent_acks += acks;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == n)
        return true;
    conn->unsent_n = n - (size_t)sent;
    conn->unsent_at = 0;
    conn->unsent = malloc(conn->unsent_n);
    if (conn->unsent == NULL) {
        conn_starve(conn);
        return false;
    }
    memcpy(conn->unsent, worker->output + sent, conn->unsent_n);
    conn->state = CONN_STALLED;
    conn->deadline_us = worker->now.mono_us + READ_PATIENCE_US;
    ev_io_stop(worker->loop, &conn->readable);
    ev_io_start(worker->loop, &conn->writable);
    return true;
}

static void count_error(struct stats *stats, enum spop_status status)
{
    switch (status) {
    case SPOP_STATUS_NORMAL:
        break;
    case SPOP_STATUS_TIMEOUT:
        stat_add(&stats->errors_timeout, 1);
        break;
    case SPOP_STATUS_TOO_BIG:
        stat_add(&stats->errors_too_big, 1);
        break;
    case SPOP_STATUS_FRAGMENTED:
        stat_add(&stats->errors_fragmented, 1);
        break;
    case SPOP_STATUS_NO_VERSION:
    case SPOP_STATUS_NO_FRAME_SIZE:
    case SPOP_STATUS_NO_CAPABILITIES:
    case SPOP_STATUS_BAD_VERSION:
    case SPOP_STATUS_BAD_FRAME_SIZE:
        stat_add(&stats->errors_hello, 1);
        break;
    default:
        stat_add(&stats->errors_invalid, 1);
    }
}

void conn_disconnect(struct conn *conn, enum spop_status status)
{
    struct worker *worker = conn->worker;
    bool           orderly = status == SPOP_STATUS_NORMAL;
    char           unread[16384]; /* the worker's input may hold what another connection is being served from */

    count_error(worker->stats, status);
    worker->output_n +=
        spop_agent_disconnect_put(worker->output + worker->output_n, SPOP_AGENT_DISCONNECT_MAX, status, NULL);
    if (!conn_flush(conn))
        return;
    if (conn->unsent != NULL && orderly) {
        conn->closing = true;
        return;
    }
    /* Unread input would turn the close into a reset that may overtake the word. */
    shutdown(conn->readable.fd, SHUT_WR);
    for (int i = 0; i < 32 && recv(conn->readable.fd, unread, sizeof unread, MSG_DONTWAIT) > 0; i++)
        ;
    conn_close(conn, orderly, spop_status_text(status));
}

void conn_refuse(struct conn *conn)
{
    static struct log_rate rate;

    stat_add(&conn->worker->stats->connections_refused, 1);
    log_write_rated(&rate, LOG_WARNING, "connection %u refused: %zu are open, as many as --max-connections allows",
                    conn->id, conn->worker->max_connections);
    conn_disconnect(conn, SPOP_STATUS_RESOURCE);
}
