#include "lib/spop_load.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/spop_client.h"

#define SECOND_NS 1000000000

/* No answer for so long: it is lost. */
#define PATIENCE_NS ((int64_t)60 * SECOND_NS)

/* A request that is due so soon is waited for in a loop, where there is a core to spare: falling asleep and waking up
 * can take as long, and would be taken for the agent's time. */
#define SPIN_NS    100000

#define INPUT_SIZE ((size_t)64 * 1024)

/* A place in a connection's window; its number is the stream id. */
struct slot {
    bool     busy;
    uint32_t frame; /* id of the NOTIFY that waits, another one each time */
    int64_t  due_ns;
};

struct conn {
    int          fd;
    struct slot *slots;
    unsigned    *free_slots; /* a stack */
    unsigned     free_n;
    char        *out; /* what is not sent yet; room for a whole window */
    size_t       out_n;
    bool         stalled; /* the socket took no more */
    char         in[INPUT_SIZE];
    size_t       in_n; /* the beginning of an ACK */
};

static const char *const verdicts[SPOP_LOAD_VERDICTS] = { "allow", "deny", "slow" };

struct spop_load {
    const struct spop_load_options *options;
    struct notifies                *notifies;
    struct conn                    *conns;
    unsigned                        turn; /* of the connection that gets the next due request */
    int                             epoll;
    int64_t                         spin_ns;
    uint64_t                        total;  /* requests, or UINT64_MAX: until the time is over */
    uint64_t                        due;    /* how many of them may be out by now */
    uint64_t                        issued; /* how many are */
    int64_t                         now_ns;
    struct spop_load_result         result;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;

    fputs("load: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static int64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

/* ---- requests out ---- */

static int64_t due_at(const struct spop_load *load, uint64_t request)
{
    if (load->options->rate == 0)
        return load->now_ns;
    return load->result.start_ns + (int64_t)((double)request * SECOND_NS / load->options->rate);
}

/* Looks at the clock, and at what that makes due. */
static void tell_time(struct spop_load *load)
{
    double passed;

    load->now_ns = clock_ns();
    passed = (double)(load->now_ns - load->result.start_ns) / SECOND_NS;
    if (load->options->rate > 0) {
        load->due = 1 + (uint64_t)(passed * load->options->rate);
        if (load->due > load->total)
            load->due = load->total;
    } else {
        load->due = passed < load->options->seconds ? load->total : load->issued;
    }
}

static void await(struct spop_load *load, struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = conn };

    if (epoll_ctl(load->epoll, operation, conn->fd, &event) != 0)
        die("epoll: %s", strerror(errno));
}

/* One write, unless the socket does not take all of it. */
static void flush(struct spop_load *load, struct conn *conn)
{
    ssize_t sent;

    if (conn->out_n == 0)
        return;
    sent = send(conn->fd, conn->out, conn->out_n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        die("a connection has ended: %s", strerror(errno));
    load->result.writes++;
    conn->out_n -= sent < 0 ? 0 : (size_t)sent;
    if (conn->out_n > 0 && sent > 0)
        memmove(conn->out, conn->out + sent, conn->out_n);
    if (conn->stalled != (conn->out_n > 0)) {
        conn->stalled = !conn->stalled;
        await(load, conn, EPOLL_CTL_MOD, conn->stalled ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

/* Fills the free part of the window with what is due. */
static void issue(struct spop_load *load, struct conn *conn)
{
    while (conn->free_n > 0 && load->issued < load->due) {
        unsigned     stream = conn->free_slots[--conn->free_n];
        struct slot *slot = &conn->slots[stream];
        uint64_t     late_ns;

        slot->busy = true;
        slot->frame = (slot->frame + 1) % NOTIFY_IDS;
        slot->due_ns = due_at(load, load->issued++);
        /* What is due is computed in two ways, which may differ by a nanosecond. */
        late_ns = load->now_ns > slot->due_ns ? (uint64_t)(load->now_ns - slot->due_ns) : 0;
        histogram_add(&load->result.late_us, (late_ns + 500) / 1000);
        conn->out_n += notifies_next(load->notifies, conn->out + conn->out_n, stream, slot->frame);
    }
    flush(load, conn);
}

/* ---- answers in ---- */

static unsigned find_verdict(const struct spop_frame *frame)
{
    struct spop_client_ack   ack;
    const struct spop_value *verdict;

    if (!spop_client_ack_parse(frame, &ack))
        die("a malformed ACK");
    verdict = spop_client_ack_find(&ack, "verdict");
    if (verdict == NULL || verdict->type != SPOP_STRING)
        die("an ACK without a verdict");
    for (unsigned i = 0; i < SPOP_LOAD_VERDICTS; i++) {
        if (span_eq(verdict->text, span_of(verdicts[i])))
            return i;
    }
    die("the verdict '%.*s'", (int)verdict->text.n, verdict->text.p);
}

static void on_ack(struct spop_load *load, struct conn *conn, const struct spop_frame *frame)
{
    uint64_t     stream = frame->stream_id - NOTIFY_FIRST_ID;
    struct slot *slot = stream < load->options->window ? &conn->slots[stream] : NULL;
    struct span  message;
    uint64_t     took_us;
    uint32_t     status;

    if (spop_client_agent_disconnect_parse(frame, &status, &message))
        die("the agent disconnects: %u %.*s", status, (int)message.n, message.p);
    if (frame->type != SPOP_FRAME_ACK)
        die("a frame of type %u", frame->type);
    if (slot == NULL || !slot->busy || frame->frame_id != NOTIFY_FIRST_ID + slot->frame)
        die("an ACK with the ids %llu and %llu, which no NOTIFY has that waits", (unsigned long long)frame->stream_id,
            (unsigned long long)frame->frame_id);
    load->result.verdicts[find_verdict(frame)]++;
    slot->busy = false;
    conn->free_slots[conn->free_n++] = (unsigned)stream;
    load->result.answered++;
    took_us = (uint64_t)(load->now_ns - slot->due_ns + 500) / 1000;
    histogram_add(&load->result.latency_us, took_us);
    if (took_us > load->result.max_us)
        load->result.max_us = took_us;
}

static void on_readable(struct spop_load *load, struct conn *conn)
{
    ssize_t           got = recv(conn->fd, conn->in + conn->in_n, sizeof conn->in - conn->in_n, 0);
    struct span       in = { conn->in, conn->in_n };
    struct spop_frame frame;
    enum spop_next    next;

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("a connection has ended: %s", got == 0 ? "closed by the agent" : strerror(errno));
    tell_time(load);
    load->result.last_ns = load->now_ns;
    load->result.ack_bytes += (size_t)got;
    in.n += (size_t)got;
    while ((next = spop_frame_next(&in, 16380, &frame)) == SPOP_NEXT_FRAME)
        on_ack(load, conn, &frame);
    if (next != SPOP_NEXT_PARTIAL)
        die("a frame that cannot be");
    memmove(conn->in, in.p, in.n);
    conn->in_n = in.n;
}

/* ---- the load ---- */

static void open_conn(struct spop_load *load, struct conn *conn)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    unsigned                 window = load->options->window;

    conn->fd = spop_client_open(load->options->address, &hello, 10000);
    if (conn->fd < 0)
        die("%s: %s", load->options->address, strerror(errno));
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    conn->slots = calloc(window, sizeof *conn->slots);
    conn->free_slots = calloc(window, sizeof *conn->free_slots);
    conn->out = malloc((size_t)window * NOTIFY_MAX);
    if (conn->slots == NULL || conn->free_slots == NULL || conn->out == NULL)
        die("out of memory");
    while (conn->free_n < window) {
        conn->free_slots[conn->free_n] = window - 1 - conn->free_n;
        conn->free_n++;
    }
    await(load, conn, EPOLL_CTL_ADD, EPOLLIN);
}

static void close_conn(struct conn *conn)
{
    char    frame[128];
    ssize_t sent = send(conn->fd, frame, spop_client_disconnect_put(frame, sizeof frame, SPOP_STATUS_NORMAL, "end"), 0);

    (void)sent; /* a courtesy */
    close(conn->fd);
    free(conn->slots);
    free(conn->free_slots);
    free(conn->out);
}

/* Gives what is due to one connection after another, each as much as it takes. */
static void issue_due(struct spop_load *load)
{
    tell_time(load);
    for (unsigned i = 0; i < load->options->connections && load->issued < load->due; i++) {
        issue(load, &load->conns[load->turn]);
        load->turn = (load->turn + 1) % load->options->connections;
    }
}

/* Until something can be done. */
static int await_events(const struct spop_load *load, struct epoll_event *events, int room)
{
    int64_t         wait_ns = PATIENCE_NS;
    struct timespec ts;
    int             n;

    /* With as much due as can be in flight, only an answer helps. */
    if (load->options->rate > 0 && load->issued == load->due && load->issued < load->total)
        wait_ns = due_at(load, load->issued) - load->now_ns;
    if (wait_ns < load->spin_ns)
        wait_ns = 0;
    ts = (struct timespec){ wait_ns / SECOND_NS, wait_ns % SECOND_NS };
    n = epoll_pwait2(load->epoll, events, room, &ts, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll: %s", strerror(errno));
    if (n == 0 && wait_ns == PATIENCE_NS)
        die("%llu answers are missing", (unsigned long long)(load->issued - load->result.answered));
    return n;
}

static bool is_over(const struct spop_load *load)
{
    uint64_t wanted = load->options->rate > 0 ? load->total : load->due;

    return load->issued >= wanted && load->result.answered == load->issued;
}

const struct spop_load_result *spop_load_run(struct spop_load *load)
{
    struct epoll_event events[64];

    load->result.start_ns = load->result.last_ns = clock_ns();
    for (issue_due(load); !is_over(load); issue_due(load)) {
        int n = await_events(load, events, sizeof events / sizeof *events);

        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;

            if (events[i].events & ~(uint32_t)EPOLLOUT)
                on_readable(load, conn);
            issue(load, conn);
        }
    }
    return &load->result;
}

struct spop_load *spop_load_open(const struct spop_load_options *options, struct notifies *notifies)
{
    struct spop_load *load = calloc(1, sizeof *load);

    if (load == NULL || (load->conns = calloc(options->connections, sizeof *load->conns)) == NULL)
        die("out of memory");
    load->options = options;
    load->notifies = notifies;
    load->total = options->requests;
    if (options->rate > 0 && (double)load->total > options->rate * options->seconds)
        load->total = (uint64_t)ceil(options->rate * options->seconds);
    load->spin_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_NS : 0;
    prctl(PR_SET_TIMERSLACK, 1); /* requests go out when they are due, not 50 us later */
    load->epoll = epoll_create1(0);
    for (unsigned i = 0; i < options->connections; i++)
        open_conn(load, &load->conns[i]);
    return load;
}

void spop_load_close(struct spop_load *load)
{
    for (unsigned i = 0; i < load->options->connections; i++)
        close_conn(&load->conns[i]);
    close(load->epoll);
    free(load->conns);
    free(load);
}
