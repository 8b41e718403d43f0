#include "attend.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>

#include "base/log.h"
#include "base/moment.h"
#include "base/notify.h"

/* How soon a reload hears of a stop. */
#define RELOAD_LOOK_MS 50

static void fill_stops(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
}

static void fill(sigset_t *signals)
{
    fill_stops(signals);
    sigaddset(signals, SIGHUP);
}

void attend_block_signals(void)
{
    /* SIGXFSZ: a file that is too large is an error, as a full disk is. */
    static const int meaningless[] = { SIGPIPE, SIGXFSZ,   SIGUSR1, SIGUSR2,   SIGALRM,
                                       SIGPROF, SIGVTALRM, SIGIO,   SIGSTKFLT, SIGPWR };
    sigset_t         signals;

    fill(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (size_t i = 0; i < sizeof meaningless / sizeof *meaningless; i++)
        signal(meaningless[i], SIG_IGN);
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
        signal(i, SIG_IGN);
}

int attend_stop_signal(void)
{
    sigset_t pending;

    if (sigpending(&pending) != 0)
        return 0;
    return sigismember(&pending, SIGTERM) == 1 ? SIGTERM : sigismember(&pending, SIGINT) == 1 ? SIGINT : 0;
}

/* A fourth of the silence that systemd suffers, so that one late turn is no reason to be killed. Where it does not ask,
 * some hours. */
static struct timespec look_interval(void)
{
    int64_t us = notify_watchdog_us() / 4;

    if (us <= 0)
        us = INT64_C(10000000000);
    return (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
}

/* A worker that hangs is not told of: systemd then ends the agent and starts another one. */
static void tell_watchdog(struct server *server)
{
    if (notify_watchdog_us() > 0 && server_turns(server))
        notify("WATCHDOG=1");
}

/* The signal that came within that time; 0: none. */
static int wait_for(const sigset_t *signals, const struct timespec *patience)
{
    int received = sigtimedwait(signals, NULL, patience);

    return received > 0 ? received : 0;
}

/* The time makes sure that systemd takes the READY=1 that follows for that of this reload. A large rule set on a busy
 * machine may take longer than the watchdog waits. Returns SIGTERM or SIGINT if that came meanwhile, else 0. */
static int reload(struct server *server, struct rules_watch *watch, struct analytics *analytics,
                  struct timespec interval)
{
    const struct timespec at_once = { 0, 0 }, look = { .tv_nsec = RELOAD_LOOK_MS * 1000000 };
    int64_t               interval_us = interval.tv_sec * SECOND_US + interval.tv_nsec / 1000;
    int64_t               told_us = moment_now().mono_us;
    sigset_t              stops;
    int                   received;

    log_write(LOG_INFO, "reloading: SIGHUP");
    notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, told_us);
    analytics_reopen(analytics);
    rules_watch_reload(watch);
    fill_stops(&stops);
    do {
        received = wait_for(&stops, &at_once);
        if (received != 0)
            return received;
        if (moment_now().mono_us - told_us >= interval_us) {
            tell_watchdog(server);
            told_us = moment_now().mono_us;
        }
    } while (!rules_watch_reloaded(watch, look));
    notify("READY=1");
    return 0;
}

int attend(struct server *server, struct rules_watch *watch, struct analytics *analytics)
{
    const struct timespec interval = look_interval();
    sigset_t              signals;
    int                   received;

    fill(&signals);
    for (;;) {
        received = wait_for(&signals, &interval);
        if (received == SIGHUP)
            received = reload(server, watch, analytics, interval);
        if (received != 0)
            return received;
        tell_watchdog(server);
    }
}
