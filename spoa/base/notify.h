/* What the agent tells systemd about itself, as sd_notify(3) has it: a datagram of lines VARIABLE=value to the socket
 * that NOTIFY_SOCKET names. So little needs no libsystemd, see server/passed.h. Where nobody asked to be told, nothing
 * happens. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/* Remembers whom to tell, and removes the variables. Once, before threads start. */
void notify_init(void);

/* "READY=1", "STATUS=5 rules in force". Any thread. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How long systemd waits for a "WATCHDOG=1" until it takes the agent to hang, in microseconds; 0: it does not. */
int64_t notify_watchdog_us(void);

#endif
