#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)64 * 1024)
#define ALIGNMENT  sizeof(max_align_t)

struct arena_block {
    struct arena_block *previous;
    size_t              size, used;
    _Alignas(max_align_t) char bytes[];
};

static void *reserve(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_block *block = arena->last;
    size_t              at = block == NULL ? 0 : (block->used + alignment - 1) / alignment * alignment;

    if (block == NULL || at > block->size || size > block->size - at) {
        size_t room = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE - sizeof *block;

        block = calloc(1, sizeof *block + room);
        if (block == NULL) {
            fputs("spoa-rules: out of memory\n", stderr);
            abort();
        }
        block->size = room;
        at = 0;
        arena->bytes += sizeof *block + room;
        if (room == size && arena->last != NULL) {
            /* A large piece gets a block to itself, behind the one that still has room. */
            block->previous = arena->last->previous;
            arena->last->previous = block;
        } else {
            block->previous = arena->last;
            arena->last = block;
        }
    }
    block->used = at + size;
    return block->bytes + at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return reserve(arena, size, ALIGNMENT);
}

struct span arena_span(struct arena *arena, struct span span)
{
    char *copy;

    if (span.p == NULL)
        return SPAN_ABSENT;
    copy = reserve(arena, span.n + 1, 1);
    memcpy(copy, span.p, span.n);
    return (struct span){ copy, span.n };
}

char *arena_text(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(reserve(arena, size, 1), text, size);
}

void arena_fini(struct arena *arena)
{
    for (struct arena_block *block = arena->last; block != NULL;) {
        struct arena_block *previous = block->previous;

        free(block);
        block = previous;
    }
    *arena = (struct arena){ 0 };
}
