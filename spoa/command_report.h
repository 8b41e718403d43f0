/* `spoa-rules report`: analytics.db as CSV files and a page. */
#ifndef COMMAND_REPORT_H
#define COMMAND_REPORT_H

/* What the options say; NULL: not given. Either `day`, or `since` with or without `until` (until today). Days are UTC:
 * 2026-11-20, today or yesterday. */
struct report_options {
    const char *data, *output, *day, *since, *until;
};

/* Writes OUTPUT/VIEW.csv and OUTPUT/index.html, all of them or none: when something is wrong before all are on the
 * disk, those of an earlier report are as they were. Makes OUTPUT. Returns the exit code: 2 with a line on standard
 * error. */
int report_days(const struct report_options *options);

#endif
