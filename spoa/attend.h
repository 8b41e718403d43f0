/* What the main thread does while the others serve: it takes signals, and tells systemd's watchdog that all is well. */
#ifndef ATTEND_H
#define ATTEND_H

#include "server/server.h"
#include "store/analytics.h"
#include "store/rules_watch.h"

/* Blocks the signals that attend() waits for in the calling thread and those it will start, and ignores those that are
 * no reason to end. First of all. */
void attend_block_signals(void);

/* Returns when SIGTERM or SIGINT comes, with its number. SIGHUP reads rules.db again, whether it changed or not, and
 * opens analytics.db again (NULL: there is none). The log is standard error: whoever is behind that rotates it. */
int attend(struct server *server, struct rules_watch *watch, struct analytics *analytics);

#endif
