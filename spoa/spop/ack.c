#include "spop/ack.h"

#include <assert.h>

#include "spop/frame.h"
#include "spop/varint.h"

#define ACTION_SET_VAR      1
#define ACTION_SET_VAR_ARGS 3

/* `head` is the value's type and what comes before its text, if it has one. Everything is laid out at once: of an ACK's
 * cost, which is that of eight variables, byte after byte took two thirds. */
static void set_var(struct spop_ack *ack, enum spop_scope scope, struct span name, struct span head, struct span text)
{
    struct spop_writer *w = &ack->w;
    size_t              n = 4 + name.n + head.n + text.n;
    char               *p = w->buf + w->used;

    assert(scope <= SPOP_SCOPE_RES && name.n > 0 && name.n < SPOP_VARINT_LONG);
    if (w->full || n > w->cap - w->used) {
        w->full = true;
        return;
    }
    w->used += n;
    p[0] = ACTION_SET_VAR;
    p[1] = ACTION_SET_VAR_ARGS;
    p[2] = (char)scope;
    p[3] = (char)name.n;
    memcpy(p + 4, name.p, name.n);
    memcpy(p + 4 + name.n, head.p, head.n);
    if (text.n > 0) /* an absent span has no address to copy from */
        memcpy(p + 4 + name.n + head.n, text.p, text.n);
}

static void set_number(struct spop_ack *ack, enum spop_scope scope, struct span name, enum spop_type type,
                       uint64_t number, struct span text)
{
    char head[1 + SPOP_VARINT_MAX] = { (char)type };

    set_var(ack, scope, name, (struct span){ head, 1 + spop_varint_put(head + 1, number) }, text);
}

void spop_ack_begin(struct spop_ack *ack, char *buf, size_t cap, uint64_t stream_id, uint64_t frame_id)
{
    spop_frame_begin(&ack->w, buf, cap, SPOP_FRAME_ACK, SPOP_FLAG_FIN, stream_id, frame_id);
}

void spop_ack_set_str(struct spop_ack *ack, enum spop_scope scope, struct span name, struct span value)
{
    set_number(ack, scope, name, SPOP_STRING, value.n, value);
}

void spop_ack_set_int(struct spop_ack *ack, enum spop_scope scope, struct span name, int64_t value)
{
    set_number(ack, scope, name, SPOP_INT64, (uint64_t)value, SPAN_ABSENT);
}

void spop_ack_set_bool(struct spop_ack *ack, enum spop_scope scope, struct span name, bool value)
{
    const char head = (char)(SPOP_BOOL | (value ? SPOP_FLAG_TRUE : 0));

    set_var(ack, scope, name, (struct span){ &head, 1 }, SPAN_ABSENT);
}

size_t spop_ack_end(struct spop_ack *ack)
{
    return spop_frame_end(&ack->w);
}
