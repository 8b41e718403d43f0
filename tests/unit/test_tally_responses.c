/* Responses by hour: each counted in its columns, taken without loss. */
#include <check.h>
#include <stdlib.h>

#include "tally/responses.h"

#define SEED 7

static struct responses *r;

static void begin(void)
{
    r = responses_new();
    ck_assert_ptr_nonnull(r);
}

static void end(void)
{
    responses_free(r);
}

/* Not forwarded, until told otherwise. */
static struct response response(int64_t hour, int status)
{
    return (struct response){
        .hour = hour, .status = status, .bytes = 10, .duration_ms = -1, .origin_ms = -1, .path = SPAN_LITERAL("/")
    };
}

static void add(struct response one)
{
    ck_assert(responses_add(r, &one, SEED));
}

START_TEST(statuses)
{
    static const int       each[] = { 100, 101, 200, 204, 299, 301, 304, 404, 404, 429,
                                      499, 500, 503, 599, -1,  0,   99,  600, 999 };
    struct responses_hour *h = &r->hours[0];

    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        add(response(1, each[i]));
    ck_assert_uint_eq(r->n, 1);
    ck_assert_uint_eq(h->status_1xx, 2);
    ck_assert_uint_eq(h->status_2xx, 3);
    ck_assert_uint_eq(h->status_3xx, 2);
    ck_assert_uint_eq(h->status_4xx, 4);
    ck_assert_uint_eq(h->status_5xx, 3);
    ck_assert_uint_eq(h->status_other, 5);
    ck_assert_uint_eq(h->not_found, 2);
    ck_assert_uint_eq(h->bytes, 190);
    ck_assert_uint_eq(h->duration.count + h->origin.count + topk_size(h->paths), 0);
}
END_TEST

START_TEST(settled)
{
    for (int by = RESPONSE_BY_AGENT; by <= RESPONSE_BY_CONFIGURATION; by++) {
        for (int n = 0; n <= by; n++) {
            struct response one = response(1, 200);

            one.by = (enum response_by)by;
            one.aborted = n == 1;
            one.origin_error = n == 2;
            add(one);
        }
    }
    ck_assert_uint_eq(r->hours[0].coarse_denied, 2);
    ck_assert_uint_eq(r->hours[0].ban_denied, 3);
    ck_assert_uint_eq(r->hours[0].undecided, 4);
    ck_assert_uint_eq(r->hours[0].aborted, 4);
    ck_assert_uint_eq(r->hours[0].origin_errors, 3);
    ck_assert_uint_eq(r->hours[0].status_2xx, 15);
}
END_TEST

/* Whose they were, and those that have no end of their own. */
START_TEST(origins)
{
    static const int       each[] = { 101, 200, 400, 404, 500 };
    struct responses_hour *h = &r->hours[0];

    for (int from = RESPONSE_FROM_OTHER; from <= RESPONSE_REFUSED; from++) {
        for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
            for (int n = 0; n < from + 1; n++) {
                struct response one = response(1, each[i]);

                one.from = (enum response_from)from;
                one.lasting = n == 0 ? RESPONSE_ENDS : n == 1 ? RESPONSE_TUNNEL : RESPONSE_STREAM;
                add(one);
            }
        }
    }
    ck_assert_uint_eq(h->status_4xx, 12);
    ck_assert_uint_eq(h->status_5xx, 6);
    ck_assert_uint_eq(h->not_found, 6);
    ck_assert_uint_eq(h->origin_4xx, 4);
    ck_assert_uint_eq(h->origin_404, 2);
    ck_assert_uint_eq(h->origin_5xx, 2);
    ck_assert_uint_eq(h->refused_4xx, 6);
    ck_assert_uint_eq(h->refused_5xx, 3);
    ck_assert_uint_eq(h->tunnels, 10);
    ck_assert_uint_eq(h->streams, 5);
}
END_TEST

START_TEST(durations)
{
    static const char *const paths[] = { "/a", "/b", "/a" };
    struct responses_hour   *h = &r->hours[0];
    struct topk_row          rows[RESPONSES_PATHS];

    for (int i = 0; i < 3; i++) {
        struct response one = response(1, 200);

        one.duration_ms = 10 * (i + 1);
        one.origin_ms = i == 1 ? -1 : i;
        one.path = span_of(paths[i]);
        add(one);
    }
    /* Of this one nobody knows the path. */
    add((struct response){ .hour = 1, .status = 200, .duration_ms = 5, .origin_ms = 0, .path = SPAN_ABSENT });
    /* How long the origin took to answer is known of a tunnel as well. */
    add((struct response){ .hour = 1, .status = 101, .duration_ms = -1, .origin_ms = 3, .path = SPAN_LITERAL("/a") });
    ck_assert_uint_eq(h->duration.count, 4);
    ck_assert_uint_eq(h->duration.sum, 65);
    ck_assert_uint_eq(h->origin.count, 4);
    ck_assert_uint_eq(h->origin.sum, 5);
    ck_assert_uint_eq(topk_size(h->paths), 2);
    topk_rows(h->paths, rows);
    ck_assert(rows[0].id == tally_id_of(SPAN_LITERAL("/a"), SEED));
    ck_assert_uint_eq(rows[0].count, 2);
    ck_assert_uint_eq(rows[0].sums[RESPONSES_DURATION_US], 40000);
}
END_TEST

/* More hours than there is room for are not mixed up, and wait for the take. */
START_TEST(hours)
{
    struct response one = response(RESPONSES_HOURS, 200);

    for (int64_t hour = 0; hour < RESPONSES_HOURS; hour++)
        for (int64_t n = 0; n <= hour; n++)
            add(response(hour, 200));
    ck_assert(!responses_add(r, &one, SEED));
    for (unsigned i = 0; i < RESPONSES_HOURS; i++)
        ck_assert_uint_eq(r->hours[i].status_2xx, (uint64_t)r->hours[i].hour + 1);
    one.duration_ms = 5;
    one.hour = 0;
    add(one);
    responses_clear(r);
    ck_assert_uint_eq(r->n, 0);
    ck_assert_uint_eq(topk_size(r->hours[0].paths), 0);
    one.hour = RESPONSES_HOURS;
    add(one);
    ck_assert_uint_eq(r->hours[0].status_2xx, 1);
    ck_assert_int_eq(r->hours[0].hour, RESPONSES_HOURS);
}
END_TEST

/* ---- two threads ---- */

#define LINES 200000

static struct responses_box box;

static void *feed(void *context)
{
    (void)context;
    for (int i = 0; i < LINES; i++) {
        struct response one = response(i % 3, 200);

        pthread_mutex_lock(&box.lock);
        ck_assert(responses_add(box.filling, &one, box.seed));
        pthread_mutex_unlock(&box.lock);
    }
    return NULL;
}

START_TEST(taken)
{
    struct responses *spare = r;
    uint64_t          sum = 0;
    unsigned          takes = 0;
    pthread_t         thread;

    ck_assert(responses_box_init(&box, SEED));
    ck_assert_int_eq(pthread_create(&thread, NULL, feed, NULL), 0);
    while (sum < LINES) {
        spare = responses_take(&box, spare);
        for (unsigned i = 0; i < spare->n; i++)
            sum += spare->hours[i].status_2xx;
        responses_clear(spare);
        takes++;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(sum, LINES);
    ck_assert_uint_gt(takes, 1);
    ck_assert_uint_eq(box.filling->n, 0);
    responses_box_fini(&box);
    r = spare;
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("responses");
    TCase   *tcase = tcase_create("responses");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, statuses);
    tcase_add_test(tcase, settled);
    tcase_add_test(tcase, origins);
    tcase_add_test(tcase, durations);
    tcase_add_test(tcase, hours);
    tcase_add_test(tcase, taken);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
