#include "policy/index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

#include "base/arena.h"
#include "policy/glob.h"
#include "policy/ruleset.h"

enum key_kind { KEY_EXACT, KEY_PREFIX, KEY_SUFFIX, KEY_NETWORK };

/* One question that a request has to ask. */
struct probe {
    uint64_t seed; /* of its hashes: see probe_of() */
    uint8_t  attribute;
    uint8_t  kind;   /* enum key_kind */
    uint8_t  bits;   /* KEY_NETWORK: of the family */
    uint16_t length; /* bytes of a prefix or suffix, bits of a network */
};

/* Two keys with one hash share a bucket, which costs comparisons, and may have a request meet it twice. */
struct bucket {
    uint64_t hash;
    uint32_t first; /* the rank itself where there is one, else the position of the first in `ranks` */
    uint32_t n;     /* 0: empty */
};

/* A key that a rule may be filed under. */
struct key {
    uint64_t     hash;
    struct probe probe;
};

/* ---- keys ---- */

/* Many lengths would mean many probes; a long literal is filed under its beginning (a suffix, its end). Up to 16 bytes
 * every length, up to 64 every fourth, then powers of two: at most 39 lengths. */
static uint16_t rounded_length(size_t n)
{
    uint16_t length = 64;

    if (n <= 16)
        return (uint16_t)n;
    if (n < 64)
        return (uint16_t)(n & ~(size_t)3);
    while (length < 32768 && (size_t)length * 2 <= n)
        length = (uint16_t)(length * 2);
    return length;
}

/* XXH3 takes a seed for random bits: with one that is only a few small numbers, short keys of different probes
 * collide. */
static struct probe probe_of(unsigned attribute, enum key_kind kind, unsigned bits, unsigned length)
{
    const uint64_t numbers[] = { attribute, kind, bits, length };

    return (struct probe){ XXH3_64bits(numbers, sizeof numbers), (uint8_t)attribute, (uint8_t)kind, (uint8_t)bits,
                           (uint16_t)length };
}

static uint64_t hash_key(struct probe probe, const void *bytes, size_t n)
{
    return XXH3_64bits_withSeed(bytes, n, probe.seed);
}

static uint64_t hash_network(struct probe probe, const struct address *address)
{
    struct address masked = address_masked(*address, probe.length);

    return hash_key(probe, masked.bytes, sizeof masked.bytes);
}

/* Whether a GLOB compares this byte with exactly one byte of the value: a wild card does not, nor does a byte of a
 * longer UTF-8 character, since GLOB takes all malformed ones for the same. A ']' may end a set. */
static bool is_literal(char c)
{
    return c != '*' && c != '?' && c != '[' && c != ']' && ((unsigned char)c & 0x80) == 0;
}

static size_t glob_keys(const struct pattern *pattern, struct key keys[2])
{
    struct span text = pattern->text;
    size_t      n = 0, prefix = 0, suffix = 0;

    while (prefix < text.n && is_literal(text.p[prefix]))
        prefix++;
    while (suffix < text.n && is_literal(text.p[text.n - 1 - suffix]))
        suffix++;
    if (prefix > 0) {
        struct probe probe = probe_of(pattern->attribute, KEY_PREFIX, 0, rounded_length(prefix));

        keys[n++] = (struct key){ hash_key(probe, text.p, probe.length), probe };
    }
    if (suffix > 0) {
        struct probe probe = probe_of(pattern->attribute, KEY_SUFFIX, 0, rounded_length(suffix));

        keys[n++] = (struct key){ hash_key(probe, text.p + text.n - probe.length, probe.length), probe };
    }
    return n;
}

/* The keys that `pattern` offers: each request that it matches has them. */
static size_t pattern_keys(const struct pattern *pattern, struct key keys[2])
{
    struct probe probe;

    if (pattern->negated)
        return 0;
    switch (pattern->kind) {
    case PATTERN_EXACT:
        probe = probe_of(pattern->attribute, KEY_EXACT, 0, 0);
        keys[0] = (struct key){ hash_key(probe, pattern->text.p, pattern->text.n), probe };
        return 1;
    case PATTERN_GLOB:
        return glob_keys(pattern, keys);
    case PATTERN_NETWORK:
        probe = probe_of(ATTRIBUTE_SRC, KEY_NETWORK, pattern->network.address.bits, pattern->network.prefix);
        keys[0] = (struct key){ hash_network(probe, &pattern->network.address), probe };
        return 1;
    case PATTERN_PRESENT:
    case PATTERN_LIST:
    case PATTERN_REGEX:
    case PATTERN_ONE_OF:
        return 0;
    }
    return 0;
}

/* ---- building ---- */

struct builder {
    const struct rule *rules;
    size_t             n;
    struct bucket     *counts; /* how many rules offer a key: a table of its own, of `mask` + 1 */
    size_t             mask;
    struct filed {
        uint64_t hash;
        uint32_t rank;
    } * filed;
    size_t filed_n;
};

static struct bucket *find_bucket(struct bucket *buckets, size_t mask, uint64_t hash)
{
    size_t at = hash & mask;

    while (buckets[at].n != 0 && buckets[at].hash != hash)
        at = (at + 1) & mask;
    return &buckets[at];
}

static size_t table_size(size_t keys)
{
    size_t size = 16;

    while (size < keys * 2)
        size *= 2;
    return size;
}

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    if (p == NULL)
        abort(); /* as arena_alloc() */
    return p;
}

static void count_keys(struct builder *b)
{
    struct key keys[2];
    size_t     total = 0;

    for (size_t i = 0; i < b->n; i++)
        total += 2 * b->rules[i].patterns_n;
    b->mask = table_size(total) - 1;
    b->counts = allocate(b->mask + 1, sizeof *b->counts);
    for (size_t i = 0; i < b->n; i++) {
        for (size_t p = 0; p < b->rules[i].patterns_n; p++) {
            size_t n = pattern_keys(&b->rules[i].patterns[p], keys);

            for (size_t k = 0; k < n; k++) {
                struct bucket *count = find_bucket(b->counts, b->mask, keys[k].hash);

                count->hash = keys[k].hash;
                count->n++;
            }
        }
    }
}

/* The key of `rule` that the fewest rules share, and of those the longest. False: it has none. */
static bool choose_key(const struct builder *b, const struct rule *rule, struct key *chosen)
{
    struct key keys[2];
    uint32_t   fewest = UINT32_MAX;

    for (size_t p = 0; p < rule->patterns_n; p++) {
        size_t n = pattern_keys(&rule->patterns[p], keys);

        for (size_t k = 0; k < n; k++) {
            uint32_t sharing = find_bucket(b->counts, b->mask, keys[k].hash)->n;

            if (sharing < fewest || (sharing == fewest && keys[k].probe.length > chosen->probe.length)) {
                fewest = sharing;
                *chosen = keys[k];
            }
        }
    }
    return fewest != UINT32_MAX;
}

static void note_probe(struct index *index, struct probe probe, size_t *room)
{
    for (size_t i = 0; i < index->probes_n; i++)
        if (index->probes[i].seed == probe.seed)
            return;
    if (index->probes_n == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        index->probes = realloc(index->probes, *room * sizeof *index->probes);
        if (index->probes == NULL)
            abort(); /* as arena_alloc() */
    }
    index->probes[index->probes_n++] = probe;
}

static int compare_filed(const void *a, const void *b)
{
    const struct filed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Files each rule under its key, or in the residue. */
static void file_rules(struct index *index, struct builder *b, struct arena *arena)
{
    struct probe *probes;
    size_t        room = 0;

    b->filed = allocate(b->n, sizeof *b->filed);
    for (uint32_t i = 0; i < b->n; i++) {
        struct key key = { 0 };

        if (choose_key(b, &b->rules[i], &key)) {
            b->filed[b->filed_n++] = (struct filed){ key.hash, i };
            note_probe(index, key.probe, &room);
        } else {
            index->ranks[index->residue_n++] = i;
        }
    }
    probes = index->probes;
    index->probes = arena_alloc(arena, index->probes_n * sizeof *probes);
    if (index->probes_n > 0)
        memcpy(index->probes, probes, index->probes_n * sizeof *probes);
    free(probes);
}

/* 16 bits a key or more: of the hashes that are not there, at most one in 16 looks as if it were. With this, matching
 * took three quarters of the time at 10,000 rules, whose buckets no longer fit the nearest cache. */
#define FILTER_BITS_PER_BUCKET 8

static void build_filter(struct index *index, struct arena *arena)
{
    size_t bits = (index->mask + 1) * FILTER_BITS_PER_BUCKET;

    index->filter = arena_alloc(arena, bits / 8);
    for (index->filter_shift = 64; bits > 1; bits /= 2)
        index->filter_shift--;
}

static void add_to_filter(struct index *index, uint64_t hash)
{
    index->filter[hash >> index->filter_shift >> 6] |= UINT64_C(1) << (hash >> index->filter_shift & 63);
}

static bool may_hold(const struct index *index, uint64_t hash)
{
    return index->filter[hash >> index->filter_shift >> 6] >> (hash >> index->filter_shift & 63) & 1;
}

void index_build(struct index *index, const struct rule *rules, size_t n, struct arena *arena)
{
    struct builder b = { .rules = rules, .n = n };

    assert(n < UINT32_MAX);
    *index = (struct index){ .rules = rules, .ranks = arena_alloc(arena, n * sizeof(uint32_t)) };
    count_keys(&b);
    file_rules(index, &b, arena);
    qsort(b.filed, b.filed_n, sizeof *b.filed, compare_filed);

    index->mask = table_size(b.filed_n) - 1;
    index->buckets = arena_alloc(arena, (index->mask + 1) * sizeof *index->buckets);
    build_filter(index, arena);
    for (size_t i = 0; i < b.filed_n; i++) {
        struct bucket *bucket = find_bucket(index->buckets, index->mask, b.filed[i].hash);
        uint32_t       at = (uint32_t)(index->residue_n + i);

        index->ranks[at] = b.filed[i].rank;
        add_to_filter(index, b.filed[i].hash);
        bucket->hash = b.filed[i].hash;
        if (bucket->n++ == 0)
            bucket->first = b.filed[i].rank;
        else if (bucket->n == 2)
            bucket->first = at - 1;
    }
    free(b.counts);
    free(b.filed);
}

/* ---- asking ---- */

/* The hash of what the request has for a probe; false when it has nothing of the kind. */
static bool hash_of(const struct probe *probe, const struct request *request, uint64_t *hash)
{
    struct span value = request->value[probe->attribute];

    if (probe->kind == KEY_NETWORK) {
        if (request->src.bits != probe->bits)
            return false;
        *hash = hash_network(*probe, &request->src);
        return true;
    }
    if (value.p == NULL || value.n < probe->length)
        return false;
    if (probe->kind == KEY_PREFIX)
        value.n = probe->length;
    else if (probe->kind == KEY_SUFFIX)
        value = (struct span){ value.p + value.n - probe->length, probe->length };
    *hash = hash_key(*probe, value.p, value.n);
    return true;
}

/* Large tables do not fit the caches: so many look-ups are under way at a time, and a rule that was found is on its way
 * while the others are looked for. */
#define BATCH 16

static void add_run(const struct index *index, struct index_cursor *cursor, const uint32_t *first, size_t n)
{
    const char *rule = (const char *)&index->rules[*first];

    cursor->runs[cursor->n++] = (struct index_run){ first, first + n };
    for (size_t line = 0; line < sizeof(struct rule); line += 64)
        __builtin_prefetch(rule + line);
}

bool index_find(const struct index *index, const struct request *request, struct index_cursor *cursor)
{
    uint64_t hashes[BATCH];

    if (index->residue_n > 0 && cursor->n == 0)
        add_run(index, cursor, index->ranks, index->residue_n);
    for (size_t i = 0; i < index->probes_n;) {
        size_t n = 0;

        for (; i < index->probes_n && n < BATCH; i++) {
            if (hash_of(&index->probes[i], request, &hashes[n]) && may_hold(index, hashes[n]))
                __builtin_prefetch(&index->buckets[hashes[n++] & index->mask]);
        }
        for (size_t k = 0; k < n; k++) {
            const struct bucket *bucket = find_bucket(index->buckets, index->mask, hashes[k]);

            if (bucket->n == 0)
                continue;
            if (cursor->n == INDEX_RUNS_MAX)
                return false;
            add_run(index, cursor, bucket->n == 1 ? &bucket->first : index->ranks + bucket->first, bucket->n);
        }
    }
    for (size_t i = 0; i < cursor->n; i++)
        __builtin_prefetch(index->rules[*cursor->runs[i].next].patterns);
    return true;
}

/* Runs are few: the least of their heads is found by looking at all. */
bool index_next(struct index_cursor *cursor, uint32_t *rank)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < cursor->n; i++)
        if (*cursor->runs[i].next < least)
            least = *cursor->runs[i].next;
    /* In each run that has it: a bucket met twice must not give a rule twice. */
    for (size_t i = cursor->n; i-- > 0;) {
        struct index_run *run = &cursor->runs[i];

        if (*run->next == least && ++run->next == run->end)
            *run = cursor->runs[--cursor->n];
    }
    *rank = least;
    return least != UINT32_MAX;
}
