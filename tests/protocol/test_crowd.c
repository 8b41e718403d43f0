/* Connections that become readable together: the agent is stopped while they send. Whatever one of them does, the
 * others are answered, each with its own answers and in order, and each question is charged once. */
#include "expect.h"

#include <signal.h>

#define ROUNDS 20
#define CONNS  60
#define MANY   40

static const char rules[] = "INSERT INTO rules(path, requests, period) VALUES ('/counted', 1000000, 2592000)";

/* A NOTIFY whose message's name is longer than the frame. */
static const char garbage[] = { 0, 0, 0, 9, 3, 0, 0, 0, 1, 1, 1, 100, 'x' };

enum manner { ONE, SEVERAL, THEN_GARBAGE, THEN_CLOSE, THEN_DISCONNECT, IN_PIECES, ONLY_GARBAGE, NO_HELLO, MANNERS };

struct peer {
    enum manner manner;
    int         fd;
    size_t      rest; /* IN_PIECES: bytes of `bytes` that were not sent yet */
    size_t      n;
    char        bytes[MANY * 128];
};

static struct agent agent;
static struct peer  peers[CONNS];

static void make_peer(struct peer *peer, unsigned i)
{
    unsigned questions = peer->manner == SEVERAL ? MANY : peer->manner == ONLY_GARBAGE ? 0 : 1;

    peer->n = 0;
    for (unsigned k = 0; k < questions; k++)
        peer->n += notify_put(peer->bytes + peer->n, sizeof peer->bytes - peer->n, i * 1000 + k, 1, "path=/counted");
    if (peer->manner == THEN_GARBAGE || peer->manner == ONLY_GARBAGE) {
        memcpy(peer->bytes + peer->n, garbage, sizeof garbage);
        peer->n += sizeof garbage;
    } else if (peer->manner == THEN_DISCONNECT) {
        peer->n += spop_client_disconnect_put(peer->bytes + peer->n, sizeof peer->bytes - peer->n, 0, "bye");
    }
    peer->rest = peer->manner == IN_PIECES ? 1 + i % (peer->n - 1) : 0;
    peer->fd = peer->manner == NO_HELLO ? plain(&agent) : opened(&agent);
}

/* Returns how many questions of it were charged. */
static unsigned check_peer(struct peer *peer, unsigned i)
{
    unsigned answers = peer->manner == SEVERAL                                    ? MANY
                       : peer->manner == ONLY_GARBAGE || peer->manner == NO_HELLO ? 0
                                                                                  : 1;

    if (peer->manner == THEN_CLOSE)
        return 1;
    for (unsigned k = 0; k < answers; k++) {
        expect_ack(peer->fd);
        ck_assert_uint_eq(reply.frame.stream_id, i * 1000 + k);
        expect_verdict("allow");
    }
    if (peer->manner == ONE || peer->manner == SEVERAL || peer->manner == IN_PIECES) {
        close(peer->fd);
    } else {
        struct span message;
        uint32_t    status;

        expect_frame(peer->fd);
        ck_assert(spop_client_agent_disconnect_parse(&reply.frame, &status, &message));
        expect_end(peer->fd);
    }
    return answers;
}

START_TEST(all_at_once)
{
    unsigned charged = 0;

    agent_run(&agent, rules, _i == 0 ? NULL : (const char *const[]){ "--threads", "2", NULL });
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CONNS; i++) {
            peers[i].manner = (enum manner)((i * 7 + round) % MANNERS);
            make_peer(&peers[i], i);
        }
        kill(agent.pid, SIGSTOP);
        for (unsigned i = 0; i < CONNS; i++) {
            say(peers[i].fd, peers[i].bytes, peers[i].n - peers[i].rest);
            if (peers[i].manner == THEN_CLOSE)
                close(peers[i].fd);
        }
        kill(agent.pid, SIGCONT);
        for (unsigned i = 0; i < CONNS; i++) {
            if (peers[i].rest > 0)
                say(peers[i].fd, peers[i].bytes + peers[i].n - peers[i].rest, peers[i].rest);
        }
        for (unsigned i = 0; i < CONNS; i++)
            charged += check_peer(&peers[i], i);
    }
    peers[0].fd = opened(&agent);
    ask(peers[0].fd, "path=/counted");
    ck_assert_int_eq(number("remaining"), 1000000 - (int64_t)charged - 1);
    close(peers[0].fd);
    finish(&agent);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_loop_test(cases, all_at_once, 0, 2);
}

int main(void)
{
    return run_suite("crowd", add, NULL, NULL);
}
