/* `spoa-rules explain`: what the rules do with one request, "name=value" by "name=value". Changes nothing. */
#ifndef COMMAND_EXPLAIN_H
#define COMMAND_EXPLAIN_H

/* By the rules of --rules: returns the exit code, 2 when the database or an attribute is unusable.
 *
 * With --live it asks the agent that listens for it there, written as for --admin-listen: becomes curl, whose exit code
 * is 0 when it answered, 22 when it refused and 7 when nobody is there. Returns 2 when there is no curl, or an
 * attribute is unusable. */
int command_explain(int argc, char **argv);

#endif
