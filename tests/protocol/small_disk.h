/* A file system that is soon full. */
#ifndef TESTS_PROTOCOL_SMALL_DISK_H
#define TESTS_PROTOCOL_SMALL_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static void write_text(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
    close(fd);
}

/* One of this size ("size=128k") in the place of `dir`, for this process, which has one thread, and its children. It
 * goes with them. Without root's rights a user namespace gives those for it. False: it cannot be had, as is said on
 * standard error. */
static bool small_disk(const char *dir, const char *size)
{
    char     map[32];
    unsigned uid = geteuid(), gid = getegid();

    if (unshare(CLONE_NEWNS | (uid != 0 ? CLONE_NEWUSER : 0)) != 0)
        goto fail;
    if (uid != 0) {
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("tmpfs", dir, "tmpfs", 0, size) == 0)
        return true;
fail:
    fprintf(stderr, "a small file system on %s: %s\n", dir, strerror(errno));
    return false;
}

#endif
