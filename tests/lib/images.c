#include "lib/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "images: %s: %s\n", what, strerror(errno));
    abort();
}

int images_file(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    if (fd < 0)
        die("no file");
    return fd;
}

struct limits *images_live(size_t max_counters, const char *boot, struct moment now, int *fd)
{
    struct limits *limits;

    *fd = images_file();
    limits = limits_new_in(*fd, max_counters, 1);
    if (limits == NULL)
        die("no table");
    image_begin(limits, boot, 1, now);
    return limits;
}

int images_snapshot(struct limits *limits, const char *boot, struct moment now)
{
    int fd = images_file();

    if (!image_save(limits, fd, boot, now, true))
        die("no snapshot");
    return fd;
}

size_t images_size(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        die("no size");
    return (size_t)st.st_size;
}

int images_copy(int fd, size_t n)
{
    size_t size = images_size(fd);
    int    copy = images_file();
    char  *bytes;

    if (n > size)
        n = size;
    bytes = malloc(n + 1);
    if (bytes == NULL || pread(fd, bytes, n, 0) != (ssize_t)n || pwrite(copy, bytes, n, 0) != (ssize_t)n)
        die("no copy");
    free(bytes);
    return copy;
}

struct limits *images_restore(int fd, size_t max_counters, const char *boot, struct moment now, const char **problem,
                              bool *all)
{
    struct image   image;
    struct limits *limits;
    const char    *why = image_open(&image, fd, boot);
    bool           whole;

    if (problem != NULL)
        *problem = why;
    if (why != NULL)
        return NULL;
    limits = limits_new(max_counters, image.seed);
    if (limits == NULL)
        die("no table");
    whole = image_restore(&image, limits, boot, now);
    if (all != NULL)
        *all = whole;
    return limits;
}
