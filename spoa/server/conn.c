#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "server/conn_parts.h"

/* HAProxy says HELLO as soon as it is connected. */
#define HELLO_PATIENCE_US 5000000

/* A connection that sent nothing for so long has hardly a request under way when a drain wants to close it; under load
 * each asks sooner, and ends with its answer. */
#define IDLE_FOR_DRAIN_US 30000

/* How long a worker serves others, in its own CPU time, before it answers the questions of a deferred connection with
 * `late`. Deciding them all in turn would delay each by as much, and HAProxy does not wait for more than RULES_TIMEOUT (2 s)
 * in all. CPU time, so that a process that was stopped for a while goes on where it was. */
#define LATE_NS INT64_C(1000000000)

/* Room for `n` bytes behind those that wait to be decided. The time is that of the first of them. */
static char *begin_input(struct worker *worker, size_t n)
{
    assert(n <= INPUT_SIZE);
    if (worker->input_n + n > INPUT_SIZE)
        conn_settle(worker);
    if (worker->answerer.matched == 0) {
        worker->now_ns = moment_mono_ns();
        worker->now = moment_from_ns(worker->now_ns);
        if (worker->turn_ns == 0)
            worker->turn_ns = worker->now_ns;
    }
    return worker->input + worker->input_n;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void defer(struct conn *conn)
{
    struct worker *worker = conn->worker;

    conn->is_deferred = true;
    conn->deferred_cpu_ns = thread_cpu_ns();
    TAILQ_INSERT_TAIL(&worker->deferred, conn, deferred);
    ev_idle_start(worker->loop, &worker->next_turn);
}

static void take_input(struct conn *conn)
{
    struct worker *worker = conn->worker;
    size_t         have = conn->rest_n;
    char          *input = begin_input(worker, have + READ_SIZE);
    ssize_t        n;

    if (have > 0)
        memcpy(input, conn->rest, have);
    n = recv(conn->readable.fd, input + have, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0) {
        conn_close(conn, true, "by HAProxy");
        return;
    }
    if (n < 0) {
        conn_break(conn);
        return;
    }
    conn->active_us = worker->now.mono_us;
    conn_serve(conn, (struct span){ input, have + (size_t)n });
}

/* A HELLO is never deferred: it costs nothing, and HAProxy cannot ask before it is answered. A deferred connection stays
 * readable and comes here in each round. */
static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct conn *conn = io->data;

    (void)loop;
    (void)events;
    if (conn->is_deferred)
        return;
    if (conn->state == CONN_READY && worker_turn_is_over(conn->worker))
        defer(conn);
    else
        take_input(conn);
}

void conn_take_turn(struct conn *conn)
{
    struct worker *worker = conn->worker;

    TAILQ_REMOVE(&worker->deferred, conn, deferred);
    conn->is_deferred = false;
    /* One that stalled meanwhile is read when its peer reads. */
    if (conn->state != CONN_READY)
        return;
    worker->late = thread_cpu_ns() - conn->deferred_cpu_ns > LATE_NS;
    take_input(conn);
    worker->late = false;
}

/* The peer reads again. */
static void resume(struct conn *conn)
{
    struct worker *worker = conn->worker;
    size_t         n = conn->rest_n;
    char          *input;

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
        input = begin_input(worker, n);
        memcpy(input, conn->rest, n);
        conn_serve(conn, (struct span){ input, n });
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
            conn_break(conn);
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
    stat_add(&worker->stats->connections, 1);
    stat_add(&worker->stats->connections_open, 1);
    return conn;
}

bool conn_has_input(const struct conn *conn)
{
    char byte;

    return recv(conn->readable.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void conn_sweep(struct conn *conn, int64_t now_us)
{
    static struct log_rate   rate;
    static const char *const waiting[] = {
        [CONN_HELLO] = "said no HELLO in time",
        [CONN_READY] = "began a frame and did not end it in time",
        [CONN_STALLED] = "did not read its answers in time",
    };

    /* What the worker has not read yet may be what the deadline is about. */
    if (conn->deadline_us != 0 && now_us >= conn->deadline_us && !conn->is_deferred) {
        if (conn->state == CONN_STALLED) {
            stat_add(&conn->worker->stats->errors_stalled, 1);
            conn_close(conn, false, waiting[conn->state]);
        } else {
            log_write_rated(&rate, LOG_DEBUG, "connection %u %s", conn->id, waiting[conn->state]);
            conn_disconnect(conn, SPOP_STATUS_TIMEOUT);
        }
        return;
    }
    /* A worker that got no core for a while comes here before it has read what came meanwhile. */
    if (conn->worker->draining && conn->state != CONN_STALLED && conn->rest_n == 0 &&
        now_us >= conn->active_us + IDLE_FOR_DRAIN_US && !conn_has_input(conn))
        conn_disconnect(conn, SPOP_STATUS_NORMAL);
}

void conn_drop(struct conn *conn)
{
    conn_close(conn, true, "stopping");
}
