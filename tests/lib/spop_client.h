/* HAProxy's side of SPOP, for protocol tests, the load generator and fuzz seeds. Plain and blocking.
 *
 * Encoders write a whole frame, length prefix included, and return its bytes, 0 when they do not fit. Everything parsed
 * borrows from the frame. */
#ifndef TESTS_LIB_SPOP_CLIENT_H
#define TESTS_LIB_SPOP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "spop/frame.h"
#include "spop/value.h"
#include "spop/writer.h"

/* A key that is NULL (max_frame_size: negative) is left out. */
struct spop_client_hello {
    const char *versions;
    int64_t     max_frame_size;
    const char *capabilities;
    bool        healthcheck; /* left out when false */
    const char *engine_id;
};

/* What HAProxy 3.0 sends by default. */
#define SPOP_CLIENT_HELLO ((struct spop_client_hello){ "2.0", 16380, "pipelining,async", false, "engine-1" })

struct spop_client_arg {
    const char       *name;
    struct spop_value value;
};

/* clang-format off */
#define SPOP_ARG_STR(name, s) ((struct spop_client_arg){ (name), { .type = SPOP_STRING, .text = span_of(s) } })
#define SPOP_ARG_INT(name, i) ((struct spop_client_arg){ (name), { .type = SPOP_INT64, .sint = (i) } })
#define SPOP_ARG_BOOL(name, b) ((struct spop_client_arg){ (name), { .type = SPOP_BOOL, .boolean = (b) } })
#define SPOP_ARG_NULL(name) ((struct spop_client_arg){ (name), { .type = SPOP_NULL } })
/* clang-format on */

/* An IPv4 or IPv6 value, by what `ip` looks like; exits when it is neither. */
struct spop_client_arg spop_client_arg_ip(const char *name, const char *ip);

size_t spop_client_hello_put(char *out, size_t cap, const struct spop_client_hello *hello);
size_t spop_client_disconnect_put(char *out, size_t cap, uint32_t status, const char *message);

/* A NOTIFY of one message. For several: spop_frame_begin(), one spop_client_message_put() each, spop_frame_end(). */
size_t spop_client_notify_put(char *out, size_t cap, uint64_t stream_id, uint64_t frame_id, const char *message,
                              const struct spop_client_arg *args, size_t n);
void spop_client_message_put(struct spop_writer *w, const char *message, const struct spop_client_arg *args, size_t n);

struct spop_client_agent_hello {
    struct span version;
    uint64_t    max_frame_size;
    struct span capabilities;
};

struct spop_client_ack {
    size_t n; /* of vars, in the order of the frame */
    struct spop_client_var {
        unsigned          scope; /* enum spop_scope */
        struct span       name;
        struct spop_value value;
    } vars[32];
};

/* False when the frame is of another type or not exactly as the specification says. */
bool spop_client_agent_hello_parse(const struct spop_frame *frame, struct spop_client_agent_hello *hello);
bool spop_client_agent_disconnect_parse(const struct spop_frame *frame, uint32_t *status, struct span *message);
bool spop_client_ack_parse(const struct spop_frame *frame, struct spop_client_ack *ack);

/* The variable's value in scope txn, or NULL. */
const struct spop_value *spop_client_ack_find(const struct spop_client_ack *ack, const char *name);

/* A connected socket to "host:port", "[v6]:port" or "unix:/path", or -1 with errno. TCP_NODELAY is set. */
int spop_client_connect(const char *address);

/* All of it, or false with errno. */
bool spop_client_send(int fd, const void *bytes, size_t n);

/* The next frame into `buf`. False with errno: ETIMEDOUT when it is not complete after `timeout_ms`, 0 when the peer
 * has closed before its first byte, EPROTO when it is malformed, exceeds `cap` or breaks off. */
bool spop_client_receive(int fd, char *buf, size_t cap, int timeout_ms, struct spop_frame *frame);

/* Connects and shakes hands: the socket, or -1 with errno, EPROTO when the answer is no AGENT-HELLO. */
int spop_client_open(const char *address, const struct spop_client_hello *hello, int timeout_ms);

#endif
