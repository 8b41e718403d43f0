/* When requests arrive, in simulated time: the shapes of traffic that limits are tested and measured with. What comes
 * does not depend on what is let through, so that several limiters can be given the same. */
#ifndef TESTS_LIB_ARRIVALS_H
#define TESTS_LIB_ARRIVALS_H

#include "base/moment.h"
#include "lib/random.h"

enum arrivals_shape {
    ARRIVALS_STEADY,      /* evenly, half as many again as the limit allows */
    ARRIVALS_ON_OFF,      /* more than the limit at once, then silence of up to more than a period */
    ARRIVALS_WINDOW_EDGE, /* bursts right before, at and right after where windows and sub-buckets end */
    ARRIVALS_CLUSTERED,   /* gaps of all orders of magnitude */
    ARRIVALS_FLOOD,       /* evenly, forty times what the limit allows; above 10,000 requests four times */
    ARRIVALS_SHAPES
};

const char *arrivals_name(enum arrivals_shape shape);

struct arrivals {
    enum arrivals_shape shape;
    int64_t             requests, period_us; /* of the limit */
    struct random       random;
    struct moment       now;
    int64_t             left;  /* of the burst */
    int64_t             carry; /* of even gaps, what whole microseconds do not hold */
};

/* Of one limit; the same seed makes the same arrivals. */
void arrivals_init(struct arrivals *a, enum arrivals_shape shape, int64_t requests, int64_t period_s, uint64_t seed);

/* The next request's time. Both clocks go on alike, and never back. */
struct moment arrivals_next(struct arrivals *a);

#endif
