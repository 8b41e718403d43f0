/* A set of addresses that is written as the fewest networks: what a published list of addresses, networks and ranges
 * comes to. One thread. */
#ifndef LISTS_NETWORKS_H
#define LISTS_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/address.h"

/* Separate ranges that a set holds at most, for each family: 320 MB. A list in use has a million entries at most in
 * practice, so a larger set is a mistake. */
#define NETWORKS_MAX ((size_t)10000000)

struct networks_range;

/* A zeroed struct is an empty set. The calls below end the process when memory is exhausted, as arena_alloc() does. */
struct networks {
    struct networks_range *ranges[2]; /* IPv4, IPv6 */
    size_t                 n[2], room[2];
};

void networks_fini(struct networks *networks);

/* Adds all addresses from `first` to `last`, which are of one family and in this order. False: the set would hold more
 * than NETWORKS_MAX separate ranges. */
bool networks_add(struct networks *networks, const struct address *first, const struct address *last);

/* After the last networks_add(): sorts, and joins ranges that overlap or follow each other. */
void networks_merge(struct networks *networks);

/* After networks_merge(): calls `fn` for each network, IPv4 first, each family in ascending order, until it returns
 * false. Together the networks hold what was added, except for IPv4-mapped IPv6 addresses within larger IPv6 ranges:
 * such an address never occurs, since a client that has one counts as IPv4. */
void networks_each(const struct networks *networks, bool (*fn)(void *context, const struct network *network),
                   void                  *context);

#endif
