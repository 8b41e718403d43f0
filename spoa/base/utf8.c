#include "base/utf8.h"

size_t utf8_sequence(struct span text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t               n;
    unsigned             from = 0x80, to = 0xBF; /* of the second byte: RFC 3629, section 4 */

    if (text.n == 0 || p[0] == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (p[0] == 0xE0)
        from = 0xA0;
    else if (p[0] == 0xED)
        to = 0x9F;
    else if (p[0] == 0xF0)
        from = 0x90;
    else if (p[0] == 0xF4)
        to = 0x8F;
    if (text.n < n || p[1] < from || p[1] > to)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return n;
}

size_t utf8_repair(struct span text, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t            n = 0;

    for (size_t i = 0; i < text.n;) {
        size_t        good = utf8_sequence((struct span){ text.p + i, text.n - i });
        unsigned char c = (unsigned char)text.p[i];

        if (size - n <= (good > 0 ? good : 4))
            break;
        if (good > 0) {
            memcpy(out + n, text.p + i, good);
            n += good;
            i += good;
            continue;
        }
        memcpy(out + n, (char[4]){ '\\', 'x', digits[c >> 4], digits[c & 15] }, 4);
        n += 4;
        i++;
    }
    out[n] = '\0';
    return n;
}
