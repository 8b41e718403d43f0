#include "policy/publish.h"

#include <assert.h>

void ruleset_slot_init(struct ruleset_slot *slot, struct ruleset *first)
{
    pthread_mutex_init(&slot->lock, NULL);
    slot->current = first;
    slot->retired = NULL;
    atomic_init(&slot->generation, 1);
}

void ruleset_slot_fini(struct ruleset_slot *slot)
{
    size_t held = ruleset_collect(slot);

    assert(held == 0);
    ruleset_free(slot->current);
    slot->current = NULL;
    pthread_mutex_destroy(&slot->lock);
}

void ruleset_publish(struct ruleset_slot *slot, struct ruleset *set)
{
    struct ruleset *old;

    pthread_mutex_lock(&slot->lock);
    old = slot->current;
    slot->current = set;
    atomic_fetch_add(&slot->generation, 1);
    pthread_mutex_unlock(&slot->lock);
    old->next = slot->retired;
    slot->retired = old;
    ruleset_collect(slot);
}

size_t ruleset_collect(struct ruleset_slot *slot)
{
    struct ruleset **at = &slot->retired;
    size_t           held = 0;

    while (*at != NULL) {
        struct ruleset *set = *at;

        /* A retired set without users gains no new ones: it can no longer be found. */
        if (atomic_load(&set->users) == 0) {
            *at = set->next;
            ruleset_free(set);
        } else {
            at = &set->next;
            held++;
        }
    }
    return held;
}

const struct ruleset *ruleset_refresh(struct ruleset_slot *slot, struct ruleset_view *view)
{
    if (view->held != NULL && view->generation == atomic_load_explicit(&slot->generation, memory_order_acquire))
        return view->held;
    ruleset_release(view);
    pthread_mutex_lock(&slot->lock);
    view->held = slot->current;
    view->generation = atomic_load(&slot->generation);
    atomic_fetch_add(&view->held->users, 1);
    pthread_mutex_unlock(&slot->lock);
    return view->held;
}

struct ruleset_view ruleset_share(const struct ruleset_view *view)
{
    atomic_fetch_add(&view->held->users, 1);
    return *view;
}

void ruleset_release(struct ruleset_view *view)
{
    if (view->held == NULL)
        return;
    atomic_fetch_sub(&view->held->users, 1);
    view->held = NULL;
}
