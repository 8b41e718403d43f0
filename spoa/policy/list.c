#include "policy/list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

/* Entries are sorted and looked up by bisection. Networks are sorted by (family, prefix, address), so that an address is
 * looked up once for each length of prefix that occurs, and `runs` says where each length's entries stand. */
struct run {
    uint8_t bits, prefix;
    size_t  first, end;
};

struct list {
    struct arena    arena;
    char           *name;
    struct span    *texts;
    size_t          size, room;
    struct network *networks; /* NULL until compiled */
    size_t          networks_size;
    struct run     *runs;
    size_t          runs_size;
};

static void *must(void *p)
{
    if (p == NULL)
        abort(); /* as arena_alloc() */
    return p;
}

struct list *list_new(const char *name)
{
    struct list *list = must(calloc(1, sizeof *list));

    list->name = arena_text(&list->arena, name);
    return list;
}

void list_free(struct list *list)
{
    if (list == NULL)
        return;
    arena_fini(&list->arena);
    free(list->texts);
    free(list->networks);
    free(list->runs);
    free(list);
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

static int compare_texts(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int                order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    if (order != 0)
        return order;
    return (x->n > y->n) - (x->n < y->n);
}

void list_finish(struct list *list)
{
    if (list->size > 0)
        qsort(list->texts, list->size, sizeof *list->texts, compare_texts);
}

static int compare_networks(const void *a, const void *b)
{
    const struct network *x = a, *y = b;

    if (x->address.bits != y->address.bits)
        return x->address.bits < y->address.bits ? -1 : 1;
    if (x->prefix != y->prefix)
        return x->prefix > y->prefix ? -1 : 1;
    return memcmp(x->address.bytes, y->address.bytes, sizeof x->address.bytes);
}

static void find_runs(struct list *list)
{
    /* Each of the 33 + 129 lengths at most once. */
    list->runs = must(calloc(33 + 129, sizeof *list->runs));
    for (size_t i = 0; i < list->networks_size; i++) {
        const struct network *network = &list->networks[i];
        struct run           *run = list->runs_size == 0 ? NULL : &list->runs[list->runs_size - 1];

        if (run == NULL || run->bits != network->address.bits || run->prefix != network->prefix) {
            run = &list->runs[list->runs_size++];
            *run = (struct run){ network->address.bits, network->prefix, i, i };
        }
        run->end = i + 1;
    }
}

bool list_compile_addresses(struct list *list, struct span *bad, char *remedy)
{
    if (list->networks != NULL)
        return true;
    list->networks = must(calloc(list->size + 1, sizeof *list->networks));
    for (size_t i = 0; i < list->size; i++) {
        struct network *network = &list->networks[i];
        bool            exact;

        *bad = list->texts[i];
        if (!network_parse(*bad, network, &exact)) {
            strcpy(remedy, "write an address or a network such as 192.0.2.0/24");
        } else if (!exact) {
            strcpy(remedy, "write ");
            network_format(network->address, network->prefix, remedy + strlen(remedy));
        } else {
            continue;
        }
        free(list->networks);
        list->networks = NULL;
        return false;
    }
    list->networks_size = list->size;
    qsort(list->networks, list->networks_size, sizeof *list->networks, compare_networks);
    find_runs(list);
    return true;
}

bool list_holds_text(const struct list *list, struct span text)
{
    return list->size > 0 && bsearch(&text, list->texts, list->size, sizeof *list->texts, compare_texts) != NULL;
}

bool list_holds_address(const struct list *list, const struct address *address)
{
    assert(list->networks != NULL);
    for (size_t i = 0; i < list->runs_size; i++) {
        const struct run *run = &list->runs[i];
        struct network    wanted;

        if (run->bits != address->bits)
            continue;
        wanted = (struct network){ address_masked(*address, run->prefix), run->prefix };
        if (bsearch(&wanted, list->networks + run->first, run->end - run->first, sizeof wanted, compare_networks) !=
            NULL)
            return true;
    }
    return false;
}

void list_each(const struct list *list, bool (*fn)(void *context, struct span entry), void *context)
{
    for (size_t i = 0; i < list->size && fn(context, list->texts[i]); i++)
        ;
}
