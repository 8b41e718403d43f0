#include "lists/entry.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span entry_trim(struct span text)
{
    while (text.n > 0 && is_blank(text.p[text.n - 1]))
        text.n--;
    while (text.n > 0 && is_blank(text.p[0])) {
        text.p++;
        text.n--;
    }
    return text;
}

/* '#' and ';' occur in no address, so a comment needs no blank before it. */
static struct span without_comment(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '#' || text.p[i] == ';')
            text.n = i;
    return entry_trim(text);
}

bool entry_is_blank(struct span text)
{
    return without_comment(text).n == 0;
}

/* The last address of the network. */
static struct address last_of(const struct network *network)
{
    struct address last = network->address;

    for (unsigned i = network->prefix; i < last.bits; i++)
        last.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    return last;
}

static const char *parse_range(struct span from, struct span to, struct entry *entry)
{
    entry->exact = true;
    if (!address_parse(entry_trim(from), &entry->first) || !address_parse(entry_trim(to), &entry->last))
        return "not a range of two addresses";
    if (entry->first.bits != entry->last.bits)
        return "a range from IPv4 to IPv6";
    if (memcmp(entry->first.bytes, entry->last.bytes, sizeof entry->first.bytes) > 0)
        return "a range that ends before it begins";
    return NULL;
}

static const char *explain(struct span text)
{
    struct network network;
    bool           exact;

    for (size_t i = 0; i < text.n; i++) {
        if (!is_blank(text.p[i]) && text.p[i] != ',')
            continue;
        if (network_parse((struct span){ text.p, i }, &network, &exact))
            return text.p[i] == ',' ? "fields with commas: choose one with --column"
                                    : "more than an address: choose a field with --column";
        break;
    }
    return "not an address, a network or a range";
}

const char *entry_parse(struct span text, struct entry *entry)
{
    const char    *dash;
    struct network network;

    text = without_comment(text);
    dash = text.n == 0 ? NULL : memchr(text.p, '-', text.n);
    if (dash != NULL) {
        size_t n = (size_t)(dash - text.p);

        return parse_range((struct span){ text.p, n }, (struct span){ dash + 1, text.n - n - 1 }, entry);
    }
    if (!network_parse(text, &network, &entry->exact))
        return explain(text);
    entry->first = network.address;
    entry->last = last_of(&network);
    return NULL;
}
