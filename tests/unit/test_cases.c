/* Rules and what becomes of requests, as text: tests/cases/NAME.sql fills a rules database, and each line of NAME.txt
 * is a request and the decision that is expected. tests/cases/README says how to write one. */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "policy/decide.h"
#include "policy/regex.h"
#include "store/rules_db.h"
#include "store/rules_file.h"

#define LINE_SIZE    32768
#define SCRATCH_SIZE REQUEST_SCRATCH(LINE_SIZE)
#define BOOT_US      (864000 * INT64_C(1000000)) /* sub-buckets of any period in the cases begin */

struct scenario {
    char            text_path[512], db_path[64];
    unsigned        line, decisions;
    int64_t         unix_us; /* at 0 */
    struct decider  decider;
    struct ruleset *set;
    struct request  request;
    struct decision decision;
    char            scratch[SCRATCH_SIZE];
};

static char **names; /* of the cases, without .txt */
static int    names_n;

static const char *directory(void)
{
    const char *from_env = getenv("SPOA_CASES");

    return from_env != NULL ? from_env : "tests/cases";
}

#define give_up(scenario, ...)                                                                                         \
    do {                                                                                                               \
        fprintf(stderr, "%s:%u: ", (scenario)->text_path, (scenario)->line);                                           \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        ck_abort_msg("%s:%u: see above", (scenario)->text_path, (scenario)->line);                                     \
    } while (0)

/* ---- the database ---- */

static void print_problem(void *context, const struct problem *problem)
{
    const struct scenario *s = context;
    char                   text[PROBLEM_TEXT_MAX];

    fprintf(stderr, "%s:%u: %s\n", s->text_path, s->line, problem_format(problem, text));
}

static void load(struct scenario *s)
{
    ruleset_free(s->set);
    if (rules_db_load(s->db_path, NULL, print_problem, s, &s->set) != RULES_LOADED)
        give_up(s, "the rules are refused");
}

static void execute(struct scenario *s, const char *sql)
{
    sqlite3 *db;
    char    *message = NULL;

    ck_assert_int_eq(sqlite3_open(s->db_path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        give_up(s, "%s", message);
    sqlite3_close(db);
    load(s);
}

static char *read_whole(const char *path)
{
    FILE       *file = fopen(path, "rb");
    struct stat st;
    char       *text;

    ck_assert_msg(file != NULL && fstat(fileno(file), &st) == 0, "%s cannot be read", path);
    text = calloc(1, (size_t)st.st_size + 1);
    ck_assert(text != NULL && fread(text, 1, (size_t)st.st_size, file) == (size_t)st.st_size);
    fclose(file);
    return text;
}

/* ---- words ---- */

/* "name:type=value". The value may hold NUL bytes; name and type do not. */
struct word {
    char       *name, *type;
    struct span value;
    bool        has_value;
};

static int hex(struct scenario *s, const char *digits)
{
    unsigned byte;

    if (sscanf(digits, "%2x", &byte) != 1)
        give_up(s, "\\x takes two digits");
    return (int)byte;
}

/* Takes off one word of the line, in place: "…" may hold blanks, and in it \" \\ \xNN. False: the line has ended. */
static bool next_word(struct scenario *s, char **line, struct word *word)
{
    char *from = *line + strspn(*line, " "), *to = from, *value = NULL;
    bool  quoted = false;

    if (*from == '\0')
        return false;
    *word = (struct word){ .name = from };
    for (; *from != '\0' && (quoted || *from != ' '); from++) {
        if (*from == '"') {
            quoted = !quoted;
        } else if (quoted && *from == '\\' && from[1] == 'x') {
            *to++ = (char)hex(s, from + 2);
            from += 3;
        } else if (quoted && *from == '\\') {
            *to++ = *++from;
        } else if (*from == '=' && value == NULL) {
            *to++ = '\0';
            value = to;
        } else if (*from == ':' && value == NULL) {
            *to++ = '\0';
            word->type = to;
        } else {
            *to++ = *from;
        }
    }
    if (quoted)
        give_up(s, "a quote is not closed");
    *line = *from == '\0' ? from : from + 1;
    *to = '\0';
    word->has_value = value != NULL;
    if (value != NULL)
        word->value = (struct span){ value, (size_t)(to - value) };
    return true;
}

static bool is(const struct word *word, const char *name)
{
    return strcmp(word->name, name) == 0;
}

/* ---- the request ---- */

static void set_attribute(struct scenario *s, const struct word *word)
{
    int            number = ruleset_attribute(s->set, span_of(word->name));
    struct address address;
    const char    *type = word->type == NULL ? "text" : word->type;

    /* An argument that no rule names: the agent skips it, too. Only its spelling is checked here. */
    if (number < 0 && word->name[0] != '_')
        give_up(s, "no rule uses the attribute '%s' (one that none is to use begins with _)", word->name);
    if (number < 0 || strcmp(type, "null") == 0)
        return;
    if (strcmp(type, "text") == 0)
        request_set_text(&s->request, (unsigned)number, word->value);
    else if (strcmp(type, "int") == 0)
        request_set_integer(&s->request, (unsigned)number, strtoll(word->value.p, NULL, 10));
    else if (strcmp(type, "uint") == 0)
        request_set_unsigned(&s->request, (unsigned)number, strtoull(word->value.p, NULL, 10));
    else if (strcmp(type, "bool") == 0 &&
             (span_eq(word->value, SPAN_LITERAL("true")) || span_eq(word->value, SPAN_LITERAL("false"))))
        request_set_boolean(&s->request, (unsigned)number, word->value.p[0] == 't');
    else if (strcmp(type, "ip") == 0 && address_parse(word->value, &address))
        request_set_address(&s->request, (unsigned)number, address);
    else
        give_up(s, "'%s:%s' is unknown, or has another value than that", word->name, type);
}

/* ---- the decision ---- */

static void format_rules(const struct decision *d, bool used_up_only, char *out, size_t size)
{
    size_t n = 0, use = 0;

    out[0] = '\0';
    for (size_t i = 0; i < d->applied_n; i++) {
        const struct rule *rule = d->applied[i];
        bool               used_up = rule->action == RULE_LIMIT && d->uses[use++].used_up;

        if (used_up || !used_up_only)
            n += (size_t)snprintf(out + n, size - n, "%s%" PRId64, n == 0 ? "" : ",", rule->id);
    }
}

/* The variable's value as HAProxy would see it, "-" where it is not set; NULL: there is no such variable. */
static const char *variable(const struct decision *d, const char *name, char *out, size_t size)
{
    const struct {
        const char *name;
        bool        set;
        int64_t     value;
    } numbers[] = {
        { "status", d->verdict == VERDICT_DENY, d->status },
        { "rule", d->rule != NULL, d->rule == NULL ? 0 : d->rule->id },
        { "limit", d->tightest != NULL, d->limit },
        { "remaining", d->tightest != NULL, d->remaining },
        { "reset", d->tightest != NULL, d->reset_s },
        { "window", d->tightest != NULL, d->window_s },
        { "tightest", d->tightest != NULL, d->tightest == NULL ? 0 : d->tightest->id },
        { "retry_after", d->retry_after_s > 0, d->retry_after_s },
        { "ban", d->ban_s > 0, d->ban_s },
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (!numbers[i].set)
            return "-";
        snprintf(out, size, "%" PRId64, numbers[i].value);
        return out;
    }
    if (strcmp(name, "applied") != 0 && strcmp(name, "used_up") != 0)
        return NULL;
    format_rules(d, name[0] == 'u', out, size);
    return out[0] == '\0' ? "-" : out;
}

static void compare(struct scenario *s, char *expected)
{
    static const char *const verdicts[] = { "allow", "deny", "slow" };
    struct word              word;
    char                     got[1024];
    bool                     verdict_said = false;

    while (next_word(s, &expected, &word)) {
        const char *value;

        if (!word.has_value) {
            if (verdict_said || (!is(&word, "allow") && !is(&word, "deny") && !is(&word, "slow")))
                give_up(s, "'%s': write allow, deny or slow, then name=value", word.name);
            if (!is(&word, verdicts[s->decision.verdict]))
                give_up(s, "expected %s, got %s", word.name, verdicts[s->decision.verdict]);
            verdict_said = true;
            continue;
        }
        value = variable(&s->decision, word.name, got, sizeof got);
        if (value == NULL)
            give_up(s, "'%s': there is no such variable", word.name);
        if (strcmp(value, word.value.p) != 0)
            give_up(s, "expected %s=%s, got %s", word.name, word.value.p, value);
    }
    if (!verdict_said)
        give_up(s, "the verdict is missing");
}

/* ---- lines ---- */

static struct moment moment_at(const struct scenario *s, double seconds)
{
    int64_t us = (int64_t)(seconds * 1e6 + 0.5);

    return (struct moment){ .mono_us = BOOT_US + us, .unix_us = s->unix_us + us };
}

/* "TIME [COUNTx] ATTRIBUTE=VALUE … -> VERDICT VARIABLE=VALUE …" */
static void run_request(struct scenario *s, char *line)
{
    char       *arrow = strstr(line, " ->"), *end, expected[LINE_SIZE];
    double      seconds = strtod(line, &end);
    long        count = 1;
    struct word word;

    if (arrow == NULL || end == line)
        give_up(s, "write: at SECONDS NAME=VALUE … -> VERDICT NAME=VALUE …");
    *arrow = '\0';
    line = end;
    request_init(&s->request, s->scratch, sizeof s->scratch);
    while (next_word(s, &line, &word)) {
        if (word.has_value || word.type != NULL)
            set_attribute(s, &word);
        else if ((count = strtol(word.name, &end, 10)) < 1 || strcmp(end, "x") != 0)
            give_up(s, "'%s': write NAME=VALUE, or 3x to repeat", word.name);
    }
    request_finish(&s->request);
    for (; count > 0; count--, s->decisions++) {
        decide(&s->decider, s->set, &s->request, moment_at(s, seconds), &s->decision);
        strcpy(expected, arrow + 3);
        compare(s, expected);
    }
}

static void set_clock(struct scenario *s, const char *text)
{
    struct tm   tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

    if (end == NULL || *end != '\0')
        give_up(s, "write a time such as 2026-11-20T09:00:00Z");
    s->unix_us = (int64_t)timegm(&tm) * 1000000;
}

static void run_line(struct scenario *s, char *line)
{
    if (line[0] == '\0' || line[0] == '#')
        return;
    if (strncmp(line, "at ", 3) == 0)
        run_request(s, line + 3);
    else if (strncmp(line, "sql ", 4) == 0)
        execute(s, line + 4);
    else if (strncmp(line, "clock ", 6) == 0)
        set_clock(s, line + 6);
    else if (strncmp(line, "ipv6-prefix ", 12) == 0)
        s->decider.ipv6_prefix = (unsigned)atoi(line + 12);
    else
        give_up(s, "a line begins with at, sql, clock, ipv6-prefix or #");
}

/* The schema, the rules of NAME.sql, and each line of NAME.txt in order. */
START_TEST(rule_case)
{
    struct scenario *s = calloc(1, sizeof *s);
    char             sql_path[512], db_dir[] = "/tmp/spoa-cases-XXXXXX", *sql, *lines, *line, *next;

    ck_assert(s != NULL && mkdtemp(db_dir) != NULL);
    snprintf(s->text_path, sizeof s->text_path, "%s/%s.txt", directory(), names[_i]);
    snprintf(sql_path, sizeof sql_path, "%s/%s.sql", directory(), names[_i]);
    snprintf(s->db_path, sizeof s->db_path, "%s/rules.db", db_dir);
    s->decider = (struct decider){ .limits = limits_new(10000, 1), .ipv6_prefix = 64 };
    set_clock(s, "2026-11-20T09:00:00Z");
    ck_assert(rules_file_create(s->db_path, print_problem, s));
    sql = read_whole(sql_path);
    execute(s, sql);

    lines = read_whole(s->text_path);
    for (line = lines; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next != '\0')
            *next++ = '\0';
        s->line++;
        ck_assert_msg(strlen(line) < LINE_SIZE, "%s:%u: too long", s->text_path, s->line);
        run_line(s, line);
    }
    ck_assert_msg(s->decisions > 0, "%s holds no request", s->text_path);

    unlink(s->db_path);
    rmdir(db_dir);
    regex_thread_fini();
    ruleset_free(s->set);
    limits_free(s->decider.limits);
    free(sql);
    free(lines);
    free(s);
}
END_TEST

static int is_text(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot != NULL && strcmp(dot, ".txt") == 0;
}

int main(void)
{
    struct dirent **entries;
    Suite          *suite = suite_create("cases");
    TCase          *tcase = tcase_create("pairs");
    SRunner        *runner = srunner_create(suite);
    int             failed;

    names_n = scandir(directory(), &entries, is_text, alphasort);
    if (names_n <= 0) {
        fprintf(stderr, "%s holds no cases: run it from the top of the tree\n", directory());
        return 1;
    }
    names = calloc((size_t)names_n, sizeof *names);
    for (int i = 0; i < names_n; i++) {
        *strrchr(entries[i]->d_name, '.') = '\0';
        names[i] = strdup(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    tcase_add_loop_test(tcase, rule_case, 0, names_n);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (int i = 0; i < names_n; i++)
        free(names[i]);
    free(names);
    return failed > 0;
}
