/* The hours of the page's day, or the days of its range. Those without data are shown, too: they may be the ones in which no
 * agent ran. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "store/analytics_file.h"
#include "store/html.h"
#include "store/report_page.h"

#define DAY_SECONDS 86400

/* Ten years. Each day is an element of the page, so a longer range is drawn from its first day with data on, and never more
 * than its last DAYS_MOST days. */
#define DAYS_MOST 3660

/* Days are counted since 1970 here, hours within their day. */
struct slots {
    struct slot *all;
    int64_t      first; /* the day or hour of the first */
    int          n;
    bool         cut; /* there are earlier ones with data */
};

static int64_t day_number(const char *day)
{
    struct tm tm = { 0 };

    strptime(day, "%Y-%m-%d", &tm);
    return timegm(&tm) / DAY_SECONDS;
}

/* The last day of the range that has begun. */
static int64_t last_day(const struct page *page)
{
    int64_t until = day_number(page->range->until), today = page->now / DAY_SECONDS;

    return until < today ? until : today;
}

/* The last hour of the page's day that is over; -1: none. */
static int last_hour(const struct page *page)
{
    int64_t day = day_number(page->range->since), hours = page->now / 3600 - day * 24;

    return hours < 0 ? -1 : hours > 24 ? 23 : (int)hours - 1;
}

/* The first column of the only row: a day or an hour. False: it is NULL. */
static bool read_one(struct page *page, const char *sql, bool is_day, int64_t *number)
{
    sqlite3_stmt *row = page_query(page, sql);
    bool          is_there;

    if (!page_next(page, row))
        return false;
    is_there = sqlite3_column_type(row, 0) != SQLITE_NULL;
    if (is_there)
        *number = is_day ? day_number(page_text(row, 0).p) : sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return is_there;
}

/* ---- what is missing at the end ---- */

static void write_missing_days(const struct page *page, int64_t last, int64_t end)
{
    char data[11], from[11], to[11];

    day_format(last, data);
    day_format(last + 1, from);
    day_format(end, to);
    fprintf(page->out, "<p class=\"notice\">The last data is of <b>%s</b>: nothing was recorded ", data);
    if (end - last > 1)
        fprintf(page->out, "on the %lld days from %s to ", (long long)(end - last), from);
    else
        fputs("on ", page->out);
    fprintf(page->out, "%s%s. Either no request came, or no agent was asked.</p>\n", to,
            end == page->now / DAY_SECONDS ? " (today)" : "");
}

static void missing_hours(struct page *page)
{
    int     end = last_hour(page);
    int64_t last;

    if (!read_one(page, "SELECT max(hour) FROM hours WHERE day BETWEEN ?1 AND ?2", false, &last) || last >= end)
        return;
    fprintf(page->out,
            "<p class=\"notice\">The last data is of the hour <b>%02d:00</b>: nothing was recorded from %02d:00 to "
            "%02d:00. "
            "Either no request came, or no agent was asked.</p>\n",
            (int)last, (int)last + 1, end + 1);
}

void page_missing(struct page *page)
{
    int64_t last, end = last_day(page);

    if (end < day_number(page->range->since))
        return;
    if (read_one(page, "SELECT max(day) FROM days WHERE day <= ?2", true, &last) && last < end)
        write_missing_days(page, last, end);
    else if (page->one_day)
        missing_hours(page);
}

/* ---- slots ---- */

/* From the first to the last, without data as yet. False: no memory, or there are none (n is 0): a damaged file may hold
 * days that are no dates. */
static bool make_slots(struct slots *slots, int64_t first, int64_t last, bool one_day)
{
    if (last < first)
        return false;
    slots->first = first;
    slots->n = (int)(last - first + 1);
    slots->all = calloc((size_t)slots->n, sizeof *slots->all);
    for (int i = 0; slots->all != NULL && i < slots->n; i++) {
        struct slot *slot = &slots->all[i];

        *slot = (struct slot){ .at = i, .percentile_ms = { -1, -1, -1 } };
        if (one_day)
            snprintf(slot->label, sizeof slot->label, "%02d:00", i);
        else
            day_format(first + i, slot->label);
    }
    return slots->all != NULL;
}

static bool make_days(struct page *page, struct slots *slots)
{
    int64_t first = day_number(page->range->since), last = last_day(page), from, to;

    if (!read_one(page, "SELECT min(day) FROM days WHERE day BETWEEN ?1 AND ?2", true, &from) ||
        !read_one(page, "SELECT max(day) FROM days WHERE day BETWEEN ?1 AND ?2", true, &to))
        return false;
    /* Future days have data if the clock of an agent was wrong. */
    if (last < to)
        last = to;
    if (last - first >= DAYS_MOST)
        first = from > last - DAYS_MOST + 1 ? from : last - DAYS_MOST + 1;
    slots->cut = from < first;
    return make_slots(slots, first, last, false);
}

static bool make_hours(struct page *page, struct slots *slots)
{
    int64_t last;

    if (!read_one(page, "SELECT max(hour) FROM hours WHERE day BETWEEN ?1 AND ?2", false, &last))
        return false;
    if (last < last_hour(page))
        last = last_hour(page);
    return make_slots(slots, 0, last < 23 ? last : 23, true);
}

/* False: there are none, or the page has failed. */
static bool read_slots(struct page *page, struct slots *slots)
{
    sqlite3_stmt *rows;

    if (!(page->one_day ? make_hours(page, slots) : make_days(page, slots))) {
        page->failed = page->failed || slots->n > 0;
        return false;
    }
    rows = page_query(page, page->one_day ? "SELECT hour, allowed, slowed, denied, duration_p50_ms, duration_p95_ms,"
                                            "  duration_p99_ms FROM hourly_summary WHERE day BETWEEN ?1 AND ?2"
                                          : "SELECT day, allowed, slowed, denied, duration_p50_ms, duration_p95_ms,"
                                            "  duration_p99_ms FROM daily_summary WHERE day BETWEEN ?1 AND ?2");
    while (page_next(page, rows)) {
        int64_t      number = page->one_day ? sqlite3_column_int64(rows, 0) : day_number(page_text(rows, 0).p);
        struct slot *slot;

        if (number < slots->first || number >= slots->first + slots->n)
            continue;
        slot = &slots->all[number - slots->first];
        slot->known = true;
        slot->allowed = sqlite3_column_int64(rows, 1);
        slot->slowed = sqlite3_column_int64(rows, 2);
        slot->denied = sqlite3_column_int64(rows, 3);
        for (int i = 0; i < 3; i++)
            slot->percentile_ms[i] = page_ms(rows, 4 + i);
    }
    return !page->failed;
}

static void write_slot(FILE *out, const struct slot *slot)
{
    if (!slot->known) {
        fprintf(out, "<tr class=\"rest\"><td>%s</td><td>no data</td><td></td><td></td></tr>\n", slot->label);
        return;
    }
    fprintf(out, "<tr><td>%s</td><td data-is=\"requests\">", slot->label);
    html_count(out, slot->allowed + slot->slowed + slot->denied);
    fputs("</td><td data-is=\"denied\">", out);
    html_count(out, slot->denied);
    fputs(slot->percentile_ms[1] >= 0 ? "</td><td data-is=\"p95\">" : "</td><td>", out);
    if (slot->percentile_ms[1] >= 0)
        html_ms(out, slot->percentile_ms[1]);
    fputs("</td></tr>\n", out);
}

static void write_slot_table(FILE *out, const struct slots *slots)
{
    fputs(
        "<details><summary>numbers</summary><table class=\"list\"><thead><tr><th></th><th>requests</th><th>denied</th>"
        "<th>p95</th></tr></thead><tbody>\n",
        out);
    for (int i = 0; i < slots->n; i++)
        write_slot(out, &slots->all[i]);
    fputs("</tbody></table></details>\n", out);
}

/* ---- charts ---- */

/* Below days: the first, the last, and between them the one in the middle, where one is there or nearly so. */
static struct chart days_chart(const struct slots *slots, const char *ticks[3])
{
    struct chart chart = { slots->all, (size_t)slots->n, slots->n, ticks, 0, false };

    ticks[chart.ticks_n++] = slots->all[0].label;
    if (chart.width > 2 && (chart.width % 2 == 1 || chart.width > 10))
        ticks[chart.ticks_n++] = slots->all[(chart.width - 1) / 2].label;
    if (chart.width > 1)
        ticks[chart.ticks_n++] = slots->all[slots->n - 1].label;
    return chart;
}

static void write_charts(struct page *page, const struct slots *slots)
{
    static const char *const hours[] = { "00:00", "06:00", "12:00", "18:00", "24:00" };
    const char              *days[3];
    const char              *csv = page->one_day ? "hourly_summary" : "daily_summary";
    struct chart             chart = { slots->all, (size_t)slots->n, 24, hours, 5, true };
    bool                     timed = false;

    if (!page->one_day)
        chart = days_chart(slots, days);
    page_begin_section(page, "", page->one_day ? "Requests by hour" : "Requests by day", csv);
    if (slots->cut)
        fprintf(page->out, "<p class=\"note\">Days before %s are not drawn.</p>\n", slots->all[0].label);
    html_request_chart(page->out, &chart);
    write_slot_table(page->out, slots);
    page_end_section(page);
    for (int i = 0; i < slots->n; i++)
        timed = timed || slots->all[i].percentile_ms[0] >= 0;
    if (!timed)
        return;
    page_begin_section(page, "", page->one_day ? "Latency by hour" : "Latency by day", csv);
    fputs("<p class=\"note\">How long forwarded requests took, in whole milliseconds: half of them at most p50, 95 % "
          "at most "
          "p95. Tunnels, event streams and answers that were cut off are not in it.</p>\n",
          page->out);
    html_latency_chart(page->out, &chart);
    page_end_section(page);
}

void page_over_time(struct page *page)
{
    struct slots slots = { NULL, 0, 0, false };

    if (read_slots(page, &slots))
        write_charts(page, &slots);
    else if (!page->failed)
        fputs("<section class=\"empty\">The hours of this day are no longer kept.</section>\n", page->out);
    free(slots.all);
}
