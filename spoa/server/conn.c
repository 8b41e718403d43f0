#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/worker.h"
#include "spop/hello.h"

/* Microseconds on the monotonic clock. HAProxy says HELLO as soon as it is connected and sends each frame whole. */
#define HELLO_PATIENCE_US 5000000
#define FRAME_PATIENCE_US 10000000

/* For a peer to read its answers: several times HAProxy's longest sensible processing timeout. */
#define READ_PATIENCE_US 10000000

/* A connection that sent nothing for so long has no request under way when a drain wants to close it. */
#define IDLE_FOR_DRAIN_US 250000

/* ---- the end ---- */

static void conn_free(struct conn *conn)
{
    struct worker *worker = conn->worker;

    ev_io_stop(worker->loop, &conn->readable);
    ev_io_stop(worker->loop, &conn->writable);
    close(conn->readable.fd);
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    atomic_fetch_sub(&worker->conns_n, 1);
    atomic_fetch_sub(worker->total, 1);
    free(conn->rest);
    free(conn->unsent);
    free(conn);
}

/* Every connection ends here. An orderly end is nobody's concern; a fault is a peer's doing and is told at a bounded rate. */
static void conn_close(struct conn *conn, bool orderly, const char *reason)
{
    static struct log_rate ends, faults;

    log_write_rated(orderly ? &ends : &faults, orderly ? LOG_DEBUG : LOG_WARNING, "connection %u closed: %s", conn->id,
                    reason);
    conn_free(conn);
}

void conn_drop(struct conn *conn)
{
    conn_close(conn, true, "stopping");
}

/* ---- writing ---- */

/* Sends what the worker has collected. What the socket does not take is kept, and the connection stalls until it does.
 * False: the connection is gone. */
static bool flush(struct conn *conn)
{
    struct worker *worker = conn->worker;
    size_t         n = worker->output_n;
    ssize_t        sent;

    worker->output_n = 0;
    if (n == 0)
        return true;
    assert(conn->unsent == NULL);
    sent = send(conn->readable.fd, worker->output, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(conn, true, strerror(errno));
        return false;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == n)
        return true;
    conn->unsent_n = n - (size_t)sent;
    conn->unsent_at = 0;
    conn->unsent = malloc(conn->unsent_n);
    if (conn->unsent == NULL) {
        conn_close(conn, false, "out of memory");
        return false;
    }
    memcpy(conn->unsent, worker->output + sent, conn->unsent_n);
    conn->state = CONN_STALLED;
    conn->deadline_us = moment_now().mono_us + READ_PATIENCE_US;
    ev_io_stop(worker->loop, &conn->readable);
    ev_io_start(worker->loop, &conn->writable);
    return true;
}

/* Says why, and ends the connection; the word is lost if the peer does not read. */
static void disconnect(struct conn *conn, enum spop_status status)
{
    struct worker *worker = conn->worker;
    bool           orderly = status == SPOP_STATUS_NORMAL;

    worker->output_n +=
        spop_agent_disconnect_put(worker->output + worker->output_n, SPOP_AGENT_DISCONNECT_MAX, status, NULL);
    if (!flush(conn))
        return;
    if (conn->unsent != NULL && orderly) {
        conn->closing = true;
        return;
    }
    /* Unread input would turn the close into a reset that may overtake the word. */
    shutdown(conn->readable.fd, SHUT_WR);
    for (int i = 0; i < 4 && recv(conn->readable.fd, worker->input, INPUT_SIZE, MSG_DONTWAIT) > 0; i++)
        ;
    conn_close(conn, orderly, spop_status_text(status));
}

/* ---- frames ---- */

enum outcome {
    FRAME_DONE,
    FRAME_GONE /* the connection was closed */,
    FRAME_CLOSE /* after what is collected is sent */
};

static enum outcome on_hello(struct conn *conn, const struct spop_frame *frame)
{
    struct worker    *worker = conn->worker;
    struct spop_hello hello;
    enum spop_status  status;

    if (conn->state != CONN_HELLO || frame->stream_id != 0 || frame->frame_id != 0) {
        disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    status = spop_hello_parse(frame->payload, FRAME_MAX, &hello);
    if (status != SPOP_STATUS_NORMAL) {
        disconnect(conn, status);
        return FRAME_GONE;
    }
    worker->output_n += spop_agent_hello_put(worker->output + worker->output_n, SPOP_AGENT_HELLO_MAX,
                                             hello.max_frame_size, hello.pipelining);
    conn->state = CONN_READY;
    conn->deadline_us = 0;
    conn->max_frame = hello.max_frame_size;
    /* A DISCONNECT after the answer to a health check would mark the server down on HAProxy 3.2. */
    return hello.healthcheck ? FRAME_CLOSE : FRAME_DONE;
}

/* Decides what is matched and collects the ACKs. False: the connection is gone. */
static bool settle(struct conn *conn, struct moment now)
{
    struct worker *worker = conn->worker;
    size_t         n = answer_decide(&worker->answerer, now);

    for (size_t i = 0; i < n; i++) {
        size_t size = answer_write(&worker->answerer, i, worker->output + worker->output_n);

        /* Only a peer that agreed on a size below ANSWER_MAX can meet an ACK that is too large for it. */
        if (size > conn->max_frame + SPOP_PREFIX_SIZE) {
            disconnect(conn, SPOP_STATUS_TOO_BIG);
            return false;
        }
        worker->output_n += size;
    }
    return true;
}

static enum outcome on_notify(struct conn *conn, const struct spop_frame *frame, struct moment now)
{
    struct worker   *worker = conn->worker;
    struct answerer *answerer = &worker->answerer;

    if (conn->state == CONN_HELLO) {
        disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    if (answerer->matched == 0)
        ruleset_refresh(worker->slot, &worker->view);
    if (!answer_match(answerer, worker->view.held, frame, now)) {
        if (settle(conn, now))
            disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    return answerer->matched < ANSWER_BATCH || settle(conn, now) ? FRAME_DONE : FRAME_GONE;
}

/* HAProxy ends connections for reasons of its own: idle, timeout, reload. */
static void on_disconnect(struct conn *conn, const struct spop_frame *frame)
{
    struct span message = SPAN_ABSENT;
    uint32_t    status;

    if (!spop_disconnect_parse(frame->payload, &status, &message)) {
        disconnect(conn, SPOP_STATUS_INVALID);
        return;
    }
    log_write(LOG_DEBUG, "connection %u: HAProxy disconnects with status %u: %.*s", conn->id, status, (int)message.n,
              message.n == 0 ? "" : message.p);
    disconnect(conn, SPOP_STATUS_NORMAL);
}

static enum outcome on_frame(struct conn *conn, const struct spop_frame *frame, struct moment now)
{
    bool is_whole = frame->flags & SPOP_FLAG_FIN;

    /* What came before is answered before anything else can end the connection. */
    if ((frame->type != SPOP_FRAME_NOTIFY || !is_whole) && !settle(conn, now))
        return FRAME_GONE;
    switch (frame->type) {
    case SPOP_FRAME_HAPROXY_HELLO:
    case SPOP_FRAME_HAPROXY_DISCONNECT:
    case SPOP_FRAME_NOTIFY:
        break;
    case SPOP_FRAME_UNSET:
        disconnect(conn, SPOP_STATUS_FRAGMENTED);
        return FRAME_GONE;
    default:
        return FRAME_DONE; /* unknown: skipped, as the protocol wants */
    }
    /* Fragmentation was not announced. */
    if (!is_whole) {
        disconnect(conn, SPOP_STATUS_FRAGMENTED);
        return FRAME_GONE;
    }
    if (frame->type == SPOP_FRAME_HAPROXY_HELLO)
        return on_hello(conn, frame);
    if (frame->type == SPOP_FRAME_NOTIFY)
        return on_notify(conn, frame, now);
    on_disconnect(conn, frame);
    return FRAME_GONE;
}

/* A frame that was begun must end in time, however the peer drips its bytes. */
static bool keep_rest(struct conn *conn, struct span rest)
{

    free(conn->rest);
    conn->rest = NULL;
    conn->rest_n = rest.n;
    if (rest.n == 0) {
        if (conn->state == CONN_READY)
            conn->deadline_us = 0;
        return true;
    }
    conn->rest = malloc(rest.n);
    if (conn->rest == NULL) {
        conn_close(conn, false, "out of memory");
        return false;
    }
    memcpy(conn->rest, rest.p, rest.n);
    if (conn->state == CONN_READY && conn->deadline_us == 0)
        conn->deadline_us = moment_now().mono_us + FRAME_PATIENCE_US;
    return true;
}

/* Decides all frames in `in`, bytes of the worker's input buffer, and sends the answers. */
static void serve(struct conn *conn, struct span in, struct moment now)
{
    struct worker    *worker = conn->worker;
    struct spop_frame frame;
    enum spop_next    next;

    while ((next = spop_frame_next(&in, FRAME_MAX, &frame)) == SPOP_NEXT_FRAME) {
        enum outcome outcome = on_frame(conn, &frame, now);

        if (outcome == FRAME_GONE)
            return;
        if (conn->state == CONN_READY)
            conn->deadline_us = 0;
        if (outcome == FRAME_CLOSE) {
            if (flush(conn))
                conn_close(conn, true, "health check");
            return;
        }
        if (worker->output_n > OUTPUT_SIZE - (ANSWER_BATCH + 1) * ANSWER_MAX) {
            if (!flush(conn))
                return;
            if (conn->state == CONN_STALLED) {
                keep_rest(conn, in);
                return;
            }
        }
    }
    if (!settle(conn, now))
        return;
    if (next == SPOP_NEXT_TOO_BIG || next == SPOP_NEXT_INVALID) {
        disconnect(conn, next == SPOP_NEXT_TOO_BIG ? SPOP_STATUS_TOO_BIG : SPOP_STATUS_INVALID);
        return;
    }
    if (flush(conn))
        keep_rest(conn, in);
}

/* ---- events ---- */

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct conn   *conn = io->data;
    struct worker *worker = conn->worker;
    size_t         have = conn->rest_n;
    struct moment  now;
    ssize_t        n;

    (void)loop;
    (void)events;
    assert(have + READ_SIZE <= INPUT_SIZE);
    if (have > 0)
        memcpy(worker->input, conn->rest, have);
    n = recv(io->fd, worker->input + have, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(conn, true, n == 0 ? "by HAProxy" : strerror(errno));
        return;
    }
    now = moment_now();
    conn->active_us = now.mono_us;
    serve(conn, (struct span){ worker->input, have + (size_t)n }, now);
}

/* The peer reads again. */
static void resume(struct conn *conn)
{
    struct worker *worker = conn->worker;
    size_t         n = conn->rest_n;

    free(conn->unsent);
    conn->unsent = NULL;
    ev_io_stop(worker->loop, &conn->writable);
    if (conn->closing) {
        conn_close(conn, true, spop_status_text(SPOP_STATUS_NORMAL));
        return;
    }
    conn->state = CONN_READY;
    conn->deadline_us = 0;
    ev_io_start(worker->loop, &conn->readable);
    if (n > 0) {
        memcpy(worker->input, conn->rest, n);
        serve(conn, (struct span){ worker->input, n }, moment_now());
    }
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct conn *conn = io->data;
    ssize_t      sent = send(io->fd, conn->unsent + conn->unsent_at, conn->unsent_n - conn->unsent_at, MSG_NOSIGNAL);

    (void)loop;
    (void)events;
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn_close(conn, true, strerror(errno));
        return;
    }
    conn->unsent_at += (size_t)sent;
    if (conn->unsent_at == conn->unsent_n)
        resume(conn);
}

struct conn *conn_open(struct worker *worker, int fd)
{
    static atomic_uint last_id;
    struct conn       *conn = calloc(1, sizeof *conn);

    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    conn->worker = worker;
    conn->id = atomic_fetch_add(&last_id, 1) + 1;
    conn->active_us = moment_now().mono_us;
    conn->deadline_us = conn->active_us + HELLO_PATIENCE_US;
    conn->next = worker->conns;
    if (conn->next != NULL)
        conn->next->previous = conn;
    worker->conns = conn;
    ev_io_init(&conn->readable, on_readable, fd, EV_READ);
    ev_io_init(&conn->writable, on_writable, fd, EV_WRITE);
    conn->readable.data = conn;
    conn->writable.data = conn;
    ev_io_start(worker->loop, &conn->readable);
    return conn;
}

void conn_sweep(struct conn *conn, int64_t now_us)
{
    static const char *const waiting[] = {
        [CONN_HELLO] = "said no HELLO in time",
        [CONN_READY] = "began a frame and did not end it in time",
        [CONN_STALLED] = "did not read its answers in time",
    };

    if (conn->deadline_us != 0 && now_us >= conn->deadline_us) {
        if (conn->state == CONN_STALLED)
            conn_close(conn, false, waiting[conn->state]);
        else {
            log_write(LOG_DEBUG, "connection %u %s", conn->id, waiting[conn->state]);
            disconnect(conn, SPOP_STATUS_TIMEOUT);
        }
        return;
    }
    if (conn->worker->draining && conn->state != CONN_STALLED && conn->rest_n == 0 &&
        now_us >= conn->active_us + IDLE_FOR_DRAIN_US)
        disconnect(conn, SPOP_STATUS_NORMAL);
}
