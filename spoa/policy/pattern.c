#include "policy/pattern.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/glob.h"
#include "policy/normalise.h"
#include "policy/regex.h"

struct compiler {
    struct pattern  *pattern;
    struct arena    *arena;
    pattern_list_fn *find_list;
    void            *context;
    char            *remedy;
};

static bool refuse(struct compiler *c, const char *remedy)
{
    snprintf(c->remedy, PATTERN_REMEDY_MAX, "%s", remedy);
    return false;
}

static bool refuse_form(struct compiler *c, const char *before, struct span form)
{
    snprintf(c->remedy, PATTERN_REMEDY_MAX, "write '%s%.*s'", before, (int)(form.n < 300 ? form.n : 300), form.p);
    return false;
}

/* Whether a text, or a GLOB, is as normalisation leaves what it is compared with; if not, it could never match.
 * `buffer` has room for the normal form. */
static bool compare_normal_form(struct compiler *c, struct span text, char *buffer)
{
    /* An entry of a list is taken literally, and the '!' is not its own. */
    bool        entry = c->pattern->kind == PATTERN_LIST;
    const char *before = c->pattern->negated && !entry ? "!" : "";
    struct span form;
    bool        ambiguous;

    if (c->pattern->attribute == ATTRIBUTE_HOST) {
        form = normalise_host(text, buffer);
        if (form.p == NULL)
            return refuse(c, "write a host name");
        return span_eq(form, text) || refuse_form(c, before, form);
    }
    if (entry && text.p[0] != '/')
        return refuse(c, "a path begins with '/'");
    if (text.n == 1 && glob_is_pattern(text))
        return true;
    if (text.p[0] != '/' && !glob_is_pattern((struct span){ text.p, 1 }))
        return refuse(c, "a path begins with '/' (or, as a pattern, with '*', '?' or '[')");
    form = normalise_path(text, buffer, &ambiguous);
    /* A pattern that is open at its start has been given a slash that it does not have. */
    if (text.p[0] != '/' && form.n > 1) {
        form.p++;
        form.n--;
    }
    return span_eq(form, text) || refuse_form(c, before, form);
}

static bool in_normal_form(struct compiler *c, struct span text)
{
    char *buffer;
    bool  same;

    if (c->pattern->attribute != ATTRIBUTE_HOST && c->pattern->attribute != ATTRIBUTE_PATH)
        return true;
    buffer = malloc(NORMALISED_PATH_MAX(text.n));
    if (buffer == NULL)
        abort(); /* as arena_alloc() */
    same = compare_normal_form(c, text, buffer);
    free(buffer);
    return same;
}

/* ---- lists ---- */

static bool check_entry(struct compiler *c, struct span entry)
{
    char           remedy[LIST_REMEDY_MAX];
    struct network network;

    if (c->pattern->attribute == ATTRIBUTE_SRC)
        return list_entry_parse(entry, &network, remedy) || refuse(c, remedy);
    return entry.n == 0 ? refuse(c, "an entry is not empty") : in_normal_form(c, entry);
}

static bool refuse_entry(struct compiler *c, struct span entry, const char *remedy)
{
    char reason[PATTERN_REMEDY_MAX];

    snprintf(reason, sizeof reason, "entry '%.*s' of list '%.64s': %.200s", (int)(entry.n < 200 ? entry.n : 200),
             entry.p, list_name(c->pattern->list), remedy);
    return refuse(c, reason);
}

struct bad_entries {
    struct compiler  *compiler;
    pattern_entry_fn *fn;
    void             *context;
};

static bool pass_bad_entry(void *context, struct span entry)
{
    struct bad_entries *bad = context;
    struct compiler    *c = bad->compiler;

    if (check_entry(c, entry))
        return true;
    refuse_entry(c, entry, c->remedy);
    return bad->fn(bad->context, c->remedy);
}

void pattern_bad_entries(struct pattern *pattern, pattern_entry_fn *fn, void *context)
{
    char               remedy[PATTERN_REMEDY_MAX];
    struct compiler    c = { .pattern = pattern, .remedy = remedy };
    struct bad_entries bad = { &c, fn, context };

    if (pattern->kind == PATTERN_LIST)
        list_each(pattern->list, pass_bad_entry, &bad);
}

/* Ends the search at the first one, whose sentence is in `context` then. */
static bool keep_first(void *context, const char *sentence)
{
    snprintf(context, PATTERN_REMEDY_MAX, "%s", sentence);
    return false;
}

static bool compile_list(struct compiler *c, const char *name)
{
    struct list *list = c->find_list(c->context, name);
    struct span  bad;
    char         remedy[LIST_REMEDY_MAX];

    /* Empty means "not yet filled" more often than "nobody": taking it would let everyone in, or out, meanwhile. */
    if (list == NULL || list_size(list) == 0)
        return refuse(c, "the list is empty: fill it, or disable the rule");
    c->pattern->kind = PATTERN_LIST;
    c->pattern->list = list;
    if (c->pattern->attribute == ATTRIBUTE_SRC)
        return list_compile_addresses(list, &bad, remedy) || refuse_entry(c, bad, remedy);
    c->remedy[0] = '\0';
    pattern_bad_entries(c->pattern, keep_first, c->remedy);
    return c->remedy[0] == '\0';
}

static bool compile_network(struct compiler *c, struct span text)
{
    char form[ADDRESS_TEXT_MAX];
    bool exact;

    c->pattern->kind = PATTERN_NETWORK;
    if (!network_parse(text, &c->pattern->network, &exact))
        return refuse(c, "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32");
    if (exact)
        return true;
    network_format(c->pattern->network.address, c->pattern->network.prefix, form);
    return refuse_form(c, c->pattern->negated ? "!" : "", span_of(form));
}

static bool compile_text(struct compiler *c, struct pattern *pattern, struct span text)
{
    pattern->attribute = c->pattern->attribute;
    pattern->kind = glob_is_pattern(text) ? PATTERN_GLOB : PATTERN_EXACT;
    if (text.n == 1 && text.p[0] == '*')
        pattern->kind = PATTERN_PRESENT;
    if (!glob_is_closed(text))
        return refuse(c, "close the '[', or write '[[]' for the character itself");
    pattern->text = arena_span(c->arena, text);
    return in_normal_form(c, text);
}

static bool compile_one_of(struct compiler *c, struct span text)
{
    struct pattern *alternatives;
    size_t          n = 1;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ',';
    if (n == 1)
        return compile_text(c, c->pattern, text);
    alternatives = arena_alloc(c->arena, n * sizeof *alternatives);
    for (size_t i = 0; i < n; i++) {
        const char *comma = memchr(text.p, ',', text.n);
        struct span one = { text.p, comma == NULL ? text.n : (size_t)(comma - text.p) };

        if (one.n == 0)
            return refuse(c, "write methods with single commas between them, such as 'GET,HEAD'");
        if (!compile_text(c, &alternatives[i], one))
            return false;
        text.p += one.n + 1;
        text.n -= i + 1 < n ? one.n + 1 : one.n;
    }
    c->pattern->kind = PATTERN_ONE_OF;
    c->pattern->one_of.first = alternatives;
    c->pattern->one_of.n = n;
    return true;
}

bool pattern_compile(struct pattern *pattern, unsigned attribute, const char *text, struct arena *arena,
                     pattern_list_fn *find_list, void *context, char *remedy)
{
    struct compiler c = { pattern, arena, find_list, context, remedy };

    memset(pattern, 0, sizeof *pattern);
    pattern->attribute = (uint8_t)attribute;
    if (text[0] == '!') {
        pattern->negated = true;
        text++;
    }
    if (text[0] == '\0')
        return refuse(&c, "write a pattern, or NULL for any");
    if (text[0] == '@')
        return compile_list(&c, text + 1);
    if (attribute == ATTRIBUTE_SRC && strcmp(text, "*") != 0)
        return compile_network(&c, span_of(text));
    if (text[0] == '~') {
        pattern->kind = PATTERN_REGEX;
        pattern->regex = regex_compile(text + 1, remedy, PATTERN_REMEDY_MAX);
        return pattern->regex != NULL;
    }
    return attribute == ATTRIBUTE_METHOD ? compile_one_of(&c, span_of(text)) : compile_text(&c, pattern, span_of(text));
}

void pattern_fini(struct pattern *pattern)
{
    if (pattern->kind == PATTERN_REGEX)
        regex_free(pattern->regex);
}

static enum match match_value(const struct pattern *pattern, struct span value, struct effort *effort)
{
    enum match match = MATCH_NO;

    switch (pattern->kind) {
    case PATTERN_PRESENT:
        return MATCH_YES;
    case PATTERN_EXACT:
        return span_eq(pattern->text, value) ? MATCH_YES : MATCH_NO;
    case PATTERN_GLOB:
        if (effort->steps > 0 && glob_match_within(pattern->text, value, &effort->steps))
            return MATCH_YES;
        return effort->steps > 0 ? MATCH_NO : MATCH_UNSURE;
    case PATTERN_LIST:
        return list_holds_text(pattern->list, value) ? MATCH_YES : MATCH_NO;
    case PATTERN_REGEX:
        return regex_match(pattern->regex, value, effort);
    case PATTERN_ONE_OF:
        for (size_t i = 0; i < pattern->one_of.n && match == MATCH_NO; i++)
            match = match_value(&pattern->one_of.first[i], value, effort);
        return match;
    case PATTERN_NETWORK:
        break; /* only of `src`: see match_src() */
    }
    return MATCH_NO;
}

static enum match match_src(const struct pattern *pattern, const struct request *request)
{
    bool holds = false;

    if (pattern->kind == PATTERN_PRESENT)
        return MATCH_YES;
    if (request->src.bits != 0)
        holds = pattern->kind == PATTERN_LIST ? list_holds_address(pattern->list, &request->src)
                                              : network_holds(&pattern->network, &request->src);
    return holds ? MATCH_YES : MATCH_NO;
}

static enum match with_negation(const struct pattern *pattern, enum match match)
{
    if (!pattern->negated || match == MATCH_UNSURE)
        return match;
    return match == MATCH_YES ? MATCH_NO : MATCH_YES;
}

static enum match match_within(const struct pattern *pattern, struct span value, struct effort *effort)
{
    return with_negation(pattern, value.p == NULL ? MATCH_NO : match_value(pattern, value, effort));
}

enum match pattern_match_text(const struct pattern *pattern, struct span value)
{
    struct effort unlimited = { .steps = SIZE_MAX };

    return match_within(pattern, value, &unlimited);
}

enum match pattern_match_path(const struct pattern *pattern, struct request *request, struct span path)
{
    return match_within(pattern, path, &request->effort);
}

enum match pattern_match(const struct pattern *pattern, struct request *request)
{
    struct span value = request->value[pattern->attribute];

    if (pattern->attribute != ATTRIBUTE_SRC || value.p == NULL)
        return match_within(pattern, value, &request->effort);
    return with_negation(pattern, match_src(pattern, request));
}
