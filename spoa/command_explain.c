#include "command_explain.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "policy/explain.h"
#include "server/endpoint.h"
#include "store/rules_db.h"

static void log_problem(void *context, const struct problem *problem)
{
    char text[PROBLEM_TEXT_MAX];

    (void)context;
    fprintf(stderr, "spoa-rules: %s\n", problem_format(problem, text));
}

static bool set_attributes(const struct ruleset *set, struct request *request, char *const attributes[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(attributes[i], '=');

        if (equals == NULL || equals == attributes[i]) {
            fprintf(stderr, "spoa-rules: '%s': write an attribute as name=value, such as src=192.0.2.1\n",
                    attributes[i]);
            return false;
        }
        explain_set(set, request, (struct span){ attributes[i], (size_t)(equals - attributes[i]) }, span_of(equals + 1),
                    stdout);
    }
    request_finish(request);
    return true;
}

static int explain_request(const char *path, char *const attributes[], size_t n, unsigned ipv6_prefix)
{
    struct request  request;
    struct ruleset *set;
    struct decider  decider = { .limits = limits_new(1, 0), .ipv6_prefix = ipv6_prefix };
    size_t          bytes = 0, size;
    char           *scratch;
    enum rules_load result;
    int             code = 2;

    result = rules_db_load(path, NULL, log_problem, NULL, &set);
    if (result == RULES_BUSY)
        fprintf(stderr, "spoa-rules: %s: locked by a writer: try again when it is done\n", path);
    if (result != RULES_LOADED) {
        limits_free(decider.limits);
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        bytes += strlen(attributes[i]) + 1;
    size = REQUEST_SCRATCH(bytes + 1);
    scratch = malloc(size);
    if (scratch == NULL || decider.limits == NULL) {
        fail("out of memory");
    } else {
        request_init(&request, scratch, size);
        if (set_attributes(set, &request, attributes, n)) {
            explain(&decider, set, &request, false, stdout);
            code = 0;
        }
    }
    free(scratch);
    ruleset_free(set);
    limits_free(decider.limits);
    return code;
}

/* ---- of the running agent ---- */

/* What may stand in a query as it is. */
static bool is_plain(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", name.p[i]) == NULL)
            return false;
    return name.n > 0;
}

/* curl rather than its library, which would bring some thirty others into a daemon that has no use for them. */
static int explain_live(const char *address, char *const attributes[], size_t n)
{
    static char options[][20] = { "curl",
                                  "-q",
                                  "-sS",
                                  "-g",
                                  "-G",
                                  "--fail-with-body",
                                  "--noproxy",
                                  "*",
                                  "-m",
                                  "10",
                                  "--unix-socket",
                                  "--data-urlencode" };
    enum { UNIX_SOCKET = 10, DATA = 11 };
    char  *args[UNIX_SOCKET + 4 + 2 * ATTRIBUTES_MAX], where[300], url[300];
    bool   is_unix = strncmp(address, ENDPOINT_UNIX, strlen(ENDPOINT_UNIX)) == 0;
    size_t at = 0;

    if (n > ATTRIBUTES_MAX)
        return fail("write %d attributes at most", ATTRIBUTES_MAX);
    while (at < UNIX_SOCKET) {
        args[at] = options[at];
        at++;
    }
    if (is_unix) {
        args[at++] = options[UNIX_SOCKET];
        snprintf(where, sizeof where, "%s", address + strlen(ENDPOINT_UNIX));
        args[at++] = where;
    }
    snprintf(url, sizeof url, "http://%.200s/explain", is_unix ? "localhost" : address);
    args[at++] = url;
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(attributes[i], '=');

        if (equals == NULL || !is_plain((struct span){ attributes[i], (size_t)(equals - attributes[i]) }))
            return fail("'%s': write an attribute as name=value, such as src=192.0.2.1", attributes[i]);
        args[at++] = options[DATA];
        args[at++] = attributes[i];
    }
    args[at] = NULL;
    execvp(args[0], args);
    return fail("--live asks by way of curl, which cannot be started: %s; on Debian: apt-get install curl",
                strerror(errno));
}

int command_explain(int argc, char **argv)
{
    static const struct option explain_options[] = { { "help", no_argument, NULL, OPTION_HELP },
                                                     { "rules", required_argument, NULL, OPTION_RULES },
                                                     { "live", optional_argument, NULL, OPTION_LIVE },
                                                     { "ipv6-prefix", required_argument, NULL, OPTION_PREFIX },
                                                     { NULL, 0, NULL, 0 } };
    struct options             options = { .ipv6_prefix = 64 };

    if (!options_read(&options, argc, argv, explain_options))
        return EXIT_USAGE;
    if (options.live != NULL && options.rules != NULL)
        return fail("write --rules or --live, not both");
    if (options.live != NULL)
        return explain_live(options.live, argv + optind, (size_t)(argc - optind));
    if (options.rules == NULL)
        return fail("write: spoa-rules explain --rules FILE src=192.0.2.1 method=GET path=/items/1 ...");
    return explain_request(options.rules, argv + optind, (size_t)(argc - optind), (unsigned)options.ipv6_prefix);
}
