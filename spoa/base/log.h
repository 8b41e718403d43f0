/* One line an event, on standard error, where systemd or a container runtime picks it up. Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Looks where standard error goes. Where it is systemd's journal, which has a time of its own, lines begin with their
 * priority instead, sd-daemon(3): `journalctl -p warning` shows what it should. Call before threads start. */
void log_init(void);

/* What a line for the journal begins with, "<3>"; "" elsewhere. */
const char *log_priority(enum log_level level);

/* What is less important than `level` is not written. Call before threads start. The default is LOG_INFO. */
void log_set_level(enum log_level level);

/* "error", "warning", "info" or "debug"; false when `name` is none of them. */
bool log_level_parse(const char *name, enum log_level *level);

/* Writes "2026-11-20T09:15:02.123Z level message", to the journal "<4>message". Control bytes in the message are shown
 * as \xNN, so that what a peer sent cannot forge a line; more than 2,000 bytes are cut. errno stays as it was, also in
 * log_write_rated(). */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For what a peer can cause at will: lets through LOG_RATE lines a second and says with the next one how many it kept
 * back. A zeroed one is ready; a static one may serve all threads. */
struct log_rate {
    atomic_int_fast64_t second;
    atomic_uint         lines, kept_back;
};

#define LOG_RATE 10

void log_write_rated(struct log_rate *rate, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
