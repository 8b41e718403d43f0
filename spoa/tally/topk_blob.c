/* A summary as a blob:
 *
 *      version   1 byte
 *      numbers   text_max, keys kept, floor, count and sums of all
 *      keys      id (16 bytes); numbers: bound - floor, error, sums, length of the text; the text
 */
#include "tally/blob.h"
#include "tally/topk_state.h"

#define VERSION  1
#define HEAD_MAX (1 + (4 + TOPK_SUMS) * BLOB_NUMBER_MAX)
#define KEY_MAX  (16 + (3 + TOPK_SUMS) * BLOB_NUMBER_MAX) /* and its text */

size_t topk_blob_max(const struct topk *t)
{
    size_t size = HEAD_MAX;

    for (uint32_t e = 0; e < t->now.used; e++)
        size += KEY_MAX + t->entries[e].text_n;
    return size;
}

size_t topk_write(const struct topk *t, void *blob)
{
    uint8_t *out = blob;

    *out++ = VERSION;
    out = blob_put(out, t->text_max);
    out = blob_put(out, t->now.used);
    out = blob_put(out, t->now.floor);
    out = blob_put(out, t->now.count);
    for (int i = 0; i < TOPK_SUMS; i++)
        out = blob_put(out, t->now.sums[i]);
    for (uint32_t e = 0; e < t->now.used; e++) {
        const struct topk_entry *entry = &t->entries[e];

        out = blob_put_fixed(out, entry->id.low);
        out = blob_put_fixed(out, entry->id.high);
        out = blob_put(out, t->bounds[e] - t->now.floor);
        out = blob_put(out, entry->error);
        for (int i = 0; i < TOPK_SUMS; i++)
            out = blob_put(out, entry->sums[i]);
        out = blob_put(out, entry->text_n);
        out = blob_put_bytes(out, topk_row_of(t, e).text.p, entry->text_n);
    }
    return (size_t)(out - (uint8_t *)blob);
}

/* Of what is left for further keys, takes what this one has. */
static bool take(uint64_t *left, uint64_t v)
{
    if (v > *left)
        return false;
    *left -= v;
    return true;
}

static bool read_key(struct span *in, const struct topk *t, uint64_t floor, struct topk_row *row)
{
    uint64_t above, text_n;

    if (!blob_get_fixed(in, &row->id.low) || !blob_get_fixed(in, &row->id.high) ||
        !blob_get(in, BLOB_VALUE_MAX, &above) || !blob_get(in, floor, &row->error))
        return false;
    row->count = floor + above - row->error;
    for (int i = 0; i < TOPK_SUMS; i++) {
        if (!blob_get(in, BLOB_VALUE_MAX, &row->sums[i]))
            return false;
    }
    return blob_get(in, t->text_max, &text_n) && blob_get_bytes(in, text_n, &row->text) &&
           topk_find(t, row->id) == TOPK_NONE;
}

static bool read_all(struct topk *t, struct span in)
{
    struct topk_row left = { 0 }, row = { 0 };
    struct span     version;
    uint64_t        text_max, keys, floor;

    if (!blob_get_bytes(&in, 1, &version) || version.p[0] != VERSION || !blob_get(&in, t->text_max, &text_max) ||
        text_max != t->text_max || !blob_get(&in, TOPK_KEYS_MAX, &keys) || !blob_get(&in, BLOB_VALUE_MAX, &floor) ||
        !blob_get(&in, BLOB_VALUE_MAX, &left.count))
        return false;
    for (int i = 0; i < TOPK_SUMS; i++) {
        if (!blob_get(&in, BLOB_VALUE_MAX, &left.sums[i]))
            return false;
    }
    t->now.floor = floor;
    t->now.count = left.count;
    memcpy(t->now.sums, left.sums, sizeof left.sums);
    for (; keys > 0; keys--) {
        if (!read_key(&in, t, floor, &row) || !take(&left.count, row.count))
            return false;
        for (int i = 0; i < TOPK_SUMS; i++) {
            if (!take(&left.sums[i], row.sums[i]))
                return false;
        }
        topk_offer(t, &row);
    }
    return in.n == 0 && floor <= left.count;
}

bool topk_read(struct topk *t, struct span blob)
{
    topk_clear(t);
    if (read_all(t, blob))
        return true;
    topk_clear(t);
    return false;
}
