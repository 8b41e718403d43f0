#include "lists/networks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* An address as a number: an IPv4 address is in the low 32 bits. */
struct number {
    uint64_t high, low;
};

struct networks_range {
    struct number first, last;
};

static struct number number_of(const struct address *address)
{
    uint32_t v4;
    uint64_t half[2];

    if (address->bits == 32) {
        memcpy(&v4, address->bytes, sizeof v4);
        return (struct number){ 0, be32toh(v4) };
    }
    memcpy(half, address->bytes, sizeof half);
    return (struct number){ be64toh(half[0]), be64toh(half[1]) };
}

static struct address address_of(struct number number, unsigned bits)
{
    uint32_t v4 = htobe32((uint32_t)number.low);
    uint64_t half[2] = { htobe64(number.high), htobe64(number.low) };

    return bits == 32 ? address_from_v4(&v4) : address_from_v6(half);
}

static int compare(struct number a, struct number b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

/* Behind the largest number comes 0. */
static struct number next(struct number a)
{
    a.low++;
    a.high += a.low == 0;
    return a;
}

static bool bit(struct number a, unsigned at)
{
    return (at < 64 ? a.low >> at : a.high >> (at - 64)) & 1;
}

/* The last number of the block of 2^size numbers that begins with `first`. */
static struct number end_of_block(struct number first, unsigned size)
{
    first.low |= size >= 64 ? UINT64_MAX : ((uint64_t)1 << size) - 1;
    if (size > 64)
        first.high |= size == 128 ? UINT64_MAX : ((uint64_t)1 << (size - 64)) - 1;
    return first;
}

void networks_fini(struct networks *networks)
{
    for (int family = 0; family < 2; family++)
        free(networks->ranges[family]);
    *networks = (struct networks){ .n = { 0, 0 } };
}

static int compare_ranges(const void *a, const void *b)
{
    return compare(((const struct networks_range *)a)->first, ((const struct networks_range *)b)->first);
}

static void merge_family(struct networks *networks, int family)
{
    struct networks_range *ranges = networks->ranges[family];
    size_t                 n = 0;

    if (networks->n[family] == 0)
        return;
    qsort(ranges, networks->n[family], sizeof *ranges, compare_ranges);
    for (size_t i = 1; i < networks->n[family]; i++) {
        struct networks_range *last = &ranges[n];

        /* The first comparison is for a range that ends with the largest number, behind which comes 0. */
        if (compare(ranges[i].first, last->last) <= 0 || compare(ranges[i].first, next(last->last)) == 0) {
            if (compare(ranges[i].last, last->last) > 0)
                last->last = ranges[i].last;
        } else {
            ranges[++n] = ranges[i];
        }
    }
    networks->n[family] = n + 1;
}

void networks_merge(struct networks *networks)
{
    merge_family(networks, 0);
    merge_family(networks, 1);
}

/* Merges before it takes more memory: a file that says the same again and again takes no more than one that says it
 * once. */
static bool make_room(struct networks *networks, int family)
{
    merge_family(networks, family);
    if (networks->n[family] >= NETWORKS_MAX)
        return false;
    if (networks->n[family] < networks->room[family] / 2)
        return true;
    networks->room[family] = networks->room[family] == 0 ? 1024 : networks->room[family] * 2;
    networks->ranges[family] = realloc(networks->ranges[family], networks->room[family] * sizeof **networks->ranges);
    if (networks->ranges[family] == NULL) {
        fputs("spoa-rules: out of memory\n", stderr);
        abort();
    }
    return true;
}

bool networks_add(struct networks *networks, const struct address *first, const struct address *last)
{
    int                   family = first->bits == 32 ? 0 : 1;
    struct networks_range range = { number_of(first), number_of(last) };

    assert(first->bits == last->bits && compare(range.first, range.last) <= 0);
    if (networks->n[family] == networks->room[family] && !make_room(networks, family))
        return false;
    networks->ranges[family][networks->n[family]++] = range;
    return true;
}

void networks_each(const struct networks *networks, bool (*fn)(void *context, const struct network *network),
                   void                  *context)
{
    for (int family = 0; family < 2; family++) {
        unsigned bits = family == 0 ? 32 : 128;

        for (size_t i = 0; i < networks->n[family]; i++) {
            struct networks_range range = networks->ranges[family][i];
            struct number         end;

            /* The largest block that begins with the first number and lies within the range, again and again. */
            do {
                unsigned       size = 0;
                struct network network;

                while (size < bits && !bit(range.first, size) &&
                       compare(end_of_block(range.first, size + 1), range.last) <= 0)
                    size++;
                network = (struct network){ address_of(range.first, bits), (uint8_t)(bits - size) };
                /* address_from_v6() turned an IPv4-mapped block into IPv4. */
                if (network.address.bits == bits && !fn(context, &network))
                    return;
                end = end_of_block(range.first, size);
                range.first = next(end);
            } while (compare(end, range.last) != 0);
        }
    }
}
