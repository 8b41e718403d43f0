/* Log lines that nobody can forge, and the arena. */
#include <check.h>
#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/moment.h"

/* ---- log ---- */

static int kept_stderr, reading;

static void catch_stderr(void)
{
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    reading = dup(fileno(file));
    kept_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(reading, STDERR_FILENO), STDERR_FILENO);
    fclose(file);
}

/* What was written since, as text. */
static char *caught(void)
{
    static char text[1 << 20];
    ssize_t     n = pread(reading, text, sizeof text - 1, 0);

    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(reading);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static size_t lines_in(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

START_TEST(shape_of_a_line)
{
    regex_t     shape;
    const char *text;

    catch_stderr();
    log_write(LOG_WARNING, "%s: %d rules", "rules.db", 7);
    text = caught();
    ck_assert_int_eq(
        regcomp(&shape,
                "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z warning rules.db: 7 rules\n$",
                REG_EXTENDED),
        0);
    ck_assert_msg(regexec(&shape, text, 0, NULL, 0) == 0, "%s", text);
    regfree(&shape);
}
END_TEST

/* Each byte, in a line of its own: only what is no control byte stands for itself. */
START_TEST(every_byte)
{
    char        expected[16], value[2] = { (char)_i, '\0' };
    const char *text;

    catch_stderr();
    log_write(LOG_ERROR, "a%sb", value);
    text = caught();
    if (_i < 0x20 || _i == 0x7F)
        snprintf(expected, sizeof expected, "a\\x%02Xb\n", (unsigned)_i);
    else
        snprintf(expected, sizeof expected, "a%cb\n", _i);
    ck_assert_msg(strlen(text) > strlen(expected) && strcmp(text + strlen(text) - strlen(expected), expected) == 0,
                  "%s", text);
    ck_assert_uint_eq(lines_in(text), 1);
}
END_TEST

/* Too long, and of nothing but bytes that take four: one line, no more than the buffer holds. */
START_TEST(long_lines)
{
    char        value[5000];
    const char *text;

    memset(value, _i == 0 ? '\n' : 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    catch_stderr();
    log_write(LOG_ERROR, "%s", value);
    text = caught();
    ck_assert_uint_eq(lines_in(text), 1);
    ck_assert_uint_ge(strlen(text), _i == 0 ? 8000 : 2000);
    ck_assert_uint_le(strlen(text), _i == 0 ? 8300 : 2100);
}
END_TEST

START_TEST(levels)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    enum log_level           level;

    ck_assert(!log_level_parse("", &level) && !log_level_parse("Error", &level) && !log_level_parse("warn", &level));
    catch_stderr();
    for (int i = 0; i < 4; i++) {
        ck_assert(log_level_parse(names[i], &level) && (int)level == i);
        log_set_level(level);
        for (int k = 0; k < 4; k++)
            log_write((enum log_level)k, "x");
    }
    ck_assert_uint_eq(lines_in(caught()), 1 + 2 + 3 + 4);
}
END_TEST

START_TEST(rated_lines)
{
    struct log_rate rate = { 0 };
    const char     *text;
    char            expected[80];
    unsigned        shown = 0;

    /* From the start of a second, since a line more is let through in the next. */
    for (time_t second = time(NULL); time(NULL) == second;)
        ;
    catch_stderr();
    for (int i = 0; i < 100; i++)
        log_write_rated(&rate, LOG_ERROR, "bad frame %d", i);
    for (time_t second = time(NULL); time(NULL) == second;)
        ;
    log_write_rated(&rate, LOG_ERROR, "bad frame again");
    text = caught();
    for (const char *at = text; (at = strstr(at, "bad frame")) != NULL; at++)
        shown++;
    ck_assert_uint_ge(shown, LOG_RATE + 1);
    ck_assert_uint_le(shown, 2 * LOG_RATE + 1);
    snprintf(expected, sizeof expected, "%u more lines like this one were left out\n", 101 - shown);
    ck_assert_msg(strstr(text, expected) != NULL, "no '%s' in\n%s", expected, text);
}
END_TEST

START_TEST(nobody_listens)
{
    int kept = dup(STDERR_FILENO);

    close(STDERR_FILENO);
    log_write(LOG_ERROR, "x");
    ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
}
END_TEST

/* A caller may ask what went wrong after it has said so. */
START_TEST(errno_stays)
{
    static struct log_rate rate;
    int                    kept = dup(STDERR_FILENO), plain, rated;

    close(STDERR_FILENO);
    errno = EAGAIN;
    log_write(LOG_ERROR, "x");
    plain = errno;
    errno = EMFILE;
    log_write_rated(&rate, LOG_ERROR, "x");
    rated = errno;
    ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
    ck_assert_int_eq(plain, EAGAIN);
    ck_assert_int_eq(rated, EMFILE);
}
END_TEST

/* ---- arena ---- */

START_TEST(pieces_are_apart)
{
    enum { PIECES = 20000 };
    static unsigned char *pieces[PIECES];
    static size_t         sizes[PIECES];
    struct arena          arena = { 0 };
    size_t                total = 0;
    uint64_t              random = 1;

    for (size_t i = 0; i < PIECES; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        sizes[i] = (random >> 40) % 200;
        if (i % 1000 == 999)
            sizes[i] = 10000 + (random >> 40) % 100000;
        if (i % 3 == 0) {
            struct span copy = arena_span(&arena, (struct span){ "", 0 });

            ck_assert(copy.p != NULL && copy.n == 0);
            total++;
        }
        pieces[i] = arena_alloc(&arena, sizes[i]);
        total += sizes[i];
        if ((uintptr_t)pieces[i] % _Alignof(max_align_t) != 0)
            ck_abort_msg("piece %zu is not aligned", i);
        for (size_t k = 0; k < sizes[i]; k++)
            if (pieces[i][k] != 0)
                ck_abort_msg("piece %zu is not zeroed", i);
        memset(pieces[i], (int)(i % 251) + 1, sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            if (pieces[i][k] != i % 251 + 1)
                ck_abort_msg("piece %zu was overwritten", i);
    ck_assert_uint_ge(arena.bytes, total);
    ck_assert_uint_le(arena.bytes, total * 3 / 2 + 300000);
    arena_fini(&arena);
    ck_assert(arena.last == NULL && arena.bytes == 0);
    arena_fini(&arena);
}
END_TEST

START_TEST(copies_of_texts)
{
    struct arena arena = { 0 };
    char         source[] = "a\0b";
    struct span  span = arena_span(&arena, (struct span){ source, 3 }), absent = arena_span(&arena, SPAN_ABSENT);
    char        *text = arena_text(&arena, source);

    source[0] = 'x';
    ck_assert(span.n == 3 && memcmp(span.p, "a\0b\0", 4) == 0);
    ck_assert_str_eq(text, "a");
    ck_assert(absent.p == NULL && absent.n == 0);
    ck_assert_str_eq(arena_text(&arena, ""), "");
    arena_fini(&arena);
}
END_TEST

START_TEST(large_first)
{
    struct arena arena = { 0 };

    for (size_t size = 1; size < 1 << 22; size *= 2)
        memset(arena_alloc(&arena, size), 1, size);
    for (size_t size = 1 << 20; size > 0; size /= 2)
        memset(arena_alloc(&arena, size), 1, size);
    arena_fini(&arena);
}
END_TEST

/* ---- time ---- */

START_TEST(clocks)
{
    struct moment a = moment_now(), b = moment_now();
    int64_t       now_us = (int64_t)time(NULL) * 1000000;

    ck_assert_int_ge(b.mono_us, a.mono_us);
    ck_assert_int_gt(a.mono_us, 0);
    ck_assert_int_lt(llabs(a.unix_us - now_us), 2000000);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("base");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, shape_of_a_line);
    tcase_add_loop_test(tcase, every_byte, 1, 256);
    tcase_add_loop_test(tcase, long_lines, 0, 2);
    tcase_add_test(tcase, levels);
    tcase_add_test(tcase, rated_lines);
    tcase_add_test(tcase, nobody_listens);
    tcase_add_test(tcase, errno_stays);
    tcase_add_test(tcase, pieces_are_apart);
    tcase_add_test(tcase, copies_of_texts);
    tcase_add_test(tcase, large_first);
    tcase_add_test(tcase, clocks);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
