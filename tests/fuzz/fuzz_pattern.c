/* A pattern and a value: "pPATTERN\nVALUE", where the first letter is that of an attribute (s: src, m: method, h: host,
 * p: path, any other: one more). For '@list' the lines before the last are the list's entries. Whatever compiles also
 * matches in the end, as an independent reading of it does. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "policy/glob.h"
#include "policy/normalise.h"
#include "policy/pattern.h"
#include "policy/regex.h"

#define ATTRIBUTE_EXTRA ATTRIBUTES_FIXED

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_of(struct span span)
{
    char *copy = malloc(span.n);

    assert(span.n == 0 || copy != NULL);
    if (span.n > 0)
        memcpy(copy, span.p, span.n);
    return copy;
}

static char *text_of(struct span span)
{
    char *text = calloc(1, span.n + 1);

    assert(text != NULL);
    if (span.n > 0)
        memcpy(text, span.p, span.n);
    return text;
}

static struct span cut_line(struct span *rest)
{
    const char *end = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
    struct span line = { rest->p, end == NULL ? rest->n : (size_t)(end - rest->p) };
    size_t      gone = end == NULL ? rest->n : line.n + 1;

    rest->p += gone;
    rest->n -= gone;
    return line;
}

static struct list *find_list(void *context, const char *name)
{
    return strcmp(name, "list") == 0 ? context : NULL;
}

struct search {
    struct span    text;
    struct address address;
    bool           found, found_address;
};

static bool search_entry(void *context, struct span entry)
{
    struct search *search = context;
    struct network network;
    bool           exact;

    search->found = search->found || span_eq(entry, search->text);
    if (search->address.bits != 0 && network_parse(entry, &network, &exact) &&
        network_holds(&network, &search->address))
        search->found_address = true;
    return true;
}

/* `value` is what the request has, already normalised. */
static bool expected(const struct pattern *pattern, const struct request *request, struct span value)
{
    struct search search = { .text = value, .address = request->src };
    char         *glob, *text;
    bool          matches = false;

    if (value.p == NULL)
        return false;
    switch (pattern->kind) {
    case PATTERN_PRESENT:
        return true;
    case PATTERN_EXACT:
        return span_eq(pattern->text, value);
    case PATTERN_GLOB:
        glob = text_of(pattern->text);
        text = text_of(value);
        matches = sqlite3_strglob(glob, text) == 0;
        free(glob);
        free(text);
        return matches;
    case PATTERN_LIST:
        list_each(pattern->list, search_entry, &search);
        return pattern->attribute == ATTRIBUTE_SRC ? search.found_address : search.found;
    case PATTERN_NETWORK:
        return request->src.bits != 0 && network_holds(&pattern->network, &request->src);
    case PATTERN_ONE_OF:
        for (size_t i = 0; i < pattern->one_of.n; i++)
            matches = matches || expected(&pattern->one_of.first[i], request, value);
        return matches;
    case PATTERN_REGEX:
        break;
    }
    return false;
}

static void match(const struct pattern *pattern, struct span value)
{
    size_t         scratch_size = REQUEST_SCRATCH(value.n);
    char          *scratch = malloc(scratch_size), *copy = copy_of(value);
    struct request request;
    enum match     result;

    assert(scratch != NULL);
    request_init(&request, scratch, scratch_size);
    if (value.n > 0)
        request_set_text(&request, pattern->attribute, (struct span){ copy, value.n });
    request_finish(&request);
    result = pattern_match(pattern, &request);
    /* A NUL ends a text for SQLite, and is a character for us: a value that comes from a client may hold one. */
    if (pattern->kind != PATTERN_REGEX && (value.n == 0 || memchr(value.p, '\0', value.n) == NULL)) {
        bool matches = expected(pattern, &request, request.value[pattern->attribute]);

        if (result == MATCH_UNSURE)
            assert(request.effort.steps == 0);
        else
            assert(result == (matches != pattern->negated ? MATCH_YES : MATCH_NO));
    }
    free(scratch);
    free(copy);
}

/* What is in normal form already, and says so by compiling, can match. */
static void check_compiled(const struct pattern *pattern)
{
    bool        ambiguous;
    char       *buffer;
    struct span form;

    if (pattern->kind != PATTERN_EXACT)
        return;
    buffer = malloc(NORMALISED_PATH_MAX(pattern->text.n));
    assert(buffer != NULL && pattern->text.n > 0);
    if (pattern->attribute == ATTRIBUTE_HOST)
        form = normalise_host(pattern->text, buffer);
    else if (pattern->attribute == ATTRIBUTE_PATH)
        form = normalise_path(pattern->text, buffer, &ambiguous);
    else
        form = pattern->text;
    assert(span_eq(form, pattern->text));
    free(buffer);
}

static unsigned attribute_of(uint8_t letter)
{
    switch (letter) {
    case 's':
        return ATTRIBUTE_SRC;
    case 'm':
        return ATTRIBUTE_METHOD;
    case 'h':
        return ATTRIBUTE_HOST;
    case 'p':
        return ATTRIBUTE_PATH;
    default:
        return ATTRIBUTE_EXTRA;
    }
}

static struct list *read_list(struct span rest, struct span *value)
{
    struct list *list = list_new("list", 0);

    for (*value = cut_line(&rest); rest.n > 0; *value = cut_line(&rest))
        list_add(list, *value);
    list_finish(list);
    return list;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span    rest, line, value, last;
    struct arena   arena = { 0 };
    struct pattern pattern;
    struct list   *list;
    char          *text, remedy[PATTERN_REMEDY_MAX] = "";

    if (size < 2)
        return 0;
    rest = (struct span){ (const char *)data + 1, size - 1 };
    line = cut_line(&rest);
    text = text_of(line);
    list = read_list(rest, &last);
    if (pattern_compile(&pattern, attribute_of(data[0]), text, &arena, find_list, list, remedy)) {
        value = pattern.kind == PATTERN_LIST ? last : rest;
        check_compiled(&pattern);
        match(&pattern, value);
        match(&pattern, (struct span){ text, strlen(text) });
        pattern_fini(&pattern);
    } else {
        assert(remedy[0] != '\0' && strlen(remedy) < sizeof remedy);
        pattern_fini(&pattern);
    }
    list_free(list);
    arena_fini(&arena);
    free(text);
    return 0;
}

/* So that a leak check at the end finds nothing. */
__attribute__((destructor)) static void end(void)
{
    regex_thread_fini();
}
