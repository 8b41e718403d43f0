#include "lists/address_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lists/entry.h"
#include "lists/fields.h"
#include "lists/json_line.h"

enum format { FORMAT_UNKNOWN, FORMAT_TEXT, FORMAT_CSV, FORMAT_JSON };

#define REASON_MAX 512

struct address_file {
    const char                *column;
    unsigned long              field; /* of CSV, from 0 */
    struct networks           *networks;
    address_file_refused_fn   *refused;
    void                      *context;
    struct address_file_counts counts;
    enum format                format;
    struct json_line          *json; /* NULL unless the format is FORMAT_JSON */
    char                       separator;
    bool                       any_bytes, headed; /* headed: the first record of CSV was seen */
    bool                       overlong;          /* what does not fit into `line` is dropped */
    size_t                     line_n, record_n;
    uint64_t                   record_lines;         /* of a record that goes on in the next line; 0: none does */
    char                       unusable[REASON_MAX]; /* "": as far as is known, it can be used */
    char                       line[ADDRESS_FILE_LINE_MAX], record[ADDRESS_FILE_LINE_MAX];
    char                       field_text[ADDRESS_FILE_LINE_MAX];
};

static void *must(void *p)
{
    if (p == NULL) {
        fputs("spoa-rules: out of memory\n", stderr);
        abort(); /* as arena_alloc() */
    }
    return p;
}

struct address_file *address_file_new(const char *column, struct networks *networks, address_file_refused_fn *refused,
                                      void *context)
{
    struct address_file *file = must(calloc(1, sizeof *file));

    file->column = column;
    file->networks = networks;
    file->refused = refused;
    file->context = context;
    return file;
}

void address_file_free(struct address_file *file)
{
    if (file != NULL)
        json_line_free(file->json);
    free(file);
}

static void give_up(struct address_file *file, const char *reason)
{
    if (file->unusable[0] == '\0')
        snprintf(file->unusable, sizeof file->unusable, "%s", reason);
}

static void refuse(struct address_file *file, uint64_t line, struct span text, const char *reason)
{
    file->counts.refused++;
    file->refused(file->context, line, text, reason);
}

/* ---- what kind of file ---- */

/* Files that operators load by mistake, known by their first bytes. */
static const struct {
    const char *magic;
    size_t      n;
    const char *what;
} mistakes[] = {
    { "\x1F\x8B", 2, "compressed with gzip: unpack it first, as in zcat FILE | spoa-rules import RULES.db LIST -" },
    { "BZh", 3, "compressed with bzip2: unpack it first, as in bzcat FILE | spoa-rules import RULES.db LIST -" },
    { "\xFD"
      "7zXZ",
      5, "compressed with xz: unpack it first, as in xzcat FILE | spoa-rules import RULES.db LIST -" },
    { "\x28\xB5\x2F\xFD", 4,
      "compressed with zstd: unpack it first, as in zstdcat FILE | spoa-rules import RULES.db LIST -" },
    { "PK\x03\x04", 4, "a zip archive: unpack it first, as in unzip -p FILE | spoa-rules import RULES.db LIST -" },
    { "\xFF\xFE", 2,
      "UTF-16: convert it first, as in iconv -f UTF-16 -t UTF-8 FILE | spoa-rules import RULES.db LIST -" },
    { "\xFE\xFF", 2,
      "UTF-16: convert it first, as in iconv -f UTF-16 -t UTF-8 FILE | spoa-rules import RULES.db LIST -" },
};

/* Of the first line. */
static void look_for_mistake(struct address_file *file, struct span line)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        if (line.n >= mistakes[i].n && memcmp(line.p, mistakes[i].magic, mistakes[i].n) == 0)
            give_up(file, mistakes[i].what);
}

static const char nested_json[] = "JSON that is not an object a line: take the addresses out first, as in jq -r "
                                  "'.prefixes[].ip_prefix' FILE | spoa-rules import RULES.db LIST -";

/* Of the first line that is neither blank nor a comment. */
static void look_for_format(struct address_file *file, struct span line)
{
    struct span value;

    if (line.p[0] == '<')
        give_up(file, "a web page or XML, not a list");
    if (line.p[0] == '{' || line.p[0] == '[') {
        file->format = FORMAT_JSON;
        file->json = json_line_new();
        if (file->overlong || json_line_find(file->json, line, SPAN_LITERAL(""), &value) == JSON_BROKEN)
            give_up(file, nested_json);
        return;
    }
    file->format = file->column == NULL ? FORMAT_TEXT : FORMAT_CSV;
}

/* ---- entries ---- */

/* `ends_file`: nothing, not even a line break, stands behind the line. */
static void take_entry(struct address_file *file, uint64_t line, struct span text, bool ends_file)
{
    struct entry entry;
    const char  *reason;

    if (entry_is_blank(text)) {
        refuse(file, line, SPAN_ABSENT, "nothing where the entry should be");
        return;
    }
    reason = entry_parse(text, &entry);
    /* "10.0.0.0/1" at the end of half a file was "10.0.0.0/16": half of all addresses. */
    if (reason == NULL && ends_file && !entry.exact)
        reason = "bits behind the prefix, and the file ends without a line break: is the file complete?";
    if (reason != NULL) {
        refuse(file, line, text, reason);
        return;
    }
    file->counts.taken++;
    if (!networks_add(file->networks, &entry.first, &entry.last))
        snprintf(file->unusable, sizeof file->unusable, "too large: the list would have more than %zu entries",
                 NETWORKS_MAX);
}

/* The object with which Spamhaus ends its lists. */
static bool is_metadata(struct address_file *file, struct span line)
{
    struct span type;

    return json_line_find(file->json, line, SPAN_LITERAL("type"), &type) == JSON_FOUND &&
           span_eq(type, SPAN_LITERAL("metadata"));
}

static void take_json(struct address_file *file, struct span line, bool ends_file)
{
    const char *name = file->column == NULL ? ADDRESS_FILE_JSON_NAME : file->column;
    struct span value;
    char        reason[REASON_MAX];

    switch (json_line_find(file->json, line, span_of(name), &value)) {
    case JSON_FOUND:
        take_entry(file, file->counts.lines, value, ends_file);
        break;
    case JSON_MISSING:
        if (is_metadata(file, line))
            break;
        snprintf(reason, sizeof reason, "no text \"%.100s\" in the object: name another with --column", name);
        refuse(file, file->counts.lines, line, reason);
        break;
    case JSON_BROKEN:
        refuse(file, file->counts.lines, line, "not a JSON object on one line");
        break;
    case JSON_NUL:
        refuse(file, file->counts.lines, line, "a NUL byte in it");
        break;
    }
}

/* The numbered field; absent where the record has fewer. */
static struct span field_of(struct address_file *file, struct span record)
{
    struct span field = SPAN_ABSENT;

    for (unsigned long i = 0; i <= file->field; i++) {
        if (record.p == NULL)
            return SPAN_ABSENT;
        field = csv_next(&record, file->separator, file->field_text);
    }
    return entry_trim(field);
}

/* Whether a field is the name of a column and not an entry with a mistake in it. */
static bool is_name(struct span field)
{
    struct entry entry;

    return field.n > 0 && (field.p[0] < '0' || field.p[0] > '9') && memchr(field.p, ':', field.n) == NULL &&
           entry_parse(field, &entry) != NULL;
}

static bool is_number(const char *column, unsigned long *number)
{
    char *end;

    *number = strtoul(column, &end, 10);
    return *column >= '0' && *column <= '9' && *end == '\0';
}

/* Of the first record, which is a header where the column is named. Returns whether it holds an entry. */
static bool take_header(struct address_file *file, struct span record)
{
    struct span   wanted = span_of(file->column), rest = record;
    unsigned long number;

    file->headed = true;
    if (is_number(file->column, &number)) {
        file->field = number - 1; /* the command takes no 0 */
        return !is_name(field_of(file, record));
    }
    for (file->field = 0; rest.p != NULL; file->field++)
        if (span_eq(entry_trim(csv_next(&rest, file->separator, file->field_text)), wanted))
            return false;
    snprintf(file->unusable, sizeof file->unusable, "no column '%.100s' in its first line: %.*s", file->column,
             (int)(record.n < 200 ? record.n : 200), record.p);
    return false;
}

static void take_csv(struct address_file *file, uint64_t line, struct span record, bool ends_file)
{
    struct span field;

    if (!file->headed && !take_header(file, record))
        return;
    field = field_of(file, record);
    if (field.p == NULL)
        refuse(file, line, record, "fewer columns than --column says");
    else
        take_entry(file, line, field, ends_file);
}

/* ---- records and lines ---- */

/* The quote at the beginning of the record was never closed: each of its lines is lost. */
static void refuse_open_record(struct address_file *file)
{
    for (uint64_t i = file->record_lines; i > 0; i--)
        refuse(file, file->counts.lines - i + 1, SPAN_ABSENT, "a quote that is not closed");
    file->record_lines = 0;
    file->record_n = 0;
}

/* A quoted field may hold line breaks. Copies only a record that has some. */
static void take_csv_line(struct address_file *file, struct span line, bool ends_file)
{
    struct span record;

    /* Where blanks separate fields, those at the ends mean nothing; a tab at the beginning ends an empty field. */
    while (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (!file->headed && file->record_lines == 0)
        file->separator = csv_separator(line);
    if (file->separator == ' ')
        line = entry_trim(line);
    record = line;

    if (file->record_lines > 0 || csv_is_open(line, file->separator)) {
        file->record_lines++;
        if (file->record_n + line.n + 1 > sizeof file->record || file->record_lines > ADDRESS_FILE_RECORD_LINES_MAX) {
            refuse_open_record(file);
            return;
        }
        memcpy(file->record + file->record_n, line.p, line.n);
        file->record_n += line.n;
        file->record[file->record_n++] = '\n';
        record = (struct span){ file->record, file->record_n - 1 };
        if (csv_is_open(record, file->separator))
            return;
    }
    take_csv(file, file->counts.lines - (file->record_lines > 0 ? file->record_lines - 1 : 0), record, ends_file);
    file->record_lines = 0;
    file->record_n = 0;
}

static bool is_comment(struct span line)
{
    return line.n == 0 || line.p[0] == '#' || line.p[0] == ';';
}

static void take_line(struct address_file *file, bool ends_file)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    struct span       line = { file->line, file->line_n }, trimmed;

    if (++file->counts.lines == 1) {
        look_for_mistake(file, line);
        if (line.n >= 3 && memcmp(line.p, byte_order_mark, 3) == 0)
            line = (struct span){ line.p + 3, line.n - 3 };
    }
    trimmed = entry_trim(line);
    if (file->record_lines == 0 && is_comment(trimmed))
        return;
    if (file->format == FORMAT_UNKNOWN)
        look_for_format(file, trimmed);
    if (file->unusable[0] != '\0')
        return;
    if (file->overlong || memchr(line.p, '\0', line.n) != NULL) {
        if (file->record_lines > 0)
            file->record_lines++; /* refused as its last line */
        else
            refuse(file, file->counts.lines, trimmed,
                   file->overlong ? "a line of more than 65536 bytes" : "a NUL byte in it");
        refuse_open_record(file);
    } else if (file->format == FORMAT_JSON) {
        take_json(file, trimmed, ends_file);
    } else if (file->format == FORMAT_CSV) {
        take_csv_line(file, line, ends_file);
    } else {
        take_entry(file, file->counts.lines, trimmed, ends_file);
    }
}

bool address_file_feed(struct address_file *file, struct span bytes)
{
    file->any_bytes |= bytes.n > 0;
    while (bytes.n > 0 && file->unusable[0] == '\0') {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t      n = end == NULL ? bytes.n : (size_t)(end - bytes.p), room = sizeof file->line - file->line_n;

        file->overlong |= n > room;
        memcpy(file->line + file->line_n, bytes.p, n < room ? n : room);
        file->line_n += n < room ? n : room;
        n += end != NULL;
        bytes.p += n;
        bytes.n -= n;
        if (end == NULL)
            break;
        take_line(file, false);
        file->line_n = 0;
        file->overlong = false;
    }
    return file->unusable[0] == '\0';
}

const char *address_file_end(struct address_file *file, struct address_file_counts *counts)
{
    if (file->line_n > 0 && file->unusable[0] == '\0')
        take_line(file, true);
    if (file->record_lines > 0)
        refuse_open_record(file);
    *counts = file->counts;
    if (!file->any_bytes)
        give_up(file, "empty");
    if (file->unusable[0] == '\0' && counts->refused > counts->taken)
        snprintf(file->unusable, sizeof file->unusable,
                 "most of it is no list of addresses: %" PRIu64 " of %" PRIu64 " entries", counts->refused,
                 counts->refused + counts->taken);
    return file->unusable[0] == '\0' ? NULL : file->unusable;
}
