/* An agent that is stopped, killed and started again in its directory. */
#ifndef TESTS_PROTOCOL_RESTART_H
#define TESTS_PROTOCOL_RESTART_H

#include "expect.h"

#define RULES                                                                                                          \
    "INSERT INTO rules(path, requests, period) VALUES ('/fifty', 50, 3600);"                                           \
    "INSERT INTO rules(path, per, requests, period, ban) VALUES ('/ban', 'src', 1, 1, 3600);"                          \
    "INSERT INTO rules(path, per, requests, period) VALUES ('/each', 'src', 3, 3600)"

HELPER struct agent         agent;
HELPER struct agent_options options;
HELPER char                 other_dir[64];
static const char *const    two_threads[] = { "--threads", "2", NULL };

HELPER void start(const char *const *arguments)
{
    int code;

    options.args = arguments;
    ck_assert_msg(agent_start(&agent, &options, &code), "exit code %d: %s", code, agent_log(&agent));
}

HELPER void init(void)
{
    options = (struct agent_options){ 0 };
    agent_init(&agent);
    agent_sql(&agent, RULES);
}

HELPER void stop(void)
{
    int code = agent_stop(&agent);

    ck_assert_msg(code == 0, "exit code %d: %s", code, agent_log(&agent));
}

HELPER void restart(bool killed, const char *const *arguments)
{
    if (killed)
        agent_kill(&agent);
    else
        stop();
    start(arguments);
}

/* How many of `n` pass. */
HELPER int passing(const char *attributes, int n)
{
    int fd = opened(&agent), passed = 0;

    for (int i = 0; i < n; i++) {
        ask(fd, attributes);
        passed += is_text("verdict", "allow");
    }
    close(fd);
    return passed;
}

HELPER const char *path_of(const char *dir, const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

#endif
