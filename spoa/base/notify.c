#include "base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un to;
static socklen_t          to_size; /* 0: nobody */
static int64_t            watchdog_us;

void notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET"), *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    size_t      size = path == NULL ? 0 : strlen(path);

    if (size > 1 && size < sizeof to.sun_path && (*path == '/' || *path == '@')) {
        to.sun_family = AF_UNIX;
        memcpy(to.sun_path, path, size);
        if (*path == '@')
            to.sun_path[0] = '\0';
        to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
        if (us != NULL && (pid == NULL || atol(pid) == (long)getpid()))
            watchdog_us = atoll(us);
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify(const char *format, ...)
{
    char    text[512];
    va_list args;
    int     fd;

    if (to_size == 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* If it does not arrive, systemd says so: it knows what it waits for. */
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_size);
    close(fd);
}

int64_t notify_watchdog_us(void)
{
    return watchdog_us;
}
