/* The statements of struct analytics_writer, for the files that make it up. */
#ifndef STORE_ANALYTICS_STATEMENTS_H
#define STORE_ANALYTICS_STATEMENTS_H

#include "store/analytics_writer.h"

/* Those before STATEMENTS_OF_HOUR stand there twice: for hours, then for days. */
enum statement {
    STATEMENT_TOTALS,
    STATEMENT_RULE,
    STATEMENT_REST_OF_CLIENTS,
    STATEMENT_REST_OF_PATHS,
    STATEMENT_READ_TOTAL,
    STATEMENT_SET_CLIENTS,
    STATEMENT_DELETE_CLIENTS,
    STATEMENT_DELETE_PATHS,
    STATEMENT_CLIENT,
    STATEMENT_PATH,
    STATEMENT_READ_CLIENTS,
    STATEMENT_READ_PATHS,
    STATEMENT_SKETCH,
    STATEMENT_READ_SKETCH,
    STATEMENTS_OF_HOUR,

    STATEMENT_MINUTE = 2 * STATEMENTS_OF_HOUR,
    STATEMENT_READ_RUNNING,
    STATEMENT_RUNNING,
    STATEMENT_RUNNING_RULE,
    STATEMENT_DENIAL,
    STATEMENT_TRIM_DENIALS,
    STATEMENT_NAME,
    STATEMENTS
};

/* The one for the period, with its ?1 and ?2 bound. */
struct sqlite3_stmt *writer_bind(struct analytics_writer *w, struct period period, enum statement statement);
void                 writer_bind_number(struct sqlite3_stmt *s, int at, uint64_t number);

/* Steps to its end, and resets it. */
bool writer_run(struct sqlite3_stmt *s);

#endif
