/* What the protocol tests say to the agent, and what they expect of it. One reply is kept: the latest. */
#ifndef TESTS_PROTOCOL_EXPECT_H
#define TESTS_PROTOCOL_EXPECT_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/agent.h"
#include "lib/spop_client.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Linked one by one, each program uses what it needs of this. */
#define HELPER __attribute__((unused)) static

static struct {
    char                   bytes[1024];
    struct spop_frame      frame;
    struct spop_client_ack ack;
} reply;

/* `start` and `stop`, once for all cases: an agent that they share. NULL: each case has its own. */
HELPER int run_suite(const char *name, void (*add)(TCase *cases), void (*start)(void), int (*stop)(void))
{
    Suite   *suite = suite_create(name);
    TCase   *cases = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    int      failed;

    add(cases);
    suite_add_tcase(suite, cases);
    if (start != NULL)
        start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    if (stop != NULL)
        failed += stop();
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

HELPER int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Whose allocators keep what was freed for a while: resident memory says little. */
HELPER bool with_sanitizer(void)
{
    const char *program = getenv("SPOA_RULES");

    return program != NULL && strstr(program, "san/") != NULL;
}

/* ---- connections ---- */

HELPER int plain(const struct agent *agent)
{
    int fd = spop_client_connect(agent->address);

    ck_assert_msg(fd >= 0, "cannot connect to %s: %s", agent->address, strerror(errno));
    return fd;
}

/* With the handshake done. */
HELPER int opened(const struct agent *agent)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    int                      fd = spop_client_open(agent->address, &hello, AGENT_PATIENCE_MS);

    ck_assert_msg(fd >= 0, "no handshake with %s: %s", agent->address, strerror(errno));
    return fd;
}

HELPER void say(int fd, const void *bytes, size_t n)
{
    ck_assert_msg(spop_client_send(fd, bytes, n), "sending: %s", strerror(errno));
}

HELPER void expect_frame(int fd)
{
    ck_assert_msg(spop_client_receive(fd, reply.bytes, sizeof reply.bytes, AGENT_PATIENCE_MS, &reply.frame),
                  "no frame: %s", errno == 0 ? "closed" : strerror(errno));
}

/* The end comes and nothing before it. A reset is an end, too, where bytes were left unread. */
HELPER void expect_end(int fd)
{
    ck_assert(!spop_client_receive(fd, reply.bytes, sizeof reply.bytes, AGENT_PATIENCE_MS, &reply.frame));
    ck_assert_msg(errno == 0 || errno == ECONNRESET, "not closed: %s", strerror(errno));
    close(fd);
}

HELPER void expect_disconnect(int fd, unsigned status)
{
    struct span message;
    uint32_t    got;

    expect_frame(fd);
    ck_assert_msg(spop_client_agent_disconnect_parse(&reply.frame, &got, &message), "frame of type %u",
                  reply.frame.type);
    ck_assert_uint_eq(got, status);
    ck_assert_uint_gt(message.n, 0);
    expect_end(fd);
}

/* One connection more than --max-connections is told so. */
HELPER void expect_too_many(const struct agent *agent)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[512];
    int                      fd = plain(agent);

    say(fd, bytes, spop_client_hello_put(bytes, sizeof bytes, &hello));
    expect_disconnect(fd, SPOP_STATUS_RESOURCE);
}

/* A health check is answered with AGENT-HELLO and the end: a DISCONNECT or a reset would mark the server down. */
HELPER void expect_healthy(const struct agent *agent)
{
    struct spop_client_hello       hello = { "2.0", 16380, "", true, NULL };
    struct spop_client_agent_hello answer;
    char                           bytes[512];
    int                            fd = plain(agent);

    say(fd, bytes, spop_client_hello_put(bytes, sizeof bytes, &hello));
    expect_frame(fd);
    ck_assert(spop_client_agent_hello_parse(&reply.frame, &answer));
    ck_assert(!spop_client_receive(fd, reply.bytes, sizeof reply.bytes, AGENT_PATIENCE_MS, &reply.frame));
    ck_assert_int_eq(errno, 0);
    close(fd);
}

/* ---- questions ---- */

HELPER void expect_ack(int fd)
{
    expect_frame(fd);
    ck_assert_msg(spop_client_ack_parse(&reply.frame, &reply.ack), "no ACK but a frame of type %u", reply.frame.type);
    ck_assert_uint_gt(reply.ack.n, 0);
}

/* `n` of them and nothing more, read as many at a time as there are. */
HELPER void expect_acks(int fd, long n)
{
    static char bytes[64 * 1024];
    size_t      have = 0;

    while (n > 0) {
        struct pollfd at = { .fd = fd, .events = POLLIN };
        struct span   in = { bytes, 0 };
        ssize_t       got;

        ck_assert_int_eq(poll(&at, 1, AGENT_PATIENCE_MS), 1);
        got = recv(fd, bytes + have, sizeof bytes - have, 0);
        ck_assert_msg(got > 0, "no frame: %s", got == 0 ? "closed" : strerror(errno));
        for (in.n = have + (size_t)got; spop_frame_next(&in, sizeof bytes, &reply.frame) == SPOP_NEXT_FRAME; n--)
            ck_assert(spop_client_ack_parse(&reply.frame, &reply.ack) && reply.ack.n > 0);
        have = in.n;
        memmove(bytes, in.p, have);
    }
    ck_assert(n == 0 && have == 0);
}

/* "src=192.0.2.1 path=/x": an address goes out as one, all else as a string. The text of the values is `copy`'s. */
HELPER size_t parse_args(char *copy, struct spop_client_arg *args, size_t cap)
{
    size_t n = 0;
    char  *save, *equals, address[16];

    for (char *item = strtok_r(copy, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save)) {
        ck_assert(n < cap && (equals = strchr(item, '=')) != NULL);
        *equals++ = '\0';
        if (inet_pton(AF_INET, equals, address) == 1 || inet_pton(AF_INET6, equals, address) == 1)
            args[n++] = spop_client_arg_ip(item, equals);
        else
            args[n++] = SPOP_ARG_STR(item, equals);
    }
    return n;
}

/* A whole NOTIFY with the message that the agent answers. */
HELPER size_t notify_put(char *out, size_t cap, uint64_t stream, uint64_t frame, const char *attributes)
{
    struct spop_client_arg args[64];
    char                   copy[2048];
    size_t                 n;

    ck_assert_uint_lt(strlen(attributes), sizeof copy);
    strcpy(copy, attributes);
    n = parse_args(copy, args, COUNT(args));
    n = spop_client_notify_put(out, cap, stream, frame, "check-request", args, n);
    ck_assert_uint_gt(n, 0);
    return n;
}

HELPER void ask(int fd, const char *attributes)
{
    char   bytes[4096];
    size_t n = notify_put(bytes, sizeof bytes, 1, 1, attributes);

    say(fd, bytes, n);
    expect_ack(fd);
    ck_assert_uint_eq(reply.frame.stream_id, 1);
    ck_assert_uint_eq(reply.frame.frame_id, 1);
}

/* ---- the latest reply ---- */

HELPER bool has(const char *name)
{
    return spop_client_ack_find(&reply.ack, name) != NULL;
}

HELPER bool is_text(const char *name, const char *text)
{
    const struct spop_value *value = spop_client_ack_find(&reply.ack, name);

    return value != NULL && value->type == SPOP_STRING && span_eq(value->text, span_of(text));
}

/* An integer variable, which must be there. */
HELPER int64_t number(const char *name)
{
    const struct spop_value *value = spop_client_ack_find(&reply.ack, name);

    ck_assert_msg(value != NULL, "no variable %s", name);
    ck_assert_msg(value->type == SPOP_INT64 || value->type == SPOP_INT32, "%s has type %d", name, (int)value->type);
    return value->sint;
}

#define expect_verdict(wanted) ck_assert_msg(is_text("verdict", (wanted)), "verdict is not %s", (wanted))

HELPER void ask_verdict(int fd, const char *attributes, const char *verdict)
{
    ask(fd, attributes);
    ck_assert_msg(is_text("verdict", verdict), "%s: verdict is not %s", attributes, verdict);
}

/* Asks until the verdict is this one: a change of the rules takes a moment. */
HELPER void await_verdict(int fd, const char *attributes, const char *verdict)
{
    for (int64_t end = clock_ms() + AGENT_PATIENCE_MS;;) {
        ask(fd, attributes);
        if (is_text("verdict", verdict))
            return;
        ck_assert_msg(clock_ms() < end, "%s: never %s", attributes, verdict);
        usleep(10000);
    }
}

/* NOTIFYs with stream ids first, first + 1 ...; odd ones are denied. */
HELPER size_t batch_put(char *out, size_t cap, unsigned first, unsigned n)
{
    size_t size = 0;

    for (unsigned i = first; i < first + n; i++)
        size += notify_put(out + size, cap - size, i, 1, i % 2 == 1 ? "path=/denied" : "path=/");
    return size;
}

/* Each is answered once and rightly, in whichever order. */
HELPER void expect_batch(int fd, unsigned first, unsigned n)
{
    bool *seen = calloc(n, sizeof *seen);

    for (unsigned i = 0; i < n; i++) {
        expect_ack(fd);
        ck_assert(reply.frame.stream_id >= first && reply.frame.stream_id < first + n && reply.frame.frame_id == 1);
        ck_assert(!seen[reply.frame.stream_id - first]);
        seen[reply.frame.stream_id - first] = true;
        expect_verdict(reply.frame.stream_id % 2 == 1 ? "deny" : "allow");
    }
    free(seen);
}

/* How every agent ends: in good order, with nothing to report. Outside of a case: 1 when it does not. */
HELPER int ends_badly(struct agent *agent)
{
    int code = agent_stop(agent);

    if (code != 0)
        fprintf(stderr, "exit code %d: %s\n", code, agent_log(agent));
    agent_fini(agent);
    return code == 0 ? 0 : 1;
}

HELPER void finish(struct agent *agent)
{
    ck_assert_int_eq(ends_badly(agent), 0);
}

/* It must end with code 2 and one line that says `what`. */
HELPER void refuses(struct agent *agent, const struct agent_options *options, const char *what)
{
    int         code = -1;
    const char *log, *line;

    ck_assert_msg(!agent_start(agent, options, &code), "%s: started", what);
    log = agent_log(agent);
    ck_assert_msg(code == 2, "%s: exit code %d: %s", what, code, log);
    line = strstr(log, "spoa-rules: ");
    ck_assert_msg(line != NULL && strstr(line, what) != NULL, "does not name %s: %s", what, log);
    line = strchr(line, '\n');
    ck_assert_msg(line != NULL && line[1] == '\0', "%s: not one line: %s", what, log);
}

/* The rules deny the path /denied. */
HELPER void talk_to(const char *address)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    int                      fd = spop_client_open(address, &hello, AGENT_PATIENCE_MS);

    ck_assert_msg(fd >= 0, "%s: %s", address, strerror(errno));
    ask_verdict(fd, "path=/denied", "deny");
    close(fd);
}

#endif
