/* The payload of a NOTIFY: what was read encodes back to the same bytes, and to skip is to read and forget. */
#include <assert.h>
#include <stdlib.h>

#include "spop/message.h"
#include "spop/writer.h"

#define CUTS_MAX 512 /* longer payloads are not tried at every truncation */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of just this size, so that a sanitizer sees any byte that is read beyond. */
static char *copy_of(const void *bytes, size_t n)
{
    char *copy = malloc(n);

    assert(n == 0 || copy != NULL);
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

/* The messages without a look at their arguments: how many, and how it ended. */
static enum spop_iter skip_all(struct span payload, size_t *messages)
{
    struct spop_message m;
    enum spop_iter      r;

    *messages = 0;
    spop_message_init(&m, payload);
    while ((r = spop_message_next(&m)) == SPOP_ITEM)
        ++*messages;
    return r;
}

/* Reads everything, writing it to `w` again. `canonical` is a copy of the payload in which the flag bits that mean
 * nothing are cleared on the way; `starts[i]` is set where a message starts at byte i. */
static enum spop_iter read_all(struct span payload, struct spop_writer *w, char *canonical, char *starts,
                               size_t *messages)
{
    struct spop_message m;
    enum spop_iter      r;

    *messages = 0;
    spop_message_init(&m, payload);
    for (;;) {
        struct span       name;
        struct spop_value value;
        unsigned          args = 0;

        starts[w->used] = 1;
        r = spop_message_next(&m);
        if (r != SPOP_ITEM)
            return r;
        ++*messages;
        spop_write_name(w, m.name);
        spop_write_byte(w, m.args);
        while ((r = spop_arg_next(&m, &name, &value)) == SPOP_ITEM) {
            size_t type_at = (size_t)(name.p + name.n - payload.p);

            canonical[type_at] &= value.type == SPOP_BOOL ? 0x1F : 0x0F;
            spop_write_name(w, name);
            spop_write_value(w, &value);
            args++;
        }
        if (r == SPOP_BAD) {
            assert(spop_arg_next(&m, &name, &value) == SPOP_BAD && spop_message_next(&m) == SPOP_BAD);
            return r;
        }
        assert(args == m.args && spop_arg_next(&m, &name, &value) == SPOP_END);
    }
}

/* A truncated payload is whole exactly where a message ends. */
static void check_cuts(const char *payload, size_t n, const char *starts)
{
    for (size_t cut = 0; cut < n; cut++) {
        char  *copy = copy_of(payload, cut);
        size_t messages;

        assert(skip_all((struct span){ copy, cut }, &messages) == (starts[cut] ? SPOP_END : SPOP_BAD));
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char              *payload = copy_of(data, size);
    char              *canonical = copy_of(data, size);
    char              *again = malloc(size);
    char              *starts = calloc(size + 1, 1);
    struct spop_writer w = { .buf = again, .cap = size };
    size_t             messages, skipped;
    enum spop_iter     r = read_all((struct span){ payload, size }, &w, canonical, starts, &messages);

    /* Whatever was read came from the payload, so it fits; and it is the payload, byte for byte. */
    assert(!w.full && w.used <= size && (w.used == 0 || memcmp(again, canonical, w.used) == 0));
    assert(r == SPOP_BAD || w.used == size);
    assert(skip_all((struct span){ payload, size }, &skipped) == r && skipped == messages);
    if (r == SPOP_END && size <= CUTS_MAX)
        check_cuts(payload, size, starts);
    free(payload);
    free(canonical);
    free(again);
    free(starts);
    return 0;
}
