/* The input is a path, and a host too: what normalisation makes of them has the properties that rules rely on. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "policy/normalise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of just this size, so that a sanitizer sees any byte that is read or written beyond. */
static char *block(size_t n)
{
    char *p = malloc(n);

    assert(n == 0 || p != NULL);
    return p;
}

static int upper_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Only printable ASCII; a '%' only as an escape, in upper case, of a byte that cannot stand for itself. */
static void check_bytes(struct span path)
{
    for (size_t i = 0; i < path.n; i++) {
        int byte;

        assert(path.p[i] >= 0x20 && path.p[i] <= 0x7E);
        if (path.p[i] != '%')
            continue;
        assert(path.n - i > 2 && upper_hex(path.p[i + 1]) >= 0 && upper_hex(path.p[i + 2]) >= 0);
        byte = upper_hex(path.p[i + 1]) * 16 + upper_hex(path.p[i + 2]);
        assert(byte < 0x20 || byte > 0x7E || byte == '%');
    }
}

/* Returns whether there is a ".." segment; `strict`: there is none, nor ".", nor an empty one but the last. */
static bool has_parent_segment(struct span path, bool strict)
{
    bool found = false;

    for (size_t from = 0, i = 0; i <= path.n; i++) {
        size_t n = i - from;

        if (i < path.n && path.p[i] != '/')
            continue;
        if (n == 2 && memcmp(path.p + from, "..", 2) == 0)
            found = true;
        if (strict) {
            assert(n > 0 || from == 0 || i == path.n);
            assert(n != 1 || path.p[from] != '.');
        }
        from = i + 1;
    }
    assert(!strict || !found);
    return found;
}

/* Whether a segment begins with "..;", its ';' encoded or not. */
static bool has_parameter_on_dots(struct span path)
{
    for (size_t i = 0; i + 2 < path.n; i++)
        if ((i == 0 || path.p[i - 1] == '/') && path.p[i] == '.' && path.p[i + 1] == '.' &&
            (path.p[i + 2] == ';' || (path.n - i > 4 && strncasecmp(path.p + i + 2, "%3b", 3) == 0)))
            return true;
    return false;
}

/* Said in another way than the code says it: an escape starts at each '%' that two digits follow, since a '%' is no
 * digit. */
static bool is_ambiguous(struct span path)
{
    static const char *const encoded[] = { "%2f", "%2e", "%5c" };

    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] == '\\')
            return true;
        for (size_t k = 0; k < 3; k++)
            if (path.n - i > 2 && strncasecmp(path.p + i, encoded[k], 3) == 0)
                return true;
    }
    return has_parent_segment(path, false) || has_parameter_on_dots(path);
}

static void check_path(struct span path)
{
    char       *out = block(NORMALISED_PATH_MAX(path.n)), *out_again;
    bool        ambiguous, ambiguous_again;
    struct span once = normalise_path(path, out, &ambiguous), twice;

    assert((once.p == out || once.p == path.p) && once.n >= 1 && once.n <= NORMALISED_PATH_MAX(path.n) &&
           once.p[0] == '/');
    check_bytes(once);
    has_parent_segment(once, true);
    assert(ambiguous == is_ambiguous(path));

    out_again = block(NORMALISED_PATH_MAX(once.n));
    twice = normalise_path(once, out_again, &ambiguous_again);
    assert(span_eq(once, twice));
    assert(ambiguous_again == (memchr(once.p, '\\', once.n) != NULL || memmem(once.p, once.n, "/..;", 4) != NULL));
    if (ambiguous) {
        char       *other = block(2 * once.n + 1);
        struct span reading = other_reading(once, other);

        check_bytes(reading);
        has_parent_segment(reading, true);
        assert(memchr(reading.p, '\\', reading.n) == NULL && memmem(reading.p, reading.n, "/..;", 4) == NULL);
        free(other);
    }
    free(out);
    free(out_again);
}

static void check_host(struct span host)
{
    char       *out = block(host.n), *out_again;
    struct span once = normalise_host(host, out), twice;

    if (once.p == NULL) {
        free(out);
        return;
    }
    assert(once.p == out && once.n >= 1 && once.n <= host.n && once.p[once.n - 1] != '.');
    for (size_t i = 0; i < once.n; i++)
        assert(once.p[i] < 'A' || once.p[i] > 'Z');
    assert(memchr(once.p, ':', once.n) == NULL || once.p[0] == '[');

    out_again = block(once.n);
    twice = normalise_host(once, out_again);
    assert(span_eq(once, twice));
    free(out);
    free(out_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *input = block(size);

    if (size > 0)
        memcpy(input, data, size);
    check_path((struct span){ input, size });
    check_host((struct span){ input, size });
    free(input);
    return 0;
}
