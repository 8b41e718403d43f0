/* The least that an agent can do, as a yardstick: one thread that reads frame headers only and answers each NOTIFY with a
 * constant ACK. What HAProxy achieves with it is the most that it can achieve with any agent.
 *
 *   null_agent PORT */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "spop/ack.h"
#include "spop/frame.h"
#include "spop/hello.h"

#define BUFFER_SIZE ((size_t)128 * 1024)

struct client {
    int    fd;
    size_t have;
    char   in[BUFFER_SIZE];
};

static char out[2 * BUFFER_SIZE];

/* False: the connection is to be closed. */
static bool answer(const struct spop_frame *frame, size_t *n)
{
    struct spop_hello hello;
    struct spop_ack   ack;

    if (frame->type == SPOP_FRAME_HAPROXY_HELLO) {
        if (spop_hello_parse(frame->payload, 16380, &hello) != SPOP_STATUS_NORMAL)
            return false;
        *n += spop_agent_hello_put(out + *n, SPOP_AGENT_HELLO_MAX, hello.max_frame_size, hello.pipelining);
        return !hello.healthcheck;
    }
    if (frame->type != SPOP_FRAME_NOTIFY)
        return false;
    spop_ack_begin(&ack, out + *n, 256, frame->stream_id, frame->frame_id);
    spop_ack_set_str(&ack, SPOP_SCOPE_TXN, SPAN_LITERAL("verdict"), SPAN_LITERAL("allow"));
    *n += spop_ack_end(&ack);
    return true;
}

static bool serve(struct client *client)
{
    ssize_t           got = read(client->fd, client->in + client->have, sizeof client->in - client->have);
    struct span       in = { client->in, client->have + (size_t)(got > 0 ? got : 0) };
    struct spop_frame frame;
    size_t            n = 0;
    bool              open = got > 0;

    while (open && spop_frame_next(&in, 65536, &frame) == SPOP_NEXT_FRAME)
        open = answer(&frame, &n) && n < sizeof out - 512;
    if (n > 0 && write(client->fd, out, n) != (ssize_t)n)
        return false;
    memmove(client->in, in.p, in.n);
    client->have = in.n;
    return open;
}

static int listen_on(int port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int                fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 1024) == 0)
        return fd;
    perror("null_agent");
    exit(2);
}

int main(int argc, char **argv)
{
    int                listener = listen_on(argc == 2 ? atoi(argv[1]) : 0);
    int                loop = epoll_create1(0), on = 1;
    struct epoll_event events[64], event = { .events = EPOLLIN };

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
