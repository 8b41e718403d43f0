#include "tally/sketches.h"

#include <stdlib.h>

#include "base/hash.h"

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

/* NUL, and 4 bytes of an IPv4 address, or 16 of an IPv6 network and its prefix. A network of IPv4 is nobody's. */
#define IPV4_KEY 5
#define IPV6_KEY 18

/* Hashes of a length that is known to the compiler are a few instructions. */
struct span client_key(struct address address, unsigned ipv6_prefix, uint64_t seed, char *out, uint64_t *id)
{
    out[0] = '\0';
    if (address.bits == 32) {
        memcpy(out + 1, address.bytes, 4);
        *id = XXH3_64bits_withSeed(out, IPV4_KEY, seed);
        return (struct span){ out, IPV4_KEY };
    }
    address = address_masked(address, ipv6_prefix);
    memcpy(out + 1, address.bytes, sizeof address.bytes);
    out[IPV6_KEY - 1] = (char)ipv6_prefix;
    *id = XXH3_64bits_withSeed(out, IPV6_KEY, seed);
    return (struct span){ out, IPV6_KEY };
}

struct span client_text(struct span key, char *out)
{
    struct address address;
    unsigned       prefix = 32;

    if (key.n == 0 || key.p[0] != '\0')
        return key;
    if (key.n == IPV4_KEY) {
        address = address_from_v4(key.p + 1);
    } else {
        address = address_from_v6(key.p + 1);
        prefix = (uint8_t)key.p[IPV6_KEY - 1];
    }
    return (struct span){ out, network_format(address, prefix, out) };
}

struct span client_key_of_text(struct span text, char *out)
{
    struct network network;
    uint64_t       id;
    bool           exact;

    if (!network_parse(text, &network, &exact) || !exact || (network.address.bits == 32 && network.prefix < 32))
        return text;
    return client_key(network.address, network.prefix, 0, out, &id);
}
