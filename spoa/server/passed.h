/* Listening sockets that were opened for the agent by who started it: systemd's socket activation, sd_listen_fds(3).
 * They outlive the agent, so that who connects while it is restarted waits in their queue and is not refused.
 *
 * The protocol is two environment variables and the descriptors from 3 on. Linking libsystemd for it would load
 * liblzma, libzstd, libgcrypt and more into a daemon that reads from the network. All calls are for the main thread,
 * but for passed_is(). */
#ifndef SERVER_PASSED_H
#define SERVER_PASSED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Takes stock of what was passed to this process, which may be nothing, and removes the variables. Once, before any
 * address is listened on. False: `error` names what cannot be listened on. */
bool passed_init(char *error, size_t error_size);

/* The descriptor of the socket with this very address, non-blocking, or -1: none is left. Each is given away once. */
int passed_take(const struct sockaddr *sa);

/* After all addresses: false when a socket was passed that nobody took, which `error` names. It would go on to accept
 * connections, and nobody would ever answer. */
bool passed_all_taken(char *error, size_t error_size);

/* Whoever passed it keeps the address, and its file if it has one: neither is ours to remove. Any thread. */
bool passed_is(int fd);
bool passed_has(const struct sockaddr *sa);

#endif
