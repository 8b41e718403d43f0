#include "store/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "limits/image.h"

#define SNAPSHOT_INTERVAL_S 60

/* An agent that is being stopped may still answer what it was asked. */
#define LOCK_PATIENCE_MS 3000
#define LOCK_RETRY_MS    50

#define LIVE             "counters.live"
#define SNAPSHOT         "counters.snapshot"
#define LOCK             "agent.lock"

struct counters {
    struct limits *limits;
    size_t         max_counters;
    char          *data_path;
    int            runtime, data;           /* directories */
    int            runtime_lock, data_lock; /* -1: the other one is both */
    char           boot[IMAGE_BOOT_SIZE];
    int            stop_fd;
    pthread_t      thread;
    bool           has_thread;
    bool           is_private; /* in no live file */
    bool           told_full;
    int            told_snapshot; /* errno of the last failure that was told; 0: the last one worked */
    uint64_t       told_evicted, told_refusing;
};

/* ---- directories ---- */

/* Takes what a file of /proc says. Where there is no /proc, every start is another boot; a process's id would not tell,
 * it is often 1 there. */
static void read_boot(char boot[IMAGE_BOOT_SIZE])
{
    int     fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, boot, IMAGE_BOOT_SIZE - 1);

    if (n != IMAGE_BOOT_SIZE - 1) {
        uint64_t number = 0;

        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint64_t)moment_now().unix_us;
        n = snprintf(boot, IMAGE_BOOT_SIZE, "%016" PRIx64, number);
    }
    boot[n] = '\0';
    if (fd >= 0)
        close(fd);
}

/* As openat(), but regular files alone: -1 with ENXIO for a FIFO, which could keep us waiting, or a device, which may do
 * something. Looked at twice, since a name may belong to another file by then. */
static int open_file(int directory, const char *name, int flags)
{
    struct stat st;
    int         fd;

    if (fstatat(directory, name, &st, 0) == 0 && !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
        return -1;
    }
    fd = openat(directory, name, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = ENXIO;
    return -1;
}

static const char *open_error(int error)
{
    return error == ENXIO ? "not a file" : strerror(error);
}

/* A new file in the place of whatever has this name. */
static int create_file(int directory, const char *name)
{
    if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
        return -1;
    return openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* The lock, or -1 with errno; EWOULDBLOCK: somebody has it. */
static int take_lock(int directory)
{
    int fd = open_file(directory, LOCK, O_RDWR | O_CREAT);

    for (int waited_ms = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_PATIENCE_MS) {
            int error = errno;

            close(fd);
            errno = error;
            return -1;
        }
        usleep(LOCK_RETRY_MS * 1000);
    }
    return fd;
}

static bool is_same(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool open_directory(const char *path, int *directory, int *lock, char *error, size_t size)
{
    *directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *lock = *directory < 0 ? -1 : take_lock(*directory);
    if (*lock >= 0)
        return true;
    if (errno == EWOULDBLOCK)
        snprintf(error, size, "%s: another spoa-rules uses it; give each its own --data and --runtime", path);
    else if (*directory >= 0)
        snprintf(error, size, "%s/" LOCK ": %s", path, open_error(errno));
    else
        snprintf(error, size, "%s: %s", path, strerror(errno));
    return false;
}

static bool open_directories(struct counters *c, const struct counters_options *options, char *error, size_t size)
{
    int runtime;

    if (!open_directory(options->data, &c->data, &c->data_lock, error, size))
        return false;
    runtime = open(options->runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runtime >= 0 && is_same(runtime, c->data)) {
        c->runtime = runtime;
        return true;
    }
    if (runtime >= 0)
        close(runtime);
    return open_directory(options->runtime, &c->runtime, &c->runtime_lock, error, size);
}

/* ---- start ---- */

/* Opens what an earlier run left. False: nothing that is of use. */
static bool open_image(struct counters *c, int directory, const char *path, const char *name, struct image *image)
{
    int         fd = open_file(directory, name, O_RDONLY);
    const char *problem;

    if (fd < 0) {
        if (errno != ENOENT)
            log_write(LOG_ERROR, "%s/%s: %s; not used", path, name, open_error(errno));
        return false;
    }
    problem = image_open(image, fd, c->boot);
    if (problem == NULL)
        return true;
    log_write(LOG_WARNING, "%s/%s: not used: %s", path, name, problem);
    close(fd);
    return false;
}

/* In the new live file; where its file system is full, in memory that belongs to this process alone, since that is no
 * reason not to decide. False: errno. */
static bool make_limits(struct counters *c, const struct counters_options *options, uint64_t seed)
{
    int fd = create_file(c->runtime, LIVE ".new"), error;

    if (fd >= 0 && (c->limits = limits_new_in(fd, options->max_counters, seed)) != NULL)
        return true;
    error = errno;
    if (fd >= 0)
        close(fd);
    unlinkat(c->runtime, LIVE ".new", 0);
    errno = error;
    if (error != ENOSPC && error != EDQUOT)
        return false;
    log_write(LOG_ERROR, "%s/" LIVE ": %s; a kill would lose what is counted until the next start", options->runtime,
              strerror(error));
    c->limits = limits_new(options->max_counters, seed);
    c->is_private = true;
    return c->limits != NULL;
}

/* Fills new counters from `image`; NULL: there is none. */
static bool fill(struct counters *c, const struct counters_options *options, const struct image *image)
{
    uint64_t      random[2];
    struct moment now = moment_now();

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    if (!make_limits(c, options, image != NULL ? image->seed : random[0]))
        return false;
    if (image != NULL && !image_restore(image, c->limits, c->boot, now))
        log_write(LOG_ERROR, "counters of an earlier run: %s; some are lost", strerror(errno));
    image_begin(c->limits, c->boot, random[1], now);
    /* A kill before this leaves the old file as it was. */
    return c->is_private || renameat(c->runtime, LIVE ".new", c->runtime, LIVE) == 0;
}

/* The newer of what there is. A data directory's runs follow on each other, so a snapshot of another run that is later
 * than the live file's begin is also later than its end: the live file was left behind in a directory not used
 * meanwhile. */
static bool open_newest(struct counters *c, const struct counters_options *options, struct image *image)
{
    struct image live, snapshot;
    bool         has_live = open_image(c, c->runtime, options->runtime, LIVE, &live);
    bool         has_snapshot = open_image(c, c->data, options->data, SNAPSHOT, &snapshot);

    if (has_live && has_snapshot) {
        has_live = live.run == snapshot.run || live.saved.unix_us >= snapshot.saved.unix_us;
        close(has_live ? snapshot.fd : live.fd);
    }
    if (has_live || has_snapshot)
        *image = has_live ? live : snapshot;
    return has_live || has_snapshot;
}

static bool restore(struct counters *c, const struct counters_options *options)
{
    struct image         image;
    struct limits_counts counts;
    bool                 found = open_newest(c, options, &image);
    bool                 ok = fill(c, options, found ? &image : NULL);

    if (found)
        close(image.fd);
    if (ok && found) {
        counts = limits_counts(c->limits);
        log_write(LOG_INFO, "%" PRIu64 " counters and %" PRIu64 " bans go on from %s", counts.counters, counts.bans,
                  image.is_live ? LIVE : SNAPSHOT);
        c->told_evicted = counts.evicted;
        c->told_refusing = counts.evicted_refusing;
    }
    return ok;
}

struct counters *counters_open(const struct counters_options *options, char *error, size_t size)
{
    struct counters *c = malloc(sizeof *c);

    snprintf(error, size, "no memory for %zu counters", options->max_counters);
    if (c == NULL)
        return NULL;
    *c = (struct counters){ .runtime = -1, .data = -1, .runtime_lock = -1, .data_lock = -1, .stop_fd = -1 };
    c->max_counters = options->max_counters;
    c->data_path = strdup(options->data);
    read_boot(c->boot);
    if (c->data_path != NULL && open_directories(c, options, error, size)) {
        errno = 0;
        if (restore(c, options))
            return c;
        if (errno != 0)
            snprintf(error, size, "%s/" LIVE ": %s (for %zu counters)", options->runtime, strerror(errno),
                     options->max_counters);
    }
    counters_close(c);
    return NULL;
}

struct limits *counters_limits(struct counters *counters)
{
    return counters->limits;
}

/* ---- snapshots ---- */

/* The last one does not wait for the disk, since who comes next waits for it: it is as good as on the disk unless the
 * machine loses power within seconds, and then it is damaged, which shows, or the one before. */
static bool write_snapshot(struct counters *c, bool last)
{
    int  fd = create_file(c->data, SNAPSHOT ".new"), error;
    bool ok = fd >= 0 && image_save(c->limits, fd, c->boot, moment_now(), !last) && (last || fsync(fd) == 0) &&
              renameat(c->data, SNAPSHOT ".new", c->data, SNAPSHOT) == 0 && (last || fsync(c->data) == 0);

    error = errno;
    if (fd >= 0)
        close(fd);
    if (!ok)
        unlinkat(c->data, SNAPSHOT ".new", 0); /* a full disk needs the room */
    errno = error;
    return ok;
}

/* A failure is told once, until it is another or over. */
static bool snapshot(struct counters *c, bool last)
{
    bool ok = write_snapshot(c, last);
    int  error = ok ? 0 : errno;

    if (error != c->told_snapshot) {
        if (ok)
            log_write(LOG_INFO, "%s/" SNAPSHOT ": written again", c->data_path);
        else
            log_write(LOG_ERROR, "%s/" SNAPSHOT ": %s; after a reboot, counters would start from an older one",
                      c->data_path, strerror(error));
    }
    c->told_snapshot = error;
    return ok;
}

static void tell_counts(struct counters *c)
{
    struct limits_counts counts = limits_counts(c->limits);
    uint64_t evicted = counts.evicted - c->told_evicted, refusing = counts.evicted_refusing - c->told_refusing;

    if (evicted > 0)
        log_write(LOG_WARNING,
                  "%" PRIu64 " counters in use were given up for others within a minute, %" PRIu64
                  " of them used up or banned: more than --max-counters %zu are needed",
                  evicted, refusing, c->max_counters);
    if (counts.is_full && !c->told_full)
        log_write(LOG_ERROR, LIVE ": its file system is full; a kill would lose some counters");
    c->told_evicted = counts.evicted;
    c->told_refusing = counts.evicted_refusing;
    c->told_full = counts.is_full;
}

/* As important as the workers: they wait when it has a shard's lock and no core. */
static void *run(void *context)
{
    struct counters *c = context;
    struct pollfd    stop = { .fd = c->stop_fd, .events = POLLIN };

    while (poll(&stop, 1, SNAPSHOT_INTERVAL_S * 1000) <= 0) {
        tell_counts(c);
        snapshot(c, false);
    }
    return NULL;
}

bool counters_start(struct counters *counters)
{
    counters->stop_fd = eventfd(0, EFD_CLOEXEC);
    counters->has_thread = counters->stop_fd >= 0 && pthread_create(&counters->thread, NULL, run, counters) == 0;
    if (counters->has_thread)
        pthread_setname_np(counters->thread, "spoa-counters");
    return counters->has_thread;
}

void counters_close(struct counters *c)
{
    const int fds[] = { c->stop_fd, c->runtime, c->data, c->runtime_lock, c->data_lock };

    if (c->has_thread) {
        eventfd_write(c->stop_fd, 1);
        pthread_join(c->thread, NULL);
        tell_counts(c);
        /* From now on the snapshot is all there is to know; a live file left behind might be read when it is older. */
        if (snapshot(c, true))
            unlinkat(c->runtime, LIVE, 0);
    }
    limits_free(c->limits);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(c->data_path);
    free(c);
}
