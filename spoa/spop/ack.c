#include "spop/ack.h"

#include <assert.h>

#include "spop/frame.h"

#define ACTION_SET_VAR      1
#define ACTION_SET_VAR_ARGS 3

static void set_var(struct spop_ack *ack, enum spop_scope scope, struct span name, const struct spop_value *value)
{
    assert(scope <= SPOP_SCOPE_RES && name.n > 0);
    spop_write_byte(&ack->w, ACTION_SET_VAR);
    spop_write_byte(&ack->w, ACTION_SET_VAR_ARGS);
    spop_write_byte(&ack->w, scope);
    spop_write_name(&ack->w, name);
    spop_write_value(&ack->w, value);
}

void spop_ack_begin(struct spop_ack *ack, char *buf, size_t cap, uint64_t stream_id, uint64_t frame_id)
{
    spop_frame_begin(&ack->w, buf, cap, SPOP_FRAME_ACK, SPOP_FLAG_FIN, stream_id, frame_id);
}

void spop_ack_set_str(struct spop_ack *ack, enum spop_scope scope, struct span name, struct span value)
{
    set_var(ack, scope, name, &(struct spop_value){ .type = SPOP_STRING, .text = value });
}

void spop_ack_set_int(struct spop_ack *ack, enum spop_scope scope, struct span name, int64_t value)
{
    set_var(ack, scope, name, &(struct spop_value){ .type = SPOP_INT64, .sint = value });
}

void spop_ack_set_bool(struct spop_ack *ack, enum spop_scope scope, struct span name, bool value)
{
    set_var(ack, scope, name, &(struct spop_value){ .type = SPOP_BOOL, .boolean = value });
}

size_t spop_ack_end(struct spop_ack *ack)
{
    return spop_frame_end(&ack->w);
}
