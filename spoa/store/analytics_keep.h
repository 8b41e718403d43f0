/* How long analytics.db keeps what it has, and how large it may grow.
 *
 * Hours go first, since the days still tell what was in them: those that are older than they may be, and, as long as
 * the file is too large, the oldest of all but today's; then days in the same way, then the oldest single denials.
 * Its size is that of the pages in use, without free ones and without the log. Looked at on start and each hour, by the
 * system's clock: one that is set ahead makes it forget what is too old by then. Each step is a small transaction, and
 * only some are taken at a time. */
#ifndef STORE_ANALYTICS_KEEP_H
#define STORE_ANALYTICS_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"

struct sqlite3;

struct keeper {
    unsigned hours, days; /* both in days */
    uint64_t max_bytes;   /* 0: any */
    int64_t  hour;        /* in which it was last done, since 1970; -1: never */
    bool     forgot;      /* rows went: names may have nobody who refers to them */
    bool     told_full;
};

void keeper_init(struct keeper *k, unsigned hours, unsigned days, uint64_t max_bytes);

/* The file is another one. */
void keeper_reset(struct keeper *k);

/* Does for some tenths of a second what is to be done, and at least one step of it: `now` may be long ago on a busy
 * machine, and what is in the way must not seem to be gone. False: sqlite3_errmsg() says why it could not. */
bool keeper_run(struct keeper *k, struct sqlite3 *db, struct moment now);

#endif
