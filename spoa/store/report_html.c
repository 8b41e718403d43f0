#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "store/html.h"
#include "store/report_page.h"

extern const char report_css[]; /* report.css, embedded by the Makefile */

sqlite3_stmt *page_query(struct page *page, const char *sql)
{
    sqlite3_stmt *rows = NULL;

    if (page->failed)
        return NULL;
    if (sqlite3_prepare_v2(page->db, sql, -1, &rows, NULL) != SQLITE_OK) {
        page->failed = true;
        return NULL;
    }
    sqlite3_bind_text(rows, 1, page->range->since, -1, SQLITE_STATIC);
    sqlite3_bind_text(rows, 2, page->range->until, -1, SQLITE_STATIC);
    return rows;
}

bool page_next(struct page *page, sqlite3_stmt *rows)
{
    int code = rows == NULL ? SQLITE_DONE : sqlite3_step(rows);

    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        page->failed = true;
    sqlite3_finalize(rows);
    return false;
}

double page_ms(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_double(row, column);
}

struct span page_text(sqlite3_stmt *row, int column)
{
    const char *p = (const char *)sqlite3_column_text(row, column);

    return (struct span){ p == NULL ? "" : p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(row, column) };
}

void page_begin_section(struct page *page, const char *class, const char *title, const char *csv)
{
    fprintf(page->out, "<section class=\"%s\"><h2>%s <a href=\"%s.csv\">CSV</a></h2>\n", class, title, csv);
}

void page_end_section(struct page *page)
{
    fputs("</section>\n", page->out);
}

/* ---- totals ---- */

struct totals {
    int64_t allowed, slowed, denied, shadow_denied, clients, left_out;
    bool    feed;
    int64_t status_1xx, status_2xx, status_3xx, status_other, not_found, bytes, coarse, ban, undecided, aborted,
        origin_errors, tunnels, streams;
    int64_t origin_4xx, refused, origin_5xx;
    int64_t other_4xx;        /* of clients that went away, by HAProxy */
    int64_t other_5xx;        /* by HAProxy: no origin was up, or it failed */
    int64_t untold;           /* 4xx and 5xx of days that an older agent counted */
    double  percentile_ms[3]; /* below 0: none */
};

static int64_t requests_of(const struct totals *totals)
{
    return totals->allowed + totals->slowed + totals->denied;
}

/* False: there is no day in the range. */
static bool read_totals(struct page *page, struct totals *t)
{
    sqlite3_stmt *row = page_query(
        page,
        "SELECT sum(allowed), sum(slowed), sum(denied), sum(shadow_denied), sum(clients), sum(denials_left_out),"
        "  sum(status_1xx), sum(status_2xx), sum(status_3xx), sum(status_other), sum(coalesce(origin_404, not_found)),"
        "  sum(bytes), sum(coarse_denied), sum(ban_denied), sum(undecided), sum(aborted), sum(origin_errors),"
        "  sum(tunnels), sum(streams), sum(origin_4xx), sum(refused_4xx + refused_5xx), sum(origin_5xx),"
        "  sum(status_4xx - origin_4xx - refused_4xx), sum(status_5xx - origin_5xx - refused_5xx),"
        "  sum(iif(refused_4xx IS NULL, status_4xx + status_5xx, 0)),"
        "  max(duration_p50_ms), max(duration_p95_ms), max(duration_p99_ms)"
        "  FROM days LEFT JOIN day_responses USING (day) WHERE day BETWEEN ?1 AND ?2 HAVING count(*) > 0");
    int64_t *const fields[] = { &t->allowed,   &t->slowed,        &t->denied,     &t->shadow_denied, &t->clients,
                                &t->left_out,  &t->status_1xx,    &t->status_2xx, &t->status_3xx,    &t->status_other,
                                &t->not_found, &t->bytes,         &t->coarse,     &t->ban,           &t->undecided,
                                &t->aborted,   &t->origin_errors, &t->tunnels,    &t->streams,       &t->origin_4xx,
                                &t->refused,   &t->origin_5xx,    &t->other_4xx,  &t->other_5xx,     &t->untold };
    const int      n = sizeof fields / sizeof *fields;

    if (!page_next(page, row))
        return false;
    for (int i = 0; i < n; i++)
        *fields[i] = sqlite3_column_int64(row, i);
    t->feed = sqlite3_column_type(row, 6) != SQLITE_NULL;
    for (int i = 0; i < 3; i++)
        t->percentile_ms[i] = page_ms(row, n + i);
    sqlite3_finalize(row);
    return true;
}

static void write_tile(FILE *out, const char *name, int64_t count, int64_t of)
{
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    html_count(out, count);
    if (count > 0 && of > 0) {
        fputs(" <small>", out);
        html_percent(out, count, of);
        fputs("</small>", out);
    }
    fputs("</dd></div>\n", out);
}

static void write_latency_tile(FILE *out, const char *name, double ms)
{
    if (ms < 0)
        return;
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    html_ms(out, ms);
    fputs("</dd></div>\n", out);
}

static void write_totals(const struct page *page, const struct totals *t)
{
    int64_t requests = requests_of(t);
    FILE   *out = page->out;

    fputs("<section><dl class=\"tiles\">\n", out);
    write_tile(out, "requests", requests, 0);
    write_tile(out, "allowed", t->allowed, requests);
    write_tile(out, "slowed", t->slowed, requests);
    write_tile(out, "denied", t->denied, requests);
    if (t->shadow_denied > 0) {
        fputs("<div><dt>would deny</dt><dd>", out);
        html_count(out, t->shadow_denied);
        fputs(" <small>shadow rules</small></dd></div>\n", out);
    }
    /* Distinct clients of several days are not the sum of the days', nor are percentiles the highest. */
    if (page->one_day) {
        write_tile(out, "clients", t->clients, 0);
        write_latency_tile(out, "p50 latency", t->percentile_ms[0]);
        write_latency_tile(out, "p95 latency", t->percentile_ms[1]);
        write_latency_tile(out, "p99 latency", t->percentile_ms[2]);
    }
    fputs("</dl></section>\n", out);
}

/* ---- responses ---- */

/* Each response is in one part. Refusals have a part of their own, whatever their status. */
static void write_responses(struct page *page, const struct totals *t)
{
    const struct part parts[] = {
        { "2xx", "c1", t->status_2xx },
        { "3xx", "c4", t->status_3xx },
        { "4xx of the origin", "c2", t->origin_4xx },
        { "refused", "c3", t->refused },
        { "5xx of the origin", "c6", t->origin_5xx },
        { "5xx: the origin was down or failed", "c7", t->other_5xx },
        { "4xx and 5xx of days without a count of refusals", "c5", t->untold },
        { "1xx", "c5", t->status_1xx },
        { "none or other", "c5", t->status_other + t->other_4xx },
    };
    const size_t n = sizeof parts / sizeof *parts;
    int64_t      responses = 0;

    for (size_t i = 0; i < n; i++)
        responses += parts[i].count;
    page_begin_section(page, "", "Responses", "daily_summary");
    html_bar(page->out, "strip", parts, n, responses);
    fputs("<p class=\"legend\">", page->out);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].count == 0)
            continue;
        fprintf(page->out, "<span class=\"%s\"><i></i>%s: ", parts[i].class, parts[i].name);
        html_count(page->out, parts[i].count);
        fputs("</span>", page->out);
    }
    fputs("</p>\n<p class=\"note\">Refused: by the rules, a ban, a coarse limit or HAProxy&#39;s configuration, with a "
          "4xx "
          "or 5xx.</p>\n<dl class=\"tiles\">\n",
          page->out);
    write_tile(page->out, "responses", responses, 0);
    write_tile(page->out, "refused", t->refused, responses);
    write_tile(page->out, "coarse limit", t->coarse, responses);
    write_tile(page->out, "banned by HAProxy", t->ban, responses);
    write_tile(page->out, "undecided", t->undecided, responses);
    write_tile(page->out, "not found (404)", t->not_found, responses);
    write_tile(page->out, "client went away", t->aborted, responses);
    write_tile(page->out, "origin failed", t->origin_errors, responses);
    if (t->tunnels > 0)
        write_tile(page->out, "tunnels (101)", t->tunnels, responses);
    if (t->streams > 0)
        write_tile(page->out, "event streams", t->streams, responses);
    fputs("<div><dt>sent</dt><dd>", page->out);
    html_bytes(page->out, t->bytes);
    fputs("</dd></div>\n</dl>\n", page->out);
    page_end_section(page);
}

/* ---- the page ---- */

static void write_head(const struct page *page)
{
    const char *until = page->one_day ? "" : page->range->until, *to = page->one_day ? "" : " to ";

    /* No script, no picture, no connection: whatever might slip through finds nothing to do. */
    fprintf(page->out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<title>spoa-rules: %s%s%s</title>\n<style>\n%s</style></head>\n<body>\n"
            "<header><h1>%s%s%s</h1><p>What spoa-rules decided, and what HAProxy answered. All times are "
            "UTC.</p></header>\n",
            page->range->since, to, until, report_css, page->range->since, to, until);
}

static void write_foot(const struct page *page)
{
    char      written[32] = "";
    time_t    seconds = (time_t)page->now;
    struct tm tm;

    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(written, sizeof written, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(page->out, "<footer>spoa-rules " SPOA_VERSION ", written %s UTC</footer>\n</body></html>\n", written);
}

bool report_html(sqlite3 *db, const struct report_range *range, long long now, FILE *out)
{
    struct page   page = { db, range, out, now, strcmp(range->since, range->until) == 0, false };
    struct totals totals = { 0 };
    bool          any;

    write_head(&page);
    any = read_totals(&page, &totals);
    page_missing(&page);
    if (any) {
        struct page_total total = { requests_of(&totals), totals.denied };

        write_totals(&page, &totals);
        page_over_time(&page);
        if (totals.feed)
            write_responses(&page, &totals);
        else
            fputs("<p class=\"note\">There was no log feed: responses and latency are not known.</p>\n", out);
        page_rules(&page);
        fputs("<div class=\"pair\">\n", out);
        page_clients(&page, &total);
        page_paths(&page, &total);
        fputs("</div>\n", out);
        page_denials(&page, totals.left_out);
    } else {
        fprintf(out, "<section class=\"empty\">Nothing was recorded on %s.</section>\n",
                page.one_day ? "this day" : "these days");
    }
    write_foot(&page);
    return !page.failed;
}
