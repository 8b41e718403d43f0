/* What the parts of analytics.c share. All is the writing thread's, but where it says so.
 *
 * analytics_place.c keeps a database open at the path, whatever happens to the file there, and tells of trouble
 * once. */
#ifndef STORE_ANALYTICS_PARTS_H
#define STORE_ANALYTICS_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/stats.h"
#include "store/analytics.h"
#include "store/analytics_keep.h"
#include "store/analytics_responses.h"
#include "store/analytics_writer.h"
#include "store/guard.h"
#include "store/ledger.h"
#include "store/rule_names.h"

struct analytics {
    char                    *path;
    struct analytics_options options;
    struct stats            *stats; /* its thread's */
    struct analytics_writer  writer;
    struct guard             guard; /* of its connection, from the first tick on */
    uint64_t                 seed;
    struct stat              opened; /* the file that was opened last; st_ino 0: none yet */
    struct stat              log;    /* and its -wal, since something was written */
    struct ledger            ledger;
    struct rule_names        names;
    struct keeper            keeper;

    struct decisions *const *tallies;
    size_t                   tallies_n;

    struct responses_box       *responses;
    struct responses           *taken; /* and not written yet; else cleared */
    bool                        has_taken;
    struct analytics_responses *responses_writer; /* of the open file */

    int64_t  details_us; /* monotonic: when they were last written */
    int64_t  details_hour;
    bool     in_trouble;
    int64_t  trouble_us; /* monotonic: since when */
    uint64_t told_lost;

    int         wake_fd; /* readable when one of these is to be looked at */
    atomic_bool stopping, reopening;
    pthread_t   thread;
    bool        has_thread;
};

/* Whether it is open, and still the one that the path names; if not, it is opened, or begun anew. False: it cannot be,
 * which the log says. */
bool analytics_have_file(struct analytics *a);
void analytics_close_file(struct analytics *a);

/* After each transaction: remembers which -wal is ours. */
void analytics_written(struct analytics *a);

/* After a failed statement; returns false. Locks and full disks pass, and a statement that the stop of the agent ended is
 * no trouble; anything else is met again with a new connection, or not. */
bool analytics_give_up(struct analytics *a);

/* All was written: trouble, if there was any, is over. */
void analytics_tell_recovery(struct analytics *a);

#endif
