#include <inttypes.h>

#include <sqlite3.h>

#include "store/html.h"
#include "store/report_page.h"

/* Of a list; the CSV file has all. */
#define ROWS "20"

static void write_cell(FILE *out, const char *is, int64_t count)
{
    fprintf(out, "<td data-is=\"%s\"%s>", is, count == 0 ? " class=\"zero\"" : "");
    html_count(out, count);
    fputs("</td>", out);
}

void page_rules(struct page *page)
{
    static const char *const names[] = { "matched", "allowed", "slowed", "denied", "would deny" };
    int64_t                  most = 0;
    sqlite3_stmt            *rows = page_query(
                   page, "SELECT rule, name, sum(matched) AS matched, sum(allowed), sum(slowed), sum(denied) AS denied,"
                                    "  sum(shadow_denied) AS shadow_denied, max(sum(allowed + slowed + denied)) OVER () FROM daily_rules"
                                    "  WHERE day BETWEEN ?1 AND ?2 GROUP BY rule, name"
                                    "  ORDER BY denied DESC, shadow_denied DESC, matched DESC, rule LIMIT " ROWS);

    page_begin_section(page, "wide", "Rules", "daily_rules");
    fputs("<p class=\"note\">Those that refuse most. A request is allowed, slowed or denied by one rule, and may match "
          "several.</p>\n<table><thead><tr><th>rule</th>",
          page->out);
    for (size_t i = 0; i < 5; i++)
        fprintf(page->out, "<th>%s</th>", names[i]);
    fputs("</tr></thead><tbody>\n", page->out);
    while (page_next(page, rows)) {
        int64_t     rule = sqlite3_column_int64(rows, 0);
        struct part parts[] = { { NULL, "c1", sqlite3_column_int64(rows, 3) },
                                { NULL, "c2", sqlite3_column_int64(rows, 4) },
                                { NULL, "c3", sqlite3_column_int64(rows, 5) } };

        most = sqlite3_column_int64(rows, 7);
        if (rule == 0)
            fputs("<tr><td>no rule", page->out);
        else
            fprintf(page->out, "<tr><td>%" PRId64 " ", rule);
        html_name(page->out, page_text(rows, 1));
        html_bar(page->out, "bar", parts, 3, most);
        fputs("</td>", page->out);
        for (int i = 0; i < 5; i++)
            write_cell(page->out, names[i], sqlite3_column_int64(rows, 2 + i));
        fputs("</tr>\n", page->out);
    }
    fputs("</tbody></table>\n", page->out);
    page_end_section(page);
}

/* What was counted of one client or path; of the rest when it has no name. */
struct entry {
    struct span name;
    int64_t     requests, denied, error_bound;
};

static void write_entry(FILE *out, const struct entry *entry, int64_t most)
{
    struct part parts[] = { { NULL, "c1", entry->requests - entry->denied }, { NULL, "c3", entry->denied } };

    if (entry->name.p == NULL)
        fputs("<tr class=\"rest\"><td>all others</td><td>", out);
    else {
        fputs("<tr><td>", out);
        html_name(out, entry->name);
        html_bar(out, "bar", parts, 2, most);
        fputs("</td><td>", out);
    }
    html_count(out, entry->requests);
    if (entry->error_bound > 0) {
        fputs("<span title=\"and up to ", out);
        html_count(out, entry->error_bound);
        fputs(" more\">+</span>", out);
    }
    fprintf(out, "</td><td%s>", entry->denied == 0 ? " class=\"zero\"" : "");
    html_count(out, entry->denied);
    fputs("</td></tr>\n", out);
}

/* `sql` gives name, requests, denied and error bound, the heaviest first. */
static void write_heaviest(struct page *page, const struct page_total *total, const char *title, const char *csv,
                           const char *sql)
{
    struct entry  rest = { SPAN_ABSENT, total->requests, total->denied, 0 };
    int64_t       most = 0;
    sqlite3_stmt *rows = page_query(page, sql);

    page_begin_section(page, "", title, csv);
    fputs("<table><thead><tr><th></th><th>requests</th><th>denied</th></tr></thead><tbody>\n", page->out);
    while (page_next(page, rows)) {
        struct entry entry = { page_text(rows, 0), sqlite3_column_int64(rows, 1), sqlite3_column_int64(rows, 2),
                               sqlite3_column_int64(rows, 3) };

        if (entry.name.n == 0)
            entry.name = SPAN_LITERAL("(none)");
        if (most == 0)
            most = entry.requests;
        rest.requests -= entry.requests;
        rest.denied -= entry.denied;
        write_entry(page->out, &entry, most);
    }
    if (rest.requests > 0)
        write_entry(page->out, &rest, most);
    fputs("</tbody></table>\n", page->out);
    page_end_section(page);
}

void page_clients(struct page *page, const struct page_total *total)
{
    write_heaviest(page, total, "Clients", "daily_clients",
                   "SELECT src, sum(requests) AS requests, sum(denied), sum(error_bound) FROM daily_clients"
                   "  WHERE day BETWEEN ?1 AND ?2 AND error_bound IS NOT NULL GROUP BY src"
                   "  ORDER BY requests DESC, src LIMIT " ROWS);
}

void page_paths(struct page *page, const struct page_total *total)
{
    write_heaviest(page, total, "Paths", "daily_paths",
                   "SELECT path, sum(requests) AS requests, sum(denied), sum(error_bound) FROM daily_paths"
                   "  WHERE day BETWEEN ?1 AND ?2 AND error_bound IS NOT NULL GROUP BY path"
                   "  ORDER BY requests DESC, path LIMIT " ROWS);
}

void page_denials(struct page *page, int64_t left_out)
{
    sqlite3_stmt *rows = page_query(
        page, "SELECT iif(?1 = ?2, substr(time, 12), time), src, method, host, path, rule, name, status FROM denials"
              "  WHERE time BETWEEN ?1 AND ?2 || 'U' ORDER BY time DESC LIMIT " ROWS);

    page_begin_section(page, "wide", "Latest denials", "denials");
    if (left_out > 0) {
        fputs("<p class=\"note\">", page->out);
        html_count(page->out, left_out);
        fputs(" denials came too fast to be kept one by one.</p>\n", page->out);
    }
    fputs("<table><thead><tr><th>time</th><th class=\"text\">client</th><th class=\"text\">request</th>"
          "<th class=\"text\">rule</th><th>status</th></tr></thead><tbody>\n",
          page->out);
    while (page_next(page, rows)) {
        fputs("<tr><td>", page->out);
        html_text(page->out, page_text(rows, 0), 0);
        for (int i = 1; i <= 6; i++) {
            fputs(i == 1 || i == 2 || i == 5 ? "</td><td class=\"text\">" : " ", page->out);
            html_name(page->out, page_text(rows, i));
        }
        fprintf(page->out, "</td><td>%d</td></tr>\n", sqlite3_column_int(rows, 7));
    }
    fputs("</tbody></table>\n", page->out);
    page_end_section(page);
}
