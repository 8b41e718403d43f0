/* `spoa-rules import`: published lists of addresses into a list of a rules database. */
#ifndef COMMAND_IMPORT_H
#define COMMAND_IMPORT_H

/* Replaces a list by what the files hold together, all of it or nothing. Lines that cannot be used are told on standard
 * error, the result on standard output. Returns the exit code: 1 when a file cannot be used, or all of them hold no
 * entry, 2 when the command line or the database is at fault; the list is as it was then. */
int command_import(int argc, char **argv);

#endif
