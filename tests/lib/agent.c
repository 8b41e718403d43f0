#include "lib/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <sqlite3.h>

extern const char rules_sql[]; /* sql/rules.sql, embedded by the Makefile */

#define POLL_US 2000

__attribute__((noreturn)) static void die(const char *what, const char *detail)
{
    fprintf(stderr, "agent under test: %s: %s\n", what, detail);
    abort();
}

/* ---- directory and database ---- */

/* Loopback ports of the range that the kernel gives out: free a moment ago, which the start below allows for. */
static void pick_port(struct agent *agent)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof sin;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, size) != 0 || getsockname(fd, (struct sockaddr *)&sin, &size) != 0)
        die("no free port", strerror(errno));
    snprintf(agent->address, sizeof agent->address, "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
    close(fd);
}

void agent_init(struct agent *agent)
{
    memset(agent, 0, sizeof *agent);
    strcpy(agent->dir, "/tmp/spoa-rules-test-XXXXXX");
    if (mkdtemp(agent->dir) == NULL)
        die("no directory", strerror(errno));
    snprintf(agent->rules, sizeof agent->rules, "%s/rules.db", agent->dir);
    snprintf(agent->log, sizeof agent->log, "%s/log", agent->dir);
    pick_port(agent);
}

void agent_file_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    char    *message = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, AGENT_PATIENCE_MS);
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL); /* nobody's rules */
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        die(sql, message);
    sqlite3_close(db);
}

void agent_sql(const struct agent *agent, const char *sql)
{
    struct stat st;

    if (stat(agent->rules, &st) != 0)
        agent_file_sql(agent->rules, rules_sql);
    agent_file_sql(agent->rules, sql);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void agent_fini(struct agent *agent)
{
    agent_kill(agent);
    nftw(agent->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the log ---- */

const char *agent_log(const struct agent *agent)
{
    static char text[64 * 1024 + 1];
    int         fd = open(agent->log, O_RDONLY | O_CLOEXEC);
    off_t       size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t     n = 0;

    if (fd >= 0) {
        n = pread(fd, text, sizeof text - 1, size < (off_t)sizeof text ? 0 : size - (off_t)sizeof text + 1);
        close(fd);
    }
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

bool agent_log_has(const struct agent *agent, const char *wanted)
{
    for (int waited_us = 0; strstr(agent_log(agent), wanted) == NULL; waited_us += POLL_US) {
        if (waited_us > AGENT_PATIENCE_MS * 1000)
            return false;
        usleep(POLL_US);
    }
    return true;
}

static void check_log(const struct agent *agent)
{
    static const char *const reports[] = { "Sanitizer", "runtime error:", "Assertion" };
    const char              *text = agent_log(agent);

    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++)
        if (strstr(text, reports[i]) != NULL)
            die("it reports a fault", text);
}

/* ---- the process ---- */

#define ARGS_MAX 64

static void build_args(const struct agent *agent, const struct agent_options *options, const char **argv)
{
    const char *program = getenv("SPOA_RULES");
    size_t      n = 0;

    argv[n++] = program != NULL ? program : "build/release/spoa-rules";
    argv[n++] = "serve";
    argv[n++] = "--data";
    argv[n++] = agent->dir;
    /* Not where an agent that serves somebody may have its counters. Of several, the last one counts. */
    argv[n++] = "--runtime";
    argv[n++] = agent->dir;
    /* One address for all agents of tests that run at the same time would not do; a later option counts. */
    argv[n++] = "--log-listen";
    argv[n++] = "none";
    if (!options->own_address) {
        argv[n++] = "--listen";
        argv[n++] = agent->address;
    }
    for (size_t i = 0; options->args != NULL && options->args[i] != NULL && n < ARGS_MAX - 1; i++)
        argv[n++] = options->args[i];
    argv[n] = NULL;
}

#define FDS_MAX 1024
#define ASIDE   512 /* no descriptor of a test has such a number */

/* They are 3 and those after it; all others from `first` on are closed. */
static void pass_sockets(const struct agent_options *options, int first)
{
    char text[24];

    for (size_t i = 0; i < options->sockets_n; i++)
        dup2(options->sockets[i], ASIDE + (int)i);
    for (int fd = first; fd < ASIDE; fd++)
        close(fd);
    for (size_t i = 0; i < options->sockets_n; i++)
        dup2(ASIDE + (int)i, 3 + (int)i);
    for (int fd = ASIDE; fd < FDS_MAX; fd++)
        close(fd);
    if (options->sockets_n == 0)
        return;
    snprintf(text, sizeof text, "%zu", options->sockets_n);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
}

/* Between fork and exec. */
static void become_agent(const struct agent *agent, const struct agent_options *options, const char **argv)
{
    struct rlimit files = { options->files, options->files };
    int null = open("/dev/null", O_RDWR), log = open(agent->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options->no_override && geteuid() == 0) {
        prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
        prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH);
    }
    dup2(null, 0);
    dup2(null, 1);
    dup2(log, 2);
    pass_sockets(options, options->no_stderr ? 0 : 3);
    if (options->files != 0)
        setrlimit(RLIMIT_NOFILE, &files);
    if (options->before_exec != NULL)
        options->before_exec();
    execv(argv[0], (char *const *)(void *)argv);
    _exit(127);
}

/* What the process ended as, or -1 while it runs. */
static int ended(struct agent *agent)
{
    int status;

    if (waitpid(agent->pid, &status, WNOHANG) != agent->pid)
        return -1;
    agent->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool agent_start(struct agent *agent, const struct agent_options *options, int *code)
{
    static const struct agent_options none;
    const char                       *argv[ARGS_MAX];
    void (*on_term)(int);

    for (int tries = 0;; tries++) {
        build_args(agent, options == NULL ? &none : options, argv);
        unlink(agent->log);
        /* Check's own handler, until exec, would end the whole test. */
        on_term = signal(SIGTERM, SIG_DFL);
        agent->pid = fork();
        if (agent->pid != 0)
            signal(SIGTERM, on_term);
        if (agent->pid < 0)
            die("cannot fork", strerror(errno));
        if (agent->pid == 0)
            become_agent(agent, options == NULL ? &none : options, argv);
        if (options != NULL && options->no_stderr)
            return true;
        for (int waited_us = 0;; waited_us += POLL_US) {
            *code = ended(agent);
            if (*code >= 0)
                break;
            if (strstr(agent_log(agent), "listening on") != NULL)
                return true;
            if (waited_us > AGENT_PATIENCE_MS * 1000)
                die("does not listen", agent_log(agent));
            usleep(POLL_US);
        }
        check_log(agent);
        /* Somebody else may have got the port meanwhile. */
        if (tries == 5 || (options != NULL && options->own_address) ||
            strstr(agent_log(agent), "Address already in use") == NULL)
            return false;
        pick_port(agent);
    }
}

void agent_run(struct agent *agent, const char *sql, const char *const *args)
{
    struct agent_options options = { .args = args };
    int                  code;

    agent_init(agent);
    agent_sql(agent, sql);
    if (!agent_start(agent, &options, &code))
        die("does not start", agent_log(agent));
}

int agent_wait(struct agent *agent)
{
    int code, waited_us = 0;

    while ((code = ended(agent)) < 0) {
        if (waited_us > AGENT_PATIENCE_MS * 1000) {
            /* Where it hangs shows in a core file. */
            kill(agent->pid, SIGABRT);
            die("does not end", agent_log(agent));
        }
        usleep(POLL_US);
        waited_us += POLL_US;
    }
    check_log(agent);
    return code;
}

int agent_stop(struct agent *agent)
{
    kill(agent->pid, SIGTERM);
    return agent_wait(agent);
}

void agent_kill(struct agent *agent)
{
    if (agent->pid == 0)
        return;
    kill(agent->pid, SIGKILL);
    waitpid(agent->pid, NULL, 0);
    agent->pid = 0;
}

/* ---- what it uses ---- */

static bool read_proc(const struct agent *agent, const char *name, char *text, size_t size)
{
    char  path[64];
    FILE *file;
    bool  good;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)agent->pid, name);
    file = fopen(path, "re");
    good = file != NULL && fgets(text, (int)size, file) != NULL;
    if (file != NULL)
        fclose(file);
    return good;
}

long agent_rss_kb(const struct agent *agent)
{
    char  text[256];
    char *space;

    if (!read_proc(agent, "statm", text, sizeof text) || (space = strchr(text, ' ')) == NULL)
        die("no memory figures", strerror(errno));
    return strtol(space, NULL, 10) * sysconf(_SC_PAGESIZE) / 1024;
}

long agent_cpu_ms(const struct agent *agent)
{
    char          text[1024];
    const char   *behind_name;
    unsigned long user, kernel;

    /* The 14th and 15th field; the name, which is the second, may hold blanks. */
    if (!read_proc(agent, "stat", text, sizeof text) || (behind_name = strrchr(text, ')')) == NULL ||
        sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
        die("no CPU figures", strerror(errno));
    return (long)((user + kernel) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}
