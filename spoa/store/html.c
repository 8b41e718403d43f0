#include "store/html.h"

#include <inttypes.h>

#include "base/utf8.h"
#include "policy/address.h"

/* Names in lists and charts: enough to know them by. The CSV files have all of it. */
#define NAME_MOST 120

/* C0 and C1 controls and DEL: invisible, and some of them not allowed in HTML. */
static bool is_control(const unsigned char *p, size_t n)
{
    return n == 1 ? p[0] < 0x20 || p[0] == 0x7F : n == 2 && p[0] == 0xC2 && p[1] < 0xA0;
}

/* What turns the direction of its neighbours, or has no width: a name could look like another. U+200B, U+200E and
 * U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF. */
static bool is_hidden(const unsigned char *p, size_t n)
{
    if (n != 3)
        return false;
    if (p[0] == 0xE2 && p[1] == 0x80)
        return p[2] == 0x8B || p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE);
    return (p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA0 && p[2] <= 0xAF) ||
           (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF);
}

static void write_sequence(FILE *out, const char *p, size_t n)
{
    switch (p[0]) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case '\'':
        fputs("&#39;", out);
        break;
    default:
        fwrite(p, 1, n, out);
    }
}

void html_text(FILE *out, struct span text, size_t most)
{
    size_t written = 0;

    for (size_t i = 0; i < text.n; written++) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        size_t               n = utf8_sequence((struct span){ text.p + i, text.n - i });
        size_t               shown = n == 0 ? 1 : n;

        if (most > 0 && written == most) {
            fputs("…", out);
            break;
        }
        if (n == 0 || is_control(p, n) || is_hidden(p, n)) {
            for (size_t k = 0; k < shown; k++)
                fprintf(out, "\\x%02X", p[k]);
        } else {
            write_sequence(out, text.p + i, n);
        }
        i += shown;
    }
}

void html_name(FILE *out, struct span text)
{
    fputs("<bdi>", out);
    html_text(out, text, NAME_MOST);
    fputs("</bdi>", out);
}

void html_client(FILE *out, struct span text)
{
    struct network network;
    bool           exact;

    /* Where the operator counts by a header, the client is any text. */
    if (!network_parse(text, &network, &exact)) {
        html_name(out, text);
        return;
    }
    fputs("<bdi class=\"address\">", out);
    for (size_t i = 0; i < text.n; i++) {
        putc(text.p[i], out);
        /* Keep `::` whole, and the prefix length behind it. */
        if (text.p[i] == ':' && i + 1 < text.n && text.p[i + 1] != ':' && text.p[i + 1] != '/')
            fputs("<wbr>", out);
    }
    fputs("</bdi>", out);
}

void html_count(FILE *out, int64_t count)
{
    char digits[24];
    int  n = snprintf(digits, sizeof digits, "%" PRId64, count);

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-')
            putc(',', out);
        putc(digits[i], out);
    }
}

void html_percent(FILE *out, int64_t part, int64_t whole)
{
    double percent = 100.0 * (double)part / (double)whole;

    if (part > 0 && percent < .1)
        fputs("&lt; 0.1 %", out);
    else if (part < whole && percent > 99.9)
        fputs("&gt; 99.9 %", out);
    else
        fprintf(out, "%.1f %%", percent);
}

void html_bytes(FILE *out, int64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double                   n = (double)bytes;
    size_t                   unit = 0;

    /* What %.0f would make 1000 of the next smaller is 1 of this one. */
    for (; n >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        n /= 1000;
    fprintf(out, "%.*f %s", unit > 0 && n < 99.95 ? 1 : 0, n, units[unit]);
}

void html_ms(FILE *out, double ms)
{
    if (ms >= 9995)
        fprintf(out, "%.1f s", ms / 1000);
    else if (ms >= 999.5)
        fprintf(out, "%.2f s", ms / 1000);
    else if (ms < 1)
        fputs("&lt; 1 ms", out);
    else
        fprintf(out, "%.0f ms", ms);
}
