#include "command_check.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "options.h"
#include "policy/lint.h"
#include "store/rules_db.h"

struct tally {
    unsigned errors, warnings;
};

static void print_problem(void *context, const struct problem *problem)
{
    struct tally *tally = context;
    char          text[PROBLEM_TEXT_MAX];

    if (problem->warning)
        tally->warnings++;
    else
        tally->errors++;
    printf("%s%s\n", problem->warning ? "warning: " : "", problem_format(problem, text));
}

/* ---- the attributes that HAProxy sends ---- */

struct sent {
    struct arena arena;
    struct span  names[256];
    size_t       n;
};

/* Over one "name=expression", whose expression may hold blanks in quotes. */
static const char *skip_argument(const char *p)
{
    char quote = '\0';

    for (; *p != '\0' && (quote != '\0' || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else if (*p == quote)
            quote = '\0';
    }
    return p;
}

/* A line such as "args src=src api_key=req.fhdr(x-api-key)". */
static void read_arguments(struct sent *sent, const char *line)
{
    const char *p = line + strspn(line, " \t");

    if (strncmp(p, "args", 4) != 0 || (p[4] != ' ' && p[4] != '\t'))
        return;
    for (p += 4;;) {
        size_t n;

        p += strspn(p, " \t\n");
        if (*p == '\0' || *p == '#' || sent->n == sizeof sent->names / sizeof *sent->names)
            return;
        n = strcspn(p, "= \t\n");
        if (p[n] == '=')
            sent->names[sent->n++] = arena_span(&sent->arena, (struct span){ p, n });
        p = skip_argument(p);
    }
}

static bool read_spoe(struct sent *sent, const char *path)
{
    FILE  *file = fopen(path, "re");
    char  *line = NULL;
    size_t room = 0;

    if (file == NULL) {
        fprintf(stderr, "spoa-rules: --spoe %s: %s\n", path, strerror(errno));
        return false;
    }
    while (getline(&line, &room, file) >= 0)
        read_arguments(sent, line);
    free(line);
    fclose(file);
    if (sent->n > 0)
        return true;
    fprintf(stderr, "spoa-rules: --spoe %s: no line 'args name=...' in it\n", path);
    return false;
}

/* ---- what the rules cost ---- */

/* Comparing with the residue what a browser might send; the least of several measurements. */
static double residue_us(const struct ruleset *set)
{
    static const char path[] = "/categories/books/items/1234567890/reviews";
    struct request    request;
    char              scratch[1024];
    struct timespec   from, to;
    double            best = 1e9;

    request_init(&request, scratch, sizeof scratch);
    request_set_text(&request, ATTRIBUTE_SRC, SPAN_LITERAL("192.0.2.1"));
    request_set_text(&request, ATTRIBUTE_METHOD, SPAN_LITERAL("GET"));
    request_set_text(&request, ATTRIBUTE_HOST, SPAN_LITERAL("www.example.com"));
    request_set_text(&request, ATTRIBUTE_PATH, span_of(path));
    request_finish(&request);
    for (int round = 0; round < 5; round++) {
        double us;

        clock_gettime(CLOCK_MONOTONIC, &from);
        for (size_t i = 0; i < set->index.residue_n; i++) {
            const struct rule *rule = &set->rules[set->index.ranks[i]];

            for (size_t k = 0; k < rule->patterns_n && pattern_match(&rule->patterns[k], &request) != MATCH_NO; k++)
                ;
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        us = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
        if (us < best)
            best = us;
    }
    return best;
}

static void print_cost(const struct ruleset *set)
{
    size_t entries = 0;

    for (size_t i = 0; i < set->lists_n; i++)
        entries += list_size(set->lists[i]);
    if (set->lists_n > 0)
        printf("%zu lists in use with %zu entries\n", set->lists_n, entries);
    printf("%zu rules are found by the index; %zu have no exact text, network, or literal beginning or end,\n"
           "and each request is compared with them: about %.2f us here\n",
           set->n - set->index.residue_n, set->index.residue_n, residue_us(set));
}

static int check_rules(const char *path, const char *spoe_path)
{
    struct tally    tally = { 0, 0 };
    struct sent     sent = { .n = 0 };
    struct ruleset *set;
    struct timespec now;
    int             code = 1;

    if (spoe_path != NULL && !read_spoe(&sent, spoe_path))
        return 2;
    switch (rules_db_load(path, NULL, print_problem, &tally, &set)) {
    case RULES_LOADED:
        clock_gettime(CLOCK_REALTIME, &now);
        ruleset_lint(set, sent.n == 0 ? NULL : sent.names, sent.n, (int64_t)now.tv_sec * 1000000, print_problem,
                     &tally);
        printf("%s: %zu rules, no errors, %u warnings\n", path, set->n, tally.warnings);
        print_cost(set);
        ruleset_free(set);
        code = 0;
        break;
    case RULES_BUSY:
        printf("%s: locked by a writer: try again when it is done\n", path);
        break;
    case RULES_REFUSED:
    case RULES_STOPPED: /* nobody asks */
        break;
    }
    arena_fini(&sent.arena);
    return code;
}

int command_check(int argc, char **argv)
{
    static const struct option check_options[] = { { "help", no_argument, NULL, OPTION_HELP },
                                                   { "spoe", required_argument, NULL, OPTION_SPOE },
                                                   { NULL, 0, NULL, 0 } };
    struct options             options = { .spoe = NULL };

    if (!options_read(&options, argc, argv, check_options))
        return EXIT_USAGE;
    if (argc - optind != 1)
        return fail("write: spoa-rules check [--spoe FILE] FILE");
    return check_rules(argv[optind], options.spoe);
}
