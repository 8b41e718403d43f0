#include "admin/admin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <microhttpd.h>

#include "admin/live.h"
#include "admin/metrics.h"
#include "base/log.h"
#include "policy/regex.h"
#include "server/endpoint.h"
#include "server/server.h"

/* A Prometheus or two, a health check, an operator. */
#define CONNECTIONS_MAX 16

/* Bytes of a request's head, those that a frame of HAProxy's may have included. */
#define REQUEST_MAX (size_t)32768

/* How long a peer may be silent. */
#define PATIENCE_S 5u

/* A worker that does not come round within this time is not working. */
#define WORKER_PATIENCE_MS 1000

/* Counts are taken from the workers that often at least. */
#define TAKE_INTERVAL_MS 60000

#define TEXT_PLAIN       "text/plain; charset=utf-8"
#define TEXT_METRICS     "text/plain; version=0.0.4; charset=utf-8"

struct admin {
    const char          *address;
    int                  fd, stop_fd; /* stop_fd: readable once the thread is to end */
    struct admin_sources sources;
    struct MHD_Daemon   *daemon; /* NULL: not started */
    struct metrics      *metrics;
    pthread_t            thread;
    bool                 has_thread;
};

/* ---- answers ----
 *
 * The rule set is held for as long as one takes: the next question may never come, and a replaced set would stay in
 * memory until then. */

/* Puts what comes behind `format` into one text. */
struct text {
    FILE  *out;
    char  *bytes;
    size_t n;
};

static bool text_begin(struct text *text)
{
    text->bytes = NULL;
    text->out = open_memstream(&text->bytes, &text->n);
    return text->out != NULL;
}

/* `allow`: NULL, or the methods that are. */
static enum MHD_Result send_as(struct MHD_Connection *connection, unsigned status, const char *type, const char *allow,
                               struct text *text)
{
    struct MHD_Response *response;
    enum MHD_Result      result;

    response =
        fclose(text->out) != 0 ? NULL : MHD_create_response_from_buffer(text->n, text->bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text->bytes);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, struct text *text)
{
    return send_as(connection, status, TEXT_PLAIN, NULL, text);
}

#define GET_OR_HEAD "GET, HEAD"

static enum MHD_Result refuse_method(struct MHD_Connection *connection, const char *allow)
{
    struct text text;

    if (!text_begin(&text))
        return MHD_NO;
    fprintf(text.out, "here is only %s\n", allow);
    return send_as(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT_PLAIN, allow, &text);
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *sentence)
{
    struct text text;

    if (!text_begin(&text))
        return MHD_NO;
    fprintf(text.out, "%s\n", sentence);
    return send_text(connection, status, &text);
}

static enum MHD_Result get_metrics(struct admin *admin, struct MHD_Connection *connection)
{
    struct ruleset_view view = { .held = NULL };
    struct text         text;

    if (!text_begin(&text))
        return MHD_NO;
    metrics_write(admin->metrics, ruleset_refresh(admin->sources.slot, &view), text.out);
    ruleset_release(&view);
    return send_as(connection, MHD_HTTP_OK, TEXT_METRICS, NULL, &text);
}

/* That rules are in force goes without saying: there is no agent without. */
static enum MHD_Result get_health(struct admin *admin, struct MHD_Connection *connection)
{
    unsigned silent;
    char     sentence[100];

    if (server_answers(admin->sources.server, WORKER_PATIENCE_MS, &silent))
        return say(connection, MHD_HTTP_OK, "ok");
    snprintf(sentence, sizeof sentence, "worker %u did nothing for %d ms", silent + 1, WORKER_PATIENCE_MS);
    return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, sentence);
}

/* ---- questions ---- */

/* "127.0.0.1:9012", "localhost", "[::1]:9012" */
static bool is_loopback(const char *host)
{
    static const char *const names[] = { "localhost", "[::1]" };
    char                     name[32];
    size_t                   n = strlen(host), digits;
    struct address           address;

    for (digits = 0; digits < n && host[n - 1 - digits] >= '0' && host[n - 1 - digits] <= '9'; digits++)
        ;
    if (digits < n && host[n - 1 - digits] == ':')
        n -= digits + 1;
    if (n >= sizeof name)
        return false;
    memcpy(name, host, n);
    name[n] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return address_parse((struct span){ name, n }, &address) && address.bits == 32 && address.bytes[0] == 127;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* What stands behind the '?' of a request. */
struct query {
    struct live_attribute attributes[ATTRIBUTES_MAX];
    size_t                n;
    bool                  is_wrong; /* not all are name=value, or there are too many */
};

static enum MHD_Result take_attribute(void *context, enum MHD_ValueKind kind, const char *name, size_t name_n,
                                      const char *value, size_t value_n)
{
    struct query *query = context;

    (void)kind;
    if (name_n == 0 || value == NULL || query->n == ATTRIBUTES_MAX) {
        query->is_wrong = true;
        return MHD_NO;
    }
    query->attributes[query->n++] = (struct live_attribute){ { name, name_n }, { value, value_n } };
    return MHD_YES;
}

/* Of a rule whose count is to be forgotten. */
struct target {
    int64_t          rule; /* 0: none, this is about the rules as a whole */
    enum limits_part part;
};

static enum MHD_Result get_live(struct admin *admin, struct MHD_Connection *connection, const struct target *target)
{
    struct ruleset_view view = { .held = NULL };
    struct query        query = { .n = 0 };
    struct live_request request = { .sources = &admin->sources, .attributes = query.attributes };
    struct text         text;
    unsigned            status;

    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, take_attribute, &query);
    if (query.is_wrong)
        return say(connection, MHD_HTTP_BAD_REQUEST,
                   "write attributes as name=value, such as src=192.0.2.1, 64 at most");
    if (!text_begin(&text))
        return MHD_NO;
    request.n = query.n;
    request.set = ruleset_refresh(admin->sources.slot, &view);
    if (target->rule == 0)
        status = live_explain(&request, text.out);
    else
        status = live_forget(&request, target->rule, target->part, text.out);
    ruleset_release(&view);
    return send_text(connection, status, &text);
}

/* "/rules/7/ban", "/rules/7/counter". False: neither. */
static bool parse_target(const char *path, struct target *target)
{
    static const char prefix[] = "/rules/";
    char             *end;

    if (strncmp(path, prefix, strlen(prefix)) != 0)
        return false;
    path += strlen(prefix);
    errno = 0;
    target->rule = strtoll(path, &end, 10);
    if (*path < '1' || *path > '9' || errno != 0)
        return false;
    target->part = strcmp(end, "/counter") == 0 ? LIMITS_COUNTER : LIMITS_BAN;
    return target->part == LIMITS_COUNTER || strcmp(end, "/ban") == 0;
}

static bool is_get(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static enum MHD_Result route(struct admin *admin, struct MHD_Connection *connection, const char *method,
                             const char *path)
{
    struct target target = { .rule = 0 };
    bool          deletes = strcmp(method, MHD_HTTP_METHOD_DELETE) == 0;

    if (parse_target(path, &target)) {
        if (deletes && header(connection, MHD_HTTP_HEADER_ORIGIN) != NULL)
            return say(connection, MHD_HTTP_FORBIDDEN, "not from a web page: there is an Origin");
        return deletes ? get_live(admin, connection, &target) : refuse_method(connection, MHD_HTTP_METHOD_DELETE);
    }
    if (strcmp(path, "/metrics") == 0)
        return is_get(method) ? get_metrics(admin, connection) : refuse_method(connection, GET_OR_HEAD);
    if (strcmp(path, "/healthz") == 0)
        return is_get(method) ? get_health(admin, connection) : refuse_method(connection, GET_OR_HEAD);
    if (strcmp(path, "/explain") == 0)
        return is_get(method) ? get_live(admin, connection, &target) : refuse_method(connection, GET_OR_HEAD);
    return say(connection, MHD_HTTP_NOT_FOUND,
               "there is /metrics, /healthz, /explain, /rules/ID/ban and /rules/ID/counter");
}

/* Answers before any body is read, which nothing here has a use for: then the library ends the connection with the
 * answer. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *body, size_t *body_size, void **of_request)
{
    const char *host = header(connection, MHD_HTTP_HEADER_HOST);

    (void)version;
    (void)body;
    (void)body_size;
    (void)of_request;
    if (host != NULL && !is_loopback(host))
        return say(connection, MHD_HTTP_FORBIDDEN, "Host: write a loopback address, or localhost");
    return route(context, connection, method, url);
}

/* ---- the thread ---- */

/* Peers that are silent, or speak no HTTP. */
__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format, va_list args)
{
    static struct log_rate rate;
    char                   line[300];

    (void)context;
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_write_rated(&rate, LOG_DEBUG, "admin: %s", line);
}

static int epoll_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

static unsigned connections_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* While as many are open as may be, the library does not look who else waits, and begins again only with the next run
 * after one has ended: which no event may ever cause. */
static void serve(struct MHD_Daemon *daemon)
{
    unsigned n;

    do {
        n = connections_of(daemon);
        MHD_run(daemon);
    } while (connections_of(daemon) < n);
}

/* Our own, rather than one of the library's: it frees what matching patterns left with it. As important
 * as the workers, who wait when it has a shard's lock and no core. */
static void *run(void *context)
{
    struct admin          *admin = context;
    struct pollfd          fds[] = { { .fd = admin->stop_fd, .events = POLLIN },
                                     { .fd = epoll_of(admin->daemon), .events = POLLIN } };
    MHD_UNSIGNED_LONG_LONG wait_ms;

    do {
        int timeout_ms = TAKE_INTERVAL_MS;

        if (MHD_get_timeout(admin->daemon, &wait_ms) == MHD_YES && wait_ms < TAKE_INTERVAL_MS)
            timeout_ms = (int)wait_ms;
        poll(fds, 2, timeout_ms);
        metrics_take(admin->metrics);
        if (fds[0].revents == 0)
            serve(admin->daemon);
    } while (fds[0].revents == 0);
    regex_thread_fini();
    return NULL;
}

/* ---- start and stop ---- */

struct admin *admin_new(const char *address, char *error, size_t error_size)
{
    struct admin *admin = calloc(1, sizeof *admin);

    snprintf(error, error_size, "out of memory or descriptors");
    if (admin == NULL)
        return NULL;
    admin->address = address;
    admin->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (endpoint_is_remote(address))
        snprintf(error, error_size,
                 "--admin-listen %s: write a loopback address such as 127.0.0.1:9012, or unix:/path: who can connect "
                 "may lift bans",
                 address);
    else if (admin->stop_fd >= 0 && endpoint_listen(address, &admin->fd, error, error_size))
        return admin;
    if (admin->stop_fd >= 0)
        close(admin->stop_fd);
    free(admin);
    return NULL;
}

bool admin_start(struct admin *admin, const struct admin_sources *sources)
{
    admin->sources = *sources;
    admin->metrics = metrics_new(&admin->sources);
    if (admin->metrics == NULL)
        return false;
    admin->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, admin,
                                     MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, admin->fd,
                                     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                     MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                     REQUEST_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (admin->daemon == NULL)
        return false;
    admin->has_thread = pthread_create(&admin->thread, NULL, run, admin) == 0;
    if (admin->has_thread)
        pthread_setname_np(admin->thread, "spoa-admin");
    return admin->has_thread;
}

void admin_stop(struct admin *admin)
{
    if (admin == NULL)
        return;
    if (admin->has_thread) {
        eventfd_write(admin->stop_fd, 1);
        pthread_join(admin->thread, NULL);
    }
    if (admin->daemon != NULL) {
        MHD_quiesce_daemon(admin->daemon); /* the socket is ours again */
        MHD_stop_daemon(admin->daemon);
    }
    close(admin->fd);
    endpoint_forget(admin->address);
    close(admin->stop_fd);
    metrics_free(admin->metrics);
    free(admin);
}
