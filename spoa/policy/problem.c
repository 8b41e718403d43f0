#include "policy/problem.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/escape.h"

char *problem_format(const struct problem *problem, char *out)
{
    char   text[PROBLEM_TEXT_MAX];
    size_t n = 0;

    /* The value may be long: 200 bytes of it tell which it is, and leave room for the remedy. */
    if (problem->rule != 0)
        n = (size_t)snprintf(text, sizeof text, "rule %" PRId64 ": ", problem->rule);
    if (problem->column != NULL)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.120s", problem->column);
    if (problem->value != NULL)
        n += (size_t)snprintf(text + n, sizeof text - n, " '%.200s'", problem->value);
    if (problem->column != NULL || problem->value != NULL)
        n += (size_t)snprintf(text + n, sizeof text - n, ": ");
    snprintf(text + n, sizeof text - n, "%.500s", problem->remedy);
    escape_controls(span_of(text), out, PROBLEM_TEXT_MAX);
    return out;
}
