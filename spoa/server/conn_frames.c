#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/conn_parts.h"

/* How long a drain looks for a moment when nothing is under way. */
#define LULL_PATIENCE_US 50000

/* For the rest of a frame that was begun: HAProxy sends each whole. */
#define FRAME_PATIENCE_US 10000000

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
        conn_disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    status = spop_hello_parse(frame->payload, FRAME_MAX, &hello);
    if (status != SPOP_STATUS_NORMAL) {
        conn_disconnect(conn, status);
        return FRAME_GONE;
    }
    if (!hello.healthcheck && atomic_load(worker->total) > worker->max_connections) {
        conn_refuse(conn);
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

/* Collects the ACKs of the answers from `*i` on that are of one connection. False: that is gone. */
static bool collect(struct worker *worker, size_t *i, size_t n)
{
    struct conn *conn = worker->answerer.batch[*i].conn;
    bool         fits = true;

    for (; *i < n && worker->answerer.batch[*i].conn == conn; ++*i) {
        size_t size = answer_write(&worker->answerer, *i, worker->output + worker->output_n);

        /* Only a peer that agreed on a size below ANSWER_MAX can meet an ACK that is too large for it. */
        fits = fits && size <= conn->max_frame + SPOP_PREFIX_SIZE;
        if (fits) {
            worker->output_n += size;
            worker->output_acks++;
        }
    }
    if (!fits)
        conn_disconnect(conn, SPOP_STATUS_TOO_BIG);
    return fits;
}

/* The ACKs of the connection that is being served stay in `output`. */
void conn_settle(struct worker *worker)
{
    size_t n = answer_decide(&worker->answerer, worker->now);

    answer_tally(&worker->answerer, n, worker->now, &worker->view);
    for (size_t i = 0; i < n;) {
        struct conn *conn = worker->answerer.batch[i].conn;

        if (collect(worker, &i, n) && conn != worker->serving)
            conn_flush(conn);
    }
    worker_time(worker);
    worker->input_n = 0;
}

static enum outcome on_notify(struct conn *conn, const struct spop_frame *frame)
{
    struct worker   *worker = conn->worker;
    struct answerer *answerer = &worker->answerer;

    if (conn->state == CONN_HELLO) {
        conn_disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    if (answerer->matched == 0)
        ruleset_refresh(worker->slot, &worker->view);
    if (worker->late) {
        answer_late(answerer, conn, frame);
    } else if (!answer_match(answerer, worker->view.held, conn, frame, worker->now)) {
        conn_settle(worker);
        if (worker->serving != NULL)
            conn_disconnect(conn, SPOP_STATUS_INVALID);
        return FRAME_GONE;
    }
    if (answerer->matched == ANSWER_BATCH)
        conn_settle(worker);
    return worker->serving != NULL ? FRAME_DONE : FRAME_GONE;
}

/* HAProxy ends connections for reasons of its own: idle, timeout, reload. */
static void on_disconnect(struct conn *conn, const struct spop_frame *frame)
{
    static struct log_rate rate;
    struct span            message = SPAN_ABSENT;
    uint32_t               status;

    if (!spop_disconnect_parse(frame->payload, &status, &message)) {
        conn_disconnect(conn, SPOP_STATUS_INVALID);
        return;
    }
    log_write_rated(&rate, LOG_DEBUG, "connection %u: HAProxy disconnects with status %u: %.*s", conn->id, status,
                    (int)message.n, message.n == 0 ? "" : message.p);
    conn_disconnect(conn, SPOP_STATUS_NORMAL);
}

static void count_frame(struct stats *stats, enum spop_frame_type type)
{
    switch (type) {
    case SPOP_FRAME_NOTIFY:
        stat_add(&stats->frames_notify, 1);
        break;
    case SPOP_FRAME_HAPROXY_HELLO:
        stat_add(&stats->frames_hello, 1);
        break;
    case SPOP_FRAME_HAPROXY_DISCONNECT:
        stat_add(&stats->frames_disconnect, 1);
        break;
    default:
        stat_add(&stats->frames_other, 1);
    }
}

static enum outcome on_frame(struct conn *conn, const struct spop_frame *frame)
{
    bool is_whole = frame->flags & SPOP_FLAG_FIN;

    count_frame(conn->worker->stats, frame->type);
    /* What came before is answered before anything else can end the connection. */
    if (frame->type != SPOP_FRAME_NOTIFY || !is_whole || conn->state == CONN_HELLO)
        conn_settle(conn->worker);
    if (conn->worker->serving == NULL)
        return FRAME_GONE;
    switch (frame->type) {
    case SPOP_FRAME_HAPROXY_HELLO:
    case SPOP_FRAME_HAPROXY_DISCONNECT:
    case SPOP_FRAME_NOTIFY:
        break;
    case SPOP_FRAME_UNSET:
        conn_disconnect(conn, SPOP_STATUS_FRAGMENTED);
        return FRAME_GONE;
    default:
        return FRAME_DONE; /* unknown: skipped, as the protocol wants */
    }
    /* Fragmentation was not announced. */
    if (!is_whole) {
        conn_disconnect(conn, SPOP_STATUS_FRAGMENTED);
        return FRAME_GONE;
    }
    if (frame->type == SPOP_FRAME_HAPROXY_HELLO)
        return on_hello(conn, frame);
    if (frame->type == SPOP_FRAME_NOTIFY)
        return on_notify(conn, frame);
    on_disconnect(conn, frame);
    return FRAME_GONE;
}

/* A frame that was begun must end in time, however the peer drips its bytes. */
static void keep_rest(struct conn *conn, struct span rest)
{
    free(conn->rest);
    conn->rest = NULL;
    conn->rest_n = rest.n;
    if (rest.n == 0) {
        if (conn->state == CONN_READY)
            conn->deadline_us = 0;
        return;
    }
    conn->rest = malloc(rest.n);
    if (conn->rest == NULL) {
        conn_settle(conn->worker);
        if (conn->worker->serving != NULL)
            conn_starve(conn);
        return;
    }
    memcpy(conn->rest, rest.p, rest.n);
    if (conn->state == CONN_READY && conn->deadline_us == 0)
        conn->deadline_us = conn->worker->now.mono_us + FRAME_PATIENCE_US;
}

/* Whether these answers, which are about to be sent, are the last ones. What HAProxy asks before it reads so is lost: a
 * moment is chosen when all it asked is answered, and answers and DISCONNECT go out with one write. Under load there
 * are thousands of such moments a second. */
static bool is_time_to_end(const struct conn *conn)
{
    const struct worker *worker = conn->worker;

    return worker->now.mono_us >= worker->drain_since_us + LULL_PATIENCE_US || !conn_has_input(conn);
}

/* Takes all frames in `in`. What ends here has been settled, or waits for conn_settle(). */
static void take_frames(struct conn *conn, struct span in)
{
    struct worker    *worker = conn->worker;
    struct spop_frame frame;
    enum spop_next    next;
    bool              asked = false, may_end;

    while ((next = spop_frame_next(&in, FRAME_MAX, &frame)) == SPOP_NEXT_FRAME) {
        enum outcome outcome = on_frame(conn, &frame);

        if (outcome == FRAME_GONE)
            return;
        asked = asked || frame.type == SPOP_FRAME_NOTIFY;
        if (conn->state == CONN_READY)
            conn->deadline_us = 0;
        if (outcome == FRAME_CLOSE) {
            if (conn_flush(conn))
                conn_close(conn, true, "health check");
            return;
        }
        if (worker->output_n > OUTPUT_SIZE - (ANSWER_BATCH + 1) * ANSWER_MAX) {
            if (!conn_flush(conn))
                return;
            if (conn->state == CONN_STALLED) {
                keep_rest(conn, in);
                return;
            }
        }
    }
    may_end = worker->draining && asked && next == SPOP_NEXT_PARTIAL && in.n == 0;
    if (worker->output_n > 0 || next != SPOP_NEXT_PARTIAL || may_end)
        conn_settle(worker);
    if (worker->serving == NULL)
        return;
    if (may_end && is_time_to_end(conn)) {
        conn_disconnect(conn, SPOP_STATUS_NORMAL);
        return;
    }
    if (next == SPOP_NEXT_TOO_BIG || next == SPOP_NEXT_INVALID)
        conn_disconnect(conn, next == SPOP_NEXT_TOO_BIG ? SPOP_STATUS_TOO_BIG : SPOP_STATUS_INVALID);
    else if (conn_flush(conn))
        keep_rest(conn, in);
}

void conn_serve(struct conn *conn, struct span in)
{
    struct worker *worker = conn->worker;

    worker->serving = conn;
    take_frames(conn, in);
    worker_time(worker);
    worker->serving = NULL;
    worker->input_n = worker->answerer.matched > 0 ? (size_t)(in.p + in.n - worker->input) : 0;
}
