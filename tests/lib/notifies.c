#include "lib/notifies.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mixed_rules.h"
#include "lib/spop_client.h"
#include "spop/varint.h"

/* Where the ids are: behind length, type and flags. */
#define STREAM_AT     (SPOP_PREFIX_SIZE + 5)
#define ID_SIZE       3

#define FIRST_ADDRESS 0x01000000u

struct notifies {
    char    *bytes;
    size_t   used;
    size_t  *ends; /* of each frame in `bytes` */
    size_t   n, next;
    size_t   address_at; /* of the IPv4 address to be counted up; 0: none */
    uint32_t address;
};

static struct notifies *notifies_new(size_t n)
{
    struct notifies *notifies = calloc(1, sizeof *notifies);

    if (notifies != NULL) {
        notifies->bytes = malloc(n * NOTIFY_MAX);
        notifies->ends = calloc(n, sizeof *notifies->ends);
    }
    if (notifies == NULL || notifies->bytes == NULL || notifies->ends == NULL) {
        fputs("notifies: out of memory\n", stderr);
        exit(1);
    }
    return notifies;
}

void notifies_free(struct notifies *notifies)
{
    free(notifies->bytes);
    free(notifies->ends);
    free(notifies);
}

static void add(struct notifies *notifies, const uint8_t *src, const char *host, const char *path, const char *key)
{
    struct spop_client_arg args[] = {
        { "src", { .type = SPOP_IPV4 } }, SPOP_ARG_STR("method", "GET"), SPOP_ARG_STR("host", host),
        SPOP_ARG_STR("path", path),       SPOP_ARG_NULL("query"),        SPOP_ARG_STR("api_key", key),
        SPOP_ARG_STR("time", "1 09:30"),
    };

    memcpy(&args[0].value.ipv4, src, 4);
    notifies->used += spop_client_notify_put(notifies->bytes + notifies->used, NOTIFY_MAX, NOTIFY_FIRST_ID,
                                             NOTIFY_FIRST_ID, "check-request", args, sizeof args / sizeof *args);
    notifies->ends[notifies->n++] = notifies->used;
}

struct notifies *notifies_mixed(int rules, int clients)
{
    /* Twice as many requests as clients: six in seven clients occur. Not fewer than 10,000, so that rules occur too. */
    size_t           n = clients < 5000 ? 10000 : 2 * (size_t)clients;
    struct notifies *notifies = notifies_new(n);

    for (size_t i = 0; i < n; i++) {
        struct mixed_request request;

        mixed_request_make(&request, rules, clients);
        add(notifies, request.src, request.host, request.path, request.key);
    }
    return notifies;
}

struct notifies *notifies_distinct(void)
{
    static const uint8_t placeholder[4] = { 0xDE, 0xAD, 0xBE, 0xEF };
    struct notifies     *notifies = notifies_new(1);
    const char          *found;

    add(notifies, placeholder, "api.example.com", "/items/1", "K1");
    found = memmem(notifies->bytes, notifies->used, placeholder, sizeof placeholder);
    assert(found != NULL);
    notifies->address_at = (size_t)(found - notifies->bytes);
    notifies->address = FIRST_ADDRESS;
    return notifies;
}

static void put_id(char *out, uint32_t id)
{
    size_t size = spop_varint_put(out, NOTIFY_FIRST_ID + id);

    assert(id < NOTIFY_IDS && size == ID_SIZE);
}

size_t notifies_next(struct notifies *notifies, char *out, uint32_t stream, uint32_t frame)
{
    size_t from = notifies->next == 0 ? 0 : notifies->ends[notifies->next - 1];
    size_t size = notifies->ends[notifies->next] - from;

    memcpy(out, notifies->bytes + from, size);
    put_id(out + STREAM_AT, stream);
    put_id(out + STREAM_AT + ID_SIZE, frame);
    if (notifies->address_at > 0) {
        uint32_t address = htonl(notifies->address++);

        memcpy(out + notifies->address_at, &address, sizeof address);
    }
    if (++notifies->next == notifies->n)
        notifies->next = 0;
    return size;
}
