#include "policy/regex.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* PCRE2's default of 10,000,000 steps takes a tenth of a second and more; a path of 2,048 bytes that is worth matching
 * takes a few thousand. */
#define MATCH_LIMIT    50000
#define HEAP_LIMIT_KIB 1024

/* Without a stack of its own the JIT has 32 KiB, which `^/(foo|bar|a)+$` uses up on a path of 2,048 bytes. */
#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (HEAP_LIMIT_KIB * 1024)

/* What a thread needs to match, made at its first regular expression and freed when it ends. */
static _Thread_local struct {
    pcre2_match_data    *data;
    pcre2_match_context *context;
    pcre2_jit_stack     *stack;
} scratch;

struct pattern_regex {
    pcre2_code *code;
};

struct pattern_regex *regex_compile(const char *expression, char *remedy, size_t remedy_size)
{
    struct pattern_regex *regex;
    PCRE2_SIZE            offset;
    PCRE2_UCHAR           message[200];
    pcre2_code           *code;
    int                   error;

    code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_BACKSLASH_C, &error, &offset, NULL);
    if (code == NULL) {
        pcre2_get_error_message(error, message, sizeof message);
        snprintf(remedy, remedy_size, "at character %zu of the regular expression: %s", (size_t)offset + 1,
                 (char *)message);
        return NULL;
    }
    /* Where the JIT cannot help (no executable memory, say), PCRE2 interprets: slower, with the same result. */
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    regex = malloc(sizeof *regex);
    if (regex == NULL)
        abort(); /* as arena_alloc() */
    regex->code = code;
    return regex;
}

void regex_free(struct pattern_regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

void regex_thread_fini(void)
{
    pcre2_match_data_free(scratch.data);
    pcre2_match_context_free(scratch.context);
    pcre2_jit_stack_free(scratch.stack);
    scratch.data = NULL;
    scratch.context = NULL;
    scratch.stack = NULL;
}

static bool scratch_ready(void)
{
    if (scratch.data != NULL)
        return true;
    scratch.context = pcre2_match_context_create(NULL);
    scratch.data = pcre2_match_data_create(1, NULL);
    if (scratch.context == NULL || scratch.data == NULL) {
        regex_thread_fini();
        return false;
    }
    pcre2_set_match_limit(scratch.context, MATCH_LIMIT);
    pcre2_set_heap_limit(scratch.context, HEAP_LIMIT_KIB);
    /* NULL where there is no JIT; its 32 KiB do then, or the interpreter. */
    scratch.stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    pcre2_jit_stack_assign(scratch.context, NULL, scratch.stack);
    return true;
}

enum match regex_match(const struct pattern_regex *regex, struct span value)
{
    int result;

    if (!scratch_ready())
        return MATCH_UNSURE;
    result = pcre2_match(regex->code, (PCRE2_SPTR)value.p, value.n, 0, 0, scratch.data, scratch.context);
    if (result >= 0)
        return MATCH_YES;
    return result == PCRE2_ERROR_NOMATCH ? MATCH_NO : MATCH_UNSURE;
}
