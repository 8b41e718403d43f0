#include "attend.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>

#include "base/log.h"
#include "base/moment.h"
#include "base/notify.h"

static void fill(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

void attend_block_signals(void)
{
    sigset_t signals;

    fill(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too large is an error as a full disk is */
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

/* The time makes sure that systemd takes the READY=1 that follows for that of this reload. A large rule set on a busy
 * machine may take longer than the watchdog waits. */
static void reload(struct server *server, struct rules_watch *watch, struct analytics *analytics,
                   struct timespec interval)
{
    log_write(LOG_INFO, "reloading: SIGHUP");
    notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, moment_now().mono_us);
    analytics_reopen(analytics);
    rules_watch_reload(watch);
    while (!rules_watch_reloaded(watch, interval))
        tell_watchdog(server);
    notify("READY=1");
}

int attend(struct server *server, struct rules_watch *watch, struct analytics *analytics)
{
    const struct timespec interval = look_interval();
    sigset_t              signals;
    int                   received;

    fill(&signals);
    for (;;) {
        received = sigtimedwait(&signals, NULL, &interval);
        if (received == SIGHUP)
            reload(server, watch, analytics, interval);
        else if (received > 0)
            return received;
        tell_watchdog(server);
    }
}
