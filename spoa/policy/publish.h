/* The rule set in force: one thread publishes, workers read without waiting.
 *
 * A worker keeps the set that it saw last and, for each batch, compares a number; only when a newer one is published
 * does it take a lock, for as long as two pointers take to swap. Old sets are freed by the publishing thread when no
 * worker holds them any more: freeing a large one takes milliseconds, which no request should pay. */
#ifndef POLICY_PUBLISH_H
#define POLICY_PUBLISH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "policy/ruleset.h"

struct ruleset_slot {
    pthread_mutex_t      lock;
    struct ruleset      *current; /* under the lock */
    struct ruleset      *retired; /* publishing thread only */
    atomic_uint_fast64_t generation;
};

/* What one worker holds. A zeroed one holds nothing. */
struct ruleset_view {
    struct ruleset *held;
    uint64_t        generation;
};

/* `first` becomes the slot's. */
void ruleset_slot_init(struct ruleset_slot *slot, struct ruleset *first);

/* After the last view has been released. */
void ruleset_slot_fini(struct ruleset_slot *slot);

/* Publishing thread: puts `set` in force and takes it over. */
void ruleset_publish(struct ruleset_slot *slot, struct ruleset *set);

/* Publishing thread, now and then: frees what nobody holds; returns how many old sets are still held. */
size_t ruleset_collect(struct ruleset_slot *slot);

/* The set in force, valid until the view's next call. */
const struct ruleset *ruleset_refresh(struct ruleset_slot *slot, struct ruleset_view *view);

/* One more view of what `view` holds, which any thread may release. */
struct ruleset_view ruleset_share(const struct ruleset_view *view);
void                ruleset_release(struct ruleset_view *view);

#endif
