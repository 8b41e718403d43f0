/* Load on an agent: NOTIFYs as HAProxy sends them, over many connections, as fast as they are answered or at a fixed
 * rate.
 *
 * One thread. Each connection has up to `window` NOTIFYs in flight; whatever of it is free and due goes out with one
 * write, as HAProxy up to 3.0 does it. With a window of 1 each frame travels by itself, as from HAProxy 3.1 on.
 *
 * At a fixed rate a time is measured from when the request was due, not from when it could be sent: an agent that
 * stalls is charged with all that would have come meanwhile.
 *
 * Each ACK must belong to a NOTIFY in flight on its connection and hold a verdict. Any fault of the agent, and an
 * answer that does not come, is told on standard error and ends the process with exit code 1. */
#ifndef TESTS_LIB_SPOP_LOAD_H
#define TESTS_LIB_SPOP_LOAD_H

#include <stdint.h>

#include "lib/notifies.h"
#include "tally/histogram.h"

struct spop_load_options {
    const char *address; /* as of spop_client_connect() */
    unsigned    connections, window;
    double      rate;     /* NOTIFYs a second in all; 0: as fast as they are answered */
    double      seconds;  /* so long, and */
    uint64_t    requests; /* at most so many */
};

enum spop_load_verdict { SPOP_LOAD_ALLOW, SPOP_LOAD_DENY, SPOP_LOAD_SLOW, SPOP_LOAD_VERDICTS };

struct spop_load_result {
    uint64_t         answered;
    uint64_t         verdicts[SPOP_LOAD_VERDICTS];
    uint64_t         writes;
    uint64_t         ack_bytes;
    int64_t          start_ns, last_ns; /* of the last answer */
    uint64_t         max_us;            /* the longest of: */
    struct histogram latency_us;
    struct histogram late_us; /* of latency_us that part which passed before the request was sent */
};

struct spop_load;

/* Connects and shakes hands. `options` and `notifies` stay the caller's, and as they are, until spop_load_close(). */
struct spop_load *spop_load_open(const struct spop_load_options *options, struct notifies *notifies);

/* Once. The result lives until spop_load_close(). */
const struct spop_load_result *spop_load_run(struct spop_load *load);

void spop_load_close(struct spop_load *load);

#endif
