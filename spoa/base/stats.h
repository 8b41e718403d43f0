/* What the process counts for those who watch it run: the numbers of /metrics.
 *
 * The lists below make the struct, the sum and the output: FAMILY(type, name, divisor, help) begins a metric, each
 * SAMPLE(field, labels) behind it is one of its series. A value is a whole number, shown divided by the divisor.
 *
 * Each thread that counts has a part of its own, whose cache lines no other thread writes; whoever reads adds all parts
 * up. So counting takes no lock and no locked instruction, and reading delays nobody. Nothing is ever reset. */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
#define WORKER_STATS(FAMILY, SAMPLE)                                                                                   \
    FAMILY(counter, "decisions_total", 1, "Requests decided, by verdict.")                                             \
        SAMPLE(allowed, "verdict=\"allow\"")                                                                           \
        SAMPLE(slowed, "verdict=\"slow\"")                                                                             \
        SAMPLE(denied, "verdict=\"deny\"")                                                                             \
    FAMILY(counter, "undecidable_total", 1,                                                                            \
           "Questions without our message (allowed), with more rules than may apply (denied), with patterns that "     \
           "took too long (taken as matching), that waited too long for a worker (answered late, not decided).")       \
        SAMPLE(no_message, "reason=\"no_message\"")                                                                    \
        SAMPLE(too_many_rules, "reason=\"too_many_rules\"")                                                            \
        SAMPLE(patterns_too_slow, "reason=\"patterns_too_slow\"")                                                      \
        SAMPLE(too_late, "reason=\"too_late\"")                                                                        \
    FAMILY(counter, "frames_total", 1, "SPOP frames received, by type.")                                               \
        SAMPLE(frames_hello, "type=\"hello\"")                                                                         \
        SAMPLE(frames_notify, "type=\"notify\"")                                                                       \
        SAMPLE(frames_disconnect, "type=\"disconnect\"")                                                               \
        SAMPLE(frames_other, "type=\"other\"")                                                                         \
    FAMILY(counter, "acks_total", 1, "Answers to NOTIFY frames sent.")                                                 \
        SAMPLE(acks, "")                                                                                               \
    FAMILY(gauge, "connections", 1, "Connections from HAProxy that are open.")                                         \
        SAMPLE(connections_open, "")                                                                                   \
    FAMILY(counter, "connections_total", 1, "Connections from HAProxy that were taken.")                               \
        SAMPLE(connections, "")                                                                                        \
    FAMILY(counter, "connections_refused_total", 1, "Connections ended at HELLO, being more than --max-connections.")  \
        SAMPLE(connections_refused, "")                                                                                \
    FAMILY(counter, "connection_errors_total", 1, "Connections that ended for a fault, by reason.")                    \
        SAMPLE(errors_hello, "reason=\"hello\"")                                                                       \
        SAMPLE(errors_invalid, "reason=\"invalid\"")                                                                   \
        SAMPLE(errors_too_big, "reason=\"too_big\"")                                                                   \
        SAMPLE(errors_fragmented, "reason=\"fragmented\"")                                                             \
        SAMPLE(errors_timeout, "reason=\"timeout\"")                                                                   \
        SAMPLE(errors_stalled, "reason=\"stalled\"")                                                                   \
        SAMPLE(errors_io, "reason=\"io\"")                                                                             \
        SAMPLE(errors_memory, "reason=\"memory\"")

#define RULES_STATS(FAMILY, SAMPLE)                                                                                    \
    FAMILY(counter, "reloads_total", 1, "Changes of the rules database, by whether they were taken over.")             \
        SAMPLE(reloads_ok, "result=\"ok\"")                                                                            \
        SAMPLE(reloads_failed, "result=\"failed\"")                                                                    \
    FAMILY(gauge, "rules_current", 1, "1: the rules in force are those of the database; 0: it is gone or refused.")     \
        SAMPLE(rules_current, "")                                                                                      \
    FAMILY(gauge, "rules_loaded_time_seconds", 1e6, "Unix time at which the rules in force were loaded.")              \
        SAMPLE(rules_loaded_us, "")

#define FEED_STATS(FAMILY, SAMPLE)                                                                                     \
    FAMILY(counter, "feed_lines_total", 1, "Lines of HAProxy's log feed, by whether they were counted.")               \
        SAMPLE(feed_taken, "result=\"taken\"")                                                                         \
        SAMPLE(feed_skipped, "result=\"skipped\"")                                                                     \
    FAMILY(counter, "feed_undecided_total", 1,                                                                         \
           "Responses to requests about which the agent was to be asked and that got no verdict.")                     \
        SAMPLE(feed_undecided, "")                                                                                     \
    FAMILY(counter, "feed_untimed_total", 1,                                                                           \
           "Responses whose duration is no latency, and in no percentile: tunnels (status 101), event streams, and "   \
           "those whose client went away.")                                                                            \
        SAMPLE(untimed_tunnels, "kind=\"tunnel\"")                                                                     \
        SAMPLE(untimed_streams, "kind=\"stream\"")                                                                     \
        SAMPLE(untimed_aborted, "kind=\"aborted\"")                                                                    \
    FAMILY(gauge, "feed_connections", 1, "Connections of the log feed that are open.")                                 \
        SAMPLE(feed_connections, "")

#define ANALYTICS_STATS(FAMILY, SAMPLE)                                                                                \
    FAMILY(gauge, "analytics_up", 1, "1: analytics.db was written when last tried; 0: what is counted waits.")         \
        SAMPLE(analytics_up, "")                                                                                       \
    FAMILY(gauge, "analytics_waiting", 1, "Decisions that were to be written to analytics.db and could not be.")       \
        SAMPLE(analytics_waiting, "")                                                                                  \
    FAMILY(counter, "analytics_commits_total", 1, "Transactions of analytics.db.")                                     \
        SAMPLE(analytics_commits, "")                                                                                  \
    FAMILY(counter, "analytics_errors_total", 1, "Attempts to write analytics.db that failed.")                        \
        SAMPLE(analytics_errors, "")                                                                                   \
    FAMILY(gauge, "analytics_last_commit_time_seconds", 1e6, "Unix time of the last transaction; 0: none yet.")        \
        SAMPLE(analytics_committed_us, "")                                                                             \
    FAMILY(counter, "analytics_lost_total", 1,                                                                         \
           "Hours and days that analytics.db has less of since it could not be written for long: whose clients and "   \
           "paths are lost, or whose totals were counted for the hour after.")                                         \
        SAMPLE(analytics_lost, "")
/* clang-format on */

#define ALL_STATS(FAMILY, SAMPLE)                                                                                      \
    WORKER_STATS(FAMILY, SAMPLE)                                                                                       \
    RULES_STATS(FAMILY, SAMPLE) FEED_STATS(FAMILY, SAMPLE) ANALYTICS_STATS(FAMILY, SAMPLE)

/* How long decisions took: upper bounds in microseconds; the last bucket has none. */
#define STATS_BOUNDS_US(X)                                                                                             \
    X(1) X(2) X(5) X(10) X(20) X(50) X(100) X(200) X(500) X(1000) X(2000) X(5000) X(10000) X(20000) X(50000) X(100000)

#define X(us) +1
enum { STATS_BUCKETS = 1 STATS_BOUNDS_US(X) };
#undef X

extern const unsigned stats_bounds_us[STATS_BUCKETS - 1];

typedef atomic_uint_fast64_t stat_value;

struct stats {
#define NO_FAMILY(type, name, divisor, help)
#define X(field, labels) stat_value field;
    _Alignas(64) ALL_STATS(NO_FAMILY, X)
#undef X
        stat_value buckets[STATS_BUCKETS]; /* decisions, by how long they took; none is in two */
    stat_value    duration_ns;             /* of all of them */
    struct stats *next;
};

/* A new part of the process's statistics, all zero, for one thread; it stays until the process ends. Ends the process
 * when there is no memory: for the start of threads. Any thread. */
struct stats *stats_part(void);

/* Adds all parts up. Any thread. */
void stats_sum(struct stats *sum);

/* ---- the thread whose part it is ---- */

static inline void stat_set(stat_value *stat, uint64_t value)
{
    atomic_store_explicit(stat, value, memory_order_relaxed);
}

static inline uint64_t stat_get(const stat_value *stat)
{
    return atomic_load_explicit(stat, memory_order_relaxed);
}

static inline void stat_add(stat_value *stat, uint64_t n)
{
    stat_set(stat, stat_get(stat) + n);
}

/* One less, of a gauge. */
static inline void stat_drop(stat_value *stat)
{
    stat_set(stat, stat_get(stat) - 1);
}

/* `n` decisions took `ns` each. */
void stats_time(struct stats *stats, uint64_t n, int64_t ns);

#endif
