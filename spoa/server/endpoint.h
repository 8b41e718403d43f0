/* Where the agent listens: "127.0.0.1:9010", "[::1]:9010", "unix:/run/spoa-rules/spop.sock". */
#ifndef SERVER_ENDPOINT_H
#define SERVER_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* Connections that wait to be accepted: after a reload HAProxy opens all of its own at once. */
#define ENDPOINT_BACKLOG 1024

/* What the path of a socket stands behind. */
#define ENDPOINT_UNIX "unix:"

/* A listening, non-blocking socket: the one that was passed for this address (see passed.h), else a new one. False:
 * `error` says what is wrong with the address, in one line that names it.
 *
 * A socket file that nobody listens on any more is replaced, one that somebody does is not. The file is open to every
 * local user, as a loopback port is: the permissions of its directory say who may connect. A passed one is as it is. */
bool endpoint_listen(const char *address, int *fd, char *error, size_t error_size);

/* Whether it is an address that others than this machine may reach. One that endpoint_listen() refuses is not. */
bool endpoint_is_remote(const char *address);

/* After the descriptor was closed: removes the socket file, if there is one, it is ours, and no successor listens on it
 * by now. */
void endpoint_forget(const char *address);

#endif
