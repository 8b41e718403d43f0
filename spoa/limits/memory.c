#include "limits/memory.h"

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool memory_init(struct memory *m, size_t size, int fd)
{
    void *base = MAP_FAILED;

    if (fd < 0)
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    else if (ftruncate(fd, (off_t)size) == 0)
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return false;
    madvise(base, size, MADV_RANDOM); /* a disk's file system would read, and map, pages around that nobody needs yet */
    *m = (struct memory){ .base = base, .size = size, .fd = fd };
    return true;
}

void memory_fini(struct memory *m)
{
    munmap(m->base, m->size);
    if (m->fd >= 0)
        close(m->fd);
}

bool memory_claim(struct memory *m, void *at, void *end)
{
    static const char zeros[MEMORY_PAGE];
    off_t             offset = (char *)at - m->base;
    size_t            size = (size_t)((char *)end - (char *)at);

    assert(offset % MEMORY_PAGE == 0 && size % MEMORY_PAGE == 0);
    if (m->fd < 0)
        return false;
    /* A file system that does not know fallocate() allocates what is written. */
    if (fallocate(m->fd, 0, offset, MEMORY_PAGE) == 0 || pwrite(m->fd, zeros, MEMORY_PAGE, offset) == MEMORY_PAGE)
        return true;
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != at)
        abort(); /* the kernel has no memory for one mapping more */
    atomic_store(&m->is_full, true);
    return false;
}
