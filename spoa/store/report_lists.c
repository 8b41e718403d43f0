#include <inttypes.h>

#include <sqlite3.h>

#include "store/html.h"
#include "store/report_page.h"

/* Of a list; the CSV file has all. */
#define ROWS "20"

/* `more`: the true number may be higher by this much. */
static void write_cell(FILE *out, const char *is, int64_t count, int64_t more)
{
    fprintf(out, "<td data-is=\"%s\"%s>", is, count == 0 && more == 0 ? " class=\"zero\"" : "");
    html_count(out, count);
    if (more > 0) {
        fputs("<span title=\"and up to ", out);
        html_count(out, more);
        fputs(" more\">+</span>", out);
    }
    fputs("</td>", out);
}

void page_rules(struct page *page)
{
    static const char *const names[] = { "matched", "allowed", "slowed", "denied", "would deny" };
    int64_t                  most = 0, n = 0, listed = 0;
    sqlite3_stmt            *rows =
        page_query(page, "SELECT rule, name, sum(matched) AS matched, sum(allowed), sum(slowed), sum(denied) AS denied,"
                         "  sum(shadow_denied) AS shadow_denied, max(sum(allowed + slowed + denied)) OVER (),"
                         "  count(*) OVER () FROM daily_rules"
                         "  WHERE day BETWEEN ?1 AND ?2 GROUP BY rule, name"
                         "  ORDER BY denied DESC, shadow_denied DESC, matched DESC, rule LIMIT " ROWS);

    page_begin_section(page, "long", "Rules", "daily_rules");
    fputs("<p class=\"note\">Those that refuse most. A request is allowed, slowed or denied by one rule, and may match "
          "several.</p>\n<table class=\"list\"><thead><tr><th>rule</th>",
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
        n = sqlite3_column_int64(rows, 8);
        listed++;
        if (rule == 0)
            fputs("<tr><td class=\"name\">no rule", page->out);
        else
            fprintf(page->out, "<tr><td class=\"name\">%" PRId64 " ", rule);
        html_name(page->out, page_text(rows, 1));
        html_bar(page->out, "bar", parts, 3, most);
        fputs("</td>", page->out);
        for (int i = 0; i < 5; i++)
            write_cell(page->out, names[i], sqlite3_column_int64(rows, 2 + i), 0);
        fputs("</tr>\n", page->out);
    }
    fputs("</tbody></table>\n", page->out);
    if (n > listed) {
        fputs("<p class=\"note\">and ", page->out);
        html_count(page->out, n - listed);
        fputs(" more, in the CSV file</p>\n", page->out);
    }
    page_end_section(page);
}

/* What was counted of one client or path; of the rest when it has no name. */
struct entry {
    struct span name;
    int64_t     requests, denied, error_bound;
    bool        is_client;
};

static void write_entry(FILE *out, const struct entry *entry, int64_t most)
{
    struct part parts[] = { { NULL, "c1", entry->requests - entry->denied }, { NULL, "c3", entry->denied } };

    if (entry->name.p == NULL)
        fputs("<tr class=\"rest\"><td class=\"name\">all others", out);
    else {
        fputs("<tr><td class=\"name\">", out);
        (entry->is_client ? html_client : html_name)(out, entry->name);
        html_bar(out, "bar", parts, 2, most);
    }
    fputs("</td>", out);
    write_cell(out, "requests", entry->requests, entry->error_bound);
    /* The requests that were not counted for it may have been denied ones. */
    write_cell(out, "denied", entry->denied, entry->error_bound);
    fputs("</tr>\n", out);
}

/* `what`, src or path, is a column of `table`. A name that was not among the heaviest of a day may have made as many
 * requests then as the bound of the rest says. */
#define HEAVIEST(table, what)                                                                                          \
    "WITH rests AS MATERIALIZED (SELECT day, error_bound AS bound FROM " table                                         \
    "    WHERE day BETWEEN ?1 AND ?2 AND rest)"                                                                        \
    "  SELECT " what ", sum(requests) AS requests, sum(denied),"                                                       \
    "    sum(error_bound - ifnull(bound, 0)) + (SELECT ifnull(sum(bound), 0) FROM rests)"                              \
    "  FROM " table " LEFT JOIN rests USING (day) WHERE day BETWEEN ?1 AND ?2 AND NOT rest"                            \
    "  GROUP BY " what " ORDER BY requests DESC, " what " LIMIT " ROWS

/* Of `rows` as HEAVIEST() gives them: of clients, or of paths. */
static void write_heaviest(struct page *page, const struct page_total *total, bool clients, sqlite3_stmt *rows)
{
    struct entry rest = { SPAN_ABSENT, total->requests, total->denied, 0, clients };
    int64_t      most = 0;
    bool         bounded = false;

    page_begin_section(page, "long", clients ? "Clients" : "Paths", clients ? "daily_clients" : "daily_paths");
    fputs("<table class=\"list\"><thead><tr><th></th><th>requests</th><th>denied</th></tr></thead><tbody>\n",
          page->out);
    while (page_next(page, rows)) {
        struct entry entry = { page_text(rows, 0), sqlite3_column_int64(rows, 1), sqlite3_column_int64(rows, 2),
                               sqlite3_column_int64(rows, 3), clients };

        if (entry.name.n == 0)
            entry.name = SPAN_LITERAL("(none)");
        if (most == 0)
            most = entry.requests;
        rest.requests -= entry.requests;
        rest.denied -= entry.denied;
        bounded = bounded || entry.error_bound > 0;
        write_entry(page->out, &entry, most);
    }
    if (rest.requests > 0)
        write_entry(page->out, &rest, most);
    fputs("</tbody></table>\n", page->out);
    if (bounded)
        fputs("<p class=\"note\">+ and perhaps some more, which are in “all others”</p>\n", page->out);
    if (!clients)
        fputs("<p class=\"note\">As the rules see them: %41 is A, while %25 stays %25. Long ones are shortened "
              "(…).</p>\n",
              page->out);
    page_end_section(page);
}

void page_clients(struct page *page, const struct page_total *total)
{
    write_heaviest(page, total, true, page_query(page, HEAVIEST("day_clients", "src")));
}

void page_paths(struct page *page, const struct page_total *total)
{
    write_heaviest(page, total, false, page_query(page, HEAVIEST("day_paths", "path")));
}

static void write_denial(FILE *out, sqlite3_stmt *row)
{
    fputs("<tr><td>", out);
    html_text(out, page_text(row, 0), 0);
    for (int i = 1; i <= 4; i++) {
        fputs(i <= 2 ? "</td><td class=\"text\">" : " ", out);
        (i == 1 ? html_client : html_name)(out, page_text(row, i));
    }
    if (sqlite3_column_int64(row, 5) == 0)
        fputs("</td><td class=\"text\">no rule ", out);
    else
        fprintf(out, "</td><td class=\"text\">%" PRId64 " ", (int64_t)sqlite3_column_int64(row, 5));
    html_name(out, page_text(row, 6));
    fprintf(out, "</td><td>%d</td></tr>\n", sqlite3_column_int(row, 7));
}

void page_denials(struct page *page, int64_t left_out)
{
    sqlite3_stmt *rows = page_query(
        page, "SELECT iif(?1 = ?2, substr(time, 12), time), src, method, host, path, rule, name, status FROM denials"
              "  WHERE time BETWEEN ?1 AND ?2 || 'U' ORDER BY time DESC LIMIT " ROWS);
    bool any = false;

    page_begin_section(page, "long", "Latest denials", "denials");
    if (left_out > 0) {
        fputs("<p class=\"note\">", page->out);
        html_count(page->out, left_out);
        fputs(" denials came too fast to be kept one by one.</p>\n", page->out);
    }
    for (; page_next(page, rows); any = true) {
        if (!any)
            fputs("<table class=\"list\"><thead><tr><th>time</th><th class=\"text\">client</th><th "
                  "class=\"text\">request</th>"
                  "<th class=\"text\">rule</th><th>status</th></tr></thead><tbody>\n",
                  page->out);
        write_denial(page->out, rows);
    }
    fputs(any ? "</tbody></table>\n" : "<p class=\"note\">None is kept.</p>\n", page->out);
    page_end_section(page);
}
