/* IPv4 and IPv6 addresses and networks. Pure; any thread. */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

#define ADDRESS_TEXT_MAX 64 /* bytes for an address or network as text, with its NUL */

/* In network order; an IPv4 address takes the first 4 bytes and leaves the rest zero. An IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d) never stands here: every way in makes it IPv4, so that a client is one client. */
struct address {
    uint8_t bytes[16];
    uint8_t bits; /* 32 or 128: also tells the family */
};

struct network {
    struct address address; /* bits behind the prefix are zero */
    uint8_t        prefix;
};

struct address address_from_v4(const void *bytes); /* 4 bytes, network order */
struct address address_from_v6(const void *bytes); /* 16 bytes */

/* "192.0.2.1", "2001:db8::1"; false when it is neither. */
bool address_parse(struct span text, struct address *address);

/* The address with all bits behind `prefix` cleared. Here, because it is done several times for each request. */
static inline struct address address_masked(struct address address, unsigned prefix)
{
    uint64_t half[2];

    memcpy(half, address.bytes, sizeof half);
    if (prefix < 64)
        half[0] &= ~htobe64(UINT64_MAX >> prefix);
    if (prefix < 128)
        half[1] &= prefix > 64 ? ~htobe64(UINT64_MAX >> (prefix - 64)) : 0;
    memcpy(address.bytes, half, sizeof half);
    return address;
}

/* "192.0.2.1" or "192.0.2.0/24". False when `text` is no network; a network with bits set behind its prefix is taken
 * as the network it lies in, and `*exact` says that it was not written so. */
bool network_parse(struct span text, struct network *network, bool *exact);

bool network_holds(const struct network *network, const struct address *address);

/* Into `out` of ADDRESS_TEXT_MAX bytes; returns the length. The prefix is left out when it covers the whole address. */
size_t network_format(struct address address, unsigned prefix, char *out);

#endif
