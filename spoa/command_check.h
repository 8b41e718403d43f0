/* `spoa-rules check`: what is wrong, or probably not meant, in a rules database. */
#ifndef COMMAND_CHECK_H
#define COMMAND_CHECK_H

/* One line an error or warning on standard output, and what the rules cost. With --spoe, the SPOE file of HAProxy, its
 * arguments tell which attributes are sent; else nobody knows. Returns the exit code: 1 when there is an error, 2 when
 * the SPOE file cannot be read. */
int command_check(int argc, char **argv);

#endif
