#include "policy/glob.h"

#include <stdint.h>

/* Reads one character as SQLite's UTF-8 reader does: a lead byte takes all continuation bytes that follow, whatever
 * their number; what is overlong, a surrogate or U+FFFE/U+FFFF reads as U+FFFD; a stray continuation byte stands for
 * itself. */
static uint32_t next_char(const char **at, const char *end)
{
    uint32_t c = (unsigned char)*(*at)++;

    if (c < 0xC0)
        return c;
    c = c < 0xE0 ? c & 0x1F : c < 0xF0 ? c & 0x0F : c < 0xF8 ? c & 0x07 : c < 0xFC ? c & 0x03 : c < 0xFE ? c & 0x01 : 0;
    while (*at < end && ((unsigned char)**at & 0xC0) == 0x80)
        c = (c << 6) + (0x3F & (unsigned char)*(*at)++);
    if (c < 0x80 || (c & 0xFFFFF800) == 0xD800 || (c & 0xFFFFFFFE) == 0xFFFE)
        c = 0xFFFD;
    return c;
}

/* `*at` is behind the '['. Returns whether `c` is in the set and moves `*at` behind its ']'; false, too, when the set
 * is not closed. */
static bool in_set(const char **at, const char *end, uint32_t c)
{
    const char *p = *at;
    bool        invert = false, seen = false;
    uint32_t    member, prior = 0;

    if (p < end && *p == '^') {
        invert = true;
        p++;
    }
    if (p < end && *p == ']') {
        seen = c == ']';
        p++;
    }
    while (p < end && *p != ']') {
        member = next_char(&p, end);
        if (member == '-' && p < end && *p != ']' && prior > 0) {
            member = next_char(&p, end);
            if (c >= prior && c <= member)
                seen = true;
            prior = 0;
        } else {
            if (c == member)
                seen = true;
            prior = member;
        }
    }
    if (p == end)
        return false;
    *at = p + 1;
    return seen != invert;
}

/* One character of the pattern, not a '*', against one of the text; both move on when they match. */
static bool match_one(const char **pattern, const char *pattern_end, const char **text, const char *text_end)
{
    const char *p = *pattern, *t = *text;
    uint32_t    wanted, c;

    if (p == pattern_end || t == text_end)
        return false;
    c = next_char(&t, text_end);
    wanted = next_char(&p, pattern_end);
    if (wanted == '[') {
        if (!in_set(&p, pattern_end, c))
            return false;
    } else if (wanted != '?' && wanted != c) {
        return false;
    }
    *pattern = p;
    *text = t;
    return true;
}

/* How many bytes of the pattern stand for themselves. */
static size_t literal_run(const char *p, const char *end)
{
    const char *start = p;

    while (p < end && *p != '*' && *p != '?' && *p != '[' && ((unsigned char)*p & 0x80) == 0)
        p++;
    return (size_t)(p - start);
}

/* Steps that one match may still take: `free` ones first, then those that it has to account for. */
struct purse {
    size_t  free;
    size_t *steps;
};

/* False: there are not as many left. */
static bool spend(struct purse *purse, size_t n)
{
    size_t paid = n > purse->free ? n - purse->free : 0;

    purse->free -= n - paid;
    if (paid >= *purse->steps) {
        *purse->steps = 0;
        return false;
    }
    *purse->steps -= paid;
    return true;
}

/* memmem() looks at some 2 bytes in the time of a step, what it makes of a long needle first included. */
#define BYTES_PER_STEP 2

/* The next place from `t` on where what stands behind a '*' may begin; NULL: there is none, or the purse is empty. */
static const char *next_start(const char *t, const char *t_end, const char *literal, size_t n, struct purse *purse)
{
    const char *found = n == 0 ? t : memmem(t, (size_t)(t_end - t), literal, n);

    return spend(purse, 1 + (n + (size_t)((found == NULL ? t_end : found) - t)) / BYTES_PER_STEP) ? found : NULL;
}

bool glob_match_within(struct span pattern, struct span text, size_t *steps)
{
    const char  *p = pattern.p, *p_end = p + pattern.n;
    const char  *t = text.p, *t_end = t + text.n;
    const char  *star = NULL, *star_text = NULL; /* behind the last '*', and where what follows was tried last */
    size_t       run = 0;                        /* literal bytes behind it */
    struct purse purse = { pattern.n + 2 * text.n + 64, steps };

    while (t < t_end || (p < p_end && *p == '*')) {
        if (!spend(&purse, 1))
            return false;
        if (p < p_end && *p == '*') {
            while (p < p_end && *p == '*')
                p++;
            star = p;
            run = literal_run(p, p_end);
            if (p + run == p_end)
                return (size_t)(t_end - t) >= run && memcmp(t_end - run, p, run) == 0;
            star_text = next_start(t, t_end, star, run, &purse);
        } else if (match_one(&p, p_end, &t, t_end)) {
            continue;
        } else if (star == NULL) {
            return false;
        } else {
            next_char(&star_text, t_end);
            star_text = next_start(star_text, t_end, star, run, &purse);
        }
        if (star_text == NULL)
            return false;
        p = star + run;
        t = star_text + run;
    }
    return p == p_end;
}

bool glob_match(struct span pattern, struct span text)
{
    size_t unlimited = SIZE_MAX;

    return glob_match_within(pattern, text, &unlimited);
}

bool glob_is_pattern(struct span pattern)
{
    for (size_t i = 0; i < pattern.n; i++)
        if (pattern.p[i] == '*' || pattern.p[i] == '?' || pattern.p[i] == '[')
            return true;
    return false;
}

bool glob_is_closed(struct span pattern)
{
    const char *p = pattern.p, *end = pattern.p + pattern.n;

    while (p < end) {
        if (*p++ != '[')
            continue;
        if (p < end && *p == '^')
            p++;
        if (p < end && *p == ']')
            p++;
        while (p < end && *p != ']')
            p++;
        if (p == end)
            return false;
        p++;
    }
    return true;
}
