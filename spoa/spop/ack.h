/* Assembling an ACK in place: the actions that answer one NOTIFY.
 *
 * Writing past the room is not an error of its own: what does not fit is remembered, and spop_ack_end() returns 0. */
#ifndef SPOP_ACK_H
#define SPOP_ACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "spop/writer.h"

/* Where a variable lives; the numbers are those of the protocol. */
enum spop_scope {
    SPOP_SCOPE_PROC = 0,
    SPOP_SCOPE_SESS = 1,
    SPOP_SCOPE_TXN = 2,
    SPOP_SCOPE_REQ = 3,
    SPOP_SCOPE_RES = 4
};

struct spop_ack {
    struct spop_writer w; /* private */
};

/* Starts a frame at `buf`, which must stay until spop_ack_end(). `cap` is the room there, and no more than the
 * negotiated frame size + SPOP_PREFIX_SIZE. The ids are those of the NOTIFY, unchanged. */
void spop_ack_begin(struct spop_ack *ack, char *buf, size_t cap, uint64_t stream_id, uint64_t frame_id);

/* One ACTION-SET-VAR. HAProxy puts its prefix before `name`, and drops what exceeds 63 bytes with scope and prefix. Put
 * at least one into every ACK: early HAProxy 3.1 hangs on an empty one. */
void spop_ack_set_str(struct spop_ack *ack, enum spop_scope scope, struct span name, struct span value);
void spop_ack_set_int(struct spop_ack *ack, enum spop_scope scope, struct span name, int64_t value);
void spop_ack_set_bool(struct spop_ack *ack, enum spop_scope scope, struct span name, bool value);

/* Fills in the length and returns the bytes of the frame, length prefix included; 0 when they did not fit. */
size_t spop_ack_end(struct spop_ack *ack);

#endif
