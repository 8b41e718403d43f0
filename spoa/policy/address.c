#include "policy/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

struct address address_from_v4(const void *bytes)
{
    struct address address = { .bits = 32 };

    memcpy(address.bytes, bytes, 4);
    return address;
}

struct address address_from_v6(const void *bytes)
{
    struct address address = { .bits = 128 };

    if (memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0)
        return address_from_v4((const uint8_t *)bytes + 12);
    memcpy(address.bytes, bytes, 16);
    return address;
}

/* `mapped`: where not NULL, says that an IPv4-mapped address was turned into IPv4. */
static bool parse(struct span text, struct address *address, bool *mapped)
{
    char    copy[ADDRESS_TEXT_MAX];
    uint8_t bytes[16];

    *mapped = false;
    if (text.p == NULL || text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *address = address_from_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) == 1) {
        *address = address_from_v6(bytes);
        *mapped = address->bits == 32;
        return true;
    }
    return false;
}

bool address_parse(struct span text, struct address *address)
{
    bool mapped;

    return parse(text, address, &mapped);
}

static bool prefix_parse(struct span digits, unsigned *prefix)
{
    if (digits.n < 1 || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0'))
        return false;
    *prefix = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        *prefix = *prefix * 10 + (unsigned)(digits.p[i] - '0');
    }
    return true;
}

bool network_parse(struct span text, struct network *network, bool *exact)
{
    const char    *slash = text.p == NULL ? NULL : memchr(text.p, '/', text.n);
    struct span    left = { text.p, slash == NULL ? text.n : (size_t)(slash - text.p) };
    struct address address;
    unsigned       prefix;
    bool           mapped;

    if (!parse(left, &address, &mapped))
        return false;
    prefix = address.bits;
    if (slash != NULL) {
        if (!prefix_parse((struct span){ slash + 1, text.n - left.n - 1 }, &prefix))
            return false;
        if (mapped) {
            /* A mapped network wider than all of IPv4 has no IPv4 form. */
            if (prefix < 96)
                return false;
            prefix -= 96;
        }
        if (prefix > address.bits)
            return false;
    }
    network->address = address_masked(address, prefix);
    network->prefix = (uint8_t)prefix;
    *exact = !mapped && memcmp(network->address.bytes, address.bytes, sizeof address.bytes) == 0;
    return true;
}

bool network_holds(const struct network *network, const struct address *address)
{
    unsigned whole = network->prefix / 8, rest = network->prefix % 8;

    if (network->address.bits != address->bits || memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->address.bytes[whole] ^ address->bytes[whole]) & (0xFF00u >> rest) & 0xFF) == 0;
}

size_t network_format(struct address address, unsigned prefix, char *out)
{
    size_t n;

    inet_ntop(address.bits == 32 ? AF_INET : AF_INET6, address.bytes, out, ADDRESS_TEXT_MAX);
    n = strlen(out);
    if (prefix < address.bits)
        n += (size_t)snprintf(out + n, ADDRESS_TEXT_MAX - n, "/%u", prefix);
    return n;
}
