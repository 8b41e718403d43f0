/* The least that an agent can do, as a yardstick: one thread that reads frame headers only and answers each NOTIFY with
 * a constant ACK. What HAProxy achieves with it is the most that it can achieve with any agent.
 *
 *   null_agent PORT|unix:/path [full]
 *
 * The ACK has the verdict only. `full`: also the variables of a request that a limit applies to, because HAProxy pays
 * for each of them and for what its configuration does with it, whoever sends them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "spop/ack.h"
#include "spop/frame.h"
#include "spop/hello.h"
#include "spop/writer.h"

#define BUFFER_SIZE ((size_t)128 * 1024)

struct client {
    int    fd;
    size_t have;
    char   in[BUFFER_SIZE];
};

static char out[BUFFER_SIZE];

/* The actions of every ACK. */
static char        actions_room[256];
static struct span actions;

#define ACK_MAX (SPOP_HEAD_MAX + sizeof actions_room)

static void set_int(struct spop_ack *ack, const char *name, int64_t value)
{
    spop_ack_set_int(ack, SPOP_SCOPE_TXN, span_of(name), value);
}

static void make_actions(bool full)
{
    struct spop_ack   ack;
    struct spop_frame frame;
    struct span       in;

    spop_ack_begin(&ack, actions_room, sizeof actions_room, 0, 0);
    spop_ack_set_str(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("verdict"), SPAN_LITERAL("allow"));
    if (full) {
        /* As large as the answers of the measurement through HAProxy. */
        set_int(&ack, "rule", 1001);
        set_int(&ack, "limit", 1000000000);
        set_int(&ack, "remaining", 999990000);
        set_int(&ack, "reset", 60);
        set_int(&ack, "window", 60);
        spop_ack_set_str(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("policy"), SPAN_LITERAL("r1001"));
    }
    in = (struct span){ actions_room, spop_ack_end(&ack) };
    spop_frame_next(&in, sizeof actions_room, &frame);
    actions = frame.payload;
}

/* False: the connection is to be closed. */
static bool answer(const struct spop_frame *frame, size_t *n)
{
    struct spop_hello  hello;
    struct spop_writer w;

    if (frame->type == SPOP_FRAME_HAPROXY_HELLO) {
        if (spop_hello_parse(frame->payload, 16380, &hello) != SPOP_STATUS_NORMAL)
            return false;
        *n += spop_agent_hello_put(out + *n, SPOP_AGENT_HELLO_MAX, hello.max_frame_size, hello.pipelining);
        return !hello.healthcheck;
    }
    if (frame->type != SPOP_FRAME_NOTIFY)
        return false;
    spop_frame_begin(&w, out + *n, ACK_MAX, SPOP_FRAME_ACK, SPOP_FLAG_FIN, frame->stream_id, frame->frame_id);
    spop_write_bytes(&w, actions.p, actions.n);
    *n += spop_frame_end(&w);
    return true;
}

/* False: the peer has gone. */
static bool flush(const struct client *client, size_t *n)
{
    bool done = send(client->fd, out, *n, MSG_NOSIGNAL) == (ssize_t)*n;

    *n = 0;
    return done;
}

static bool serve(struct client *client)
{
    ssize_t           got = read(client->fd, client->in + client->have, sizeof client->in - client->have);
    struct span       in = { client->in, client->have + (size_t)(got > 0 ? got : 0) };
    struct spop_frame frame;
    size_t            n = 0;
    bool              open = got > 0;

    while (open && spop_frame_next(&in, 65536, &frame) == SPOP_NEXT_FRAME) {
        open = answer(&frame, &n);
        if (n > sizeof out - ACK_MAX && !flush(client, &n))
            return false;
    }
    if (n > 0 && !flush(client, &n))
        return false;
    memmove(client->in, in.p, in.n);
    client->have = in.n;
    return open;
}

static int listen_on(const char *address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(address)),
                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    bool               is_unix = strncmp(address, "unix:", 5) == 0;
    int                fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0), on = 1, bound;

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", is_unix ? address + 5 : "");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bound = is_unix ? bind(fd, (struct sockaddr *)&sun, sizeof sun) : bind(fd, (struct sockaddr *)&sin, sizeof sin);
    if (bound == 0 && listen(fd, 1024) == 0)
        return fd;
    perror(address);
    exit(2);
}

int main(int argc, char **argv)
{
    bool               full = argc == 3 && strcmp(argv[2], "full") == 0;
    struct epoll_event events[64], event = { .events = EPOLLIN };
    int                listener, loop = epoll_create1(0), on = 1;

    if (argc != 2 && !full) {
        fputs("null_agent PORT|unix:/path [full]\n", stderr);
        return 2;
    }
    make_actions(full);
    listener = listen_on(argv[1]);
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(loop, events, 64, -1);

        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;

            if (client == NULL) {
                client = calloc(1, sizeof *client);
                client->fd = accept(listener, NULL, NULL);
                setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                event.data.ptr = client;
                epoll_ctl(loop, EPOLL_CTL_ADD, client->fd, &event);
            } else if (!serve(client)) {
                close(client->fd);
                free(client);
            }
        }
    }
}
