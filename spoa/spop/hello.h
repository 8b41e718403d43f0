/* The beginning and the end of a connection: HELLO and DISCONNECT. */
#ifndef SPOP_HELLO_H
#define SPOP_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "spop/frame.h"

struct spop_hello {
    uint32_t    max_frame_size; /* the lesser of HAProxy's offer and the agent's own maximum; without the prefix */
    bool        pipelining;     /* HAProxy offers it */
    bool        healthcheck;    /* the connection is only a check: answer AGENT-HELLO and close */
    struct span engine_id;      /* borrows; absent when HAProxy named none */
};

/* Reads the payload of a HAPROXY-HELLO. `own_max_frame` is what the agent accepts, SPOP_FRAME_SIZE_MIN to UINT32_MAX.
 * SPOP_STATUS_NORMAL, or the status to disconnect with, the first that holds of:
 *
 *   INVALID            the list is malformed, a known key comes twice, or its value (but the size) is of a wrong type
 *   NO_VERSION         no supported-versions       BAD_VERSION     no 2 or 2.N among them
 *   NO_FRAME_SIZE      no max-frame-size           BAD_FRAME_SIZE  no integer from SPOP_FRAME_SIZE_MIN to UINT32_MAX
 *   NO_CAPABILITIES    no capabilities; an empty list is none of the agent's business
 *
 * Unknown keys and capabilities are skipped. `hello` is set only by SPOP_STATUS_NORMAL. The frame's type, ids and FIN
 * flag are the caller's to check. */
enum spop_status spop_hello_parse(struct span payload, size_t own_max_frame, struct spop_hello *hello);

/* Both write a whole frame, length prefix included, and return its bytes, 0 when they do not fit into `cap`. Hand an
 * AGENT-HELLO to one write(): some versions of HAProxy drop the connection when it comes in pieces. */

#define SPOP_AGENT_HELLO_MAX 128 /* bytes that always hold an AGENT-HELLO */

/* Version 2.0, and `pipelining` as the only capability, or none. `max_frame_size` and `pipelining` as parsed. */
size_t spop_agent_hello_put(char *out, size_t cap, uint32_t max_frame_size, bool pipelining);

#define SPOP_AGENT_DISCONNECT_MAX 128 /* bytes that always hold one with a message of spop_status_text() */

/* `message` NULL: spop_status_text(status). */
size_t spop_agent_disconnect_put(char *out, size_t cap, enum spop_status status, const char *message);

/* Reads the payload of a HAPROXY-DISCONNECT. False when it is malformed or has no status. `status` is any number, also
 * one that enum spop_status does not know; `message` borrows, is unprintable at will, and absent when there is none. */
bool spop_disconnect_parse(struct span payload, uint32_t *status, struct span *message);

#endif
