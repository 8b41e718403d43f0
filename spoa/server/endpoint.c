#include "server/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/passed.h"

struct failure {
    const char *address;
    char       *error;
    size_t      error_size;
};

static bool fail(const struct failure *f, const char *reason)
{
    snprintf(f->error, f->error_size, "cannot listen on %s: %s", f->address, reason);
    return false;
}

static bool bind_and_listen(const struct failure *f, int family, const struct sockaddr *sa, socklen_t sa_size, int *fd)
{
    int on = 1;

    *fd = passed_take(sa);
    if (*fd >= 0)
        return true;
    *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return fail(f, strerror(errno));
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* [::] and 0.0.0.0 are two addresses; an operator who wants both names both. */
    if (family == AF_INET6)
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(*fd, sa, sa_size) == 0 && listen(*fd, ENDPOINT_BACKLOG) == 0)
        return true;
    fail(f, strerror(errno));
    close(*fd);
    return false;
}

static bool is_abandoned(const struct sockaddr_un *sa)
{
    struct stat st;
    bool        abandoned;
    int         fd;

    if (stat(sa->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    abandoned = connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 && errno == ECONNREFUSED;
    close(fd);
    return abandoned;
}

static bool listen_unix(const struct failure *f, const char *path, int *fd)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    if (*path == '\0')
        return fail(f, "write unix: and the path of a socket");
    if (strlen(path) >= sizeof sa.sun_path)
        return fail(f, "the path of a socket may have 107 bytes");
    strcpy(sa.sun_path, path);
    if (passed_has((const struct sockaddr *)&sa))
        return bind_and_listen(f, AF_UNIX, (const struct sockaddr *)&sa, sizeof sa, fd);
    if (is_abandoned(&sa))
        unlink(path);
    if (!bind_and_listen(f, AF_UNIX, (const struct sockaddr *)&sa, sizeof sa, fd))
        return false;
    if (chmod(path, 0666) != 0) {
        fail(f, strerror(errno));
        close(*fd);
        unlink(path);
        return false;
    }
    return true;
}

/* Cuts "host:port" or "[host]:port" in two; `text` is changed. */
static bool split(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || colon[1] == '\0')
        return false;
    *colon = '\0';
    *port = colon + 1;
    *host = text;
    if (text[0] == '[') {
        if (colon[-1] != ']')
            return false;
        colon[-1] = '\0';
        *host = text + 1;
        return true;
    }
    return strchr(text, ':') == NULL;
}

/* 1 to 65535: getaddrinfo() also takes blanks, a sign, and what is left of a larger number in 16 bits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) > 0 && atoi(text) <= 65535;
}

static bool listen_tcp(const struct failure *f, int *fd)
{
    struct addrinfo  hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    char             copy[128], *host, *port;
    bool             listening;

    if (strlen(f->address) >= sizeof copy)
        return fail(f, "too long");
    strcpy(copy, f->address);
    if (!split(copy, &host, &port) || !is_port(port) || getaddrinfo(host, port, &hints, &found) != 0)
        return fail(f, "write an address and port such as 127.0.0.1:9010 or [::1]:9010, or unix:/path");
    listening = bind_and_listen(f, found->ai_family, found->ai_addr, found->ai_addrlen, fd);
    freeaddrinfo(found);
    return listening;
}

bool endpoint_is_remote(const char *address)
{
    struct in6_addr loopback6 = IN6ADDR_LOOPBACK_INIT, in6;
    struct in_addr  in;
    char            copy[128], *host, *port;

    if (strncmp(address, ENDPOINT_UNIX, strlen(ENDPOINT_UNIX)) == 0 || strlen(address) >= sizeof copy)
        return false;
    strcpy(copy, address);
    if (!split(copy, &host, &port))
        return false;
    if (inet_pton(AF_INET, host, &in) == 1)
        return ntohl(in.s_addr) >> 24 != 127;
    return inet_pton(AF_INET6, host, &in6) != 1 || memcmp(&in6, &loopback6, sizeof in6) != 0;
}

bool endpoint_listen(const char *address, int *fd, char *error, size_t error_size)
{
    struct failure f = { address, error, error_size };

    if (strncmp(address, ENDPOINT_UNIX, strlen(ENDPOINT_UNIX)) == 0)
        return listen_unix(&f, address + strlen(ENDPOINT_UNIX), fd);
    return listen_tcp(&f, fd);
}

void endpoint_forget(const char *address)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    if (strncmp(address, ENDPOINT_UNIX, strlen(ENDPOINT_UNIX)) != 0)
        return;
    strcpy(sa.sun_path, address + strlen(ENDPOINT_UNIX)); /* it has been listened on: it fits */
    if (!passed_has((const struct sockaddr *)&sa) && is_abandoned(&sa))
        unlink(sa.sun_path);
}
