/* The page that report_html() writes: the database it comes from, and its sections. Private to
 * spoa/store/report_*.c. */
#ifndef STORE_REPORT_PAGE_H
#define STORE_REPORT_PAGE_H

#include "base/span.h"
#include "store/report.h"

struct sqlite3_stmt;

struct page {
    struct sqlite3            *db;
    const struct report_range *range;
    FILE                      *out;
    long long                  now; /* unix time in seconds */
    bool                       one_day;
    bool                       failed; /* nothing more is read then, so that the database keeps its reason */
};

/* ?1 and ?2 are the first and the last day. NULL, which page_next() takes: the page has failed. */
struct sqlite3_stmt *page_query(struct page *page, const char *sql);

/* Steps to the next row. When there is none, the query is gone. */
bool page_next(struct page *page, struct sqlite3_stmt *rows);

/* Valid until the next row; NULL is empty. */
struct span page_text(struct sqlite3_stmt *row, int column);

/* Milliseconds; below 0: NULL. */
double page_ms(struct sqlite3_stmt *row, int column);

/* `class` may be "long": on paper, it may go on on the next page. */
void page_begin_section(struct page *page, const char *class, const char *title, const char *csv);
void page_end_section(struct page *page);

/* What the lists of the heaviest are parts of. */
struct page_total {
    int64_t requests, denied;
};

/* Writes a notice if the last hours of the day or the last days of the range have no data. Hours and days that have not
 * begun do not count. */
void page_missing(struct page *page);

/* What happened in each hour of the day, or on each day of the range. */
void page_over_time(struct page *page);

void page_rules(struct page *page);
void page_clients(struct page *page, const struct page_total *total);
void page_paths(struct page *page, const struct page_total *total);

/* `left_out`: how many more there were than the database holds one by one. */
void page_denials(struct page *page, int64_t left_out);

#endif
