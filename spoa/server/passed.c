#include "server/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define FIRST_FD 3

/* Far more than there are options to name them. */
#define PASSED_MAX 64

union address {
    struct sockaddr         any;
    struct sockaddr_in      in;
    struct sockaddr_in6     in6;
    struct sockaddr_un      un;
    struct sockaddr_storage room;
};

static struct {
    union address address;
    bool          taken;
} passed[PASSED_MAX];

static size_t passed_n;

/* ---- addresses ---- */

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
    const struct sockaddr_in  *a4 = (const void *)a, *b4 = (const void *)b;
    const struct sockaddr_un  *au = (const void *)a, *bu = (const void *)b;

    if (a->sa_family != b->sa_family)
        return false;
    switch (a->sa_family) {
    case AF_UNIX: /* an abstract one begins with a NUL, and no option can name it */
        return au->sun_path[0] != '\0' && strcmp(au->sun_path, bu->sun_path) == 0;
    case AF_INET:
        return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    case AF_INET6:
        return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
               memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
    default:
        return false;
    }
}

/* As an option would name it. */
static void describe(size_t i, char *out, size_t size)
{
    const union address *address = &passed[i].address;
    char                 host[64], port[16];

    if (address->any.sa_family == AF_UNIX)
        snprintf(out, size, "unix:%s%s", address->un.sun_path[0] == '\0' ? "@" : "",
                 address->un.sun_path + (address->un.sun_path[0] == '\0'));
    else if (getnameinfo(&address->any, sizeof address->room, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(out, size, address->any.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    else
        snprintf(out, size, "descriptor %zu", i + FIRST_FD);
}

/* ---- taking stock ---- */

/* -1: there is no such variable, or it is no number. */
static long number_in(const char *name)
{
    const char *text = getenv(name);
    char       *end;
    long        number;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : -1;
}

static bool has(int fd, int option, int wanted)
{
    int       value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool take_stock(size_t i, char *error, size_t error_size)
{
    union address *address = &passed[i].address;
    socklen_t      size = sizeof address->room - 1; /* the path of a unix socket need not end in a NUL */
    int            fd = FIRST_FD + (int)i, flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        has(fd, SO_TYPE, SOCK_STREAM) && has(fd, SO_ACCEPTCONN, 1) && getsockname(fd, &address->any, &size) == 0)
        return true;
    snprintf(error, error_size, "descriptor %d, passed by LISTEN_FDS: not a listening stream socket", fd);
    return false;
}

bool passed_init(char *error, size_t error_size)
{
    /* The variables are inherited; that they are meant for us, only LISTEN_PID says. */
    bool ours = number_in("LISTEN_PID") == (long)getpid();
    long n = ours ? number_in("LISTEN_FDS") : 0;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (n < 0 || n > PASSED_MAX) {
        snprintf(error, error_size, "LISTEN_FDS: not a number from 0 to %d", PASSED_MAX);
        return false;
    }
    for (; passed_n < (size_t)n; passed_n++)
        if (!take_stock(passed_n, error, error_size))
            return false;
    if (n > 0)
        log_write(LOG_INFO, "listening sockets that were passed: %ld", n);
    return true;
}

/* ---- giving away ---- */

int passed_take(const struct sockaddr *sa)
{
    for (size_t i = 0; i < passed_n; i++) {
        if (!passed[i].taken && is_same(&passed[i].address.any, sa)) {
            passed[i].taken = true;
            return FIRST_FD + (int)i;
        }
    }
    return -1;
}

bool passed_all_taken(char *error, size_t error_size)
{
    char name[160];

    for (size_t i = 0; i < passed_n; i++) {
        if (passed[i].taken)
            continue;
        describe(i, name, sizeof name);
        snprintf(error, error_size, "%s: a socket was passed for it, and no option such as --listen names it", name);
        return false;
    }
    return true;
}

bool passed_is(int fd)
{
    return fd >= FIRST_FD && fd < FIRST_FD + (int)passed_n;
}

bool passed_has(const struct sockaddr *sa)
{
    for (size_t i = 0; i < passed_n; i++)
        if (is_same(&passed[i].address.any, sa))
            return true;
    return false;
}
