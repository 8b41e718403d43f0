#include "store/rules_watch.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/moment.h"
#include "base/notify.h"
#include "base/stats.h"
#include "store/rules_db.h"

/* Four looks a second keep "within a second" with time left to compile; each costs a stat and a read of 100 bytes.
 * inotify would save that and lose changes over NFS, bind mounts and renamed directories. */
#define LOOK_INTERVAL_MS 250

/* A script that commits row by row need not make the agent compile as fast as it can. */
#define LOAD_INTERVAL_US 500000

/* Of this thread alone, as Linux has it: where cores are short, requests come first. */
#define NICE 10

/* A set with one mistake in each of 100,000 rules need not fill the log: `check` shows them all. */
#define PROBLEMS_LOGGED 10

/* Comparing with this many rules costs a request some microseconds. */
#define RESIDUE_QUIET 200

/* A writer may hold its lock for as long as an operator's transaction takes; longer than this is worth a line. */
#define BUSY_LOOKS_LOGGED 8

struct rules_watch {
    pthread_t            thread;
    int                  wake_fd; /* readable when one of these is to be looked at */
    atomic_bool          stopping, reload;
    sem_t                reloaded;
    char                *path;
    struct stats        *stats; /* its thread's */
    struct rules_stamp   seen;
    bool                 pending; /* what was seen has not been read yet */
    unsigned             busy_looks;
    int64_t              loaded_us; /* monotonic: when the last load began */
    bool                 untidy;    /* memory of an old set, or of a compilation, may be given back */
    int                  missing;   /* why the file cannot be looked at, an errno; 0: it can */
    struct ruleset_slot *slot;
    void (*published)(void *context);
    void *context;
};

void rules_log_problem(void *context, const struct problem *problem)
{
    unsigned *told = context;
    char      text[PROBLEM_TEXT_MAX];

    if (told != NULL && (*told)++ >= PROBLEMS_LOGGED)
        return;
    log_write(problem->warning ? LOG_WARNING : LOG_ERROR, "%s", problem_format(problem, text));
}

void rules_log_set(const char *path, size_t rules, size_t residue)
{
    log_write(LOG_INFO, "%s: %zu rules in force", path, rules);
    notify("STATUS=%zu rules in force", rules);
    if (residue > RESIDUE_QUIET)
        log_write(LOG_WARNING,
                  "%s: each request is compared with %zu rules that no index can find: see `spoa-rules check`", path,
                  residue);
}

static void note_loaded(struct rules_watch *watch)
{
    stat_set(&watch->stats->rules_current, 1);
    stat_set(&watch->stats->rules_loaded_us, (uint64_t)moment_now().unix_us);
}

static bool is_stopping(void *context)
{
    struct rules_watch *watch = context;

    return atomic_load(&watch->stopping);
}

/* `busy_looks_quiet`: the line that the file is locked comes with the look of this number. */
static void load(struct rules_watch *watch, unsigned busy_looks_quiet)
{
    const struct rules_stop stop = { is_stopping, watch };
    struct ruleset         *set;
    unsigned                told = 0;
    size_t                  rules, residue;

    watch->loaded_us = moment_now().mono_us;
    watch->untidy = true;
    switch (rules_db_load_until(watch->path, watch->slot->current, &stop, rules_log_problem, &told, &set)) {
    case RULES_LOADED:
        rules = set->n;
        residue = set->index.residue_n;
        ruleset_publish(watch->slot, set);
        stat_add(&watch->stats->reloads_ok, 1);
        note_loaded(watch);
        watch->published(watch->context);
        rules_log_set(watch->path, rules, residue);
        break;
    case RULES_REFUSED:
        if (told > PROBLEMS_LOGGED)
            log_write(LOG_ERROR, "%s: %u more problems: `spoa-rules check` shows them", watch->path,
                      told - PROBLEMS_LOGGED);
        log_write(LOG_ERROR, "%s: not taken over; the rules in force stay as they are", watch->path);
        notify("STATUS=%s: not taken over, see the log; the rules in force stay as they are", watch->path);
        stat_add(&watch->stats->reloads_failed, 1);
        stat_set(&watch->stats->rules_current, 0);
        break;
    case RULES_BUSY:
        if (++watch->busy_looks == busy_looks_quiet)
            log_write(LOG_WARNING, "%s: locked by a writer; the rules in force stay until it is done", watch->path);
        return;
    case RULES_STOPPED:
        return;
    }
    watch->pending = false;
    watch->busy_looks = 0;
}

static void look(struct rules_watch *watch)
{
    /* The stamp is taken before the file is read: what changes in between is seen next time. */
    struct rules_stamp stamp = rules_file_stamp(watch->path);

    if (!stamp.exists) {
        int reason = errno;

        if (reason != watch->missing)
            log_write(LOG_ERROR, "%s: %s; the rules in force stay as they are", watch->path,
                      reason == ENOENT ? "gone" : strerror(reason));
        watch->missing = reason;
        stat_set(&watch->stats->rules_current, 0);
        return;
    }
    if (watch->missing != 0 || !rules_stamp_eq(&stamp, &watch->seen)) {
        watch->missing = 0;
        watch->seen = stamp;
        watch->pending = true;
    }
    if (watch->pending && moment_now().mono_us - watch->loaded_us >= LOAD_INTERVAL_US)
        load(watch, BUSY_LOOKS_LOGGED);
    /* A compilation leaves holes as large as the copy of the file; a process that keeps them looks as if it leaked. */
    if (ruleset_collect(watch->slot) == 0 && watch->untidy) {
        malloc_trim(0);
        watch->untidy = false;
    }
}

/* As after a change, but at once and with a line in any case. */
static void reload(struct rules_watch *watch)
{
    struct rules_stamp stamp = rules_file_stamp(watch->path);

    if (!stamp.exists) {
        watch->missing = 0;
        look(watch);
        return;
    }
    watch->missing = 0;
    watch->seen = stamp;
    watch->pending = true;
    watch->busy_looks = 0;
    load(watch, 1);
}

static void *run(void *context)
{
    struct rules_watch *watch = context;
    struct pollfd       wake = { .fd = watch->wake_fd, .events = POLLIN };
    eventfd_t           times;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    while (!atomic_load(&watch->stopping)) {
        if (poll(&wake, 1, LOOK_INTERVAL_MS) > 0)
            eventfd_read(watch->wake_fd, &times);
        if (atomic_exchange(&watch->reload, false)) {
            reload(watch);
            sem_post(&watch->reloaded);
        } else if (!atomic_load(&watch->stopping)) {
            look(watch);
        }
    }
    return NULL;
}

struct rules_watch *rules_watch_start(const char *path, struct rules_stamp first, struct ruleset_slot *slot,
                                      void (*published)(void *context), void *context)
{
    struct rules_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->path = strdup(path);
    watch->seen = first;
    watch->slot = slot;
    watch->published = published;
    watch->context = context;
    watch->wake_fd = eventfd(0, EFD_CLOEXEC);
    sem_init(&watch->reloaded, 0, 0);
    watch->stats = stats_part();
    note_loaded(watch);
    if (watch->path != NULL && watch->wake_fd >= 0 && pthread_create(&watch->thread, NULL, run, watch) == 0) {
        pthread_setname_np(watch->thread, "spoa-rules-db");
        return watch;
    }
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    free(watch->path);
    free(watch);
    return NULL;
}

void rules_watch_reload(struct rules_watch *watch)
{
    atomic_store(&watch->reload, true);
    eventfd_write(watch->wake_fd, 1);
}

bool rules_watch_reloaded(struct rules_watch *watch, struct timespec patience)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += patience.tv_sec + (until.tv_nsec + patience.tv_nsec) / 1000000000;
    until.tv_nsec = (until.tv_nsec + patience.tv_nsec) % 1000000000;
    while (sem_clockwait(&watch->reloaded, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

void rules_watch_stop(struct rules_watch *watch)
{
    atomic_store(&watch->stopping, true);
    eventfd_write(watch->wake_fd, 1);
    pthread_join(watch->thread, NULL);
    close(watch->wake_fd);
    sem_destroy(&watch->reloaded);
    free(watch->path);
    free(watch);
}
