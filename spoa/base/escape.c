#include "base/escape.h"

size_t escape_controls(struct span text, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t            n = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool          control = c < 0x20 || c == 0x7F;

        if (size - n <= (control ? 4u : 1u))
            break;
        if (!control) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    out[n] = '\0';
    return n;
}
