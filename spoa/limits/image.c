#include "limits/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

#include "limits/table.h"

/* Before each shard's lock is taken. Where two processes a core compete, a snapshot of a million counters that does not
 * pause was put aside with a lock in hand nearly every time, for 2 to 24 ms. */
#define PAUSE_US 100

static const char magic[16] = "spoa-counters 1";

/* At the begin of the file. A change of what any struct of it means is a new `magic`; of their sizes, it shows here. */
struct header {
    char          magic[sizeof magic];
    uint32_t      sizes[6];
    uint64_t      is_live;
    uint64_t      max_counters, seed, run;
    int64_t       ahead_us;
    struct moment saved;
    char          boot[IMAGE_BOOT_SIZE + 3];
    uint64_t      states_checksum; /* of a snapshot */
    uint64_t      checksum;        /* of all above */
};

static const uint32_t sizes[6] = {
    sizeof(struct header), sizeof(struct shard_state), sizeof(struct slot),
    POOL_CELL_SIZE,        sizeof(struct ban),         MEMORY_PAGE,
};

/* What of one shard is in a file, or on its way there; `layout` says where. */
struct part {
    struct shard_layout layout;
    struct shard_state *state;
    struct slot        *slots[POOL_KINDS];
    char               *cells[POOL_KINDS];
    char               *wides;
};

/* ---- parts ---- */

/* Room for any shard of such a table, to be freed as `wides`. */
static bool part_init(struct part *part, size_t max_counters)
{
    size_t n = table_layout(max_counters, 0).capacity;
    size_t size = n * (2 * POOL_CELL_SIZE + sizeof(struct ban) + POOL_KINDS * sizeof(struct slot));
    char  *end = malloc(size);

    *part = (struct part){ .wides = end };
    if (end == NULL)
        return false;
    memset(end, 0, size); /* pages come now, not while a shard is locked */
    end += n * POOL_CELL_SIZE;
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        part->cells[kind] = end;
        part->slots[kind] = (struct slot *)(void *)(end + n * table_cell_sizes[kind]);
        end += n * (table_cell_sizes[kind] + sizeof(struct slot));
    }
    return true;
}

typedef bool transfer_fn(int fd, void *bytes, size_t n, size_t at);

static bool read_at(int fd, void *bytes, size_t n, size_t at)
{
    ssize_t got = n == 0 ? 0 : pread(fd, bytes, n, (off_t)at);

    if (got >= 0 && (size_t)got != n)
        errno = EIO; /* shorter than it says */
    return got >= 0 && (size_t)got == n;
}

static bool write_at(int fd, void *bytes, size_t n, size_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(fd, (char *)bytes + done, n - done, (off_t)(at + done));

        if (put < 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

static bool part_transfer(transfer_fn *transfer, int fd, struct part *part)
{
    bool ok = transfer(fd, part->wides, (size_t)part->state->wide_used * POOL_CELL_SIZE, part->layout.wides);

    for (int kind = 0; kind < POOL_KINDS && ok; kind++) {
        size_t n = part->state->used[kind];

        ok = transfer(fd, part->slots[kind], n * sizeof(struct slot), part->layout.slots[kind]) &&
             transfer(fd, part->cells[kind], n * table_cell_sizes[kind], part->layout.cells[kind]);
    }
    return ok;
}

/* A snapshot has no holes: what is used follows on each other. */
static void pack(struct part *part, size_t *end)
{
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        size_t n = part->state->used[kind];

        part->layout.slots[kind] = *end;
        part->layout.cells[kind] = *end + n * sizeof(struct slot);
        *end += n * (sizeof(struct slot) + table_cell_sizes[kind]);
    }
    part->layout.wides = *end;
    *end += (size_t)part->state->wide_used * POOL_CELL_SIZE;
}

static uint64_t part_checksum(const struct part *part)
{
    uint64_t sum = XXH3_64bits(part->wides, (size_t)part->state->wide_used * POOL_CELL_SIZE);

    for (int kind = 0; kind < POOL_KINDS; kind++) {
        size_t n = part->state->used[kind];

        sum = XXH3_64bits_withSeed(part->slots[kind], n * sizeof(struct slot), sum);
        sum = XXH3_64bits_withSeed(part->cells[kind], n * table_cell_sizes[kind], sum);
    }
    return sum;
}

/* ---- reading ---- */

static bool read_states(const struct image *image, struct shard_state **states, size_t *size)
{
    size_t n = (size_t)1 << table_shard_bits(image->max_counters);

    *size = n * sizeof **states;
    *states = malloc(*size);
    if (*states == NULL)
        return false;
    if (!read_at(image->fd, *states, *size, table_layout(image->max_counters, 0).state))
        goto fail;
    for (unsigned i = 0; i < n; i++) {
        uint32_t capacity = table_layout(image->max_counters, i).capacity;

        errno = EIO;
        if ((*states)[i].used[0] > capacity || (*states)[i].used[1] > capacity || (*states)[i].wide_used > capacity)
            goto fail;
    }
    return true;
fail:
    free(*states);
    return false;
}

typedef bool part_fn(void *context, struct part *part);

/* Reads one shard after the other. False: the file cannot be read, or `each` said so. */
static bool read_parts(const struct image *image, part_fn *each, void *context)
{
    struct shard_state *states;
    struct part         part;
    size_t              size, end;
    bool                ok = true;

    if (!read_states(image, &states, &size))
        return false;
    if (!part_init(&part, image->max_counters)) {
        free(states);
        return false;
    }
    end = table_layout(image->max_counters, 0).state + size;
    for (unsigned i = 0; ok && i < size / sizeof *states; i++) {
        part.layout = table_layout(image->max_counters, i);
        part.state = &states[i];
        if (!image->is_live)
            pack(&part, &end);
        ok = part_transfer(read_at, image->fd, &part) && each(context, &part);
    }
    free(part.wides);
    free(states);
    return ok;
}

static bool verify_part(void *context, struct part *part)
{
    (void)context;
    return part->state->undo_kind == 0 && part->state->checksum == part_checksum(part);
}

static bool verify(const struct image *image, uint64_t states_checksum)
{
    struct shard_state *states;
    size_t              size;
    bool                ok;

    if (!read_states(image, &states, &size))
        return false;
    ok = XXH3_64bits(states, size) == states_checksum;
    free(states);
    return ok && read_parts(image, verify_part, NULL);
}

/* So far from what overflows that two of them can be added. */
static bool is_time(int64_t us)
{
    return us >= INT64_MIN / 4 && us <= INT64_MAX / 4;
}

const char *image_open(struct image *image, int fd, const char *boot)
{
    struct header header;

    if (!read_at(fd, &header, sizeof header, 0))
        return "it cannot be read, or is too short";
    if (memcmp(header.magic, magic, sizeof magic) != 0 || memcmp(header.sizes, sizes, sizeof sizes) != 0)
        return "it is of another version, or no file of counters";
    if (header.checksum != XXH3_64bits(&header, offsetof(struct header, checksum)) ||
        memchr(header.boot, '\0', IMAGE_BOOT_SIZE) == NULL || header.max_counters == 0 ||
        header.max_counters >= UINT32_MAX || !is_time(header.ahead_us) || !is_time(header.saved.mono_us) ||
        !is_time(header.saved.unix_us))
        return "it is damaged";
    *image = (struct image){
        .fd = fd,
        .seed = header.seed,
        .run = header.run,
        .max_counters = header.max_counters,
        .ahead_us = header.ahead_us,
        .saved = header.saved,
        .is_live = header.is_live != 0,
    };
    memcpy(image->boot, header.boot, IMAGE_BOOT_SIZE);
    if (image->is_live)
        return strcmp(image->boot, boot) == 0 ? NULL : "the machine has been restarted since";
    return verify(image, header.states_checksum) ? NULL : "it is damaged";
}

/* What was being changed when the process died, as it was before. */
static void undo(struct part *part)
{
    const struct shard_state *state = part->state;
    uint32_t                  kind = state->undo_kind - 1, cell = state->undo_cell;

    if (state->undo_kind == 0 || kind >= POOL_KINDS || cell >= state->used[kind])
        return;
    part->slots[kind][cell] = state->undo_slot;
    memcpy(part->cells[kind] + cell * table_cell_sizes[kind], state->undo_bytes, table_cell_sizes[kind]);
    if (state->undo_slot.wide != 0 && state->undo_slot.wide <= state->wide_used)
        memcpy(part->wides + (size_t)(state->undo_slot.wide - 1) * POOL_CELL_SIZE, state->undo_wide, POOL_CELL_SIZE);
}

/* Whether it still counts, and nothing of it could do harm. */
static bool is_good(const struct part *part, int kind, uint32_t i, struct moment now)
{
    const struct slot *slot = &part->slots[kind][i];
    char              *entry = part->cells[kind] + i * table_cell_sizes[kind] + sizeof(uint64_t);
    struct counter     c = { (union entry *)(void *)entry, NULL };

    if (slot->period_s < 1 || slot->period_s > LIMIT_PERIOD_MAX_S || slot->algorithm > LIMIT_TOKEN ||
        slot->share > SHARE_USED_UP || (int64_t)slot->until_s * SECOND_US <= now.mono_us ||
        slot->wide > part->state->wide_used ||
        (slot->wide != 0 && (kind != POOL_COUNTERS || slot->algorithm != LIMIT_SLIDING)))
        return false;
    if (slot->wide != 0)
        c.wide = (struct sliding_wide *)(void *)(part->wides + (size_t)(slot->wide - 1) * POOL_CELL_SIZE);
    return kind == POOL_BANS ||
           counter_is_sound(c, (enum limit_algorithm)slot->algorithm, slot->period_s & 0x3FFFFF, now);
}

struct restoration {
    struct table *table;
    struct moment now; /* in the table's time */
};

static void restore_cell(const struct restoration *r, struct part *part, int kind, uint32_t i)
{
    const struct slot *from = &part->slots[kind][i];
    const char        *bytes = part->cells[kind] + i * table_cell_sizes[kind];
    struct limit  limit = { .algorithm = (enum limit_algorithm)from->algorithm, .period_s = from->period_s & 0x3FFFFF };
    struct shard *shard;
    struct pool  *pool;
    uint64_t      key;
    uint32_t      cell;

    memcpy(&key, bytes, sizeof key);
    if (key == 0 || !is_good(part, kind, i, r->now))
        return;
    shard = table_shard(r->table, key);
    pool = &shard->pools[kind];
    /* A smaller table keeps what is most useful. */
    if (pool_find(pool, key, POOL_NONE) != POOL_NONE || (cell = pool_choose(pool, r->now, NULL, 0)) == POOL_NONE)
        return;
    shard_begin(shard, (enum pool_kind)kind, cell);
    pool_put(pool, cell, key, &limit, from->group & 0xFFFF);
    if (from->wide != 0)
        pool_widen(pool, cell);
    memcpy(pool_cell(pool, cell), bytes, table_cell_sizes[kind]);
    if (from->wide != 0)
        memcpy(pool_counter(pool, cell).wide, part->wides + (size_t)(from->wide - 1) * POOL_CELL_SIZE, POOL_CELL_SIZE);
    pool_slot(pool, cell)->state = from->state;
    shard_end(shard);
}

static bool restore_part(void *context, struct part *part)
{
    const struct restoration *r = context;

    undo(part);
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        for (uint32_t i = 0; i < part->state->used[kind]; i++)
            restore_cell(r, part, kind, i);
    }
    return true;
}

bool image_restore(const struct image *image, struct limits *limits, const char *boot, struct moment now)
{
    struct restoration r = { .table = &limits->table, .now = now };
    int64_t            away_us = now.unix_us - image->saved.unix_us;

    limits->table.ahead_us = image->ahead_us;
    if (strcmp(image->boot, boot) != 0)
        limits->table.ahead_us += image->saved.mono_us + (away_us > 0 ? away_us : 0) - now.mono_us;
    r.now.mono_us += limits->table.ahead_us;
    return read_parts(image, restore_part, &r);
}

/* ---- writing ---- */

static struct header make_header(const struct table *t, const char *boot, struct moment now)
{
    struct header header = {
        .max_counters = t->max_counters, .seed = t->seed, .run = t->run, .ahead_us = t->ahead_us, .saved = now
    };

    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.sizes, sizes, sizeof sizes);
    strncpy(header.boot, boot, sizeof header.boot - 1);
    return header;
}

static void seal(struct header *header)
{
    header->checksum = XXH3_64bits(header, offsetof(struct header, checksum));
}

void image_begin(struct limits *limits, const char *boot, uint64_t run, struct moment now)
{
    struct header header;

    limits->table.run = run;
    header = make_header(&limits->table, boot, now);
    header.is_live = 1;
    seal(&header);
    memcpy(limits->table.memory.base, &header, sizeof header);
}

/* Under the shard's lock, so that nothing is half changed. */
static void copy_shard(struct shard *shard, struct part *part)
{
    shard_lock(shard);
    *part->state = *shard->state;
    /* In memory of no file the state says nothing of what is used. */
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        const struct pool *pool = &shard->pools[kind];

        part->state->used[kind] = pool->used;
        memcpy(part->slots[kind], pool->slots.base, (size_t)pool->used * sizeof(struct slot));
        memcpy(part->cells[kind], pool->cells.base, (size_t)pool->used * table_cell_sizes[kind]);
    }
    part->state->wide_used = shard->pools[POOL_COUNTERS].wide_used;
    memcpy(part->wides, shard->pools[POOL_COUNTERS].wides.base, (size_t)part->state->wide_used * POOL_CELL_SIZE);
    shard_unlock(shard);
    part->state->checksum = part_checksum(part);
}

bool image_save(struct limits *limits, int fd, const char *boot, struct moment now, bool in_use)
{
    struct table       *t = &limits->table;
    size_t              n = (size_t)1 << t->shard_bits;
    struct shard_state *states = malloc(n * sizeof *states);
    struct header       header = make_header(t, boot, now);
    size_t              end = table_layout(t->max_counters, 0).state + n * sizeof *states;
    struct part         part;
    bool                ok = states != NULL;

    if (!ok || !part_init(&part, t->max_counters)) {
        free(states);
        return false;
    }
    for (unsigned i = 0; ok && i < n; i++) {
        part.state = &states[i];
        /* Who has just slept is not the one to be put aside a moment later, lock in hand. */
        if (in_use)
            usleep(PAUSE_US);
        copy_shard(&t->shards[i], &part);
        pack(&part, &end);
        ok = part_transfer(write_at, fd, &part);
    }
    header.states_checksum = XXH3_64bits(states, n * sizeof *states);
    seal(&header);
    ok = ok && write_at(fd, states, n * sizeof *states, table_layout(t->max_counters, 0).state) &&
         write_at(fd, &header, sizeof header, 0);
    free(part.wides);
    free(states);
    return ok;
}
