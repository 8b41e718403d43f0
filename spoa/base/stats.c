#include "base/stats.h"

#include <stdlib.h>
#include <string.h>

#define X(us) us,
const unsigned stats_bounds_us[STATS_BUCKETS - 1] = { STATS_BOUNDS_US(X) };
#undef X

static _Atomic(struct stats *) parts;

struct stats *stats_part(void)
{
    struct stats *part = aligned_alloc(_Alignof(struct stats), sizeof *part);

    if (part == NULL)
        abort();
    memset(part, 0, sizeof *part);
    part->next = atomic_load(&parts);
    while (!atomic_compare_exchange_weak(&parts, &part->next, part))
        ;
    return part;
}

void stats_sum(struct stats *sum)
{
    memset(sum, 0, sizeof *sum);
    for (const struct stats *part = atomic_load(&parts); part != NULL; part = part->next) {
#define X(field, labels) stat_add(&sum->field, stat_get(&part->field));
        ALL_STATS(NO_FAMILY, X)
#undef X
        for (int i = 0; i < STATS_BUCKETS; i++)
            stat_add(&sum->buckets[i], stat_get(&part->buckets[i]));
        stat_add(&sum->duration_ns, stat_get(&part->duration_ns));
    }
}

void stats_time(struct stats *stats, uint64_t n, int64_t ns)
{
    int i = 0;

    if (ns < 0)
        ns = 0;
    while (i < STATS_BUCKETS - 1 && ns > (int64_t)stats_bounds_us[i] * 1000)
        i++;
    stat_add(&stats->buckets[i], n);
    stat_add(&stats->duration_ns, n * (uint64_t)ns);
}
