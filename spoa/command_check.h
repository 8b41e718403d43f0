/* `spoa-rules check`: what is wrong, or probably not meant, in a rules database. */
#ifndef COMMAND_CHECK_H
#define COMMAND_CHECK_H

/* One line an error or warning on standard output, and what the rules cost. `spoe_path`: the SPOE file of HAProxy,
 * whose arguments tell which attributes are sent; NULL: nobody knows. Returns the exit code: 1 when there is an error,
 * 2 when the SPOE file cannot be read. */
int check_rules(const char *path, const char *spoe_path);

#endif
