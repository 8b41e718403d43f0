/* What analytics.db says about some days: CSV for programs and spreadsheets, a page for people. Both are written from
 * the views of sql/analytics.sql.
 *
 * `db` comes from analytics_open_reader(). What these functions write goes through stdio: ferror(out) tells whether it
 * arrived. They return false when the database cannot be read; analytics_reason(db) says why. */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sqlite3;

/* UTC days such as "2026-11-20", both included. */
struct report_range {
    char since[11], until[11];
};

/* Their names are those of the CSV files. */
extern const char *const report_views[];
extern const size_t      report_views_n;

/* The rows of a view within the range, in the view's order, below a row of column names: RFC 4180, lines end with CR
 * LF.
 *
 * A number is as the sqlite3 CLI prints it, NULL an empty field, an empty text "". Bytes that are not UTF-8 are written
 * by the convention of base/utf8.h. A text that begins with = + - @ (or the wide forms that some spreadsheets take for
 * them), a blank, a control character or an apostrophe gets an apostrophe in front, so that no spreadsheet runs it:
 * whoever reads the file drops one apostrophe from the beginning of a field that has one, and has the value. */
bool report_csv(struct sqlite3 *db, const char *view, const struct report_range *range, FILE *out);

/* A page of HTML that needs nothing else: no script, no network. `now`: unix time in seconds, for its last line. */
bool report_html(struct sqlite3 *db, const struct report_range *range, long long now, FILE *out);

#endif
