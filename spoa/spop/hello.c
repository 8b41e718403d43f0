#include "spop/hello.h"

#include <assert.h>

#include "spop/value.h"
#include "spop/writer.h"

#define VERSION "2.0"

/* A key that a list may hold, and where its value goes. */
struct key {
    struct span       name;
    enum spop_type    type; /* SPOP_NULL: the caller judges the type */
    bool              seen;
    struct spop_value value;
};

#define KEY(text, kind) ((struct key){ .name = SPAN_LITERAL(text), .type = (kind) })

/* Reads a whole KV-LIST. False when it is malformed, or a key of `keys` comes twice or with a wrong type. */
static bool keys_get(struct span list, struct key *keys, size_t n)
{
    while (list.n > 0) {
        struct span       name;
        struct spop_value value;

        if (!spop_name_get(&list, &name) || !spop_value_get(&list, &value))
            return false;
        for (size_t i = 0; i < n; i++) {
            struct key *k = &keys[i];

            if (!span_eq(name, k->name))
                continue;
            if (k->seen || (k->type != SPOP_NULL && k->type != value.type))
                return false;
            k->seen = true;
            k->value = value;
        }
    }
    return true;
}

/* HAProxy takes any integer type where the specification says UINT32, so the agent does too. */
static bool as_uint32(const struct spop_value *value, uint32_t *out)
{
    switch (value->type) {
    case SPOP_INT32:
    case SPOP_INT64:
        *out = (uint32_t)value->sint;
        return value->sint >= 0 && value->sint <= UINT32_MAX;
    case SPOP_UINT32:
    case SPOP_UINT64:
        *out = (uint32_t)value->uint;
        return value->uint <= UINT32_MAX;
    default:
        return false;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next item, without the blanks around it, off a comma list. False at its end. */
static bool list_next(struct span *list, struct span *item)
{
    const char *comma;

    if (list->p == NULL)
        return false;
    *item = *list;
    comma = list->n == 0 ? NULL : memchr(list->p, ',', list->n);
    if (comma == NULL) {
        *list = SPAN_ABSENT;
    } else {
        item->n = (size_t)(comma - list->p);
        list->p += item->n + 1;
        list->n -= item->n + 1;
    }
    for (; item->n > 0 && is_blank(item->p[0]); item->p++)
        item->n--;
    while (item->n > 0 && is_blank(item->p[item->n - 1]))
        item->n--;
    return true;
}

/* "2.N" for any N, because who announces a version speaks all earlier ones of the same major; and "2", a harmless
 * shorthand. */
static bool is_version_2(struct span item)
{
    if (item.n == 0 || item.p[0] != '2')
        return false;
    if (item.n == 1)
        return true;
    if (item.n == 2 || item.p[1] != '.')
        return false;
    for (size_t i = 2; i < item.n; i++) {
        if (item.p[i] < '0' || item.p[i] > '9')
            return false;
    }
    return true;
}

static bool list_has_version_2(struct span list)
{
    struct span item;

    while (list_next(&list, &item)) {
        if (is_version_2(item))
            return true;
    }
    return false;
}

static bool list_has(struct span list, struct span wanted)
{
    struct span item;

    while (list_next(&list, &item)) {
        if (span_eq(item, wanted))
            return true;
    }
    return false;
}

enum spop_status spop_hello_parse(struct span payload, size_t own_max_frame, struct spop_hello *hello)
{
    enum { VERSIONS, FRAME_SIZE, CAPABILITIES, HEALTHCHECK, ENGINE_ID, KEYS };
    /* clang-format off */
    struct key keys[KEYS] = {
        [VERSIONS] = KEY("supported-versions", SPOP_STRING),
        [FRAME_SIZE] = KEY("max-frame-size", SPOP_NULL),
        [CAPABILITIES] = KEY("capabilities", SPOP_STRING),
        [HEALTHCHECK] = KEY("healthcheck", SPOP_BOOL),
        [ENGINE_ID] = KEY("engine-id", SPOP_STRING),
    };
    /* clang-format on */
    uint32_t offered;

    assert(own_max_frame >= SPOP_FRAME_SIZE_MIN && own_max_frame <= UINT32_MAX);
    if (!keys_get(payload, keys, KEYS))
        return SPOP_STATUS_INVALID;
    if (!keys[VERSIONS].seen)
        return SPOP_STATUS_NO_VERSION;
    if (!list_has_version_2(keys[VERSIONS].value.text))
        return SPOP_STATUS_BAD_VERSION;
    if (!keys[FRAME_SIZE].seen)
        return SPOP_STATUS_NO_FRAME_SIZE;
    if (!as_uint32(&keys[FRAME_SIZE].value, &offered) || offered < SPOP_FRAME_SIZE_MIN)
        return SPOP_STATUS_BAD_FRAME_SIZE;
    if (!keys[CAPABILITIES].seen)
        return SPOP_STATUS_NO_CAPABILITIES;

    *hello = (struct spop_hello){
        .max_frame_size = offered < own_max_frame ? offered : (uint32_t)own_max_frame,
        .pipelining = list_has(keys[CAPABILITIES].value.text, SPAN_LITERAL("pipelining")),
        .healthcheck = keys[HEALTHCHECK].seen && keys[HEALTHCHECK].value.boolean,
        .engine_id = keys[ENGINE_ID].seen ? keys[ENGINE_ID].value.text : SPAN_ABSENT,
    };
    return SPOP_STATUS_NORMAL;
}

static void write_key(struct spop_writer *w, struct span name, struct spop_value value)
{
    spop_write_name(w, name);
    spop_write_value(w, &value);
}

size_t spop_agent_hello_put(char *out, size_t cap, uint32_t max_frame_size, bool pipelining)
{
    struct span        capabilities = pipelining ? SPAN_LITERAL("pipelining") : SPAN_LITERAL("");
    struct spop_writer w;

    /* HAProxy matches the keys by prefix, so one of our own could be taken for another. */
    spop_frame_begin(&w, out, cap, SPOP_FRAME_AGENT_HELLO, SPOP_FLAG_FIN, 0, 0);
    write_key(&w, SPAN_LITERAL("version"), (struct spop_value){ .type = SPOP_STRING, .text = SPAN_LITERAL(VERSION) });
    write_key(&w, SPAN_LITERAL("max-frame-size"), (struct spop_value){ .type = SPOP_UINT32, .uint = max_frame_size });
    write_key(&w, SPAN_LITERAL("capabilities"), (struct spop_value){ .type = SPOP_STRING, .text = capabilities });
    return spop_frame_end(&w);
}

size_t spop_agent_disconnect_put(char *out, size_t cap, enum spop_status status, const char *message)
{
    struct span        text = span_of(message != NULL ? message : spop_status_text(status));
    struct spop_writer w;

    spop_frame_begin(&w, out, cap, SPOP_FRAME_AGENT_DISCONNECT, SPOP_FLAG_FIN, 0, 0);
    write_key(&w, SPAN_LITERAL("status-code"), (struct spop_value){ .type = SPOP_UINT32, .uint = status });
    write_key(&w, SPAN_LITERAL("message"), (struct spop_value){ .type = SPOP_STRING, .text = text });
    return spop_frame_end(&w);
}

bool spop_disconnect_parse(struct span payload, uint32_t *status, struct span *message)
{
    enum { STATUS, MESSAGE, KEYS };
    struct key keys[KEYS] = {
        [STATUS] = KEY("status-code", SPOP_NULL),
        [MESSAGE] = KEY("message", SPOP_STRING),
    };
    uint32_t code;

    if (!keys_get(payload, keys, KEYS) || !keys[STATUS].seen || !as_uint32(&keys[STATUS].value, &code))
        return false;
    *status = code;
    *message = keys[MESSAGE].seen ? keys[MESSAGE].value.text : SPAN_ABSENT;
    return true;
}
