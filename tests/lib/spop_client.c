#include "lib/spop_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- encoding ---------------------------------------------------------------------------------- */

struct spop_client_arg spop_client_arg_ip(const char *name, const char *ip)
{
    struct spop_client_arg arg = { .name = name };

    if (inet_pton(AF_INET, ip, &arg.value.ipv4) == 1) {
        arg.value.type = SPOP_IPV4;
    } else if (inet_pton(AF_INET6, ip, &arg.value.ipv6) == 1) {
        arg.value.type = SPOP_IPV6;
    } else {
        fprintf(stderr, "spop_client: \"%s\" is no address\n", ip);
        exit(2);
    }
    return arg;
}

static void put_key(struct spop_writer *w, const char *name, struct spop_value value)
{
    spop_write_name(w, span_of(name));
    spop_write_value(w, &value);
}

static void put_text(struct spop_writer *w, const char *name, const char *text)
{
    if (text != NULL)
        put_key(w, name, (struct spop_value){ .type = SPOP_STRING, .text = span_of(text) });
}

size_t spop_client_hello_put(char *out, size_t cap, const struct spop_client_hello *hello)
{
    struct spop_writer w;

    spop_frame_begin(&w, out, cap, SPOP_FRAME_HAPROXY_HELLO, SPOP_FLAG_FIN, 0, 0);
    put_text(&w, "supported-versions", hello->versions);
    if (hello->max_frame_size >= 0)
        put_key(&w, "max-frame-size",
                (struct spop_value){ .type = SPOP_UINT32, .uint = (uint64_t)hello->max_frame_size });
    put_text(&w, "capabilities", hello->capabilities);
    if (hello->healthcheck)
        put_key(&w, "healthcheck", (struct spop_value){ .type = SPOP_BOOL, .boolean = true });
    put_text(&w, "engine-id", hello->engine_id);
    return spop_frame_end(&w);
}

size_t spop_client_disconnect_put(char *out, size_t cap, uint32_t status, const char *message)
{
    struct spop_writer w;

    spop_frame_begin(&w, out, cap, SPOP_FRAME_HAPROXY_DISCONNECT, SPOP_FLAG_FIN, 0, 0);
    put_key(&w, "status-code", (struct spop_value){ .type = SPOP_UINT32, .uint = status });
    put_text(&w, "message", message);
    return spop_frame_end(&w);
}

void spop_client_message_put(struct spop_writer *w, const char *message, const struct spop_client_arg *args, size_t n)
{
    spop_write_name(w, span_of(message));
    spop_write_byte(w, (unsigned)n);
    for (size_t i = 0; i < n; i++)
        put_key(w, args[i].name, args[i].value);
}

size_t spop_client_notify_put(char *out, size_t cap, uint64_t stream_id, uint64_t frame_id, const char *message,
                              const struct spop_client_arg *args, size_t n)
{
    struct spop_writer w;

    spop_frame_begin(&w, out, cap, SPOP_FRAME_NOTIFY, SPOP_FLAG_FIN, stream_id, frame_id);
    spop_client_message_put(&w, message, args, n);
    return spop_frame_end(&w);
}

/* ---- parsing ----------------------------------------------------------------------------------- */

/* The next key must be this one, of this type: the agent's frames have a fixed form. */
static bool get_key(struct span *in, const char *key, enum spop_type type, struct spop_value *value)
{
    struct span name;

    return spop_name_get(in, &name) && span_eq(name, span_of(key)) && spop_value_get(in, value) && value->type == type;
}

static bool is_control(const struct spop_frame *frame, enum spop_frame_type type)
{
    return frame->type == type && frame->flags == SPOP_FLAG_FIN && frame->stream_id == 0 && frame->frame_id == 0;
}

bool spop_client_agent_hello_parse(const struct spop_frame *frame, struct spop_client_agent_hello *hello)
{
    struct span       in = frame->payload;
    struct spop_value version, size, capabilities;

    if (!is_control(frame, SPOP_FRAME_AGENT_HELLO) || !get_key(&in, "version", SPOP_STRING, &version) ||
        !get_key(&in, "max-frame-size", SPOP_UINT32, &size) ||
        !get_key(&in, "capabilities", SPOP_STRING, &capabilities) || in.n != 0)
        return false;
    *hello = (struct spop_client_agent_hello){ version.text, size.uint, capabilities.text };
    return true;
}

bool spop_client_agent_disconnect_parse(const struct spop_frame *frame, uint32_t *status, struct span *message)
{
    struct span       in = frame->payload;
    struct spop_value code, text;

    if (!is_control(frame, SPOP_FRAME_AGENT_DISCONNECT) || !get_key(&in, "status-code", SPOP_UINT32, &code) ||
        !get_key(&in, "message", SPOP_STRING, &text) || in.n != 0)
        return false;
    *status = (uint32_t)code.uint;
    *message = text.text;
    return true;
}

bool spop_client_ack_parse(const struct spop_frame *frame, struct spop_client_ack *ack)
{
    struct span in = frame->payload;

    ack->n = 0;
    if (frame->type != SPOP_FRAME_ACK || frame->flags != SPOP_FLAG_FIN)
        return false;
    while (in.n > 0) {
        struct spop_client_var *var;

        /* ACTION-SET-VAR with its three arguments. */
        if (in.n < 3 || in.p[0] != 1 || in.p[1] != 3 || (unsigned char)in.p[2] > 4 ||
            ack->n == sizeof ack->vars / sizeof ack->vars[0])
            return false;
        var = &ack->vars[ack->n++];
        var->scope = (unsigned char)in.p[2];
        in.p += 3;
        in.n -= 3;
        if (!spop_name_get(&in, &var->name) || in.n == 0)
            return false;
        /* HAProxy wants no flags but the boolean's. */
        if ((in.p[0] & 0xF0) != 0 && in.p[0] != 0x11)
            return false;
        if (!spop_value_get(&in, &var->value))
            return false;
    }
    return true;
}

const struct spop_value *spop_client_ack_find(const struct spop_client_ack *ack, const char *name)
{
    for (size_t i = 0; i < ack->n; i++) {
        if (ack->vars[i].scope == 2 && span_eq(ack->vars[i].name, span_of(name)))
            return &ack->vars[i].value;
    }
    return NULL;
}

/* ---- the wire ---------------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int                fd;

    if (strlen(path) >= sizeof sun.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun, sizeof sun) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Tries each address that the name has; errno is that of the last. */
static int connect_tcp(const char *host, const char *port)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list;
    int              fd = -1, one = 1, saved = ECONNREFUSED;

    if (getaddrinfo(host, port, &hints, &list) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        saved = errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        errno = saved;
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int spop_client_connect(const char *address)
{
    char        host[256];
    const char *colon = strrchr(address, ':');
    size_t      n;

    if (strncmp(address, "unix:", 5) == 0)
        return connect_unix(address + 5);
    n = colon == NULL ? 0 : (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    if (n == 0 || n >= sizeof host) {
        errno = EINVAL;
        return -1;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    return connect_tcp(host, colon + 1);
}

bool spop_client_send(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* At most `n` bytes before `deadline_ms`: how many, 0 at the peer's end, -1 with errno. */
static ssize_t receive_some(int fd, char *buf, size_t n, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int64_t       left = deadline_ms - now_ms();
        int           ready = poll(&pfd, 1, left > 0 ? (int)left : 0);
        ssize_t       got;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready <= 0)
            return -1;
        got = recv(fd, buf, n, MSG_DONTWAIT);
        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            return got;
    }
}

bool spop_client_receive(int fd, char *buf, size_t cap, int timeout_ms, struct spop_frame *frame)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    size_t  have = 0;

    for (;;) {
        struct span in = { buf, have };
        /* Never more than this frame: what follows stays in the socket for the next call. */
        size_t      wanted = have < SPOP_PREFIX_SIZE ? SPOP_PREFIX_SIZE : spop_frame_size(in);
        ssize_t     got;

        switch (spop_frame_next(&in, cap < SPOP_PREFIX_SIZE ? 0 : cap - SPOP_PREFIX_SIZE, frame)) {
        case SPOP_NEXT_FRAME:
            return true;
        case SPOP_NEXT_PARTIAL:
            break;
        default:
            errno = EPROTO;
            return false;
        }
        got = receive_some(fd, buf + have, wanted - have, deadline_ms);
        if (got < 0)
            return false;
        if (got == 0) {
            errno = have == 0 ? 0 : EPROTO;
            return false;
        }
        have += (size_t)got;
    }
}

int spop_client_open(const char *address, const struct spop_client_hello *hello, int timeout_ms)
{
    char                           buf[1024];
    struct spop_frame              frame;
    struct spop_client_agent_hello answer;
    int                            saved, fd = spop_client_connect(address);

    if (fd < 0)
        return -1;
    if (spop_client_send(fd, buf, spop_client_hello_put(buf, sizeof buf, hello)) &&
        spop_client_receive(fd, buf, sizeof buf, timeout_ms, &frame)) {
        if (spop_client_agent_hello_parse(&frame, &answer))
            return fd;
        errno = EPROTO;
    }
    saved = errno != 0 ? errno : EPROTO;
    close(fd);
    errno = saved;
    return -1;
}
