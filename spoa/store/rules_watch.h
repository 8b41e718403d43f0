/* The control thread: watches rules.db, compiles what changed, publishes it. */
#ifndef STORE_RULES_WATCH_H
#define STORE_RULES_WATCH_H

#include <stdbool.h>
#include <time.h>

#include "policy/publish.h"
#include "store/rules_file.h"

struct rules_watch;

/* Looks at `path` several times a second and puts each change that compiles into force in `slot`; one that does not
 * leaves the rules in force as they are, with log lines that say why. `first` is the stamp of what is in force already,
 * so that nothing that changed since is missed. `published` is called after each publication, on the control thread.
 * NULL: no thread could be had. */
struct rules_watch *rules_watch_start(const char *path, struct rules_stamp first, struct ruleset_slot *slot,
                                      void (*published)(void *context), void *context);

/* Has the file read at once, also if it did not change; each call is followed by rules_watch_reloaded() until that is
 * true. Main thread. */
void rules_watch_reload(struct rules_watch *watch);

/* Waits until the file is taken over, refused, or found locked: the log says which. Locked, it is tried again as after
 * a change. False: not within that time. */
bool rules_watch_reloaded(struct rules_watch *watch, struct timespec patience);

/* Waits for the thread to end, which gives up a compilation under way. */
void rules_watch_stop(struct rules_watch *watch);

/* Tells a problem to the log: a problem_fn. */
void rules_log_problem(void *context, const struct problem *problem);

/* Tells the log and systemd what is in force; warns when the index finds too few of the rules. */
void rules_log_set(const char *path, size_t rules, size_t residue);

#endif
