#include "spop/message.h"

#include "spop/value.h"

static enum spop_iter message_bad(struct spop_message *m)
{
    m->bad = true;
    return SPOP_BAD;
}

void spop_message_init(struct spop_message *m, struct span payload)
{
    *m = (struct spop_message){ .name = SPAN_ABSENT, .rest = payload };
}

enum spop_iter spop_message_next(struct spop_message *m)
{
    struct span       name;
    struct spop_value value;
    enum spop_iter    r;

    while ((r = spop_arg_next(m, &name, &value)) == SPOP_ITEM)
        continue;
    if (r == SPOP_BAD)
        return SPOP_BAD;
    if (m->rest.n == 0)
        return SPOP_END;
    if (!spop_name_get(&m->rest, &m->name) || m->rest.n == 0)
        return message_bad(m);
    m->args = m->args_left = (unsigned char)m->rest.p[0];
    m->rest.p++;
    m->rest.n--;
    return SPOP_ITEM;
}

enum spop_iter spop_arg_next(struct spop_message *m, struct span *name, struct spop_value *value)
{
    struct span       n;
    struct spop_value v;

    if (m->bad)
        return SPOP_BAD;
    if (m->args_left == 0)
        return SPOP_END;
    if (!spop_name_get(&m->rest, &n) || !spop_value_get(&m->rest, &v))
        return message_bad(m);
    m->args_left--;
    *name = n;
    *value = v;
    return SPOP_ITEM;
}
