#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "store/analytics_file.h"
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
    int64_t status[6], not_found, bytes, coarse, ban, undecided, aborted, origin_errors;
    double  percentile_ms[3]; /* below 0: none */
};

static int64_t requests_of(const struct totals *totals)
{
    return totals->allowed + totals->slowed + totals->denied;
}

static double ms_of(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_double(row, column);
}

/* False: there is no day in the range. */
static bool read_totals(struct page *page, struct totals *t)
{
    sqlite3_stmt *row = page_query(
        page,
        "SELECT sum(allowed), sum(slowed), sum(denied), sum(shadow_denied), sum(clients), sum(denials_left_out),"
        "  sum(status_1xx), sum(status_2xx), sum(status_3xx), sum(status_4xx), sum(status_5xx), sum(status_other),"
        "  sum(not_found), sum(bytes), sum(coarse_denied), sum(ban_denied), sum(undecided), sum(aborted),"
        "  sum(origin_errors), max(duration_p50_ms), max(duration_p95_ms), max(duration_p99_ms)"
        "  FROM days LEFT JOIN day_responses USING (day) WHERE day BETWEEN ?1 AND ?2 HAVING count(*) > 0");
    int64_t *const fields[] = { &t->allowed,   &t->slowed,    &t->denied,    &t->shadow_denied, &t->clients,
                                &t->left_out,  &t->status[0], &t->status[1], &t->status[2],     &t->status[3],
                                &t->status[4], &t->status[5], &t->not_found, &t->bytes,         &t->coarse,
                                &t->ban,       &t->undecided, &t->aborted,   &t->origin_errors };

    if (!page_next(page, row))
        return false;
    for (int i = 0; i < 19; i++)
        *fields[i] = sqlite3_column_int64(row, i);
    t->feed = sqlite3_column_type(row, 6) != SQLITE_NULL;
    for (int i = 0; i < 3; i++)
        t->percentile_ms[i] = ms_of(row, 19 + i);
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

/* ---- over time ---- */

struct slots {
    struct slot *all;
    size_t       n, room;
};

static struct slot *add_slot(struct slots *slots)
{
    if (slots->n == slots->room) {
        size_t       room = slots->room * 2 + 24;
        struct slot *all = realloc(slots->all, room * sizeof *all);

        if (all == NULL)
            return NULL;
        slots->all = all;
        slots->room = room;
    }
    return &slots->all[slots->n++];
}

static void read_slots(struct page *page, struct slots *slots)
{
    sqlite3_stmt *rows = page_query(
        page, page->one_day
                  ? "SELECT hour, printf('%02d:00', hour), allowed, slowed, denied, duration_p50_ms, duration_p95_ms,"
                    "  duration_p99_ms FROM hourly_summary WHERE day BETWEEN ?1 AND ?2"
                  : "SELECT julianday(day) - julianday((SELECT min(day) FROM days WHERE day BETWEEN ?1 AND ?2)), day,"
                    "  allowed, slowed, denied, duration_p50_ms, duration_p95_ms, duration_p99_ms"
                    "  FROM daily_summary WHERE day BETWEEN ?1 AND ?2");

    while (page_next(page, rows)) {
        struct slot *slot = add_slot(slots);

        if (slot == NULL) {
            page->failed = true;
            sqlite3_finalize(rows);
            return;
        }
        slot->at = sqlite3_column_int(rows, 0);
        snprintf(slot->label, sizeof slot->label, "%s", page_text(rows, 1).p);
        slot->allowed = sqlite3_column_int64(rows, 2);
        slot->slowed = sqlite3_column_int64(rows, 3);
        slot->denied = sqlite3_column_int64(rows, 4);
        for (int i = 0; i < 3; i++)
            slot->percentile_ms[i] = ms_of(rows, 5 + i);
    }
}

static void write_slot_table(FILE *out, const struct slots *slots)
{
    fputs(
        "<details><summary>numbers</summary><table class=\"list\"><thead><tr><th></th><th>requests</th><th>denied</th>"
        "<th>p95</th></tr></thead><tbody>\n",
        out);
    for (size_t i = 0; i < slots->n; i++) {
        const struct slot *slot = &slots->all[i];

        fprintf(out, "<tr><td>%s</td><td data-is=\"requests\">", slot->label);
        html_count(out, slot->allowed + slot->slowed + slot->denied);
        fputs("</td><td data-is=\"denied\">", out);
        html_count(out, slot->denied);
        fputs(slot->percentile_ms[1] >= 0 ? "</td><td data-is=\"p95\">" : "</td><td>", out);
        if (slot->percentile_ms[1] >= 0)
            html_ms(out, slot->percentile_ms[1]);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></details>\n", out);
}

/* The day so many days after `day`. */
static void later_day(const char *day, int days, char later[16])
{
    struct tm tm = { 0 };

    strptime(day, "%Y-%m-%d", &tm);
    day_format(timegm(&tm) / 86400 + days, later);
}

/* Below days: the first, the last, and between them the one in the middle, where one is there or nearly so. */
static struct chart days_chart(const struct slots *slots, char middle[16], const char *ticks[3])
{
    struct chart chart = { slots->all, slots->n, slots->all[slots->n - 1].at + 1, ticks, 0, false };

    ticks[chart.ticks_n++] = slots->all[0].label;
    if (chart.width > 2 && (chart.width % 2 == 1 || chart.width > 10)) {
        later_day(slots->all[0].label, (chart.width - 1) / 2, middle);
        ticks[chart.ticks_n++] = middle;
    }
    if (chart.width > 1)
        ticks[chart.ticks_n++] = slots->all[slots->n - 1].label;
    return chart;
}

static void write_charts(struct page *page, const struct slots *slots)
{
    static const char *const hours[] = { "00:00", "06:00", "12:00", "18:00", "24:00" };
    const char              *days[3];
    char                     middle[16];
    const char              *csv = page->one_day ? "hourly_summary" : "daily_summary";
    struct chart             chart = { slots->all, slots->n, 24, hours, 5, true };
    bool                     timed = false;

    if (!page->one_day)
        chart = days_chart(slots, middle, days);
    page_begin_section(page, "", page->one_day ? "Requests by hour" : "Requests by day", csv);
    html_request_chart(page->out, &chart);
    write_slot_table(page->out, slots);
    page_end_section(page);
    for (size_t i = 0; i < slots->n; i++)
        timed = timed || slots->all[i].percentile_ms[0] >= 0;
    if (!timed)
        return;
    page_begin_section(page, "", page->one_day ? "Latency by hour" : "Latency by day", csv);
    fputs("<p class=\"note\">How long forwarded requests took: half of them at most p50, 95 % at most p95.</p>\n",
          page->out);
    html_latency_chart(page->out, &chart);
    page_end_section(page);
}

static void write_over_time(struct page *page)
{
    struct slots slots = { NULL, 0, 0 };

    read_slots(page, &slots);
    if (slots.n > 0)
        write_charts(page, &slots);
    else if (!page->failed)
        fputs("<section class=\"empty\">The hours of this day are no longer kept.</section>\n", page->out);
    free(slots.all);
}

/* ---- responses ---- */

static void write_responses(struct page *page, const struct totals *t)
{
    const struct part parts[] = { { "2xx", "c1", t->status[1] }, { "3xx", "c4", t->status[2] },
                                  { "4xx", "c2", t->status[3] }, { "5xx", "c3", t->status[4] },
                                  { "1xx", "c5", t->status[0] }, { "none or other", "c5", t->status[5] } };
    int64_t           responses = 0;

    for (size_t i = 0; i < 6; i++)
        responses += parts[i].count;
    page_begin_section(page, "", "Responses", "daily_summary");
    html_bar(page->out, "strip", parts, 6, responses);
    fputs("<p class=\"legend\">", page->out);
    for (size_t i = 0; i < 6; i++) {
        if (parts[i].count == 0)
            continue;
        fprintf(page->out, "<span class=\"%s\"><i></i>%s: ", parts[i].class, parts[i].name);
        html_count(page->out, parts[i].count);
        fputs("</span>", page->out);
    }
    fputs("</p>\n<dl class=\"tiles\">\n", page->out);
    write_tile(page->out, "responses", responses, 0);
    write_tile(page->out, "not found (404)", t->not_found, responses);
    write_tile(page->out, "coarse limit", t->coarse, responses);
    write_tile(page->out, "banned by HAProxy", t->ban, responses);
    write_tile(page->out, "undecided", t->undecided, responses);
    write_tile(page->out, "client went away", t->aborted, responses);
    write_tile(page->out, "origin failed", t->origin_errors, responses);
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

static void write_foot(const struct page *page, long long now)
{
    char      written[32] = "";
    time_t    seconds = (time_t)now;
    struct tm tm;

    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(written, sizeof written, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(page->out, "<footer>spoa-rules " SPOA_VERSION ", written %s UTC</footer>\n</body></html>\n", written);
}

bool report_html(sqlite3 *db, const struct report_range *range, long long now, FILE *out)
{
    struct page   page = { db, range, out, strcmp(range->since, range->until) == 0, false };
    struct totals totals = { 0 };

    write_head(&page);
    if (read_totals(&page, &totals)) {
        struct page_total total = { requests_of(&totals), totals.denied };

        write_totals(&page, &totals);
        write_over_time(&page);
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
    write_foot(&page, now);
    return !page.failed;
}
