#include "store/rules_db.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include <sqlite3.h>

#include "store/guard.h"
#include "store/rules_copy.h"

static bool finished(sqlite3 *db, const struct rules_source *source, int code)
{
    if (code == SQLITE_DONE)
        return true;
    rules_tell(source, "cannot be read: %s", guard_reason(db));
    return false;
}

/* ---- lists ---- */

struct list_reader {
    sqlite3                   *db;
    const struct rules_source *source;
    const struct ruleset      *previous;
    bool                       checked; /* for rows that no list would show */
    bool                       failed;  /* and told: what was read is not to be used */
};

/* A row with NULL in it, which only a table that is not ours can hold, would be missing from some list. */
static void check_lists(struct list_reader *reader)
{
    sqlite3_stmt *statement =
        rules_prepare(reader->db, reader->source, "SELECT list FROM lists WHERE list IS NULL OR entry IS NULL LIMIT 1");
    int code;

    reader->checked = true;
    reader->failed |= statement == NULL;
    if (statement == NULL)
        return;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_NULL)
        rules_tell(reader->source, "table lists: a row has NULL for the name of its list: name one, or delete the row");
    else if (code == SQLITE_ROW)
        rules_tell(reader->source, "table lists: list '%s' has an entry that is NULL: write one, or delete the row",
                   (const char *)sqlite3_column_text(statement, 0));
    else
        finished(reader->db, reader->source, code);
    reader->failed |= code != SQLITE_DONE;
    sqlite3_finalize(statement);
}

/* False: there are no more, or, told, they cannot be read. */
static bool next_entry(struct list_reader *reader, sqlite3_stmt *statement, struct span *entry)
{
    int code = sqlite3_step(statement);

    while (code == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_NULL) {
        reader->failed = true; /* told by check_lists() */
        code = sqlite3_step(statement);
    }
    if (code != SQLITE_ROW) {
        reader->failed |= !finished(reader->db, reader->source, code);
        return false;
    }
    entry->p = (const char *)sqlite3_column_text(statement, 0);
    entry->n = (size_t)sqlite3_column_bytes(statement, 0);
    if (entry->p != NULL)
        return true;
    rules_tell(reader->source, "cannot be read: an entry of a list: out of memory");
    reader->failed = true;
    return false;
}

/* Of what stands in the list and in which order, which is that of the primary key. A stamp kept beside the list would
 * not do: a dump that was edited by hand brings it back unchanged. The seed keeps who writes an imported list from
 * making two of one hash. */
static uint64_t hash_entries(struct list_reader *reader, sqlite3_stmt *entries)
{
    static uint64_t seed;
    struct span     entry;
    uint64_t        hash, n = 0;

    if (seed == 0 && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = 1;
    hash = seed;
    for (; next_entry(reader, entries, &entry); n++) {
        uint64_t head[2] = { hash, entry.n };

        hash = XXH3_64bits_withSeed(entry.p, entry.n, XXH3_64bits(head, sizeof head));
    }
    return XXH3_64bits_withSeed(&n, sizeof n, hash);
}

static struct list *find_unchanged(const struct ruleset *previous, const char *name, uint64_t fingerprint)
{
    for (size_t i = 0; previous != NULL && i < previous->lists_n; i++)
        if (list_fingerprint(previous->lists[i]) == fingerprint && strcmp(list_name(previous->lists[i]), name) == 0)
            return list_hold(previous->lists[i]);
    return NULL;
}

static struct list *read_list(struct list_reader *reader, sqlite3_stmt *entries, const char *name, uint64_t fingerprint)
{
    struct list *list = list_new(name, fingerprint);
    struct span  entry;

    while (next_entry(reader, entries, &entry))
        list_add(list, entry);
    list_finish(list);
    return list;
}

/* A list_source_fn. Of a million entries hashing takes 0.11 s, copying and indexing 0.3 s, and making addresses of them
 * some 0.2 s more: a list that did not change is spared all but the first. */
static struct list *find_list(void *context, const char *name)
{
    struct list_reader *reader = context;
    sqlite3_stmt       *entries;
    struct list        *list;
    uint64_t            fingerprint;

    if (!reader->checked)
        check_lists(reader);
    entries = rules_prepare(reader->db, reader->source, "SELECT entry FROM lists WHERE list = ?");
    if (entries == NULL) {
        reader->failed = true;
        return NULL;
    }
    sqlite3_bind_text(entries, 1, name, -1, SQLITE_STATIC);
    fingerprint = hash_entries(reader, entries);
    list = find_unchanged(reader->previous, name, fingerprint);
    if (list == NULL) {
        sqlite3_reset(entries);
        list = read_list(reader, entries, name, fingerprint);
    }
    sqlite3_finalize(entries);
    return list;
}

/* ---- rules ---- */

static struct rule_value read_value(sqlite3_stmt *statement, int column)
{
    struct rule_value value = { .type = VALUE_TEXT };

    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return (struct rule_value){ .type = VALUE_NULL };
    if (sqlite3_column_type(statement, column) == SQLITE_INTEGER) {
        value.type = VALUE_INTEGER;
        value.integer = sqlite3_column_int64(statement, column);
    }
    value.text = (const char *)sqlite3_column_text(statement, column);
    if (value.text == NULL)
        value.text = "";
    return value;
}

/* The pairs of all rules' `match` in the order of the rules, of which one rule's are taken at a time. */
struct pairs {
    sqlite3_stmt     *statement;
    int               code;
    struct rule_match items[ATTRIBUTES_MAX];
    size_t            n;
    bool              too_many;
    struct arena      texts; /* of all rules: they go when the loading ends */
};

static char *copy_text(struct pairs *pairs, int column)
{
    const char *text = (const char *)sqlite3_column_text(pairs->statement, column);

    return arena_text(&pairs->texts, text == NULL ? "" : text);
}

static void take_pairs(struct pairs *pairs, int64_t rule)
{
    pairs->n = 0;
    pairs->too_many = false;
    while (pairs->code == SQLITE_ROW && sqlite3_column_int64(pairs->statement, 0) == rule) {
        if (pairs->n == ATTRIBUTES_MAX - ATTRIBUTES_FIXED)
            pairs->too_many = true;
        else
            pairs->items[pairs->n++] = (struct rule_match){
                .key = copy_text(pairs, 1),
                .value = copy_text(pairs, 2),
                .type = copy_text(pairs, 3),
            };
        pairs->code = sqlite3_step(pairs->statement);
    }
}

/* Columns of the query in load_rules() that stand behind the rule's own. */
enum {
#define X(column) COLUMN_##column,
    RULE_COLUMNS(X)
#undef X
        COLUMN_MATCH_IS_OBJECT
};

/* The builder reads texts up to a NUL byte: what stands behind it would be cut off, and the rule be another one. True
 * when there was one, which was told. */
static bool refuse_nul(sqlite3_stmt *rules, const struct rule_row *row, struct ruleset_builder *builder)
{
    struct problem problem = { .rule = row->id.integer,
                               .remedy = "text with a NUL byte in it: write it again without" };

#define X(name)                                                                                                        \
    if (row->name.type == VALUE_TEXT &&                                                                                \
        strlen(row->name.text) != (size_t)sqlite3_column_bytes(rules, COLUMN_##name)) {                                \
        problem.column = #name;                                                                                        \
        problem.value = row->name.text;                                                                                \
        ruleset_builder_refuse(builder, &problem);                                                                     \
    }
    RULE_COLUMNS(X)
#undef X
    /* As the schema has it: where json_each() meets the escape it cuts the text itself, depending on its version. */
    if (problem.column == NULL && row->match.type == VALUE_TEXT && strstr(row->match.text, "\\u0000") != NULL) {
        problem.column = "match";
        problem.value = row->match.text;
        ruleset_builder_refuse(builder, &problem);
    }
    return problem.column != NULL;
}

static void load_rule(sqlite3_stmt *rules, struct pairs *pairs, struct ruleset_builder *builder)
{
    struct rule_row row;
    struct problem  problem = { .column = "match" };

#define X(column) row.column = read_value(rules, COLUMN_##column);
    RULE_COLUMNS(X)
#undef X
    take_pairs(pairs, row.id.integer);
    if (refuse_nul(rules, &row, builder))
        return;
    problem.rule = row.id.integer;
    problem.value = row.match.text;
    if (pairs->too_many)
        problem.remedy = "name fewer attributes";
    else if (row.match.type != VALUE_NULL && !sqlite3_column_int(rules, COLUMN_MATCH_IS_OBJECT))
        problem.remedy = "write a JSON object such as {\"api_key\":\"K123\"}";
    else
        problem.remedy = NULL;
    if (problem.remedy != NULL)
        ruleset_builder_refuse(builder, &problem);
    else
        ruleset_builder_add(builder, &row, pairs->items, pairs->n);
}

/* Both in the builder's order, where a priority of NULL is 100. An index of somebody's might lack rows. */
static bool load_rules(sqlite3 *db, const struct rules_source *source, struct ruleset_builder *builder)
{
    static const char rules_query[] = "SELECT "
#define X(column) #column ","
        RULE_COLUMNS(X)
#undef X
            "CASE WHEN json_valid(match) THEN json_type(match) = 'object' ELSE 0 END"
            " FROM rules NOT INDEXED WHERE enabled IS NOT 0 ORDER BY ifnull(priority, 100), id";
    static const char pairs_query[] =
        "SELECT r.id, j.key, j.value, j.type FROM rules r NOT INDEXED,"
        " json_each(CASE WHEN json_valid(r.match) AND json_type(r.match) = 'object' THEN r.match ELSE '{}' END) j"
        " WHERE r.enabled IS NOT 0 AND r.match IS NOT NULL ORDER BY ifnull(r.priority, 100), r.id";
    sqlite3_stmt *rules = rules_prepare(db, source, rules_query);
    struct pairs  pairs = { .statement = rules == NULL ? NULL : rules_prepare(db, source, pairs_query) };
    bool          good = false;
    int           code;

    if (pairs.statement == NULL)
        goto out;
    pairs.code = sqlite3_step(pairs.statement);
    while ((code = sqlite3_step(rules)) == SQLITE_ROW)
        load_rule(rules, &pairs, builder);
    good = finished(db, source, code) && finished(db, source, pairs.code);
out:
    arena_fini(&pairs.texts);
    sqlite3_finalize(pairs.statement);
    sqlite3_finalize(rules);
    return good;
}

/* Who asked to stop is told of nothing that comes of it. */
struct quiet {
    const struct guard *guard;
    problem_fn         *problem;
    void               *context;
};

static void tell_unless_stopped(void *context, const struct problem *problem)
{
    const struct quiet *quiet = context;

    if (!quiet->guard->stopped)
        quiet->problem(quiet->context, problem);
}

static struct ruleset *compile(sqlite3 *db, const struct rules_source *source, const struct ruleset *previous)
{
    struct list_reader      reader = { .db = db, .source = source, .previous = previous };
    struct ruleset_builder *builder = ruleset_builder_new(source->problem, source->context, find_list, &reader);

    if (!load_rules(db, source, builder) || reader.failed)
        ruleset_builder_abandon(builder);
    return ruleset_builder_finish(builder);
}

enum rules_load rules_db_load_until(const char *path, const struct ruleset *previous, const struct rules_stop *stop,
                                    problem_fn *problem, void *context, struct ruleset **set)
{
    struct guard              guard = { .stop = stop->asked, .context = stop->context };
    struct quiet              quiet = { &guard, problem, context };
    const struct rules_source source = { path, tell_unless_stopped, &quiet };
    enum rules_load           result;
    sqlite3                  *db;

    *set = NULL;
    if (!rules_file_is_usable(&source))
        return RULES_REFUSED;
    result = rules_copy(&source, &guard, &db);
    if (result == RULES_LOADED)
        *set = compile(db, &source, previous);
    sqlite3_close(db);
    if (guard.stopped && *set == NULL)
        return RULES_STOPPED;
    return result == RULES_LOADED && *set == NULL ? RULES_REFUSED : result;
}

enum rules_load rules_db_load(const char *path, const struct ruleset *previous, problem_fn *problem, void *context,
                              struct ruleset **set)
{
    static const struct rules_stop never;

    return rules_db_load_until(path, previous, &never, problem, context, set);
}
