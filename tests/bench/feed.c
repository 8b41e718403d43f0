/* CPU time a line of the log feed: taken out of the bytes, parsed, its path normalised, counted. Not in it: reading
 * from the socket. Prints a table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "feed/fold.h"
#include "feed/frame.h"
#include "lib/random.h"

#define LINES  200000
#define ROUNDS 15
#define PATHS  20000

static char  *bytes;
static size_t bytes_n;

/* CPU time: others on the machine cost less of it than of the time of day. */
static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void put(const char *time, const char *rest)
{
    char text[FEED_MESSAGE_MAX];
    int  n = snprintf(
         text, sizeof text,
         "<134>1 2026-11-20T09:15:02.123456+00:00 - haproxy 17069 - [rules@32473 time=\"%s\" %s] 192.0.2.1:4711 "
          "[20/Nov/2026:09:15:02.123] api origins/origin1 0/0/0/12/13 200 1973 - - ---- 1/1/0/0/0 0/0 "
          "\"GET /items/12345 HTTP/1.1\" verdict=allow rule=7 error=-",
         time, rest);

    bytes_n += (size_t)sprintf(bytes + bytes_n, "%d %s", n, text);
}

static void measure(const char *name, int64_t hour)
{
    struct responses *r = responses_new();
    double            best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        struct span     in = { bytes, bytes_n }, message;
        double          start = seconds();
        struct response response;
        const char     *fault;
        int             lines = 0;

        while (feed_frame_next(&in, &message) == FEED_NEXT_MESSAGE) {
            if (feed_fold(message, r, 1, hour, &response, &fault) != FEED_FOLDED)
                abort();
            lines++;
        }
        best = fmin(best, (seconds() - start) / lines);
        responses_clear(r);
    }
    printf("%-34s %8.0f\n", name, best * 1e9);
    responses_free(r);
    bytes_n = 0;
}

int main(void)
{
    struct random state = { 1 };
    time_t        now = time(NULL);
    char          at[64], rest[8192], path[3 * 2048];

    bytes = malloc((size_t)LINES * 1024);
    strftime(at, sizeof at, "%d/%b/%Y:%H:%M:%S +0000", gmtime(&now));
    printf("%-34s %8s\n", "log feed", "ns/line");
    for (int i = 0; i < LINES; i++) {
        /* Few paths are many requests. */
        double x = random_share(&state);

        snprintf(rest, sizeof rest,
                 "status=\"200\" bytes=\"1973\" end=\"--\" tc=\"0\" tr=\"%d\" ta=\"%d\" path=\"%%2Fitems%%2F%d\" "
                 "refused=\"-\" "
                 "asked=\"1795278222997\" error=\"-\" verdict=\"allow\"",
                 i % 50, i % 50 + 1, (int)(PATHS * x * x * x));
        put(at, rest);
    }
    measure("forwarded", now / 3600);
    for (int i = 0; i < LINES; i++)
        put(at, "status=\"429\" bytes=\"180\" end=\"LR\" tc=\"-1\" tr=\"-1\" ta=\"0\" path=\"-\" refused=\"ban\" "
                "asked=\"-\" "
                "error=\"-\" verdict=\"-\"");
    measure("refused for a ban", now / 3600);
    for (int i = 0; i < 2048; i++)
        memcpy(path + 3 * i, "%22", 3);
    for (int i = 0; i < LINES / 50; i++) {
        snprintf(
            rest, sizeof rest,
            "status=\"200\" bytes=\"1973\" end=\"--\" tc=\"0\" tr=\"1\" ta=\"2\" path=\"%%2F%d%.6000s\" refused=\"-\" "
            "asked=\"1795278222997\" error=\"-\" verdict=\"allow\"",
            i, path);
        put(at, rest);
    }
    measure("a path of 2,000 encoded bytes", now / 3600);
    free(bytes);
    return 0;
}
