#include "store/html.h"

#include <inttypes.h>

#include "base/utf8.h"

/* Names in lists and charts: enough to know them by. The CSV files have all of it. */
#define NAME_MOST 120

/* C0 and C1 controls and DEL: invisible, and some of them not allowed in HTML. */
static bool is_control(const unsigned char *p, size_t n)
{
    return n == 1 ? p[0] < 0x20 || p[0] == 0x7F : n == 2 && p[0] == 0xC2 && p[1] < 0xA0;
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
        size_t n = utf8_sequence((struct span){ text.p + i, text.n - i });
        size_t shown = n == 0 ? 1 : n;

        if (most > 0 && written == most) {
            fputs("…", out);
            break;
        }
        if (n == 0 || is_control((const unsigned char *)text.p + i, n)) {
            for (size_t k = 0; k < shown; k++)
                fprintf(out, "\\x%02X", (unsigned char)text.p[i + k]);
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

void html_ms(FILE *out, double ms)
{
    if (ms >= 10000)
        fprintf(out, "%.1f s", ms / 1000);
    else
        fprintf(out, "%.*f ms", ms < 10 ? 1 : 0, ms);
}
