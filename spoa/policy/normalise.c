#include "policy/normalise.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static char *put_escape(char *out, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    *out++ = '%';
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
    return out;
}

/* Decodes and merges slashes; `out` gets a leading slash in any case. Returns the end.
 *
 * '%' itself is never decoded, and one that begins no escape is written as %25: otherwise "%2%35" or "%%341" would
 * turn into an escape that a second pass, or the origin, decodes. */
static char *decode(struct span path, char *out, bool *ambiguous)
{
    const char *start = out;

    *out++ = '/';
    for (size_t i = 0; i < path.n; i++) {
        unsigned char byte = (unsigned char)path.p[i];
        bool          encoded = false;

        if (byte == '%' && path.n - i > 2 && hex_value(path.p[i + 1]) >= 0 && hex_value(path.p[i + 2]) >= 0) {
            byte = (unsigned char)(hex_value(path.p[i + 1]) * 16 + hex_value(path.p[i + 2]));
            encoded = true;
            i += 2;
        }
        if (byte < 0x20 || byte > 0x7E || byte == '%') {
            out = put_escape(out, byte);
            continue;
        }
        if (byte == '\\' || (encoded && (byte == '/' || byte == '.')))
            *ambiguous = true;
        if (byte == '/' && out > start && out[-1] == '/')
            continue;
        *out++ = (char)byte;
    }
    return out;
}

/* Resolves dot segments of [start, end) in place; start[0] is '/', and no two slashes are neighbours. */
static char *resolve_dots(char *start, char *end, bool *ambiguous)
{
    char *to = start;

    for (char *from = start; from < end;) {
        char  *segment = from + 1;
        char  *next = memchr(segment, '/', (size_t)(end - segment));
        size_t n;

        if (next == NULL)
            next = end;
        n = (size_t)(next - segment);
        if (n > 2 && memcmp(segment, "..;", 3) == 0)
            *ambiguous = true;
        if (n == 2 && segment[0] == '.' && segment[1] == '.') {
            *ambiguous = true;
            while (to > start && *--to != '/')
                ;
        } else if (!(n == 1 && segment[0] == '.')) {
            *to++ = '/';
            memmove(to, segment, n);
            to += n;
            from = next;
            continue;
        }
        /* A path that ends in a dot segment names a directory. */
        if (next == end)
            *to++ = '/';
        from = next;
    }
    return to;
}

/* Whether normalisation would change nothing, which is so for nearly all paths. May say no where it would not. */
static bool is_normal(struct span path)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    for (size_t i = 0; i < path.n; i++) {
        unsigned char byte = (unsigned char)path.p[i];

        if (byte > '/' && byte <= 0x7E && byte != '\\')
            continue;
        if (byte < 0x20 || byte > 0x7E || byte == '%' || byte == '\\')
            return false;
        if (byte == '/' && i + 1 < path.n && (path.p[i + 1] == '/' || path.p[i + 1] == '.'))
            return false;
    }
    return true;
}

struct span normalise_path(struct span path, char *out, bool *ambiguous)
{
    char *end;

    *ambiguous = false;
    if (is_normal(path))
        return path;
    if (path.n == 0 || (path.n == 1 && path.p[0] == '*')) {
        out[0] = '/';
        return (struct span){ out, 1 };
    }
    end = decode(path, out, ambiguous);
    return (struct span){ out, (size_t)(resolve_dots(out, end, ambiguous) - out) };
}

struct span other_reading(struct span path, char *out)
{
    char  *copy = out + path.n + 1;
    bool   ambiguous;
    size_t n = 0;

    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i] == '\\' ? '/' : path.p[i];

        /* "/..;x": what follows the dots, up to the next slash, is a parameter to a servlet container. */
        if (c == ';' && n >= 3 && memcmp(copy + n - 3, "/..", 3) == 0) {
            while (i + 1 < path.n && path.p[i + 1] != '/' && path.p[i + 1] != '\\')
                i++;
            continue;
        }
        copy[n++] = c;
    }
    return normalise_path((struct span){ copy, n }, out, &ambiguous);
}

struct span normalise_host(struct span host, char *out)
{
    const char *colon, *from = host.p;
    size_t      n = host.n;

    if (from == NULL)
        return SPAN_ABSENT;
    /* The port begins at the first colon, or at the one behind a bracketed IPv6 address. */
    if (n > 0 && from[0] == '[' && (from = memchr(from, ']', n)) == NULL)
        from = host.p;
    colon = n == 0 ? NULL : memchr(from, ':', n - (size_t)(from - host.p));
    if (colon != NULL)
        n = (size_t)(colon - host.p);
    while (n > 0 && host.p[n - 1] == '.')
        n--;
    for (size_t i = 0; i < n; i++) {
        char c = host.p[i];

        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return n == 0 ? SPAN_ABSENT : (struct span){ out, n };
}
