/* A process killed between any two instructions leaves each counter as it was before or after the decision under way.
 *
 * A child decides on a table in a shared file; its parent steps it through limits_decide(), one instruction at a time,
 * and whenever that changed the file restores what a next process would find. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/images.h"

#define SECOND   INT64_C(1000000)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define BOOT     "a boot"

enum { KEYS = 12, STEPS_MAX = 20000000 };

/* With sanitizers a decision takes ten times as many instructions and more, and some of the scenes must do. */
#if defined __SANITIZE_THREAD__
#define EVERY 11
#elif defined __SANITIZE_ADDRESS__
#define EVERY 3
#else
#define EVERY 1
#endif

enum { SLIDING, THOUSANDS, MILLIONS, FIXED, TOKEN, BANNING, BANNING_2, BANNING_3, WIDENED, OTHER, OTHER_2, OTHER_3 };

/* The limit of each key. */
static const struct limit limit_of[KEYS] = {
    [SLIDING] = LIMIT_OF(LIMIT_SLIDING, 100, 50, 0),      [THOUSANDS] = LIMIT_OF(LIMIT_SLIDING, 1000, 50, 0),
    [MILLIONS] = LIMIT_OF(LIMIT_SLIDING, 1000000, 50, 0), [FIXED] = LIMIT_OF(LIMIT_FIXED, 10, 60, 0),
    [TOKEN] = LIMIT_OF(LIMIT_TOKEN, 10, 3600, 0),         [BANNING] = LIMIT_OF(LIMIT_SLIDING, 1, 50, 600),
    [BANNING_2] = LIMIT_OF(LIMIT_TOKEN, 1, 50, 700),      [BANNING_3] = LIMIT_OF(LIMIT_FIXED, 1, 60, 800),
    [WIDENED] = LIMIT_OF(LIMIT_SLIDING, 100000, 3600, 0), [OTHER] = LIMIT_OF(LIMIT_SLIDING, 3, 3600, 0),
    [OTHER_2] = LIMIT_OF(LIMIT_SLIDING, 4, 3600, 0),      [OTHER_3] = LIMIT_OF(LIMIT_SLIDING, 5, 3600, 0),
};

static const struct limit shorter_ban = LIMIT_OF(LIMIT_SLIDING, 1, 50, 60);
static const struct limit fewer_tokens = LIMIT_OF(LIMIT_TOKEN, 4, 3600, 0);

struct step {
    unsigned key, times;
    int64_t  at_s;
};

/* What the table holds, by what was asked, up to the first {0, 0, 0}; then the one decision that is stepped through. */
static const struct scene {
    const char         *name;
    size_t              max_counters;
    struct step         before[8];
    unsigned            keys[KEYS]; /* of the decision */
    size_t              n;
    int64_t             at_s;
    const struct limit *limit;   /* of its first key, where it is another now */
    unsigned            changed; /* keys that are not afterwards what they were, as bits */
    bool                refused;
} scenes[] = {
    { "a new key", 16, { { THOUSANDS, 300, 1 }, { FIXED, 3, 1 } }, { SLIDING }, 1, 1, NULL, 1 << SLIDING, false },
    { "the first of all", 16, { { 0, 0, 0 } }, { SLIDING }, 1, 1, NULL, 1 << SLIDING, false },
    { "a charged one", 16, { { SLIDING, 40, 1 }, { TOKEN, 2, 1 } }, { SLIDING }, 1, 1, NULL, 1 << SLIDING, false },
    { "the last of a limit", 16, { { SLIDING, 99, 1 } }, { SLIDING }, 1, 1, NULL, 1 << SLIDING, false },
    { "a fixed one", 16, { { FIXED, 3, 1 }, { TOKEN, 3, 1 } }, { FIXED }, 1, 2, NULL, 1 << FIXED, false },
    { "a token", 16, { { FIXED, 3, 1 }, { TOKEN, 3, 1 } }, { TOKEN }, 1, 2, NULL, 1 << TOKEN, false },
    { "a wide one", 16, { { THOUSANDS, 300, 1 } }, { THOUSANDS }, 1, 1, NULL, 1 << THOUSANDS, false },
    { "one that gets wide",
      16,
      { { WIDENED, 255, 1 }, { SLIDING, 9, 1 } },
      { WIDENED },
      1,
      1,
      NULL,
      1 << WIDENED,
      false },
    { "one that gets wide, with history",
      16,
      { { WIDENED, 100, 1 }, { WIDENED, 200, 80 }, { WIDENED, 255, 400 }, { THOUSANDS, 300, 400 } },
      { WIDENED },
      1,
      400,
      NULL,
      1 << WIDENED,
      false },
    { "one that gets wide where one was",
      3,
      { { WIDENED, 300, 1 }, { OTHER, 3, 1 }, { OTHER_2, 3, 1 }, { OTHER_3, 1, 1 }, { THOUSANDS, 255, 2 } },
      { THOUSANDS },
      1,
      2,
      NULL,
      1 << THOUSANDS,
      false },
    { "one that takes another's place",
      3,
      { { OTHER, 3, 1 }, { OTHER_2, 2, 1 }, { SLIDING, 1, 1 } },
      { FIXED },
      1,
      2,
      NULL,
      1 << FIXED | 1 << SLIDING,
      false },
    { "one that takes a wide one's place",
      3,
      { { OTHER, 3, 1 }, { WIDENED, 300, 1 }, { OTHER_2, 3, 1 } },
      { OTHER_3 },
      1,
      2,
      NULL,
      1 << OTHER_3 | 1 << WIDENED,
      false },
    { "one that takes an expired one's place",
      3,
      { { OTHER, 3, 1 }, { SLIDING, 3, 1 }, { OTHER_2, 3, 1 } },
      { OTHER_3 },
      1,
      100,
      NULL,
      1 << OTHER_3,
      false },
    { "the window moves",
      16,
      { { SLIDING, 5, 1 }, { SLIDING, 7, 20 } },
      { SLIDING },
      1,
      55,
      NULL,
      1 << SLIDING,
      false },
    { "the window of a wide one moves",
      16,
      { { THOUSANDS, 300, 1 }, { THOUSANDS, 400, 20 } },
      { THOUSANDS },
      1,
      55,
      NULL,
      1 << THOUSANDS,
      false },
    { "units get larger, and the window moves",
      16,
      { { MILLIONS, 300, 1 }, { MILLIONS, 140001, 20 }, { MILLIONS, 3, 22 } },
      { MILLIONS },
      1,
      23,
      NULL,
      1 << MILLIONS,
      false },
    { "a ban begins", 16, { { BANNING, 1, 1 }, { SLIDING, 3, 1 } }, { BANNING }, 1, 1, NULL, 1 << BANNING, true },
    { "a ban begins in another's place",
      2,
      { { BANNING, 2, 1 }, { BANNING_2, 2, 1 }, { BANNING_3, 1, 1 } },
      { BANNING_3 },
      1,
      1,
      NULL,
      1 << BANNING_3 | 1 << BANNING,
      true },
    { "a ban gets shorter",
      16,
      { { BANNING, 2, 1 }, { SLIDING, 3, 1 } },
      { BANNING },
      1,
      2,
      &shorter_ban,
      1 << BANNING,
      true },
    { "debts are forgiven", 16, { { TOKEN, 9, 1 } }, { TOKEN }, 1, 2, &fewer_tokens, 1 << TOKEN, true },
    { "refused", 16, { { OTHER, 3, 1 }, { SLIDING, 3, 1 } }, { OTHER }, 1, 2, NULL, 0, true },
    { "many at once",
      16,
      { { SLIDING, 40, 1 }, { THOUSANDS, 300, 1 }, { FIXED, 3, 1 }, { WIDENED, 255, 1 }, { BANNING, 1, 1 } },
      { SLIDING, THOUSANDS, FIXED, TOKEN, WIDENED, OTHER },
      6,
      1,
      NULL,
      1 << SLIDING | 1 << THOUSANDS | 1 << FIXED | 1 << TOKEN | 1 << WIDENED | 1 << OTHER,
      false },
};

static uint64_t hash(unsigned key)
{
    return (key + 1) * UINT64_C(0xD1342543DE82EF95);
}

static struct moment at(int64_t s)
{
    return (struct moment){ .mono_us = (1000 + s) * SECOND, .unix_us = (1795000020 + s) * SECOND };
}

static struct limit_use use_of(unsigned key)
{
    return (struct limit_use){ .key = hash(key), .limit = &limit_of[key], .binding = true };
}

/* All that can be seen of all keys. */
struct sight {
    struct limit_use     uses[KEYS];
    struct limits_counts counts;
};

static struct sight look(struct limits *limits, struct moment now)
{
    struct sight sight;

    memset(&sight, 0, sizeof sight);
    for (unsigned key = 0; key < KEYS; key++) {
        sight.uses[key] = use_of(key);
        limits_look(limits, &sight.uses[key], 1, now);
    }
    sight.counts = limits_counts(limits);
    return sight;
}

/* What the next process would find. */
static struct sight restored(int fd, size_t max_counters, struct moment now)
{
    const char    *problem;
    bool           all;
    struct limits *limits = images_restore(fd, max_counters, BOOT, now, &problem, &all);
    struct sight   sight;

    ck_assert_msg(limits != NULL, "%s", problem);
    ck_assert(all);
    sight = look(limits, now);
    limits_free(limits);
    return sight;
}

static bool is_same(const struct sight *a, const struct sight *b, unsigned key)
{
    const struct limit_use *x = &a->uses[key], *y = &b->uses[key];

    return x->remaining == y->remaining && x->reset_us == y->reset_us && x->retry_us == y->retry_us &&
           x->ban_us == y->ban_us && x->used_up == y->used_up;
}

static bool is_all_same(const struct sight *a, const struct sight *b)
{
    for (unsigned key = 0; key < KEYS; key++) {
        if (!is_same(a, b, key))
            return false;
    }
    return a->counts.counters == b->counts.counters && a->counts.bans == b->counts.bans;
}

/* ---- stepping ---- */

static void decide(const struct scene *scene, struct limits *limits)
{
    struct limit_use uses[KEYS];

    for (size_t i = 0; i < scene->n; i++)
        uses[i] = use_of(scene->keys[i]);
    if (scene->limit != NULL)
        uses[0].limit = scene->limit;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    raise(SIGSTOP);
    _exit(limits_decide(limits, uses, scene->n, true, at(scene->at_s)) == scene->refused ? 2 : 0);
}

/* The stop's signal; otherwise the test fails. */
static int await_stop(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSTOPPED(status) || status == 0, "the child ended with status %x: is ptrace permitted?", status);
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

/* Each state of the file, between the first and the last instruction. */
static void step_through(const struct scene *scene, pid_t child, int fd, unsigned *states, struct sight *last)
{
    size_t       size = images_size(fd);
    char        *seen = malloc(size), *file = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    struct sight before = restored(fd, scene->max_counters, at(scene->at_s)), *sights = NULL;
    unsigned     steps = 0;

    ck_assert(seen != NULL && file != MAP_FAILED);
    memcpy(seen, file, size);
    ck_assert_int_eq(await_stop(child), SIGSTOP);
    for (*states = 0;; steps++) {
        ck_assert_msg(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "no single steps: %s", strerror(errno));
        if (await_stop(child) == 0)
            break;
        ck_assert_uint_lt(steps, STEPS_MAX);
        if (memcmp(seen, file, size) == 0)
            continue;
        memcpy(seen, file, size);
        sights = realloc(sights, (*states + 1) * sizeof *sights);
        sights[(*states)++] = restored(fd, scene->max_counters, at(scene->at_s));
    }
    *last = restored(fd, scene->max_counters, at(scene->at_s));
    ck_assert_uint_gt(steps, 200);
    for (unsigned i = 0; i < *states; i++) {
        for (unsigned key = 0; key < KEYS; key++)
            ck_assert_msg(is_same(&sights[i], &before, key) || is_same(&sights[i], last, key),
                          "%s: key %u is neither before nor after in state %u of %u: %jd remain, not %jd or %jd",
                          scene->name, key, i, *states, (intmax_t)sights[i].uses[key].remaining,
                          (intmax_t)before.uses[key].remaining, (intmax_t)last->uses[key].remaining);
        /* One counter, and the one that made room for it, change together. */
        if (scene->n == 1)
            ck_assert_msg(is_all_same(&sights[i], &before) || is_all_same(&sights[i], last), "%s: half in state %u",
                          scene->name, i);
    }
    free(sights);
    free(seen);
    munmap(file, size);
}

START_TEST(test_killed)
{
    const struct scene *scene = &scenes[_i * EVERY];
    struct moment       now = at(scene->at_s);
    struct sight        before, found, after;
    int                 fd;
    struct limits      *limits = images_live(scene->max_counters, BOOT, at(0), &fd);
    unsigned            states, changed = 0;
    pid_t               child;

    for (const struct step *step = scene->before; step->times > 0; step++) {
        for (unsigned i = 0; i < step->times; i++) {
            struct limit_use use = use_of(step->key);

            limits_decide(limits, &use, 1, true, at(step->at_s));
        }
    }
    before = look(limits, now);
    found = restored(fd, scene->max_counters, now);
    for (unsigned key = 0; key < KEYS; key++)
        ck_assert(is_same(&before, &found, key));
    /* The child's private part of the table is its own, the file is shared. */
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        decide(scene, limits);
    step_through(scene, child, fd, &states, &after);

    for (unsigned key = 0; key < KEYS; key++)
        changed |= is_same(&before, &after, key) ? 0 : 1u << key;
    ck_assert_msg(changed == scene->changed, "%s: changed %x, not %x", scene->name, changed, scene->changed);
    for (size_t i = 0; i < scene->n && !scene->refused; i++) {
        unsigned key = scene->keys[i];

        ck_assert_int_eq(after.uses[key].remaining, before.uses[key].remaining - 1);
    }
    if (changed != 0)
        ck_assert_uint_gt(states, 3);
    limits_free(limits);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("limits_image_killed");
    TCase   *tcase = tcase_create("killed");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_killed, 0, (int)((COUNT(scenes) + EVERY - 1) / EVERY));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
