#include "store/rules_db.h"

#include <stdint.h>
#include <string.h>

#include <sqlite3.h>

#include "store/rules_file.h"

/* ---- a copy, and whether it is sound ---- */

static bool is_busy(int code)
{
    return (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED;
}

static enum rules_load copy_into(sqlite3 *memory, const struct rules_source *source)
{
    enum rules_load result = RULES_REFUSED;
    sqlite3        *file = NULL;
    sqlite3_backup *backup = NULL;
    int             code;

    /* Read-write, since the journal of a writer that died must be rolled back; SQLite falls back to read-only by itself. */
    code = sqlite3_open_v2(source->path, &file, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK) {
        backup = sqlite3_backup_init(memory, "main", file, "main");
        code = backup == NULL ? sqlite3_errcode(memory) : sqlite3_backup_step(backup, -1);
    }
    if (code == SQLITE_DONE)
        result = RULES_LOADED;
    else if (is_busy(code))
        result = RULES_BUSY;
    else
        rules_tell(source, "%s", file != NULL && backup == NULL ? sqlite3_errmsg(file) : sqlite3_errstr(code));
    sqlite3_backup_finish(backup);
    sqlite3_close(file);
    return result;
}

static sqlite3_stmt *prepare(sqlite3 *db, const struct rules_source *source, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK)
        return statement;
    rules_tell(source, "not a rules database that this agent knows: %s", sqlite3_errmsg(db));
    return NULL;
}

/* The first column of the first row of a query; -1 when it fails. */
static int64_t query_integer(sqlite3 *db, const struct rules_source *source, const char *sql)
{
    sqlite3_stmt *statement = prepare(db, source, sql);
    int64_t       value = -1;

    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static bool is_sound(sqlite3 *db, const struct rules_source *source)
{
    sqlite3_stmt *statement;
    const char   *finding = "";
    int64_t       version = query_integer(db, source, "PRAGMA user_version");
    bool          sound;

    if (version > RULES_SCHEMA_VERSION) {
        rules_tell(source, "its schema has version %lld, and this agent knows %d: upgrade the agent",
                   (long long)version, RULES_SCHEMA_VERSION);
        return false;
    }
    /* Half a file can still be read as fewer rules than there were. The CHECKs are left out: the builder names the row
     * and the column of what was forced past them. */
    sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    statement = prepare(db, source, "PRAGMA quick_check(1)");
    if (statement == NULL)
        return false;
    sound = sqlite3_step(statement) == SQLITE_ROW;
    if (sound) {
        finding = (const char *)sqlite3_column_text(statement, 0);
        sound = finding != NULL && strcmp(finding, "ok") == 0;
    }
    if (!sound)
        rules_tell(source, "the database is damaged: %s",
                   finding != NULL && *finding != '\0' ? finding : sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    return sound;
}

static bool finished(sqlite3 *db, const struct rules_source *source, int code)
{
    if (code == SQLITE_DONE)
        return true;
    rules_tell(source, "cannot be read: %s", sqlite3_errmsg(db));
    return false;
}

/* ---- lists ---- */

struct list_reader {
    sqlite3                   *db;
    const struct rules_source *source;
    const struct ruleset      *previous;
    bool                       failed;
};

static sqlite3_stmt *prepare_for_list(struct list_reader *reader, const char *sql, const char *name)
{
    sqlite3_stmt *statement = prepare(reader->db, reader->source, sql);

    if (statement == NULL)
        reader->failed = true;
    else
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    return statement;
}

static struct list *read_list(struct list_reader *reader, const char *name, int64_t stamp)
{
    sqlite3_stmt *statement = prepare_for_list(reader, "SELECT entry FROM lists WHERE list = ?", name);
    struct list  *list;
    int           code = SQLITE_DONE;

    if (statement == NULL)
        return NULL;
    list = list_new(name, stamp);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *entry = (const char *)sqlite3_column_text(statement, 0);

        if (entry != NULL)
            list_add(list, (struct span){ entry, (size_t)sqlite3_column_bytes(statement, 0) });
    }
    reader->failed |= !finished(reader->db, reader->source, code);
    sqlite3_finalize(statement);
    list_finish(list);
    return list;
}

/* A list_source_fn. */
static struct list *find_list(void *context, const char *name)
{
    struct list_reader *reader = context;
    sqlite3_stmt       *statement = prepare_for_list(reader, "SELECT stamp FROM list_stamps WHERE list = ?", name);
    int64_t             stamp = 0;
    bool                stamped;

    if (statement == NULL)
        return NULL;
    stamped = sqlite3_step(statement) == SQLITE_ROW;
    if (stamped)
        stamp = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    for (size_t i = 0; stamped && reader->previous != NULL && i < reader->previous->lists_n; i++) {
        struct list *list = reader->previous->lists[i];

        if (list_stamp(list) == stamp && strcmp(list_name(list), name) == 0)
            return list_hold(list);
    }
    return read_list(reader, name, stamp);
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

static void load_rule(sqlite3_stmt *rules, struct pairs *pairs, struct ruleset_builder *builder)
{
    struct rule_row row;
    struct problem  problem = { .column = "match" };

#define X(column) row.column = read_value(rules, COLUMN_##column);
    RULE_COLUMNS(X)
#undef X
    take_pairs(pairs, row.id.integer);
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

static bool load_rules(sqlite3 *db, const struct rules_source *source, struct ruleset_builder *builder)
{
    static const char rules_query[] = "SELECT "
#define X(column) #column ","
        RULE_COLUMNS(X)
#undef X
            "CASE WHEN json_valid(match) THEN json_type(match) = 'object' ELSE 0 END"
            " FROM rules WHERE enabled IS NOT 0 ORDER BY priority, id";
    static const char pairs_query[] =
        "SELECT r.id, j.key, j.value, j.type FROM rules r,"
        " json_each(CASE WHEN json_valid(r.match) AND json_type(r.match) = 'object' THEN r.match ELSE '{}' END) j"
        " WHERE r.enabled IS NOT 0 AND r.match IS NOT NULL ORDER BY r.priority, r.id";
    sqlite3_stmt *rules = prepare(db, source, rules_query);
    struct pairs  pairs = { .statement = rules == NULL ? NULL : prepare(db, source, pairs_query) };
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

enum rules_load rules_db_load(const char *path, const struct ruleset *previous, problem_fn *problem, void *context,
                              struct ruleset **set)
{
    struct rules_source     source = { path, problem, context };
    struct ruleset_builder *builder;
    struct list_reader      reader;
    enum rules_load         result = RULES_REFUSED;
    sqlite3                *db = NULL;
    bool                    good;

    *set = NULL;
    if (!rules_file_is_usable(&source))
        return RULES_REFUSED;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        rules_tell(&source, "out of memory");
        goto out;
    }
    result = copy_into(db, &source);
    if (result != RULES_LOADED)
        goto out;
    result = RULES_REFUSED;
    if (!is_sound(db, &source))
        goto out;
    reader = (struct list_reader){ .db = db, .source = &source, .previous = previous };
    builder = ruleset_builder_new(problem, context, find_list, &reader);
    good = load_rules(db, &source, builder);
    *set = ruleset_builder_finish(builder);
    if (!good || reader.failed) {
        ruleset_free(*set);
        *set = NULL;
    }
    if (*set != NULL)
        result = RULES_LOADED;
out:
    sqlite3_close(db);
    return result;
}
