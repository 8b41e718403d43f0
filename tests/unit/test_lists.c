/* Published lists of addresses: entries, fields, whole files in each format and cut anywhere, and the fewest networks
 * that hold what was read, against an oracle. */
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/random.h"
#include "lib/require.h"
#include "lists/address_file.h"
#include "lists/entry.h"
#include "lists/fields.h"
#include "lists/json_line.h"

/* ---- entries ---- */

static const struct {
    const char *text, *expected; /* the range, '~' in front where it is not exact; or the reason */
} entries[] = {
    { "192.0.2.1", "192.0.2.1-192.0.2.1" },
    { "192.0.2.0/24", "192.0.2.0-192.0.2.255" },
    { "192.0.2.77/24", "~192.0.2.0-192.0.2.255" },
    { "0.0.0.0/0", "0.0.0.0-255.255.255.255" },
    { "192.0.2.1/32", "192.0.2.1-192.0.2.1" },
    { "2001:DB8::1", "2001:db8::1-2001:db8::1" },
    { "2001:db8::/126", "2001:db8::-2001:db8::3" },
    { "2001:db8::1/32", "~2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
    { "::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    { "::ffff:192.0.2.1", "~192.0.2.1-192.0.2.1" },
    { "::ffff:c000:201", "~192.0.2.1-192.0.2.1" },
    { "::ffff:192.0.2.77/120", "~192.0.2.0-192.0.2.255" },
    { "192.0.2.1 ; SBL1", "192.0.2.1-192.0.2.1" },
    { "192.0.2.1;SBL1", "192.0.2.1-192.0.2.1" },
    { "192.0.2.1#", "192.0.2.1-192.0.2.1" },
    { "\t192.0.2.1 \t# a ; b\r", "192.0.2.1-192.0.2.1" },
    { "192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9" },
    { "192.0.2.1 - 192.0.2.9 # a-b", "192.0.2.1-192.0.2.9" },
    { "192.0.2.9-192.0.2.9", "192.0.2.9-192.0.2.9" },
    { "2001:db8::9-2001:db8::10", "2001:db8::9-2001:db8::10" },
    { "::ffff:1.0.0.0-::ffff:1.0.0.5", "1.0.0.0-1.0.0.5" },
    { "1.0.0.0-::ffff:1.0.0.5", "1.0.0.0-1.0.0.5" },
    { "192.0.2.9-192.0.2.1", "a range that ends before it begins" },
    { "2001:db8::2-2001:db8::1", "a range that ends before it begins" },
    { "192.0.2.1-2001:db8::1", "a range from IPv4 to IPv6" },
    { "192.0.2.1-", "not a range of two addresses" },
    { "-192.0.2.1", "not a range of two addresses" },
    { "192.0.2.1-192.0.2.2-192.0.2.3", "not a range of two addresses" },
    { "192.0.2.0/24-192.0.3.0/24", "not a range of two addresses" },
    { "example-host.example", "not a range of two addresses" },
    { "192.0.2.1 8", "more than an address: choose a field with --column" },
    { "192.0.2.1\t8", "more than an address: choose a field with --column" },
    { "192.0.2.0/24 listed", "more than an address: choose a field with --column" },
    { "192.0.2.1,8", "fields with commas: choose one with --column" },
    { "a 192.0.2.1", "not an address, a network or a range" },
    { "192.0.2.256", "not an address, a network or a range" },
    { "192.0.2", "not an address, a network or a range" },
    { "192.0.2.01", "not an address, a network or a range" },
    { "192.0.2.1/33", "not an address, a network or a range" },
    { "192.0.2.1/", "not an address, a network or a range" },
    { "192.0.2.0/024", "not an address, a network or a range" },
    { "192.0.2.0/255.255.255.0", "not an address, a network or a range" },
    { "2001:db8::/129", "not an address, a network or a range" },
    { "::ffff:0:0/95", "not an address, a network or a range" },
    { "2001:db8::1%eth0", "not an address, a network or a range" },
    { "[2001:db8::1]", "not an address, a network or a range" },
    { "192.0.2.1:80", "not an address, a network or a range" },
    { "example.com", "not an address, a network or a range" },
    { "*", "not an address, a network or a range" },
};

START_TEST(entry_table)
{
    struct entry entry;
    const char  *reason = entry_parse(span_of(entries[_i].text), &entry);
    char         got[2 * ADDRESS_TEXT_MAX + 2], first[ADDRESS_TEXT_MAX], last[ADDRESS_TEXT_MAX];

    if (reason == NULL) {
        network_format(entry.first, entry.first.bits, first);
        network_format(entry.last, entry.last.bits, last);
        snprintf(got, sizeof got, "%s%s-%s", entry.exact ? "" : "~", first, last);
    }
    ck_assert_str_eq(reason != NULL ? reason : got, entries[_i].expected);
}
END_TEST

START_TEST(blank_entries)
{
    static const char *const blank[] = { "", " ", "#", ";", " \t# a", "; 192.0.2.1", "\r", "\f\v" };

    for (size_t i = 0; i < sizeof blank / sizeof *blank; i++)
        ck_assert_msg(entry_is_blank(span_of(blank[i])), "'%s'", blank[i]);
    ck_assert(!entry_is_blank(SPAN_LITERAL(" a")) && !entry_is_blank(SPAN_LITERAL("192.0.2.1 #")));
}
END_TEST

/* ---- fields ---- */

static const struct {
    const char *record, *expected; /* the fields with '^' between them */
    char        separator;
    bool        open;
} records[] = {
    { "", "", ' ', false },
    { "a", "a", ' ', false },
    { "a,b", "a^b", ',', false },
    { ",", "^", ',', false },
    { "a,,b,", "a^^b^", ',', false },
    { "\"a\",\"b\"", "a^b", ',', false },
    { "\"a,b\",c", "a,b^c", ',', false },
    { "\"a\"\"b\",c", "a\"b^c", ',', false },
    { "\"\",c", "^c", ',', false },
    { "\"\"\"\"", "\"", ' ', false },
    { "a\"b\"c,d", "a\"b\"c^d", ',', false },
    { "\"a\"b,c", "ab^c", ',', false },
    { "a,\"b\nc\",d", "a^b\nc^d", ',', false },
    { "a,\"b", "a^b", ',', true },
    { "\"a,b", "a,b", ' ', true },
    { "\"a\"\"", "a\"", ' ', true },
    { "a\tb\t\tc", "a^b^^c", '\t', false },
    { "a;b", "a^b", ';', false },
    { "a|b,c", "a^b,c", '|', false },
    { "a;b,c", "a^b,c", ';', false },
    { "\"a;b\",c", "a;b^c", ',', false },
    { "a b  c", "a^b^c", ' ', false },
    { "a b", "a^b", ' ', false },
};

START_TEST(record_table)
{
    struct span record = span_of(records[_i].record);
    char        separator = csv_separator(record), out[64], got[128] = "";
    size_t      n = 0;

    ck_assert_int_eq(separator, records[_i].separator);
    ck_assert(csv_is_open(record, separator) == records[_i].open);
    for (bool first = true; record.p != NULL; first = false) {
        struct span field = csv_next(&record, separator, out);

        n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", first ? "" : "^", (int)field.n, field.p);
    }
    ck_assert_str_eq(got, records[_i].expected);
}
END_TEST

/* ---- JSON ---- */

static const struct {
    const char      *line, *expected;
    enum json_result result;
} objects[] = {
    { "{\"cidr\":\"192.0.2.0/24\"}", "192.0.2.0/24", JSON_FOUND },
    { " { \"a\" : 1 , \"cidr\" : \"x\" } ", "x", JSON_FOUND },
    { "{\"c\\u0069dr\":\"192.0.2.\\u0031\\/32\"}", "192.0.2.1/32", JSON_FOUND },
    { "{\"cidr\":\"\\u00e9\"}", "\xC3\xA9", JSON_FOUND },
    { "{\"cidr\":\"a\xFFz\"}", "a\xFFz", JSON_FOUND },
    { "{\"a\xFF\":1,\"cidr\":\"x\"}", "x", JSON_FOUND },
    { "{\"a\":{\"cidr\":\"no\"},\"cidr\":\"yes\"}", "yes", JSON_FOUND },
    { "{\"a\":[\"}\",{\"b\":\"]\"}],\"cidr\":\"yes\"}", "yes", JSON_FOUND },
    { "{\"cidr\":\"first\",\"cidr\":\"last\"}", "first", JSON_FOUND },
    { "{\"cidr\":1,\"cidr\":\"text\"}", "text", JSON_FOUND },
    { "{\"cidr\":\"{\\\"cidr\\\":1}\"}", "{\"cidr\":1}", JSON_FOUND },
    { "{\"cidr\":\"\"}", "", JSON_FOUND },
    { "{}", NULL, JSON_MISSING },
    { "{\"cidr\":1}", NULL, JSON_MISSING },
    { "{\"cidr\":null}", NULL, JSON_MISSING },
    { "{\"cidr\":[\"x\"]}", NULL, JSON_MISSING },
    { "{\"cidr\":{\"cidr\":\"x\"}}", NULL, JSON_MISSING },
    { "{\"CIDR\":\"x\",\"cidr \":\"x\"}", NULL, JSON_MISSING },
    { "{\"type\":\"metadata\",\"n\":-1.5e3}", NULL, JSON_MISSING },
    { "", NULL, JSON_BROKEN },
    { "[]", NULL, JSON_BROKEN },
    { "[{\"cidr\":\"x\"}]", NULL, JSON_BROKEN },
    { "\"cidr\"", NULL, JSON_BROKEN },
    { "null", NULL, JSON_BROKEN },
    { "{", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\"", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\"}}", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\"},", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\"}{\"cidr\":\"y\"}", NULL, JSON_BROKEN },
    { "{\"cidr\":\"\\u12\"}", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\",\"a\":nonsense}", NULL, JSON_BROKEN },
    { "{\"a\":[1,\"cidr\":\"x\"}", NULL, JSON_BROKEN },
    /* JSON5, which SQLite's other functions accept from 3.42 on */
    { "{cidr:\"x\"}", NULL, JSON_BROKEN },
    { "{\"cidr\":'x'}", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\",}", NULL, JSON_BROKEN },
    { "{\"cidr\":\"x\"} // c", NULL, JSON_BROKEN },
    /* SQLite 3.40 would find "192.0.2.1". */
    { "{\"cidr\":\"192.0.2.1\\u00000\"}", NULL, JSON_NUL },
};

/* One reader for all lines, since a line must not change what the reader finds in the next. */
START_TEST(object_table)
{
    struct json_line *reader = json_line_new();

    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        size_t           n = strlen(objects[i].line);
        char            *line = malloc(n + 1); /* without a NUL byte at its end; malloc(0) may be NULL */
        struct span      value = SPAN_ABSENT;
        enum json_result result;

        ck_assert_ptr_nonnull(line);
        memcpy(line, objects[i].line, n);
        result = json_line_find(reader, (struct span){ line, n }, SPAN_LITERAL("cidr"), &value);
        ck_assert_msg(result == objects[i].result, "%s: result %d", objects[i].line, (int)result);
        if (objects[i].expected != NULL)
            ck_assert_msg(span_eq(value, span_of(objects[i].expected)), "%s: '%.*s'", objects[i].line, (int)value.n,
                          value.p);
        free(line);
    }
    json_line_free(reader);
}
END_TEST

/* A name is a text and not a part of SQL or of one of SQLite's JSON paths. */
START_TEST(member_names)
{
    static const char *const names[] = { "", "a.b", "a\"b", "it's", "$", "$.a", "[0]", "0", "\xC3\xA9", "a\\b" };
    static const char        line[] =
        "{\"a\":{\"b\":\"no\"},\"\":\"0\",\"a.b\":\"1\",\"a\\\"b\":\"2\",\"it's\":\"3\",\"$\":\"4\","
        "\"$.a\":\"5\",\"[0]\":\"6\",\"0\":\"7\",\"\\u00e9\":\"8\",\"a\\\\b\":\"9\"}";
    struct json_line *reader = json_line_new();
    struct span       value;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_msg(json_line_find(reader, span_of(line), span_of(names[i]), &value) == JSON_FOUND, "%s", names[i]);
        ck_assert_msg(value.n == 1 && value.p[0] == (char)('0' + i), "%s: '%.*s'", names[i], (int)value.n, value.p);
    }
    json_line_free(reader);
}
END_TEST

/* Fills `line` with `head`, then `filler` again and again, then `tail`. */
static struct span fill_line(char line[ADDRESS_FILE_LINE_MAX], const char *head, const char *filler, const char *tail)
{
    size_t head_n = strlen(head), filler_n = strlen(filler), tail_n = strlen(tail), n = head_n;

    memcpy(line, head, head_n);
    for (; n + filler_n + tail_n <= ADDRESS_FILE_LINE_MAX; n += filler_n)
        memcpy(line + n, filler, filler_n);
    memcpy(line + n, tail, tail_n);
    return (struct span){ line, n + tail_n };
}

/* The longest lines: one string, as many members as fit, and arrays nested deeper than SQLite accepts. */
START_TEST(longest_objects)
{
    static char       line[ADDRESS_FILE_LINE_MAX];
    struct json_line *reader = json_line_new();
    struct span       name = SPAN_LITERAL("cidr"), text, value;

    text = fill_line(line, "{\"cidr\":\"", "x", "\"}");
    ck_assert_uint_eq(text.n, ADDRESS_FILE_LINE_MAX);
    ck_assert_int_eq(json_line_find(reader, text, name, &value), JSON_FOUND);
    ck_assert_uint_eq(value.n, ADDRESS_FILE_LINE_MAX - strlen("{\"cidr\":\"\"}"));
    text = fill_line(line, "{", "\"\":0,", "\"cidr\":\"x\"}");
    ck_assert_int_eq(json_line_find(reader, text, name, &value), JSON_FOUND);
    ck_assert(span_eq(value, SPAN_LITERAL("x")));
    text = fill_line(line, "{\"cidr\":\"x\",\"a\":", "[", "");
    ck_assert_int_eq(json_line_find(reader, text, name, &value), JSON_BROKEN);
    text = fill_line(line, "{\"cidr\":\"x\",\"a\":", "{\"a\":", "");
    ck_assert_int_eq(json_line_find(reader, text, name, &value), JSON_BROKEN);
    ck_assert_int_eq(json_line_find(reader, SPAN_LITERAL("{\"cidr\":\"\0\"}"), name, &value), JSON_NUL);
    json_line_free(reader);
}
END_TEST

/* ---- files ---- */

struct text {
    char   bytes[4096];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text->n += (size_t)vsnprintf(text->bytes + text->n, sizeof text->bytes - text->n, format, args);
    va_end(args);
    ck_assert_uint_lt(text->n, sizeof text->bytes);
}

static bool put_network(void *context, const struct network *network)
{
    struct text *text = context;
    char         network_text[ADDRESS_TEXT_MAX];

    network_format(network->address, network->prefix, network_text);
    put(text, "%s%s", text->n == 0 ? "" : " ", network_text);
    return true;
}

static void put_refused(void *context, uint64_t line, struct span text, const char *reason)
{
    put(context, "%" PRIu64 ":'%.*s' %s\n", line, text.p == NULL ? 0 : (int)text.n, text.p == NULL ? "" : text.p,
        reason);
}

/* Reads the file in pieces of `piece` bytes: what is in it, what was refused, and why it cannot be used. */
static void read_whole(struct span bytes, const char *column, size_t piece, struct text *networks_text,
                       struct text *refused)
{
    struct networks            networks = { .n = { 0, 0 } };
    struct address_file_counts counts;
    struct address_file       *file = address_file_new(column, &networks, put_refused, refused);
    const char                *reason;

    while (bytes.n > 0 && address_file_feed(file, (struct span){ bytes.p, piece < bytes.n ? piece : bytes.n })) {
        bytes.p += piece < bytes.n ? piece : bytes.n;
        bytes.n -= piece < bytes.n ? piece : bytes.n;
    }
    reason = address_file_end(file, &counts);
    if (reason != NULL)
        put(refused, "unusable: %s\n", reason);
    address_file_free(file);
    networks_merge(&networks);
    networks_each(&networks, put_network, networks_text);
    networks_fini(&networks);
}

#define NOT_ONE "not an address, a network or a range\n"

static const struct {
    const char *bytes, *column, *networks, *refused;
} files[] = {
    /* one entry a line */
    { "192.0.2.1\n", NULL, "192.0.2.1", "" },
    { "192.0.2.1", NULL, "192.0.2.1", "" },
    { "\xEF\xBB\xBF"
      "192.0.2.1\r\n\r\n  10.1.2.3/8\t# private\r\n",
      NULL, "10.0.0.0/8 192.0.2.1", "" },
    { "\xEF\xBB\xBF# a comment\n192.0.2.1\n", NULL, "192.0.2.1", "" },
    { "#\n# example_level1\n#\n# Maintainer : http://example.com/\n1.0.0.0/24\n1.0.1.0/24\n1.2.3.4\n", NULL,
      "1.0.0.0/23 1.2.3.4", "" },
    { "; Spamhaus DROP List 2026/11/20\n; https://www.example.com/drop/drop.txt\n1.10.16.0/20 ; SBL256894\n"
      "1.19.0.0/16 ; SBL434604\n",
      NULL, "1.10.16.0/20 1.19.0.0/16", "" },
    { "2.0.0.1\n1.0.0.1\nx\n1.0.0.0\n", NULL, "1.0.0.0/31 2.0.0.1", "3:'x' " NOT_ONE },
    { "1.0.0.1\nx\ny\n", NULL, "1.0.0.1",
      "2:'x' " NOT_ONE "3:'y' " NOT_ONE "unusable: most of it is no list of addresses: 2 of 3 entries\n" },
    { "1.0.0.1\nx\n", NULL, "1.0.0.1", "2:'x' " NOT_ONE },
    { "1.0.0.1\n2.0.0.1\n10.0.0.0/1", NULL, "1.0.0.1 2.0.0.1",
      "3:'10.0.0.0/1' bits behind the prefix, and the file ends without a line break: is the file complete?\n" },
    { "1.0.0.1\n2.0.0.1\n10.0.0.0/1\n", NULL, "0.0.0.0/1", "" },
    { "# nothing\n\n;\n", NULL, "", "" },
    { "", NULL, "", "unusable: empty\n" },
    { "\n", NULL, "", "" },
    { "<html>\n1.0.0.1\n", NULL, "", "unusable: a web page or XML, not a list\n" },
    { " <?xml?>\n1.0.0.1\n", NULL, "", "unusable: a web page or XML, not a list\n" },
    { "PK\x03\x04 1.0.0.1\n1.0.0.1\n", NULL, "",
      "unusable: a zip archive: unpack it first, as in unzip -p FILE | spoa-rules import RULES.db LIST -\n" },
    { "\x1F\x8B", NULL, "",
      "unusable: compressed with gzip: unpack it first, as in zcat FILE | spoa-rules import RULES.db LIST -\n" },

    /* CSV */
    { "network,geoname_id,registered\n1.0.0.0/24,2077456,\n1.0.4.0/22,2077456,2077456\n", "network",
      "1.0.0.0/24 1.0.4.0/22", "" },
    { "network,geoname_id,registered\n1.0.0.0/24,2077456,\n", "1", "1.0.0.0/24", "" },
    { "1.0.0.0/24,2077456,\n1.0.1.0/24,1,\n", "1", "1.0.0.0/23", "" },
    { "# Feodo\r\n#\r\n\"first_seen\",\"dst_ip\",\"port\"\r\n\"2026-11-20 09:00:00\",\"192.0.2.1\",\"443\"\r\n# "
      "END\r\n",
      "dst_ip", "192.0.2.1", "" },
    { "a,ip\n\"two\nlines, \"\"quoted\"\"\",192.0.2.1\nx,192.0.2.2\ny,no\n", "ip", "192.0.2.1 192.0.2.2",
      "5:'no' " NOT_ONE },
    { "a,ip\nb\n\"c\",1.0.0.1\nd,2.0.0.1\n,\n", "ip", "1.0.0.1 2.0.0.1",
      "2:'b' fewer columns than --column says\n5:'' nothing where the entry should be\n" },
    { "ip,a\n1.0.0.1,b\n2.0.0.1,\"c\n", "ip", "1.0.0.1", "3:'' a quote that is not closed\n" },
    { "1.0.0.1,b\n2.0.0.256,c\n", "1", "1.0.0.1", "2:'2.0.0.256' " NOT_ONE },
    { "1.0.0.256,b\n2.0.0.1,c\n", "1", "2.0.0.1", "1:'1.0.0.256' " NOT_ONE },
    { "1.0.0.1\t8\n2.0.0.1\t3\n", "1", "1.0.0.1 2.0.0.1", "" },
    { "\t1.0.0.1\n\t2.0.0.1\n", "2", "1.0.0.1 2.0.0.1", "" },
    { "ExitAddress 1.0.0.1 2026-11-20 09:00:00\nExitAddress 2.0.0.1 2026-11-20\n", "2", "1.0.0.1 2.0.0.1", "" },
    { "name;ip\nx;1.0.0.1\n", "ip", "1.0.0.1", "" },
    { "a,b\n1.0.0.1,2.0.0.1\n", "c", "", "unusable: no column 'c' in its first line: a,b\n" },
    { "1.0.0.1\n", "3", "",
      "1:'1.0.0.1' fewer columns than --column says\nunusable: most of it is no list of addresses: 1 of 1 entries\n" },
    { "192.0.2.1 - 192.0.2.2,a\n", "1", "192.0.2.1 192.0.2.2", "" },

    /* JSON */
    { "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n{\"cidr\":\"2001:db8::/32\",\"sblid\":"
      "\"SBL1\"}\n{\"type\":\"metadata\",\"timestamp\":1732000000,\"records\":2,\"terms\":\"https:\\/\\/"
      "example.com\"}\n",
      NULL, "1.10.16.0/20 2001:db8::/32", "" },
    { "{\"ip\":\"192.0.2.1\"}\n{\"ip\":\"192.0.2.0\"}\n", "ip", "192.0.2.0/31", "" },
    { "{\"cidr\":\"192.0.2.1\"}\n{\"asn\":1}\n{\"cidr\":\"192.0.2.3\"}\n{\n", NULL, "192.0.2.1 192.0.2.3",
      "2:'{\"asn\":1}' no text \"cidr\" in the object: name another with --column\n"
      "4:'{' not a JSON object on one line\n" },
    { "{\"cidr\":\"192.0.2.1\"}\n{\"cidr\":\"10.0.0.0/1\\u00006\"}\n{cidr:\"192.0.2.3\"}\n{\"cidr\":\"192.0.2.4\"}\n",
      NULL, "192.0.2.1 192.0.2.4",
      "2:'{\"cidr\":\"10.0.0.0/1\\u00006\"}' a NUL byte in it\n"
      "3:'{cidr:\"192.0.2.3\"}' not a JSON object on one line\n" },
    { "{\n  \"prefixes\": [\n    {\n      \"ip_prefix\": \"192.0.2.0/24\"\n", NULL, "",
      "unusable: JSON that is not an object a line: take the addresses out first, as in jq -r '.prefixes[].ip_prefix' "
      "FILE | spoa-rules import RULES.db LIST -\n" },
    { "[{\"cidr\":\"192.0.2.0/24\"}]\n", NULL, "",
      "unusable: JSON that is not an object a line: take the addresses out first, as in jq -r '.prefixes[].ip_prefix' "
      "FILE | spoa-rules import RULES.db LIST -\n" },
};

START_TEST(file_table)
{
    for (size_t piece = 1; piece <= 4096; piece = piece < 8 ? piece + 1 : piece * 8) {
        struct text networks = { .n = 0 }, refused = { .n = 0 };

        read_whole(span_of(files[_i].bytes), files[_i].column, piece, &networks, &refused);
        ck_assert_str_eq(refused.bytes, files[_i].refused);
        if (strstr(refused.bytes, "unusable") == NULL)
            ck_assert_str_eq(networks.bytes, files[_i].networks);
    }
}
END_TEST

START_TEST(nul_bytes)
{
    struct text networks = { .n = 0 }, refused = { .n = 0 };

    read_whole(SPAN_LITERAL("1.0.0.1\n2.0.0.1\0\n3.0.0.1\n"), NULL, 64, &networks, &refused);
    ck_assert_str_eq(networks.bytes, "1.0.0.1 3.0.0.1");
    ck_assert_msg(strncmp(refused.bytes, "2:'2.0.0.1", 10) == 0, "%s", refused.bytes);

    /* The first line, which decides the format, is no exception. */
    networks.n = refused.n = 0;
    networks.bytes[0] = refused.bytes[0] = '\0';
    read_whole(SPAN_LITERAL("{\"cidr\":\"1.0.0.1\0\"}\n{\"cidr\":\"2.0.0.1\"}\n"), NULL, 64, &networks, &refused);
    ck_assert_str_eq(networks.bytes, "2.0.0.1");
    ck_assert_msg(strncmp(refused.bytes, "1:'{\"cidr\":\"1.0.0.1", 19) == 0, "%s", refused.bytes);
}
END_TEST

static size_t told;

static void count_refused(void *context, uint64_t line, struct span text, const char *reason)
{
    (void)line;
    (void)text;
    ck_assert_str_eq(reason, context);
    told++;
}

/* A line may be as long as the file: it costs no more than one that is too long, and the next is read. */
START_TEST(huge_lines)
{
    static char                reason[] = "a line of more than 65536 bytes", piece[100000];
    struct networks            networks = { .n = { 0, 0 } };
    struct address_file_counts counts;
    struct address_file       *file = address_file_new(NULL, &networks, count_refused, reason);

    memset(piece, 'x', sizeof piece);
    told = 0;
    ck_assert(address_file_feed(file, SPAN_LITERAL("1.0.0.1\n")));
    for (int i = 0; i < 100; i++)
        ck_assert(address_file_feed(file, (struct span){ piece, sizeof piece }));
    ck_assert(address_file_feed(file, SPAN_LITERAL("\n3.0.0.1\n")));
    ck_assert_ptr_null(address_file_end(file, &counts));
    ck_assert_uint_eq(counts.lines, 3);
    ck_assert_uint_eq(counts.taken, 2);
    ck_assert_uint_eq(told, 1);
    address_file_free(file);
    networks_fini(&networks);
}
END_TEST

/* A quote that is never closed takes 16 lines with it, and not the rest of the file. */
START_TEST(open_quote)
{
    static char                reason[] = "a quote that is not closed";
    struct networks            networks = { .n = { 0, 0 } };
    struct address_file_counts counts;
    struct address_file       *file = address_file_new("1", &networks, count_refused, reason);
    char                       line[32];

    told = 0;
    for (int i = 0; i < 200; i++) {
        int n = snprintf(line, sizeof line, "10.0.%d.1,%sa\n", i, i == 20 ? "\"" : "");

        ck_assert(address_file_feed(file, (struct span){ line, (size_t)n }));
    }
    ck_assert_ptr_null(address_file_end(file, &counts));
    ck_assert_uint_eq(counts.taken + told, 200);
    ck_assert_uint_eq(told, ADDRESS_FILE_RECORD_LINES_MAX + 1);
    address_file_free(file);
    networks_fini(&networks);
}
END_TEST

/* ---- networks ---- */

/* A number as an address: of IPv4, or of IPv6 around a boundary of 64 bits, so that carries are met. */
static struct address address_at(bool v6, unsigned number)
{
    uint8_t bytes[16] = { 0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
    uint8_t v4[4] = { 255, 255, 255, (uint8_t)number };

    if (!v6)
        return address_from_v4(v4);
    if (number >= 128) {
        memset(bytes + 8, 0, 7);
        bytes[7] = 1;
        bytes[15] = (uint8_t)(number - 128);
    } else {
        bytes[15] = (uint8_t)(number + 128);
    }
    return address_from_v6(bytes);
}

struct seen {
    bool   v6;
    bool   held[256];
    size_t networks, others;
};

static bool note_network(void *context, const struct network *network)
{
    struct seen *seen = context;

    if ((network->address.bits == 128) != seen->v6) {
        seen->others++;
        return true;
    }
    seen->networks++;
    for (unsigned i = 0; i < 256; i++) {
        struct address address = address_at(seen->v6, i);

        if (!network_holds(network, &address))
            continue;
        ck_assert_msg(!seen->held[i], "two networks hold the same");
        seen->held[i] = true;
    }
    return true;
}

/* The fewest aligned blocks for [from, to] of 256 numbers, counted one by one: the block that begins at a number is as
 * large as it can be. */
static size_t fewest(const bool *wanted)
{
    size_t n = 0;

    for (unsigned i = 0; i < 256;) {
        unsigned size = 1;

        if (!wanted[i]) {
            i++;
            continue;
        }
        for (;;) {
            bool all = i % (size * 2) == 0 && i + size * 2 <= 256;

            for (unsigned k = i + size; all && k < i + size * 2; k++)
                all = wanted[k];
            if (!all)
                break;
            size *= 2;
        }
        i += size;
        n++;
    }
    return n;
}

START_TEST(random_ranges)
{
    struct random random = { 1 };

    for (int round = 0; round < 20000; round++) {
        struct networks networks = { .n = { 0, 0 } };
        struct seen     seen = { .v6 = round % 2 == 1 };
        bool            wanted[256] = { false };

        for (int64_t n = random_below(&random, 12) + 1; n > 0; n--) {
            unsigned       from = (unsigned)random_below(&random, 256);
            unsigned       to = from + (unsigned)random_below(&random, round % 3 == 0 ? 256 - from : 4);
            struct address first, last;

            to = to > 255 ? 255 : to;
            first = address_at(seen.v6, from);
            last = address_at(seen.v6, to);
            ck_assert(networks_add(&networks, &first, &last));
            for (unsigned i = from; i <= to; i++)
                wanted[i] = true;
        }
        networks_merge(&networks);
        networks_each(&networks, note_network, &seen);
        networks_fini(&networks);
        if (memcmp(seen.held, wanted, sizeof wanted) != 0 || seen.others != 0)
            ck_abort_msg("round %d: not what was added", round);
        if (!seen.v6 && seen.networks != fewest(wanted))
            ck_abort_msg("round %d: %zu networks where %zu do", round, seen.networks, fewest(wanted));
    }
}
END_TEST

static const struct {
    const char *entries, *networks;
} merged[] = {
    { "0.0.0.0-255.255.255.255\n::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", "0.0.0.0/0 ::/0" },
    { "255.255.255.255\n255.255.255.254\n0.0.0.0\n", "0.0.0.0 255.255.255.254/31" },
    { "0.0.0.0/1\n128.0.0.0/1\n128.0.0.0/2\n", "0.0.0.0/0" },
    { "::/1\n8000::/1\n1.2.3.4\n", "1.2.3.4 ::/0" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n::\n", ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    { "0.0.0.1-255.255.255.254\n",
      "0.0.0.1 0.0.0.2/31 0.0.0.4/30 0.0.0.8/29 0.0.0.16/28 0.0.0.32/27 0.0.0.64/26 0.0.0.128/25 0.0.1.0/24 0.0.2.0/23 "
      "0.0.4.0/22 0.0.8.0/21 0.0.16.0/20 0.0.32.0/19 0.0.64.0/18 0.0.128.0/17 0.1.0.0/16 0.2.0.0/15 0.4.0.0/14 "
      "0.8.0.0/13 0.16.0.0/12 0.32.0.0/11 0.64.0.0/10 0.128.0.0/9 1.0.0.0/8 2.0.0.0/7 4.0.0.0/6 8.0.0.0/5 16.0.0.0/4 "
      "32.0.0.0/3 64.0.0.0/2 128.0.0.0/2 192.0.0.0/3 224.0.0.0/4 240.0.0.0/5 248.0.0.0/6 252.0.0.0/7 254.0.0.0/8 "
      "255.0.0.0/9 255.128.0.0/10 255.192.0.0/11 255.224.0.0/12 255.240.0.0/13 255.248.0.0/14 255.252.0.0/15 "
      "255.254.0.0/16 255.255.0.0/17 255.255.128.0/18 255.255.192.0/19 255.255.224.0/20 255.255.240.0/21 "
      "255.255.248.0/22 255.255.252.0/23 255.255.254.0/24 255.255.255.0/25 255.255.255.128/26 255.255.255.192/27 "
      "255.255.255.224/28 255.255.255.240/29 255.255.255.248/30 255.255.255.252/31 255.255.255.254" },
    /* No client has an IPv4-mapped address, and the agent takes none in a list: the block of them is left out. */
    { "::fffe:ffff:ffff-::1:0:0:0\n", "::fffe:ffff:ffff ::1:0:0:0" },
    { "::fffe:0:0-::1:0:0:0\n", "::fffe:0:0/95 ::1:0:0:0" },
};

START_TEST(merged_table)
{
    struct text networks = { .n = 0 }, refused = { .n = 0 };

    read_whole(span_of(merged[_i].entries), NULL, 64, &networks, &refused);
    ck_assert_str_eq(refused.bytes, "");
    ck_assert_str_eq(networks.bytes, merged[_i].networks);
}
END_TEST

static bool count_networks(void *context, const struct network *network)
{
    (void)network;
    ++*(size_t *)context;
    return true;
}

static bool stop_at_once(void *context, const struct network *network)
{
    (void)network;
    ++*(size_t *)context;
    return false;
}

/* What comes again and again takes no memory. */
START_TEST(repeated_entries)
{
    struct networks networks = { .n = { 0, 0 } };
    struct address  address = address_at(false, 7), other = address_at(true, 7);
    size_t          n = 0;

    for (int i = 0; i < 1000000; i++)
        require(networks_add(&networks, &address, &address), "full");
    ck_assert(networks_add(&networks, &other, &other));
    ck_assert_uint_le(networks.room[0], 4096);
    networks_merge(&networks);
    networks_each(&networks, count_networks, &n);
    ck_assert_uint_eq(n, 2);
    networks_each(&networks, stop_at_once, &n);
    ck_assert_uint_eq(n, 3);
    networks_fini(&networks);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("lists");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, entry_table, 0, sizeof entries / sizeof *entries);
    tcase_add_test(tcase, blank_entries);
    tcase_add_loop_test(tcase, record_table, 0, sizeof records / sizeof *records);
    tcase_add_test(tcase, object_table);
    tcase_add_test(tcase, member_names);
    tcase_add_test(tcase, longest_objects);
    tcase_add_loop_test(tcase, file_table, 0, sizeof files / sizeof *files);
    tcase_add_test(tcase, nul_bytes);
    tcase_add_test(tcase, huge_lines);
    tcase_add_test(tcase, open_quote);
    tcase_add_test(tcase, random_ranges);
    tcase_add_loop_test(tcase, merged_table, 0, sizeof merged / sizeof *merged);
    tcase_add_test(tcase, repeated_entries);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
