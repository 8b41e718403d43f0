/* The agent as a process under test: started with a directory and a rules database of its own, stopped, and looked at.
 *
 * The environment variable SPOA_RULES names the program (default build/release/spoa-rules). What cannot be when the
 * tests are right (no port, no directory) and what must never be (a sanitizer's report, an agent that does not end) is
 * told on standard error and aborts. An agent dies with the test that started it. */
#ifndef TESTS_LIB_AGENT_H
#define TESTS_LIB_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A wait that lasts so long has failed; ample for sanitizers on a busy machine. */
#define AGENT_PATIENCE_MS 180000

struct agent {
    pid_t pid; /* 0: not running */
    char  dir[64];
    char  rules[96];   /* the database */
    char  log[96];     /* its standard error, of this start */
    char  address[32]; /* where it listens, unless told otherwise */
};

struct agent_options {
    const char *const *args;        /* further ones, NULL at the end; NULL: none */
    bool               own_address; /* `args` say where it listens */
    bool               no_stderr;   /* starts with descriptors 0 to 2 closed; then nobody waits until it listens */
    bool               no_override; /* permission bits count, also for root */
    unsigned           files;       /* most open descriptors, 0: as they are */
    const int         *sockets;     /* passed to it, as systemd does: `sockets_n` of them */
    size_t             sockets_n;
    void (*before_exec)(void); /* in the new process; NULL: nothing */
};

/* Makes the directory and picks a free port; nothing runs yet. */
void agent_init(struct agent *agent);

/* Runs SQL on the rules database, which is created with the schema when there is none. Each statement that is not in a
 * transaction of its own commits by itself. A failure aborts. */
void agent_sql(const struct agent *agent, const char *sql);

/* The same on any file, without the schema. */
void agent_file_sql(const char *path, const char *sql);

/* Starts it and waits until it listens. False: it ended instead; `*code` is its exit code. `options` may be NULL. */
bool agent_start(struct agent *agent, const struct agent_options *options, int *code);

/* agent_init(), agent_sql() and agent_start() with the arguments `args` (as in options), which must work. */
void agent_run(struct agent *agent, const char *sql, const char *const *args);

/* Waits for the end; aborts after AGENT_PATIENCE_MS, or when a sanitizer had something to say. The exit code, or 128
 * and the signal's number. */
int agent_wait(struct agent *agent);

/* SIGTERM, then agent_wait(). */
int agent_stop(struct agent *agent);

void agent_kill(struct agent *agent);

/* Kills it if it runs, and removes its directory. */
void agent_fini(struct agent *agent);

/* Resident memory in kB. */
long agent_rss_kb(const struct agent *agent);

/* CPU time that it has used so far, in milliseconds. */
long agent_cpu_ms(const struct agent *agent);

/* The last 64 kB of the log, with a NUL; static. */
const char *agent_log(const struct agent *agent);

/* Waits until the log holds `text`; false after AGENT_PATIENCE_MS. */
bool agent_log_has(const struct agent *agent, const char *text);

#endif
