/* The first byte chooses a --column, the rest is a published list of addresses: whatever it is, each line is counted at
 * most once, cutting it elsewhere changes nothing, and the agent takes what comes out of it. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lists/address_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct networks            networks;
    struct address_file_counts counts;
    uint64_t                   refused;
    size_t                     networks_n;
    uint64_t                   sum; /* of the networks' texts */
    bool                       usable;
    uint64_t                   lines; /* of the input */
};

static void count_refused(void *context, uint64_t line, struct span text, const char *reason)
{
    struct outcome *outcome = context;

    assert(line >= 1 && line <= outcome->lines && reason[0] != '\0');
    for (size_t i = 0; text.p != NULL && i < text.n; i++)
        outcome->sum += (unsigned char)text.p[i]; /* each byte can be read */
    outcome->refused++;
}

static bool check_network(void *context, const struct network *network)
{
    struct outcome *outcome = context;
    char            text[ADDRESS_TEXT_MAX];
    struct network  again;
    size_t          n = network_format(network->address, network->prefix, text);
    bool            exact;

    assert(network_parse((struct span){ text, n }, &again, &exact) && exact);
    for (size_t i = 0; i < n; i++)
        outcome->sum = outcome->sum * 31 + (unsigned char)text[i];
    outcome->networks_n++;
    return true;
}

static struct outcome read_all(const char *column, const uint8_t *data, size_t size, size_t piece)
{
    struct outcome       outcome = { .lines = size > 0 && data[size - 1] != '\n' };
    struct address_file *file = address_file_new(column, &outcome.networks, count_refused, &outcome);

    for (size_t i = 0; i < size; i++)
        outcome.lines += data[i] == '\n';
    for (size_t at = 0; at < size; at += piece) {
        /* A block of just this size, so that a sanitizer sees any byte that is read beyond. */
        size_t n = size - at < piece ? size - at : piece;
        char  *block = malloc(n);
        bool   more;

        assert(block != NULL);
        memcpy(block, data + at, n);
        more = address_file_feed(file, (struct span){ block, n });
        free(block);
        if (!more)
            break;
    }
    outcome.usable = address_file_end(file, &outcome.counts) == NULL;
    address_file_free(file);
    assert(outcome.counts.refused == outcome.refused && outcome.counts.lines <= outcome.lines);
    assert(outcome.counts.taken + outcome.refused <= outcome.counts.lines);
    assert(!outcome.usable || outcome.refused <= outcome.counts.taken);
    networks_merge(&outcome.networks);
    networks_each(&outcome.networks, check_network, &outcome);
    networks_fini(&outcome.networks);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const columns[] = { NULL, "1", "2", "ip", "cidr" };
    struct outcome           whole, pieces;
    const char              *column;

    if (size == 0)
        return 0;
    column = columns[data[0] % (sizeof columns / sizeof *columns)];
    whole = read_all(column, data + 1, size - 1, size);
    pieces = read_all(column, data + 1, size - 1, 7);
    assert(whole.usable == pieces.usable && whole.networks_n == pieces.networks_n && whole.sum == pieces.sum);
    assert(memcmp(&whole.counts, &pieces.counts, sizeof whole.counts) == 0);
    return 0;
}
