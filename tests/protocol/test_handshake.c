/* HELLO, its faults, and how connections end. */
#include "expect.h"

#include "spop/hello.h"

static struct agent agent;

static void start(void)
{
    agent_run(&agent, "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')", NULL);
}

static int stop(void)
{
    return ends_badly(&agent);
}

/* Whatever a case did, others are served. */
static void others_are_served(void)
{
    int fd = opened(&agent);

    ask_verdict(fd, "path=/", "allow");
    close(fd);
}

static const struct {
    int64_t     offered, granted;
    const char *capabilities, *answer;
} negotiations[] = {
    { 256, 256, "pipelining", "pipelining" },
    { 257, 257, "", "" },
    { 16380, 16380, "pipelining,async", "pipelining" },
    { 16380, 16380, "async", "" },
    { 16380, 16380, "async, pipelining ,fragmentation", "pipelining" },
    { 16380, 16380, "pipeliningx,xpipelining", "" },
    { 65532, 65532, "fragmentation", "" },
    { 100000, 65532, "pipelining", "pipelining" },
    { 4294967295, 65532, "pipelining", "pipelining" },
};

START_TEST(negotiation)
{
    struct spop_client_hello       hello = SPOP_CLIENT_HELLO;
    struct spop_client_agent_hello answer;
    char                           bytes[512];
    ssize_t                        n;
    int                            fd = plain(&agent);

    hello.max_frame_size = negotiations[_i].offered;
    hello.capabilities = negotiations[_i].capabilities;
    say(fd, bytes, spop_client_hello_put(bytes, sizeof bytes, &hello));
    /* One read takes it all: HAProxy drops a connection whose HELLO comes in pieces. */
    n = recv(fd, reply.bytes, sizeof reply.bytes, 0);
    ck_assert_int_gt(n, 0);
    struct span in = { reply.bytes, (size_t)n };

    ck_assert_int_eq(spop_frame_next(&in, 1024, &reply.frame), SPOP_NEXT_FRAME);
    ck_assert_uint_eq(in.n, 0);
    ck_assert(spop_client_agent_hello_parse(&reply.frame, &answer));
    ck_assert(span_eq(answer.version, span_of("2.0")));
    ck_assert_uint_eq(answer.max_frame_size, (uint64_t)negotiations[_i].granted);
    ck_assert(span_eq(answer.capabilities, span_of(negotiations[_i].answer)));
    ask_verdict(fd, "path=/denied", "deny");
    ask_verdict(fd, "path=/", "allow");
    close(fd);
}
END_TEST

START_TEST(versions)
{
    static const char *const good[] = { "2.0", "1.0,2.0", "1.0, 2.0 ,3.0", "2.7", "2" };

    for (size_t i = 0; i < COUNT(good); i++) {
        struct spop_client_hello hello = SPOP_CLIENT_HELLO;
        int                      fd;

        hello.versions = good[i];
        fd = spop_client_open(agent.address, &hello, AGENT_PATIENCE_MS);
        ck_assert_msg(fd >= 0, "%s: %s", good[i], strerror(errno));
        close(fd);
    }
}
END_TEST

static const struct {
    unsigned                 status;
    struct spop_client_hello hello;
} bad_hellos[] = {
    { SPOP_STATUS_NO_VERSION, { NULL, 16380, "", false, NULL } },
    { SPOP_STATUS_BAD_VERSION, { "1.0", 16380, "", false, NULL } },
    { SPOP_STATUS_BAD_VERSION, { "", 16380, "", false, NULL } },
    { SPOP_STATUS_BAD_VERSION, { "12.0,20", 16380, "", false, NULL } },
    { SPOP_STATUS_NO_FRAME_SIZE, { "2.0", -1, "", false, NULL } },
    { SPOP_STATUS_BAD_FRAME_SIZE, { "2.0", 255, "", false, NULL } },
    { SPOP_STATUS_BAD_FRAME_SIZE, { "2.0", 0, "", false, NULL } },
    { SPOP_STATUS_NO_CAPABILITIES, { "2.0", 16380, NULL, false, NULL } },
};

START_TEST(bad_hello)
{
    char bytes[512];
    int  fd = plain(&agent);

    say(fd, bytes, spop_client_hello_put(bytes, sizeof bytes, &bad_hellos[_i].hello));
    expect_disconnect(fd, bad_hellos[_i].status);
}
END_TEST

/* ---- faults byte by byte ---- */

#define HELLO_HEAD "\x01\0\0\0\x01\0\0"
#define KEY_VERSIONS                                                                                                   \
    "\x12supported-versions\x08\x03"                                                                                   \
    "2.0"
#define KEY_SIZE "\x0Emax-frame-size\x03\xFC\xF0\x06"
#define KEY_CAPS                                                                                                       \
    "\x0C"                                                                                                             \
    "capabilities\x08\x00"
#define NOTIFY_HEAD "\x03\0\0\0\x01\x01\x01"
#define MESSAGE                                                                                                        \
    "\x0D"                                                                                                             \
    "check-request"
#define RAW(text) (text), sizeof(text) - 1

/* The frame's length comes before `bytes`, unless `raw`. */
static const struct fault {
    const char *what;
    bool        ready; /* after a good handshake */
    bool        raw;
    unsigned    status;
    const char *bytes;
    size_t      n;
} faults[] = {
    { "NOTIFY before HELLO", false, false, 4, RAW(NOTIFY_HEAD MESSAGE "\0") },
    { "HELLO twice", true, false, 4, RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE KEY_CAPS) },
    { "versions of a wrong type", false, false, 4, RAW(HELLO_HEAD "\x12supported-versions\x03\x02" KEY_SIZE KEY_CAPS) },
    { "size of a wrong type", false, false, 9,
      RAW(HELLO_HEAD KEY_VERSIONS "\x0Emax-frame-size\x08\x03"
                                  "999" KEY_CAPS) },
    { "size negative", false, false, 9,
      RAW(HELLO_HEAD KEY_VERSIONS "\x0Emax-frame-size\x04\xFF\xF0\xFE\xFE\xFE\xFE\xFE\xFE\xFE\x0E" KEY_CAPS) },
    { "size above 32 bits", false, false, 4,
      RAW(HELLO_HEAD KEY_VERSIONS "\x0Emax-frame-size\x03\xFF\xFF\xFF\xFF\xFF\x0E" KEY_CAPS) },
    { "capabilities NULL", false, false, 4,
      RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE "\x0C"
                                           "capabilities\x00") },
    { "healthcheck is text", false, false, 4,
      RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE KEY_CAPS "\x0Bhealthcheck\x08\x01y") },
    { "a key twice", false, false, 4, RAW(HELLO_HEAD KEY_VERSIONS KEY_VERSIONS KEY_SIZE KEY_CAPS) },
    { "an unassigned type", false, false, 4, RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE KEY_CAPS "\x01x\x0F") },
    { "HELLO breaks off in a key", false, false, 4,
      RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE "\x0C"
                                           "capab") },
    { "HELLO breaks off in a value", false, false, 4,
      RAW(HELLO_HEAD KEY_VERSIONS KEY_SIZE "\x0C"
                                           "capabilities\x08\x09") },
    { "a key as long as 64 bits can say", false, false, 4,
      RAW(HELLO_HEAD "\xFF\xF0\xFE\xFE\xFE\xFE\xFE\xFE\xFE\x0E"
                     "key") },
    { "stream id of HELLO not 0", false, false, 4, RAW("\x01\0\0\0\x01\x01\0" KEY_VERSIONS KEY_SIZE KEY_CAPS) },
    { "frame id of HELLO not 0", false, false, 4, RAW("\x01\0\0\0\x01\0\x01" KEY_VERSIONS KEY_SIZE KEY_CAPS) },
    { "HELLO without FIN", false, false, 10, RAW("\x01\0\0\0\0\0\0" KEY_VERSIONS KEY_SIZE KEY_CAPS) },
    { "NOTIFY without FIN", true, false, 10, RAW("\x03\0\0\0\0\x01\x01" MESSAGE "\0") },
    { "a further fragment", true, false, 10, RAW("\0\0\0\0\x01\x01\x01" MESSAGE "\0") },
    { "an aborted fragment", true, false, 10, RAW("\0\0\0\0\x03\x01\x01") },
    { "a fragment before HELLO", false, false, 10, RAW("\0\0\0\0\x01\x01\x01") },
    { "longer than the maximum", true, true, 3, RAW("\0\0\xFF\xFD" NOTIFY_HEAD) },
    { "the longest length", true, true, 3, RAW("\xFF\xFF\xFF\xFF") },
    { "the sign bit in the length", true, true, 3, RAW("\x80\0\0\x10" NOTIFY_HEAD) },
    { "no length", true, true, 4, RAW("\0\0\0\0") },
    { "too short for a head", true, true, 4, RAW("\0\0\0\x06\x03\0\0\0\x01\x01") },
    { "HTTP", false, true, 3, RAW("GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "TLS", false, true, 3, RAW("\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03") },
    { "ids that do not end", true, false, 4,
      RAW("\x03\0\0\0\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01") },
    { "ids above 64 bits", true, false, 4, RAW("\x03\0\0\0\x01\xFF\xF0\xFE\xFE\xFE\xFE\xFE\xFE\xFE\x0F\x01") },
    { "ids that end with the frame", true, false, 4, RAW("\x03\0\0\0\x01\x01\xF0") },
    { "message breaks off in its name", true, false, 4,
      RAW(NOTIFY_HEAD "\x0D"
                      "check") },
    { "message without a count", true, false, 4, RAW(NOTIFY_HEAD MESSAGE) },
    { "more arguments than there are", true, false, 4,
      RAW(NOTIFY_HEAD MESSAGE "\x02\x01"
                              "a\x01") },
    { "255 arguments of nothing", true, false, 4, RAW(NOTIFY_HEAD MESSAGE "\xFF") },
    { "IPv4 too short", true, false, 4, RAW(NOTIFY_HEAD MESSAGE "\x01\x03src\x06\x01\x02\x03") },
    { "IPv6 too short", true, false, 4, RAW(NOTIFY_HEAD MESSAGE "\x01\x03src\x07\x01\x02\x03") },
    { "an argument of an unassigned type", true, false, 4, RAW(NOTIFY_HEAD MESSAGE "\x01\x03src\x0A") },
    { "text longer than the frame", true, false, 4, RAW(NOTIFY_HEAD MESSAGE "\x01\x04path\x08\x05/") },
    { "text of 2^64-1 bytes", true, false, 4,
      RAW(NOTIFY_HEAD MESSAGE "\x01\x04path\x08\xFF\xF0\xFE\xFE\xFE\xFE\xFE\xFE\xFE\x0E/") },
    { "a fault behind a good message", true, false, 4,
      RAW(NOTIFY_HEAD MESSAGE "\0"
                              "\x05other\x01") },
    { "DISCONNECT without a status", true, false, 4, RAW("\x02\0\0\0\x01\0\0") },
    { "DISCONNECT with a status of a wrong type", true, false, 4, RAW("\x02\0\0\0\x01\0\0\x0Bstatus-code\x01") },
    { "DISCONNECT without FIN", true, false, 10, RAW("\x02\0\0\0\0\0\0\x0Bstatus-code\x03\0") },
};

START_TEST(fault)
{
    const struct fault *f = &faults[_i];
    unsigned char       bytes[512] = { 0, 0, (unsigned char)(f->n >> 8), (unsigned char)f->n };
    size_t              prefix = f->raw ? 0 : 4;
    int                 fd = f->ready ? opened(&agent) : plain(&agent);

    memcpy(bytes + prefix, f->bytes, f->n);
    say(fd, bytes, prefix + f->n);
    expect_disconnect(fd, f->status);
}
END_TEST

/* What came before a fault is answered. */
START_TEST(answers_before_a_fault)
{
    char   bytes[1024];
    size_t n = notify_put(bytes, sizeof bytes, 5, 1, "path=/denied");
    int    fd = opened(&agent);

    n += notify_put(bytes + n, sizeof bytes - n, 6, 1, "path=/");
    memcpy(bytes + n, "\xFF\xFF\xFF\xFF", 4);
    say(fd, bytes, n + 4);
    expect_ack(fd);
    ck_assert_uint_eq(reply.frame.stream_id, 5);
    expect_verdict("deny");
    expect_ack(fd);
    ck_assert_uint_eq(reply.frame.stream_id, 6);
    expect_disconnect(fd, SPOP_STATUS_TOO_BIG);
}
END_TEST

/* ---- orderly ends ---- */

START_TEST(health_check)
{
    expect_healthy(&agent);
}
END_TEST

START_TEST(healthcheck_false_is_none)
{
    static const char bytes[] = "\0\0\0\x51" HELLO_HEAD KEY_VERSIONS KEY_SIZE KEY_CAPS "\x0Bhealthcheck\x01";
    char                                                                      copy[sizeof bytes - 1];
    int                                                                       fd = plain(&agent);

    memcpy(copy, bytes, sizeof copy);
    copy[3] = (char)(sizeof copy - 4);
    say(fd, copy, sizeof copy);
    expect_frame(fd);
    ck_assert_uint_eq(reply.frame.type, SPOP_FRAME_AGENT_HELLO);
    ask_verdict(fd, "path=/denied", "deny");
    close(fd);
}
END_TEST

START_TEST(disconnect_is_answered)
{
    static const uint32_t statuses[] = { 0, 1, 2, 99, 4294967295 };
    char                  bytes[512];

    for (size_t i = 0; i < COUNT(statuses); i++) {
        int fd = i % 2 == 0 ? opened(&agent) : plain(&agent);

        say(fd, bytes, spop_client_disconnect_put(bytes, sizeof bytes, statuses[i], "bye\n\x1B[2J%s%n"));
        expect_disconnect(fd, SPOP_STATUS_NORMAL);
    }
}
END_TEST

START_TEST(notify_and_disconnect_at_once)
{
    char   bytes[1024];
    size_t n = notify_put(bytes, sizeof bytes, 7, 1, "path=/denied");
    int    fd = opened(&agent);

    n += spop_client_disconnect_put(bytes + n, sizeof bytes - n, 0, "normal");
    n += notify_put(bytes + n, sizeof bytes - n, 8, 1, "path=/denied"); /* after the end: not answered */
    say(fd, bytes, n);
    expect_ack(fd);
    ck_assert_uint_eq(reply.frame.stream_id, 7);
    expect_disconnect(fd, SPOP_STATUS_NORMAL);
}
END_TEST

/* HAProxy 3.1 and later send HELLO and the first NOTIFYs without waiting in between. */
START_TEST(hello_and_notify_at_once)
{
    struct spop_client_hello hello = SPOP_CLIENT_HELLO;
    char                     bytes[1024];
    size_t                   n = spop_client_hello_put(bytes, sizeof bytes, &hello);
    int                      fd = plain(&agent);

    n += notify_put(bytes + n, sizeof bytes - n, 1, 1, "path=/denied");
    say(fd, bytes, n);
    expect_frame(fd);
    ck_assert_uint_eq(reply.frame.type, SPOP_FRAME_AGENT_HELLO);
    expect_ack(fd);
    expect_verdict("deny");
    close(fd);
}
END_TEST

START_TEST(half_closed_peer_gets_its_answers)
{
    char   bytes[1024];
    size_t n = notify_put(bytes, sizeof bytes, 1, 1, "path=/denied");
    int    fd = opened(&agent);

    say(fd, bytes, n);
    shutdown(fd, SHUT_WR);
    expect_ack(fd);
    expect_verdict("deny");
    expect_end(fd);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, NULL, others_are_served);
    tcase_add_loop_test(cases, negotiation, 0, (int)COUNT(negotiations));
    tcase_add_test(cases, versions);
    tcase_add_loop_test(cases, bad_hello, 0, (int)COUNT(bad_hellos));
    tcase_add_loop_test(cases, fault, 0, (int)COUNT(faults));
    tcase_add_test(cases, answers_before_a_fault);
    tcase_add_test(cases, health_check);
    tcase_add_test(cases, healthcheck_false_is_none);
    tcase_add_test(cases, disconnect_is_answered);
    tcase_add_test(cases, notify_and_disconnect_at_once);
    tcase_add_test(cases, hello_and_notify_at_once);
    tcase_add_test(cases, half_closed_peer_gets_its_answers);
}

int main(void)
{
    return run_suite("handshake", add, start, stop);
}
