/* Why merging keeps the bounds. Let k be the least number of keys of any summary involved, N the total, F the floor,
 * and b a key's bound. Claim: the sum of (b - F) over the kept keys is at most N - k F; so F <= N / k, as no term is
 * negative.
 *
 * - Empty: 0 <= 0. Counting a kept key, or one that finds room and begins with passed <= F, adds no more to the left
 *   side than to the right.
 * - Counting c in `passed` (here passed_min is in it), all m >= k places being used: F rises by d <= c, since
 *   passed <= F, and not above the least bound. The m terms fall by d each, N - k F grows by c - k d.
 * - Evicting the least bound L >= F, the same: each of the m terms, the evicted one's included, falls by L - F. The
 *   newcomer has passed + c <= F + c instead of L, and more than L, so that no term is negative. N - k L is less than
 *   before by k (L - F), but for c.
 * - Merging A and B: a key's new bound is the sum of its bounds, where the one that does not keep it contributes its
 *   floor. With F = F_A + F_B the terms are the sums of the terms of A and B, so the claim holds for all keys of both.
 *   If they are more than the m >= k places, F rises to the greatest bound that is dropped: m kept terms fall by as
 *   much.
 *
 * That F bounds what is not kept, and count and count + error a kept key's truth, follows step by step from their being
 * true of A and B. What topk_restore() is given is taken to be true. */
#include <assert.h>
#include <stdlib.h>

#include "tally/topk_state.h"

void topk_merge(struct topk *into, const struct topk *from)
{
    uint64_t into_floor = into->now.floor;

    assert(into != from && into->text_max == from->text_max);
    for (uint32_t e = 0; e < into->now.used; e++) {
        struct topk_entry *entry = &into->entries[e];
        uint32_t           same = topk_find(from, entry->id);

        if (same == TOPK_NONE) {
            entry->error += from->now.floor;
            into->bounds[e] += from->now.floor;
            continue;
        }
        entry->error += from->entries[same].error;
        into->bounds[e] += from->bounds[same];
        for (int i = 0; i < TOPK_SUMS; i++)
            entry->sums[i] += from->entries[same].sums[i];
    }
    into->now.floor += from->now.floor;
    into->now.count += from->now.count;
    for (int i = 0; i < TOPK_SUMS; i++)
        into->now.sums[i] += from->now.sums[i];

    /* A key that both kept and that had to go since is met here again. It is not taken in a second time, with half of
     * what it has: its bound from `from` alone is no greater than the one with which it went. */
    for (uint32_t e = 0; e < from->now.used; e++) {
        struct topk_row row = topk_row_of(from, e);

        if (topk_find(into, row.id) != TOPK_NONE)
            continue;
        row.error += into_floor;
        topk_offer(into, &row);
    }
    topk_level(into);
}

void topk_restore(struct topk *t, const struct topk_row *total, const struct topk_row *rows, size_t n)
{
    struct topk_row left = *total;

    topk_clear(t);
    t->now.count = total->count;
    memcpy(t->now.sums, total->sums, sizeof total->sums);
    t->now.floor = total->error < total->count ? total->error : total->count;
    left.count -= t->now.floor; /* so much at least is in other */
    for (size_t r = 0; r < n; r++) {
        struct topk_row row = rows[r];
        bool fits = row.count <= left.count && row.error <= t->now.floor && row.count + row.error >= t->now.floor &&
                    topk_find(t, row.id) == TOPK_NONE;

        for (int i = 0; i < TOPK_SUMS; i++)
            fits = fits && row.sums[i] <= left.sums[i];
        if (!fits)
            continue;
        left.count -= row.count;
        for (int i = 0; i < TOPK_SUMS; i++)
            left.sums[i] -= row.sums[i];
        topk_offer(t, &row);
    }
    topk_level(t);
}

static int compare_rows(const void *left, const void *right)
{
    const struct topk_row *a = left, *b = right;
    size_t                 n = a->text.n < b->text.n ? a->text.n : b->text.n;
    int                    order;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    order = n > 0 ? memcmp(a->text.p, b->text.p, n) : 0;
    if (order != 0)
        return order;
    if (a->text.n != b->text.n)
        return a->text.n < b->text.n ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

void topk_rows(const struct topk *t, struct topk_row *rows)
{
    for (uint32_t e = 0; e < t->now.used; e++)
        rows[e] = topk_row_of(t, e);
    qsort(rows, t->now.used, sizeof *rows, compare_rows);
}

struct topk_row topk_other(const struct topk *t, const struct topk_row *rows, size_t n)
{
    struct topk_row other = { .count = t->now.count };
    uint64_t        not_kept = t->now.count;

    memcpy(other.sums, t->now.sums, sizeof other.sums);
    for (size_t r = 0; r < n; r++) {
        other.count -= rows[r].count;
        other.error += rows[r].error;
        for (int i = 0; i < TOPK_SUMS; i++)
            other.sums[i] -= rows[r].sums[i];
    }
    for (uint32_t e = 0; e < t->now.used; e++)
        not_kept -= t->bounds[e] - t->entries[e].error;
    if (other.error > not_kept)
        other.error = not_kept; /* what rows may be short of is nowhere else */
    return other;
}
