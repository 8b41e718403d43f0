/* What the main thread does while the others serve: it takes signals, and tells systemd's watchdog that all is well. */
#ifndef ATTEND_H
#define ATTEND_H

#include "server/server.h"
#include "store/analytics.h"
#include "store/rules_watch.h"

/* Blocks the signals that attend() waits for in the calling thread and those it will start, and ignores those that mean
 * nothing to the agent, all of which would end it: SIGUSR1, SIGUSR2, timers, real-time signals and the like. Those that
 * tell of a fault (SIGSEGV, SIGABRT), of the terminal (SIGQUIT, SIGTSTP) or of a limit (SIGXCPU) do what they always do.
 * First of all. */
void attend_block_signals(void);

/* Whether SIGTERM or SIGINT has come, for work before attend() that may take its time: its number, else 0. The signal
 * stays pending. Any thread. */
int attend_stop_signal(void);

/* Returns when SIGTERM or SIGINT comes, also during a reload, with its number. SIGHUP reads rules.db again, whether it
 * changed or not, and opens analytics.db again (NULL: there is none). The log is standard error: whoever is behind that
 * rotates it. */
int attend(struct server *server, struct rules_watch *watch, struct analytics *analytics);

#endif
