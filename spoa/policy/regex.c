#include "policy/regex.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* PCRE2 limits the work from one place in the value on, and counts coarsely; what a whole search costs is only known
 * afterwards. So a search goes by chunks of places to start from, small ones until they prove to be quick, with a look
 * at the clock in between. What one start may take grows with the value, since `(a|b)+` takes a step a byte. */
#define MATCH_LIMIT(n) (uint32_t)(1000 + 2 * (n))
#define HEAP_LIMIT_KIB 1024
#define CHUNK_MIN      4

/* A chunk that takes longer is not quick. A step (see struct effort) stands for 4 ns, about what GLOB needs for one. */
#define QUICK_NS    10000
#define NS_PER_STEP 4

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

    code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                         PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &error, &offset, NULL);
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
    pcre2_set_heap_limit(scratch.context, HEAP_LIMIT_KIB);
    /* NULL where there is no JIT; its 32 KiB do then, or the interpreter. */
    scratch.stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    pcre2_jit_stack_assign(scratch.context, NULL, scratch.stack);
    return true;
}

/* Measures work; no decision depends on what time it is. Elapsed time is cheap to read but goes on while another process
 * has the core. Once it makes the search suspicious, CPU time is read instead. */
static int64_t clock_ns(const struct effort *effort)
{
    struct timespec ts;

    clock_gettime(effort->wary ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* After a chunk: whether it was quick, and if not, what it costs. */
static bool was_quick(struct effort *effort, int64_t *since_ns)
{
    int64_t now_ns = clock_ns(effort), spent_ns = now_ns - *since_ns;
    size_t  steps = (size_t)(spent_ns / NS_PER_STEP);

    *since_ns = now_ns;
    if (spent_ns <= QUICK_NS)
        return true;
    if (effort->wary) {
        effort->steps = steps < effort->steps ? effort->steps - steps : 0;
    } else {
        effort->wary = true;
        *since_ns = clock_ns(effort);
    }
    return false;
}

enum match regex_match(const struct pattern_regex *regex, struct span value, struct effort *effort)
{
    size_t  chunk = CHUNK_MIN;
    int64_t since_ns;

    if (effort->steps == 0 || !scratch_ready())
        return MATCH_UNSURE;
    pcre2_set_match_limit(scratch.context, MATCH_LIMIT(value.n));
    since_ns = clock_ns(effort);
    for (size_t at = 0; at <= value.n; at += chunk, chunk = was_quick(effort, &since_ns) ? chunk * 2 : CHUNK_MIN) {
        int result;

        if (effort->steps == 0)
            return MATCH_UNSURE;
        pcre2_set_offset_limit(scratch.context, at + chunk - 1);
        result = pcre2_match(regex->code, (PCRE2_SPTR)value.p, value.n, at, 0, scratch.data, scratch.context);
        if (result >= 0)
            return MATCH_YES;
        if (result != PCRE2_ERROR_NOMATCH) {
            was_quick(effort, &since_ns);
            return MATCH_UNSURE;
        }
    }
    return MATCH_NO;
}
