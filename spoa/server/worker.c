#include "server/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/regex.h"
#include "server/acceptor.h"
#include "server/conn.h"
#include "server/server.h"

/* Deadlines are seconds long; looking at them now and then is cheaper than a timer for each connection. */
#define SWEEP_INTERVAL 0.5
#define DRAIN_INTERVAL 0.005

/* How long one round of the loop serves connections. With rules that take a millisecond for each request, all that is
 * readable may take seconds, in which new connections and the inbox would wait. With usual rules, at 2 us a decision,
 * no round lasts so long. */
#define TURN_NS 20000000

static void take_inbox(struct worker *worker)
{
    for (;;) {
        int fd = -1;

        pthread_mutex_lock(&worker->inbox_lock);
        if (worker->inbox_n > 0)
            fd = worker->inbox[--worker->inbox_n];
        pthread_mutex_unlock(&worker->inbox_lock);
        if (fd < 0)
            return;
        if (conn_open(worker, fd) == NULL) {
            atomic_fetch_sub(&worker->conns_n, 1);
            atomic_fetch_sub(worker->total, 1);
        }
    }
}

static void begin_drain(struct worker *worker)
{
    worker->draining = true;
    worker->drain_since_us = moment_now().mono_us;
    ev_timer_stop(worker->loop, &worker->sweep);
    ev_timer_set(&worker->sweep, DRAIN_INTERVAL, DRAIN_INTERVAL);
    ev_timer_start(worker->loop, &worker->sweep);
}

static void on_wake(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct worker *worker = async->data;

    (void)loop;
    (void)events;
    conn_settle(worker);
    ruleset_refresh(worker->slot, &worker->view);
    take_inbox(worker);
    atomic_store(&worker->turned, true);
    if (atomic_load(&worker->stopping) && !worker->draining)
        begin_drain(worker);
}

static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    struct conn   *next;
    int64_t        now_us;
    bool           over;

    (void)events;
    atomic_store(&worker->turned, true);
    conn_settle(worker);
    /* What is said to connections below takes its deadlines from it; the latest batch may be long ago. */
    worker->now = moment_now();
    now_us = worker->now.mono_us;
    atomic_store(&worker->swept_us, now_us);
    over = worker->draining && now_us >= worker->drain_since_us + SERVER_DRAIN_S * INT64_C(1000000);
    for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (over)
            conn_drop(conn);
        else
            conn_sweep(conn, now_us);
    }
    if (worker->draining && worker->conns == NULL)
        ev_break(loop, EVBREAK_ALL);
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;

    (void)loop;
    (void)events;
    conn_settle(worker);
    worker->turn_ns = 0;
}

static void on_next_turn(struct ev_loop *loop, struct ev_idle *idle, int events)
{
    struct worker *worker = idle->data;
    struct conn   *conn;

    (void)events;
    while ((conn = TAILQ_FIRST(&worker->deferred)) != NULL && !worker_turn_is_over(worker))
        conn_take_turn(conn);
    if (conn == NULL)
        ev_idle_stop(loop, idle);
}

static void *run(void *context)
{
    struct worker *worker = context;

    ev_run(worker->loop, 0);
    regex_thread_fini();
    return NULL;
}

bool worker_start(struct worker *worker, struct ruleset_slot *slot, struct limits *limits, struct decisions *decisions,
                  unsigned ipv6_prefix, size_t max_connections, atomic_size_t *total)
{
    worker->slot = slot;
    worker->total = total;
    worker->max_connections = max_connections;
    worker->inbox_room = max_connections + ACCEPTOR_RESERVE;
    worker->inbox = calloc(worker->inbox_room, sizeof *worker->inbox);
    worker->input = malloc(INPUT_SIZE);
    worker->output = malloc(OUTPUT_SIZE);
    worker->loop = ev_loop_new(EVFLAG_AUTO);
    pthread_mutex_init(&worker->inbox_lock, NULL);
    worker->stats = stats_part();
    answerer_init(&worker->answerer, limits, ipv6_prefix, INPUT_SIZE, decisions, worker->stats);
    if (worker->inbox == NULL || worker->input == NULL || worker->output == NULL || worker->loop == NULL)
        return false;
    ruleset_refresh(slot, &worker->view);
    ev_async_init(&worker->wake, on_wake);
    worker->wake.data = worker;
    ev_async_start(worker->loop, &worker->wake);
    ev_prepare_init(&worker->prepare, on_prepare);
    worker->prepare.data = worker;
    ev_prepare_start(worker->loop, &worker->prepare);
    ev_timer_init(&worker->sweep, on_sweep, SWEEP_INTERVAL, SWEEP_INTERVAL);
    worker->sweep.data = worker;
    ev_timer_start(worker->loop, &worker->sweep);
    TAILQ_INIT(&worker->deferred);
    atomic_store(&worker->swept_us, moment_now().mono_us);
    ev_idle_init(&worker->next_turn, on_next_turn);
    /* Before all other events, else it would wait for a round without any. */
    ev_set_priority(&worker->next_turn, EV_MAXPRI);
    worker->next_turn.data = worker;
    return pthread_create(&worker->thread, NULL, run, worker) == 0;
}

void worker_give(struct worker *worker, int fd)
{
    atomic_fetch_add(&worker->conns_n, 1);
    pthread_mutex_lock(&worker->inbox_lock);
    /* There is room for as many as may be open at all. */
    assert(worker->inbox_n < worker->inbox_room);
    worker->inbox[worker->inbox_n++] = fd;
    pthread_mutex_unlock(&worker->inbox_lock);
    worker_wake(worker);
}

void worker_wake(struct worker *worker)
{
    ev_async_send(worker->loop, &worker->wake);
}

bool worker_turn_is_over(const struct worker *worker)
{
    return worker->turn_ns != 0 && worker->now_ns - worker->turn_ns > TURN_NS;
}

void worker_time(struct worker *worker)
{
    if (worker->sent_acks == 0)
        return;
    stats_time(worker->stats, worker->sent_acks, moment_mono_ns() - worker->now_ns);
    worker->sent_acks = 0;
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->stopping, true);
    worker_wake(worker);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    /* What came in after the last look at the inbox; acceptors have ended before. */
    while (worker->inbox_n > 0)
        close(worker->inbox[--worker->inbox_n]);
    ruleset_release(&worker->view);
    ev_loop_destroy(worker->loop);
    pthread_mutex_destroy(&worker->inbox_lock);
    answerer_fini(&worker->answerer);
    free(worker->inbox);
    free(worker->input);
    free(worker->output);
}
