#include <math.h>

#include "store/html.h"

/* Drawings are a slot wide for each hour or day and HEIGHT high, and stretched to the page by the style sheet. */
#define HEIGHT 100.0

/* Where there are few slots the drawing does not take all of the page: no column is wider, in rem. */
#define SLOT_MOST 6
#define AXIS      4 /* what stands on its left */

#define MISSING   4.0 /* height of the mark below slots without data */

/* Of more columns than this the gaps would only make them pale on a phone. */
#define GAPS_MOST 62

static const char *const percentile_names[] = { "p50", "p95", "p99" };
static const char *const percentile_classes[] = { "c1", "c4", "c3" };

/* The end of an axis, not below `value`; half of it is a round number too. */
static double round_up(double value)
{
    static const double steps[] = { 1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10 };
    double              unit = value > 1 ? pow(10, floor(log10(value))) : 1;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (value <= steps[i] * unit)
            return steps[i] * unit;
    return 10 * unit;
}

/* The same for what comes in whole numbers. */
static double round_up_count(int64_t count)
{
    return count <= 2 ? 2 : count < 10 ? (double)(count + count % 2) : round_up((double)count);
}

/* Behind the legend: the axis. */
static void begin_axis(FILE *out, const struct chart *chart)
{
    fprintf(out, "</p><div class=\"chart\" style=\"max-width:%drem\"><div class=\"y\"><span>",
            AXIS + chart->width * SLOT_MOST);
}

static void begin_chart(FILE *out, const struct chart *chart, const char *what)
{
    fprintf(out, "<svg viewBox=\"0 0 %d %g\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">",
            chart->width, HEIGHT, what);
    fprintf(out, "<path class=\"grid\" d=\"M0 0H%d M0 %gH%d M0 %gH%d\"/>\n", chart->width, HEIGHT / 2, chart->width,
            HEIGHT, chart->width);
}

static void end_chart(FILE *out, const struct chart *chart)
{
    fprintf(out, "</svg><div class=\"x%s\">", chart->bounds ? " hours" : "");
    for (size_t i = 0; i < chart->ticks_n; i++)
        fprintf(out, "<span>%s</span>", chart->ticks[i]);
    fputs("</div></div>\n", out);
}

static void write_legend(FILE *out, const char *class, const char *name)
{
    fprintf(out, "<span class=\"%s\"><i></i>%s</span>", class, name);
}

/* ---- requests ---- */

static int64_t requests_of(const struct slot *slot)
{
    return slot->allowed + slot->slowed + slot->denied;
}

/* Marks the slots without data from `i` on, which follow on each other, on the ground line: without the mark they would
 * look like slots without requests. Returns the index behind the last of them. */
static size_t write_missing(FILE *out, const struct chart *chart, size_t i)
{
    const struct slot *first = &chart->slots[i], *last = first;

    while (++i < chart->n && !chart->slots[i].known)
        last = &chart->slots[i];
    fprintf(out, "<g class=\"c5\"><title>%s", first->label);
    if (last != first)
        fprintf(out, " to %s", last->label);
    fprintf(out,
            ": no data</title><rect class=\"hover\" x=\"%d\" y=\"0\" width=\"%d\" height=\"%g\"/>"
            "<rect x=\"%d\" y=\"%g\" width=\"%d\" height=\"%g\"/></g>\n",
            first->at, last->at - first->at + 1, HEIGHT, first->at, HEIGHT - MISSING, last->at - first->at + 1,
            MISSING);
    return i;
}

/* `gap`: between it and the next one. */
static void write_column(FILE *out, const struct slot *slot, double gap, double top)
{
    const struct part parts[] = { { "allowed", "c1", slot->allowed },
                                  { "slowed", "c2", slot->slowed },
                                  { "denied", "c3", slot->denied } };
    double            y = HEIGHT;

    fprintf(out, "<g><title>%s: ", slot->label);
    html_count(out, requests_of(slot));
    fputs(" requests", out);
    for (size_t i = 0; i < 3; i++) {
        fputs(", ", out);
        html_count(out, parts[i].count);
        fprintf(out, " %s", parts[i].name);
    }
    fputs("</title>", out);
    for (size_t i = 0; i < 3; i++) {
        double height = (double)parts[i].count / top * HEIGHT;

        if (parts[i].count == 0)
            continue;
        y -= height;
        fprintf(out, "<rect class=\"%s\" x=\"%g\" y=\"%.3f\" width=\"%g\" height=\"%.3f\"/>", parts[i].class,
                slot->at + gap / 2, y, 1 - gap, height);
    }
    fputs("</g>\n", out);
}

void html_request_chart(FILE *out, const struct chart *chart)
{
    int64_t most = 0;
    double  top;
    bool    missing = false;

    for (size_t i = 0; i < chart->n; i++)
        missing = missing || !chart->slots[i].known;
    for (size_t i = 0; i < chart->n; i++)
        if (requests_of(&chart->slots[i]) > most)
            most = requests_of(&chart->slots[i]);
    top = round_up_count(most);
    fputs("<p class=\"legend\">", out);
    write_legend(out, "c1", "allowed");
    write_legend(out, "c2", "slowed");
    write_legend(out, "c3", "denied");
    if (missing)
        write_legend(out, "c5", "no data");
    begin_axis(out, chart);
    html_count(out, (int64_t)top);
    fputs("</span><span>", out);
    html_count(out, (int64_t)(top / 2));
    fputs("</span><span>0</span></div>", out);
    begin_chart(out, chart, "requests: allowed, slowed and denied");
    for (size_t i = 0; i < chart->n;) {
        if (!chart->slots[i].known)
            i = write_missing(out, chart, i);
        else
            write_column(out, &chart->slots[i++], chart->width > GAPS_MOST ? 0 : .2, top);
    }
    end_chart(out, chart);
}

/* ---- latencies ---- */

/* A number on the axis: no digits that say nothing. */
static void write_round_ms(FILE *out, double ms)
{
    if (ms >= 1000)
        fprintf(out, "%g s", ms / 1000);
    else
        fprintf(out, "%g ms", ms);
}

/* Whether a line goes from this slot to the next. */
static bool is_joined(const struct chart *chart, size_t i, int which)
{
    const struct slot *slot = &chart->slots[i];

    return i + 1 < chart->n && slot[1].at == slot->at + 1 && slot->percentile_ms[which] >= 0 &&
           slot[1].percentile_ms[which] >= 0;
}

/* A slot that stands alone is a dash. */
static void write_curve(FILE *out, const struct chart *chart, int which, double top)
{
    bool joined = false;

    fprintf(out, "<path class=\"curve %s\" d=\"", percentile_classes[which]);
    for (size_t i = 0; i < chart->n; i++) {
        double ms = chart->slots[i].percentile_ms[which];
        double x = chart->slots[i].at + .5, y = HEIGHT - ms / top * HEIGHT;

        if (joined)
            fprintf(out, "L%g %.3f", x, y);
        else if (is_joined(chart, i, which))
            fprintf(out, "M%g %.3f", x, y);
        else if (ms >= 0)
            fprintf(out, "M%g %.3fh.4", x - .2, y);
        joined = is_joined(chart, i, which);
    }
    fputs("\"/>\n", out);
}

static void write_hover(FILE *out, const struct slot *slot)
{
    if (slot->percentile_ms[0] < 0)
        return;
    fprintf(out, "<rect class=\"hover\" x=\"%d\" y=\"0\" width=\"1\" height=\"%g\"><title>%s:", slot->at, HEIGHT,
            slot->label);
    for (int i = 0; i < 3; i++) {
        fprintf(out, "%s %s ", i > 0 ? "," : "", percentile_names[i]);
        html_ms(out, slot->percentile_ms[i]);
    }
    fputs("</title></rect>\n", out);
}

void html_latency_chart(FILE *out, const struct chart *chart)
{
    double most = 0, top;

    for (size_t i = 0; i < chart->n; i++)
        for (int k = 0; k < 3; k++)
            most = fmax(most, chart->slots[i].percentile_ms[k]);
    top = round_up(fmax(most, 2)); /* half of it is a whole number as well */
    fputs("<p class=\"legend\">", out);
    for (int i = 0; i < 3; i++)
        write_legend(out, percentile_classes[i], percentile_names[i]);
    begin_axis(out, chart);
    write_round_ms(out, top);
    fputs("</span><span>", out);
    write_round_ms(out, top / 2);
    fputs("</span><span>0</span></div>", out);
    begin_chart(out, chart, "percentiles of the time that a forwarded request took");
    for (int i = 0; i < 3; i++)
        write_curve(out, chart, i, top);
    for (size_t i = 0; i < chart->n; i++)
        write_hover(out, &chart->slots[i]);
    end_chart(out, chart);
}

/* ---- parts of a whole ---- */

void html_bar(FILE *out, const char *class, const struct part *parts, size_t n, int64_t total)
{
    double x = 0;

    fprintf(out, "<svg class=\"%s\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">", class);
    for (size_t i = 0; i < n && total > 0; i++) {
        double width = (double)parts[i].count / (double)total * 100;

        if (parts[i].count == 0)
            continue;
        fprintf(out, "<rect class=\"%s\" x=\"%.3f\" y=\"0\" width=\"%.3f\" height=\"1\">", parts[i].class, x, width);
        if (parts[i].name != NULL)
            fprintf(out, "<title>%s</title>", parts[i].name);
        fputs("</rect>", out);
        x += width;
    }
    fputs("</svg>", out);
}
