/* The heaviest clients and paths and the distinct clients of an hour or day: into their rows, and back.
 *
 * The blob of the distinct clients begins with the seed of its hashes, and the total of the period when it was written:
 * of what came later, and was lost when the agent was killed, nobody knows whose it was. Both are 8 bytes,
 * little-endian. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/utf8.h"
#include "store/analytics_statements.h"
#include "tally/blob.h"

#define SKETCH_SIZE (16 + DISTINCT_BLOB_SIZE)

struct total {
    uint64_t requests, denied;
};

/* Clients, or paths. */
struct kind {
    enum statement clear, insert, read;
    bool           is_path;
};

static const struct kind clients = { STATEMENT_DELETE_CLIENTS, STATEMENT_CLIENT, STATEMENT_READ_CLIENTS, false };
static const struct kind paths = { STATEMENT_DELETE_PATHS, STATEMENT_PATH, STATEMENT_READ_PATHS, true };

/* ---- writing ---- */

static bool read_total(struct analytics_writer *w, struct period period, struct total *total)
{
    sqlite3_stmt *s = writer_bind(w, period, STATEMENT_READ_TOTAL);
    int           code = sqlite3_step(s);

    *total = (struct total){ 0, 0 };
    if (code == SQLITE_ROW) {
        total->requests = (uint64_t)sqlite3_column_int64(s, 0);
        total->denied = (uint64_t)sqlite3_column_int64(s, 1);
    }
    return sqlite3_reset(s) == SQLITE_OK && (code == SQLITE_ROW || code == SQLITE_DONE);
}

static bool insert_row(struct analytics_writer *w, struct period period, const struct kind *kind, bool rest,
                       struct span text, const struct topk_row *row)
{
    sqlite3_stmt *s = writer_bind(w, period, kind->insert);

    sqlite3_bind_int(s, 3, rest);
    sqlite3_bind_text(s, 4, text.p, (int)text.n, SQLITE_STATIC);
    writer_bind_number(s, 5, row->count);
    writer_bind_number(s, 6, row->sums[SUM_DENIED]);
    writer_bind_number(s, 7, row->error);
    if (kind->is_path) {
        writer_bind_number(s, 8, row->sums[SUM_DURATIONS]);
        writer_bind_number(s, 9, row->sums[SUM_DURATION_US]);
    }
    return writer_run(s);
}

/* What `rows` leave of the total. False: they do not fit into it, in a file that somebody has changed. */
static bool find_rest(const struct topk *t, const struct topk_row *rows, size_t n, struct total total,
                      struct topk_row *rest)
{
    uint64_t known = topk_other(t, NULL, 0).count;

    *rest = topk_other(t, rows, n);
    if (known > total.requests)
        return false;
    rest->count = total.requests;
    rest->sums[SUM_DENIED] = total.denied;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].sums[SUM_DENIED] > rest->sums[SUM_DENIED] || rows[i].sums[SUM_DENIED] > rows[i].count)
            return false;
        rest->count -= rows[i].count;
        rest->sums[SUM_DENIED] -= rows[i].sums[SUM_DENIED];
    }
    rest->error = topk_floor(t) + total.requests - known;
    return rest->sums[SUM_DENIED] <= rest->count;
}

static bool write_rows(struct analytics_writer *w, struct period period, const struct kind *kind, const struct topk *t,
                       struct total total)
{
    size_t          n = topk_size(t);
    uint64_t        unknown;
    struct topk_row rest;
    bool            done;

    topk_rows(t, w->rows);
    if (!find_rest(t, w->rows, n, total, &rest)) {
        n = 0;
        rest = (struct topk_row){ .count = total.requests, .error = total.requests, .sums = { total.denied } };
    }
    unknown = rest.error - (n > 0 ? topk_floor(t) : rest.error);
    done = writer_run(writer_bind(w, period, kind->clear));
    for (size_t i = 0; i < n && done; i++) {
        char        text[UTF8_REPAIRED_MAX(SKETCH_PATH)], address[ADDRESS_TEXT_MAX];
        struct span key = client_text(w->rows[i].text, address);
        size_t      text_n = utf8_repair(key, text, sizeof text);

        w->rows[i].error += unknown;
        done = insert_row(w, period, kind, false, (struct span){ text, text_n }, &w->rows[i]);
    }
    return done && (rest.count == 0 || insert_row(w, period, kind, true, SPAN_LITERAL(""), &rest));
}

static bool write_distinct(struct analytics_writer *w, struct period period, const struct distinct *d,
                           struct total total)
{
    uint8_t       blob[SKETCH_SIZE], *out = blob;
    sqlite3_stmt *s = writer_bind(w, period, STATEMENT_SKETCH);

    out = blob_put_fixed(out, w->seed);
    out = blob_put_fixed(out, total.requests);
    distinct_write(d, out);
    sqlite3_bind_blob(s, 3, blob, sizeof blob, SQLITE_STATIC);
    if (!writer_run(s))
        return false;
    s = writer_bind(w, period, STATEMENT_SET_CLIENTS);
    writer_bind_number(s, 3, distinct_count(d));
    return writer_run(s);
}

bool writer_details(struct analytics_writer *w, struct period period, const struct sketches *s)
{
    struct total total;

    return read_total(w, period, &total) && write_rows(w, period, &clients, s->clients, total) &&
           write_rows(w, period, &paths, s->paths, total) && write_distinct(w, period, &s->distinct, total);
}

/* ---- reading ---- */

static bool read_head(struct span *blob, uint64_t *seed, uint64_t *total)
{
    return blob_get_fixed(blob, seed) && blob_get_fixed(blob, total) && *total <= BLOB_VALUE_MAX;
}

bool writer_read_seed(sqlite3 *db, uint64_t *seed)
{
    static const char sql[] = "SELECT sketch FROM day_sketches WHERE what = 'clients' ORDER BY day DESC LIMIT 1";
    sqlite3_stmt     *s = NULL;
    struct span       blob;
    uint64_t          total;
    bool              found = false;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        blob = (struct span){ sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0) };
        found = read_head(&blob, seed, &total);
    }
    sqlite3_finalize(s);
    return found;
}

/* Of another seed's, the total still counts. */
static bool read_distinct(struct analytics_writer *w, struct period period, struct distinct *d, uint64_t *total)
{
    sqlite3_stmt *s = writer_bind(w, period, STATEMENT_READ_SKETCH);
    int           code = sqlite3_step(s);
    struct span   blob;
    uint64_t      seed;

    *d = (struct distinct){ 0 };
    *total = 0;
    if (code == SQLITE_ROW) {
        blob = (struct span){ sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0) };
        if (!read_head(&blob, &seed, total))
            *total = 0;
        else if (seed == w->seed)
            distinct_read(d, blob);
    }
    return sqlite3_reset(s) == SQLITE_OK && (code == SQLITE_ROW || code == SQLITE_DONE);
}

static uint64_t id_of_text(const struct analytics_writer *w, struct span text)
{
    char key[CLIENT_KEY_MAX], digits[TALLY_ID_DIGITS + 1], *end;

    if (text.n > TALLY_ID_SUFFIX &&
        memcmp(text.p + text.n - TALLY_ID_SUFFIX, TALLY_ELLIPSIS, sizeof TALLY_ELLIPSIS - 1) == 0) {
        uint64_t id;

        memcpy(digits, text.p + text.n - TALLY_ID_DIGITS, TALLY_ID_DIGITS);
        digits[TALLY_ID_DIGITS] = '\0';
        id = strtoull(digits, &end, 16);
        if (*end == '\0')
            return id;
    }
    return tally_id_of(client_key_of_text(text, key), w->seed);
}

/* The rest comes first. */
static bool read_rows(struct analytics_writer *w, struct period period, const struct kind *kind, struct topk *t,
                      size_t text_max, uint64_t total_requests)
{
    sqlite3_stmt   *s = writer_bind(w, period, kind->read);
    struct topk_row total = { .count = total_requests };
    size_t          n = 0;
    int             code;

    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct topk_row row = { .text = { w->texts + n * SKETCH_PATH, 0 } };
        struct span     text = { (const char *)sqlite3_column_text(s, 1), (size_t)sqlite3_column_bytes(s, 1) };
        char            key[CLIENT_KEY_MAX];

        row.count = (uint64_t)sqlite3_column_int64(s, 2);
        row.error = (uint64_t)sqlite3_column_int64(s, 4);
        row.sums[SUM_DENIED] = (uint64_t)sqlite3_column_int64(s, 3);
        row.sums[SUM_DURATIONS] = (uint64_t)sqlite3_column_int64(s, 5);
        row.sums[SUM_DURATION_US] = (uint64_t)sqlite3_column_int64(s, 6);
        for (int i = 0; i < TOPK_SUMS; i++)
            total.sums[i] += row.sums[i];
        if (sqlite3_column_int(s, 0) == 1) {
            total.error = row.error;
            continue;
        }
        if (text.p == NULL || n == SKETCH_KEYS)
            continue;
        row.id = id_of_text(w, text);
        if (!kind->is_path)
            text = client_key_of_text(text, key);
        row.text.n = text.n < text_max ? text.n : text_max;
        memcpy(w->texts + n * SKETCH_PATH, text.p, row.text.n);
        w->rows[n++] = row;
    }
    topk_restore(t, &total, w->rows, n);
    return sqlite3_reset(s) == SQLITE_OK && code == SQLITE_DONE;
}

bool writer_restore(struct analytics_writer *w, struct period period, struct sketches *s, struct sketches *scratch)
{
    uint64_t total;

    if (!read_distinct(w, period, &scratch->distinct, &total) ||
        !read_rows(w, period, &clients, scratch->clients, SKETCH_CLIENT, total) ||
        !read_rows(w, period, &paths, scratch->paths, SKETCH_PATH, total))
        return false;
    sketches_merge(s, scratch);
    return true;
}
