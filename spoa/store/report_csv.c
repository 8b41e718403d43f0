#include <string.h>

#include <sqlite3.h>

#include "base/utf8.h"
#include "store/guard.h"
#include "store/report.h"

const char *const report_views[] = { "daily_summary", "hourly_summary", "daily_rules",
                                     "daily_clients", "daily_paths",    "denials" };
const size_t      report_views_n = sizeof report_views / sizeof *report_views;

static bool begins_with(struct span text, const char *prefix)
{
    size_t n = strlen(prefix);

    return text.n >= n && memcmp(text.p, prefix, n) == 0;
}

/* Spreadsheets take = + - @ for the beginning of a formula, some of them behind blanks; a field that begins with an
 * apostrophe they show as text. */
static bool looks_like_formula(struct span text)
{
    static const char *const wide[] = { "\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0" };

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (begins_with(text, wide[i]))
            return true;
    return (unsigned char)text.p[0] <= ' ' || strchr("=+-@'", text.p[0]) != NULL;
}

static bool needs_quotes(struct span text)
{
    if (text.n == 0 || text.p[0] == ' ' || text.p[text.n - 1] == ' ')
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (strchr("\",\r\n", text.p[i]) != NULL && text.p[i] != '\0')
            return true;
    return false;
}

static void write_text(struct span text, FILE *out)
{
    bool quoted = needs_quotes(text);

    if (quoted)
        putc('"', out);
    if (looks_like_formula(text))
        putc('\'', out);
    for (size_t i = 0; i < text.n;) {
        size_t n = utf8_sequence((struct span){ text.p + i, text.n - i });

        if (n == 0)
            fprintf(out, "\\x%02X", (unsigned char)text.p[i]);
        else
            fwrite(text.p + i, 1, n, out);
        if (text.p[i] == '"')
            putc('"', out);
        i += n == 0 ? 1 : n;
    }
    if (quoted)
        putc('"', out);
}

static void write_field(sqlite3_stmt *row, int column, FILE *out)
{
    int         type = sqlite3_column_type(row, column);
    struct span text;

    if (type == SQLITE_NULL)
        return;
    text.p = (const char *)sqlite3_column_text(row, column);
    text.n = (size_t)sqlite3_column_bytes(row, column);
    if (text.p == NULL)
        text = SPAN_LITERAL("");
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT)
        fwrite(text.p, 1, text.n, out);
    else
        write_text(text, out);
}

/* More rows than the file can hold come from one that the agent did not write; `out` would fill the disk. */
static void write_rows(sqlite3_stmt *rows, int *code, FILE *out)
{
    uint64_t left = guard_rows(sqlite3_db_handle(rows));
    int      columns = sqlite3_column_count(rows);

    for (int i = 0; i < columns; i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", sqlite3_column_name(rows, i));
    fputs("\r\n", out);
    while ((*code = sqlite3_step(rows)) == SQLITE_ROW && !ferror(out)) {
        for (int i = 0; i < columns; i++) {
            if (i > 0)
                putc(',', out);
            write_field(rows, i, out);
        }
        fputs("\r\n", out);
        if (left-- == 0)
            sqlite3_interrupt(sqlite3_db_handle(rows));
    }
}

bool report_csv(sqlite3 *db, const char *view, const struct report_range *range, FILE *out)
{
    sqlite3_stmt *rows;
    char          sql[160];
    int           code;

    /* 2026-11-20T23:59:59.999Z sorts behind 2026-11-20 and before 2026-11-20U. */
    snprintf(sql, sizeof sql,
             strcmp(view, "denials") == 0 ? "SELECT * FROM %s WHERE time BETWEEN ?1 AND ?2 || 'U'"
                                          : "SELECT * FROM %s WHERE day BETWEEN ?1 AND ?2",
             view);
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_text(rows, 1, range->since, -1, SQLITE_STATIC);
    sqlite3_bind_text(rows, 2, range->until, -1, SQLITE_STATIC);
    write_rows(rows, &code, out);
    sqlite3_finalize(rows);
    /* When the file is full, the code is not the reason. */
    return code == SQLITE_DONE || ferror(out);
}
