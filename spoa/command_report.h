/* `spoa-rules report`: analytics.db as CSV files and a page. */
#ifndef COMMAND_REPORT_H
#define COMMAND_REPORT_H

/* Writes OUTPUT/VIEW.csv and OUTPUT/index.html, all of them or none: when something is wrong before all are on the
 * disk, those of an earlier report are as they were. Makes OUTPUT. Returns the exit code: 2 with a line on standard
 * error. */
int command_report(int argc, char **argv);

#endif
