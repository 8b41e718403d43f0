/* NOTIFYs encoded beforehand, so that a load generator has only to copy them and to fill in their ids.
 *
 * They have the arguments of haproxy/spoe-rules.conf: src, method, host, path, query (which is NULL), api_key, time. */
#ifndef TESTS_LIB_NOTIFIES_H
#define TESTS_LIB_NOTIFIES_H

#include <stddef.h>
#include <stdint.h>

/* Ids from here on, NOTIFY_IDS of them, take three bytes each, so that every frame has its final length. */
#define NOTIFY_FIRST_ID 2288u
#define NOTIFY_IDS      (1u << 18)

#define NOTIFY_MAX      512 /* bytes of the longest */

struct notifies;

/* A fixed sequence of requests by so many clients, to so many mixed rules (lib/mixed_rules.h). Ends the process when it
 * cannot. */
struct notifies *notifies_mixed(int rules, int clients);

/* The same path again and again, each time from a new IPv4 address, from 1.0.0.0 on. */
struct notifies *notifies_distinct(void);

void notifies_free(struct notifies *notifies);

/* Writes the next one, of NOTIFY_MAX bytes at most, to `out` and returns its size. Both ids are below NOTIFY_IDS, and
 * go out with NOTIFY_FIRST_ID added. After the last mixed one comes the first. */
size_t notifies_next(struct notifies *notifies, char *out, uint32_t stream, uint32_t frame);

#endif
