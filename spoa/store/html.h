/* Pieces of the report's page. Nothing that came from a database reaches the page but through these. */
#ifndef STORE_HTML_H
#define STORE_HTML_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/span.h"

/* As text between tags, or in an attribute in double quotes: markup is escaped; control characters, what turns the
 * direction of text or is invisible, and bytes that are not UTF-8 are shown as \xNN. At most `most` characters, then an
 * ellipsis; 0: all. */
void html_text(FILE *out, struct span text, size_t most);

/* A name that somebody else chose, in a <bdi>: its direction and that of its neighbours are apart. */
void html_name(FILE *out, struct span text);

/* A client. An address or network may be broken over lines behind a colon only, so that no number is cut in two. */
void html_client(FILE *out, struct span text);

void html_count(FILE *out, int64_t count); /* 1,234,567 */
void html_bytes(FILE *out, int64_t bytes); /* 512 B, 1.5 kB, 20.3 TB */
void html_ms(FILE *out, double ms);        /* < 1 ms, 3 ms, 45 ms, 1.25 s, 12.3 s; HAProxy counts whole milliseconds */

/* 91.2 %; what is not quite nothing or not quite all is not written as if it were. `whole` is above 0. */
void html_percent(FILE *out, int64_t part, int64_t whole);

/* ---- charts ---- */

/* What happened in an hour or a day. */
struct slot {
    int     at;        /* its place from the left, 0 and up */
    char    label[16]; /* "09:00", "2026-11-20" */
    bool    known;     /* false: there is no data, and all else is 0 */
    int64_t allowed, slowed, denied;
    double  percentile_ms[3]; /* p50, p95, p99; below 0: nothing was forwarded */
};

/* `n` of them, in the order of their places, which are below `width`. The ticks stand below, as far apart as they can:
 * `bounds`: centred below where they are the bounds of slots, the first and the last at the ends; else within the
 * width. */
struct chart {
    const struct slot *slots;
    size_t             n;
    int                width;
    const char *const *ticks;
    size_t             ticks_n;
    bool               bounds;
};

void html_request_chart(FILE *out, const struct chart *chart);
void html_latency_chart(FILE *out, const struct chart *chart);

/* Parts of a whole, each with a class that gives its colour, one behind the other: in a row as wide as `total`. */
struct part {
    const char *name; /* NULL: none is shown */
    const char *class;
    int64_t count;
};

void html_bar(FILE *out, const char *class, const struct part *parts, size_t n, int64_t total);

#endif
