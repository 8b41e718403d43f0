#include "store/analytics.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "store/analytics_file.h"
#include "store/analytics_parts.h"

#define INTERVAL_MS 1000

/* Thousands of rows are replaced then: some 10 ms of this thread's time. */
#define DETAILS_INTERVAL_US 5000000

/* How often the end tries to write what it has; each may wait a second for a lock. */
#define LAST_TRIES 3

/* Of this thread alone, as Linux has it: where cores are short, requests come first. */
#define NICE 10

/* ---- writing ---- */

/* What is in memory may be better than what is in the file, and hide that nobody else can read that. From here on it is
 * read; so is its schema, which every reader begins with and a writer keeps. */
static bool read_anew(struct analytics *a)
{
    sqlite3_db_release_memory(a->writer.db);
    return sqlite3_exec(a->writer.db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK;
}

static bool write_details(struct analytics *a)
{
    struct ledger         *l = &a->ledger;
    const struct period    running[] = { { false, l->hour }, { true, l->hour / 24 } };
    const struct sketches *view;

    if (!read_anew(a))
        return false;
    for (int i = 0; l->has_live && i < 2; i++)
        ledger_book(l, running[i]);
    for (int i = 0; i < LEDGER_BOOKS; i++) {
        struct book *book = &l->books[i];

        if (book->sketches == NULL)
            continue;
        if (!book->restored && !writer_restore(&a->writer, book->period, book->sketches, l->scratch))
            return false;
        book->restored = true;
        view = ledger_view(l, book);
        if (view != NULL && !writer_details(&a->writer, book->period, view))
            return false;
    }
    return writer_trim_denials(&a->writer);
}

/* What the log feed brought. It is kept until it is written, in the same transaction as the decisions, so that its
 * columns agree with the others. */
static void take_responses(struct analytics *a)
{
    if (a->has_taken || a->responses == NULL)
        return;
    a->taken = responses_take(a->responses, a->taken);
    a->has_taken = true;
    ledger_add_durations(&a->ledger, a->taken);
}

static void responses_written(struct analytics *a)
{
    responses_clear(a->taken);
    a->has_taken = false;
}

static bool write_all(struct analytics *a, bool details)
{
    struct ledger *l = &a->ledger;

    if (sqlite3_exec(a->writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return false;
    for (size_t i = 0; i < l->counts_n; i++) {
        if (!writer_counts(&a->writer, l->counts[i], l->counts[i]->hour == l->hour) ||
            !rule_names_write(&a->names, &a->writer, l->counts[i]))
            return false;
    }
    for (size_t i = 0; i < l->denials_n; i++) {
        if (!writer_denial(&a->writer, &l->denials[i]))
            return false;
    }
    if (details && !write_details(a))
        return false;
    return analytics_responses_write(a->responses_writer, a->taken) &&
           sqlite3_exec(a->writer.db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* What is in the way of forgetting is a failure, too, but everything was written. */
static void count_tick(struct analytics *a, bool written)
{
    const struct ledger *l = &a->ledger;

    stat_add(written ? &a->stats->analytics_commits : &a->stats->analytics_errors, 1);
    if (written)
        stat_set(&a->stats->analytics_committed_us, (uint64_t)moment_now().unix_us);
    stat_set(&a->stats->analytics_up, written && !a->in_trouble);
    stat_set(&a->stats->analytics_waiting, ledger_waiting(l));
    stat_set(&a->stats->analytics_lost, l->books_lost + l->hours_joined);
}

/* A guard's: what is under way when the agent stops is rolled back, and the last tick writes it. */
static bool is_stopping(void *context)
{
    struct analytics *a = context;

    return atomic_load(&a->stopping);
}

static void begin_guard(struct analytics *a, bool last)
{
    const struct ledger *l = &a->ledger;
    uint64_t             rows = l->denials_n + LEDGER_BOOKS * 2 * SKETCH_KEYS;

    for (size_t i = 0; i < l->counts_n; i++)
        rows += l->counts[i]->rules_n + 60; /* rules, minutes */
    a->guard.stop = last ? NULL : is_stopping;
    a->guard.context = a;
    guard_begin(&a->guard, a->writer.db, rows);
}

/* False: not everything could be written. */
static bool try_writing(struct analytics *a, bool last)
{
    struct moment now = moment_now();
    int64_t       hour = hour_of(now.unix_us);
    bool          details = last || hour != a->details_hour || now.mono_us - a->details_us >= DETAILS_INTERVAL_US;
    bool          written;

    ledger_collect(&a->ledger, a->tallies, a->tallies_n, hour, details);
    take_responses(a);
    rule_names_refresh(&a->names);
    if (!analytics_have_file(a))
        return false;
    begin_guard(a, last);
    written = write_all(a, details);
    if (!written)
        return analytics_give_up(a);
    analytics_written(a);
    ledger_written(&a->ledger, details);
    responses_written(a);
    if (details) {
        a->details_us = now.mono_us;
        a->details_hour = hour;
    }
    /* What is only in the way of forgetting is in the way each second: it is not over because writing works. */
    if (!last && !keeper_run(&a->keeper, a->writer.db, now))
        analytics_give_up(a);
    else
        analytics_tell_recovery(a);
    return true;
}

static bool tick(struct analytics *a, bool last)
{
    bool written = try_writing(a, last);

    count_tick(a, written);
    return written;
}

/* ---- the thread ---- */

/* Where another file has come to its place, analytics_have_file() sees to it; the same one is closed and opened,
 * too. */
static void reopen(struct analytics *a)
{
    if (analytics_have_file(a))
        analytics_close_file(a);
    if (analytics_have_file(a))
        log_write(LOG_INFO, "%s: reopened", a->path);
}

static void *run(void *context)
{
    struct analytics *a = context;
    struct pollfd     wake = { .fd = a->wake_fd, .events = POLLIN };
    eventfd_t         times;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    analytics_have_file(a);
    for (;;) {
        if (poll(&wake, 1, INTERVAL_MS) > 0)
            eventfd_read(a->wake_fd, &times);
        if (atomic_load(&a->stopping))
            break;
        if (atomic_exchange(&a->reopening, false))
            reopen(a);
        tick(a, false);
    }
    if (tick(a, true))
        analytics_leave_wal(a->writer.db);
    return NULL;
}

static void write_the_last(struct analytics *a)
{
    for (int tries = 0; tries < LAST_TRIES; tries++)
        if (tick(a, true))
            return;
    if (ledger_waiting(&a->ledger) == 0 && a->taken->n == 0)
        return; /* nothing is lost */
    log_write(LOG_ERROR, "%s: could not be written to the end; %" PRIu64 " decisions are not in it", a->path,
              ledger_waiting(&a->ledger));
}

/* What is tallied is merged with what an earlier run wrote today, and for that needs its seed. Opening the file to
 * write waits for the disk several times, and decisions would wait for it: the thread does that. */
static void read_seed(struct analytics *a)
{
    char     error[400];
    sqlite3 *db;

    if (getrandom(&a->seed, sizeof a->seed, 0) != sizeof a->seed)
        a->seed = (uint64_t)moment_now().unix_us;
    analytics_set_stray_log_aside(a->path);
    db = analytics_open_reader(a->path, error, sizeof error);
    if (db != NULL)
        writer_read_seed(db, &a->seed);
    analytics_close_reader(db);
}

struct analytics *analytics_open(const struct analytics_options *options)
{
    struct analytics *a = calloc(1, sizeof *a);
    size_t            size = strlen(options->data) + sizeof "/analytics.db";

    if (a == NULL)
        return NULL;
    a->options = *options;
    a->wake_fd = eventfd(0, EFD_CLOEXEC);
    a->path = malloc(size);
    a->details_hour = -1;
    keeper_init(&a->keeper, options->keep_hours, options->keep_days, options->max_bytes);
    a->taken = responses_new();
    if (a->taken == NULL || !ledger_init(&a->ledger) || a->path == NULL || a->wake_fd < 0) {
        analytics_close(a);
        return NULL;
    }
    a->ledger.totals = options->totals;
    snprintf(a->path, size, "%s/analytics.db", options->data);
    read_seed(a);
    return a;
}

uint64_t analytics_seed(const struct analytics *analytics)
{
    return analytics->seed;
}

bool analytics_start(struct analytics *a, struct decisions *const *tallies, size_t n, struct responses_box *responses,
                     struct ruleset_slot *slot)
{
    a->responses = responses;
    a->tallies = tallies;
    a->tallies_n = n;
    a->stats = stats_part();
    stat_set(&a->stats->analytics_up, !a->in_trouble);
    rule_names_init(&a->names, slot);
    a->has_thread = pthread_create(&a->thread, NULL, run, a) == 0;
    if (a->has_thread)
        pthread_setname_np(a->thread, "spoa-analytics");
    return a->has_thread;
}

void analytics_reopen(struct analytics *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->reopening, true);
    eventfd_write(a->wake_fd, 1);
}

void analytics_wind_up(struct analytics *a)
{
    if (a == NULL || !a->has_thread || atomic_load(&a->stopping))
        return;
    atomic_store(&a->stopping, true);
    eventfd_write(a->wake_fd, 1);
    pthread_join(a->thread, NULL);
}

void analytics_close(struct analytics *a)
{
    if (a == NULL)
        return;
    if (a->has_thread) {
        analytics_wind_up(a);
        /* Not by the thread: it steps back for others, and here the next agent waits. */
        write_the_last(a);
    }
    analytics_responses_free(a->responses_writer);
    responses_free(a->taken);
    if (a->writer.db != NULL)
        analytics_close_writer(writer_fini(&a->writer));
    rule_names_fini(&a->names);
    ledger_fini(&a->ledger);
    if (a->wake_fd >= 0)
        close(a->wake_fd);
    free(a->path);
    free(a);
}
