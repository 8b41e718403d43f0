#include "tally/sketches.h"

#include <stdlib.h>

struct sketches *sketches_new(void)
{
    struct sketches *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->clients = topk_new(SKETCH_KEYS, SKETCH_CLIENT);
    s->paths = topk_new(SKETCH_KEYS, SKETCH_PATH);
    if (s->clients != NULL && s->paths != NULL)
        return s;
    sketches_free(s);
    return NULL;
}

void sketches_free(struct sketches *s)
{
    if (s == NULL)
        return;
    topk_free(s->clients);
    topk_free(s->paths);
    free(s);
}

void sketches_clear(struct sketches *s)
{
    topk_clear(s->clients);
    topk_clear(s->paths);
    s->distinct = (struct distinct){ 0 };
}

void sketches_copy(struct sketches *into, const struct sketches *from)
{
    topk_copy(into->clients, from->clients);
    topk_copy(into->paths, from->paths);
    into->distinct = from->distinct;
}

void sketches_merge(struct sketches *into, const struct sketches *from)
{
    topk_merge(into->clients, from->clients);
    topk_merge(into->paths, from->paths);
    distinct_merge(&into->distinct, &from->distinct);
}

static struct span network_key(const struct network *network, char *out)
{
    out[0] = '\0';
    memcpy(out + 1, network, sizeof *network);
    return (struct span){ out, CLIENT_KEY_MAX };
}

struct span client_key(struct address address, unsigned ipv6_prefix, char *out)
{
    unsigned       prefix = address.bits == 128 ? ipv6_prefix : address.bits;
    struct network network = { .address = address, .prefix = (uint8_t)prefix };

    if (prefix < address.bits)
        network.address = address_masked(address, prefix);
    return network_key(&network, out);
}

struct span client_text(struct span key, char *out)
{
    struct network network;

    if (key.n != CLIENT_KEY_MAX || key.p[0] != '\0')
        return key;
    memcpy(&network, key.p + 1, sizeof network);
    return (struct span){ out, network_format(network.address, network.prefix, out) };
}

struct span client_key_of_text(struct span text, char *out)
{
    struct network network;
    bool           exact;

    if (!network_parse(text, &network, &exact) || !exact)
        return text;
    return network_key(&network, out);
}
