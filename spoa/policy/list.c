#include "policy/list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

#include "base/arena.h"

/* A slot has part of the hash, so that what is looked for and not there costs one cache line and not one for each entry
 * passed by: a million entries fit no cache. */
struct slot {
    uint32_t tag;
    uint32_t at; /* position + 1; 0: empty */
};

/* A set of byte strings: open addressing over positions in an array of them. */
struct table {
    struct slot *slots;
    size_t       mask;
};

/* Networks are looked up once for each length of prefix that occurs. */
struct length {
    uint8_t bits, prefix;
};

struct list {
    struct arena    arena;
    char           *name;
    uint64_t        fingerprint;
    unsigned        holders;
    struct span    *texts;
    size_t          size, room;
    struct table    by_text;
    struct network *networks; /* NULL until compiled */
    struct table    by_network;
    struct length   lengths[33 + 129];
    size_t          lengths_n;
};

static void *must(void *p)
{
    if (p == NULL)
        abort(); /* as arena_alloc() */
    return p;
}

struct list *list_new(const char *name, uint64_t fingerprint)
{
    struct list *list = must(calloc(1, sizeof *list));

    list->name = arena_text(&list->arena, name);
    list->fingerprint = fingerprint;
    list->holders = 1;
    return list;
}

struct list *list_hold(struct list *list)
{
    list->holders++;
    return list;
}

void list_free(struct list *list)
{
    if (list == NULL || --list->holders > 0)
        return;
    arena_fini(&list->arena);
    free(list->texts);
    free(list->by_text.slots);
    free(list->networks);
    free(list->by_network.slots);
    free(list);
}

uint64_t list_fingerprint(const struct list *list)
{
    return list->fingerprint;
}

const char *list_name(const struct list *list)
{
    return list->name;
}

size_t list_size(const struct list *list)
{
    return list->size;
}

void list_add(struct list *list, struct span entry)
{
    if (list->size == list->room) {
        list->room = list->room == 0 ? 16 : list->room * 2;
        list->texts = must(realloc(list->texts, list->room * sizeof *list->texts));
    }
    list->texts[list->size++] = arena_span(&list->arena, entry);
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint64_t hash_span(struct span span)
{
    return XXH3_64bits(span.p, span.n);
}

static uint64_t hash_network(const struct network *network)
{
    return XXH3_64bits_withSeed(network->address.bytes, sizeof network->address.bytes,
                                (uint64_t)network->address.bits << 8 | network->prefix);
}

static bool network_eq(const struct network *a, const struct network *b)
{
    return a->prefix == b->prefix && a->address.bits == b->address.bits &&
           memcmp(a->address.bytes, b->address.bytes, sizeof a->address.bytes) == 0;
}

static void table_init(struct table *table, size_t n)
{
    size_t size = 16;

    while (size < n * 2)
        size *= 2;
    table->slots = must(calloc(size, sizeof *table->slots));
    table->mask = size - 1;
}

/* The slot that holds the text, or the empty one where it belongs. */
static struct slot *find_text(const struct list *list, struct span text, uint64_t hash)
{
    const struct table *table = &list->by_text;
    size_t              at = hash & table->mask;

    while (table->slots[at].at != 0 &&
           (table->slots[at].tag != tag_of(hash) || !span_eq(list->texts[table->slots[at].at - 1], text)))
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static struct slot *find_network(const struct list *list, const struct network *network, uint64_t hash)
{
    const struct table *table = &list->by_network;
    size_t              at = hash & table->mask;

    while (table->slots[at].at != 0 &&
           (table->slots[at].tag != tag_of(hash) || !network_eq(&list->networks[table->slots[at].at - 1], network)))
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

void list_finish(struct list *list)
{
    table_init(&list->by_text, list->size);
    for (size_t i = 0; i < list->size; i++) {
        uint64_t hash = hash_span(list->texts[i]);

        *find_text(list, list->texts[i], hash) = (struct slot){ tag_of(hash), (uint32_t)i + 1 };
    }
}

static void note_length(struct list *list, const struct network *network)
{
    for (size_t i = 0; i < list->lengths_n; i++)
        if (list->lengths[i].bits == network->address.bits && list->lengths[i].prefix == network->prefix)
            return;
    list->lengths[list->lengths_n++] = (struct length){ network->address.bits, network->prefix };
}

bool list_entry_parse(struct span entry, struct network *network, char *remedy)
{
    bool exact;

    if (!network_parse(entry, network, &exact)) {
        strcpy(remedy, "write an address or a network such as 192.0.2.0/24");
        return false;
    }
    if (!exact) {
        strcpy(remedy, "write ");
        network_format(network->address, network->prefix, remedy + strlen(remedy));
    }
    return exact;
}

bool list_compile_addresses(struct list *list, struct span *bad, char *remedy)
{
    if (list->networks != NULL)
        return true;
    list->networks = must(calloc(list->size + 1, sizeof *list->networks));
    for (size_t i = 0; i < list->size; i++) {
        *bad = list->texts[i];
        if (list_entry_parse(*bad, &list->networks[i], remedy))
            continue;
        free(list->networks);
        list->networks = NULL;
        return false;
    }
    table_init(&list->by_network, list->size);
    for (size_t i = 0; i < list->size; i++) {
        uint64_t hash = hash_network(&list->networks[i]);

        *find_network(list, &list->networks[i], hash) = (struct slot){ tag_of(hash), (uint32_t)i + 1 };
        note_length(list, &list->networks[i]);
    }
    return true;
}

bool list_holds_text(const struct list *list, struct span text)
{
    return find_text(list, text, hash_span(text))->at != 0;
}

/* Look-ups that are under way at a time: a large table is in no cache. */
#define BATCH 8

bool list_holds_address(const struct list *list, const struct address *address)
{
    struct network wanted[BATCH];
    uint64_t       hashes[BATCH];

    assert(list->networks != NULL);
    for (size_t i = 0; i < list->lengths_n;) {
        size_t n = 0;

        for (; i < list->lengths_n && n < BATCH; i++) {
            const struct length *length = &list->lengths[i];

            if (length->bits != address->bits)
                continue;
            wanted[n] = (struct network){ address_masked(*address, length->prefix), length->prefix };
            hashes[n] = hash_network(&wanted[n]);
            __builtin_prefetch(&list->by_network.slots[hashes[n++] & list->by_network.mask]);
        }
        for (size_t k = 0; k < n; k++)
            if (find_network(list, &wanted[k], hashes[k])->at != 0)
                return true;
    }
    return false;
}

void list_each(const struct list *list, bool (*fn)(void *context, struct span entry), void *context)
{
    for (size_t i = 0; i < list->size && fn(context, list->texts[i]); i++)
        ;
}
