/* The counters from one run of the agent to the next.
 *
 *   RUNTIME/counters.live      the counters themselves, mapped: a killed agent leaves what it counted
 *   DATA/counters.snapshot     a copy, each minute and on stop: for reboots, replaced as a whole
 *   RUNTIME/agent.lock, DATA/agent.lock      held while the agent runs
 *
 * At start the live file is read when it is of this boot, else the snapshot; what cannot be used is told in the log,
 * and the counters start empty. */
#ifndef STORE_COUNTERS_H
#define STORE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "limits/limits.h"

struct counters;

struct counters_options {
    const char *runtime; /* directories; they exist */
    const char *data;
    size_t      max_counters;
};

/* NULL, and a sentence in `error`: a directory cannot be used, another agent uses it, or there is no memory. */
struct counters *counters_open(const struct counters_options *options, char *error, size_t size);

/* They belong to `counters`. */
struct limits *counters_limits(struct counters *counters);

/* Starts the thread that writes snapshots and tells of evictions. False: there is no thread. */
bool counters_start(struct counters *counters);

/* Ends the thread, writes a last snapshot, frees the limits, which nobody may use any more. */
void counters_close(struct counters *counters);

#endif
