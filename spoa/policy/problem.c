#include "policy/problem.h"

#include <inttypes.h>
#include <stdio.h>

char *problem_format(const struct problem *problem, char *out)
{
    size_t n = 0;

    /* The value may be long: 200 bytes of it tell which it is, and leave room for the remedy. */
    if (problem->rule != 0)
        n = (size_t)snprintf(out, PROBLEM_TEXT_MAX, "rule %" PRId64 ": ", problem->rule);
    if (problem->column != NULL)
        n += (size_t)snprintf(out + n, PROBLEM_TEXT_MAX - n, "%.120s", problem->column);
    if (problem->value != NULL)
        n += (size_t)snprintf(out + n, PROBLEM_TEXT_MAX - n, " '%.200s'", problem->value);
    if (problem->column != NULL || problem->value != NULL)
        n += (size_t)snprintf(out + n, PROBLEM_TEXT_MAX - n, ": ");
    snprintf(out + n, PROBLEM_TEXT_MAX - n, "%.500s", problem->remedy);
    return out;
}
