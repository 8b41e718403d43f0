/* Lists against an oracle that looks at each entry: texts of any bytes, networks of all lengths, both families. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/list.h"

static uint64_t state = 0x9E3779B97F4A7C15u;

static unsigned below(unsigned n)
{
    /* xorshift64 (Marsaglia, 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 20) % n);
}

static struct list *list_of(const char *const entries[])
{
    struct list *list = list_new("l", 1);

    for (size_t i = 0; entries[i] != NULL; i++)
        list_add(list, span_of(entries[i]));
    list_finish(list);
    return list;
}

static void must_compile(struct list *list)
{
    struct span bad;
    char        remedy[ADDRESS_TEXT_MAX + 32];

    ck_assert_msg(list_compile_addresses(list, &bad, remedy), "%.*s: %s", (int)bad.n, bad.p, remedy);
}

static bool holds(const struct list *list, const char *text)
{
    struct address address;

    ck_assert_msg(address_parse(span_of(text), &address), "%s", text);
    return list_holds_address(list, &address);
}

/* ---- by hand ---- */

START_TEST(names_and_fingerprints)
{
    char         name[] = "offices";
    struct list *list = list_new(name, UINT64_MAX - 7);

    name[0] = 'X';
    ck_assert_str_eq(list_name(list), "offices");
    ck_assert(list_fingerprint(list) == UINT64_MAX - 7);
    list_finish(list);
    ck_assert_uint_eq(list_size(list), 0);
    ck_assert(!list_holds_text(list, SPAN_LITERAL("")) && !list_holds_text(list, SPAN_LITERAL("a")));
    must_compile(list);
    ck_assert(!holds(list, "0.0.0.0") && !holds(list, "::"));
    list_free(list);
    list_free(NULL);
}
END_TEST

static bool collect(void *context, struct span entry)
{
    char *out = context;

    strncat(out, entry.p, entry.n);
    strcat(out, ";");
    return entry.n < 3;
}

START_TEST(texts)
{
    struct list *list = list_of((const char *const[]){ "a", "ab", "*", "!a", "@l", "~.", "a", "b", "ab", NULL });
    char         seen[64] = "";

    list_each(list, collect, seen);
    ck_assert_str_eq(seen, "a;ab;*;!a;@l;~.;a;b;ab;");
    ck_assert(list_holds_text(list, SPAN_LITERAL("a")) && list_holds_text(list, SPAN_LITERAL("ab")));
    ck_assert(list_holds_text(list, SPAN_LITERAL("*")) && list_holds_text(list, SPAN_LITERAL("~.")));
    /* Entries are taken literally, whole, and by case. */
    ck_assert(!list_holds_text(list, SPAN_LITERAL("c")) && !list_holds_text(list, SPAN_LITERAL("")));
    ck_assert(!list_holds_text(list, SPAN_LITERAL("A")) && !list_holds_text(list, SPAN_LITERAL("abc")));
    ck_assert(!list_holds_text(list, SPAN_LITERAL("a\0")) && !list_holds_text(list, SPAN_LITERAL("l")));
    list_free(list);
}
END_TEST

START_TEST(each_ends_when_told)
{
    struct list *list = list_of((const char *const[]){ "a", "abc", "b", NULL });
    char         seen[64] = "";

    list_each(list, collect, seen);
    ck_assert_str_eq(seen, "a;abc;");
    list_free(list);
}
END_TEST

START_TEST(entries_are_copied)
{
    struct list *list = list_new("l", 1);
    char         entry[] = "192.0.2.1";

    list_add(list, span_of(entry));
    memset(entry, 'x', sizeof entry);
    list_finish(list);
    must_compile(list);
    ck_assert(list_holds_text(list, SPAN_LITERAL("192.0.2.1")) && holds(list, "192.0.2.1"));
    list_free(list);
}
END_TEST

START_TEST(addresses)
{
    struct list *list =
        list_of((const char *const[]){ "192.0.2.1", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "198.51.100.7/32",
                                       "2001:db8::/32", "2001:db8:0::0/32", "2001:DB9::1", "fe80::/10", NULL });

    must_compile(list);
    must_compile(list); /* the second rule that names it */
    ck_assert(holds(list, "192.0.2.1") && !holds(list, "192.0.2.0") && !holds(list, "192.0.2.3"));
    ck_assert(holds(list, "10.0.0.0") && holds(list, "10.255.255.255") && holds(list, "10.1.2.3"));
    ck_assert(!holds(list, "9.255.255.255") && !holds(list, "11.0.0.0"));
    ck_assert(holds(list, "198.51.100.7") && !holds(list, "198.51.100.6"));
    ck_assert(holds(list, "2001:db8::") && holds(list, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    ck_assert(holds(list, "2001:db9::1") && !holds(list, "2001:db9::2"));
    ck_assert(holds(list, "febf::1") && !holds(list, "fec0::1"));
    /* A mapped address is the IPv4 address; the same bytes in the other family are not. */
    ck_assert(holds(list, "::ffff:10.2.3.4") && !holds(list, "::ffff:11.2.3.4"));
    ck_assert(!holds(list, "a00::") && !holds(list, "::10.2.3.4"));
    list_free(list);
}
END_TEST

START_TEST(everybody_of_one_family)
{
    struct list *v4 = list_of((const char *const[]){ "0.0.0.0/0", NULL });
    struct list *v6 = list_of((const char *const[]){ "::/0", NULL });

    must_compile(v4);
    must_compile(v6);
    ck_assert(holds(v4, "0.0.0.0") && holds(v4, "255.255.255.255") && !holds(v4, "::") && !holds(v4, "2001:db8::1"));
    ck_assert(!holds(v6, "0.0.0.0") && !holds(v6, "::ffff:0.0.0.0") && holds(v6, "::") && holds(v6, "2001:db8::1"));
    list_free(v4);
    list_free(v6);
}
END_TEST

#define WRITE_ONE "write an address or a network such as 192.0.2.0/24"

static const struct {
    const char *entry, *remedy;
} wrong[] = {
    { "192.0.2.1/24", "write 192.0.2.0/24" },
    { "10.0.0.1/0", "write 0.0.0.0/0" },
    { "2001:db8::1/32", "write 2001:db8::/32" },
    { "2001:db8:0:0:0:0:0:1/127", "write 2001:db8::/127" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "write ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127" },
    { "::ffff:192.0.2.1", "write 192.0.2.1" },
    { "::ffff:c000:201", "write 192.0.2.1" },
    { "::ffff:192.0.2.1/128", "write 192.0.2.1" },
    { "::ffff:10.0.0.0/104", "write 10.0.0.0/8" },
    { "::ffff:0:0/96", "write 0.0.0.0/0" },
    { "::ffff:0:0/95", WRITE_ONE },
    { "192.0.2.256", WRITE_ONE },
    { "192.0.2", WRITE_ONE },
    { "192.0.2.1/33", WRITE_ONE },
    { "192.0.2.1/", WRITE_ONE },
    { "192.0.2.0/024", WRITE_ONE },
    { "192.0.2.0/-1", WRITE_ONE },
    { "192.0.2.0/24 ", WRITE_ONE },
    { "192.0.2.0/24/24", WRITE_ONE },
    { "2001:db8::/129", WRITE_ONE },
    { "2001:db8::1%eth0", WRITE_ONE },
    { "[2001:db8::1]", WRITE_ONE },
    { "localhost", WRITE_ONE },
    { "*", WRITE_ONE },
    { "!192.0.2.1", WRITE_ONE },
    { "192.0.2.1-192.0.2.9", WRITE_ONE },
};

START_TEST(wrong_addresses)
{
    struct list *list = list_of((const char *const[]){ "192.0.2.7", wrong[_i].entry, "nonsense", NULL });
    struct span  bad;
    char         remedy[ADDRESS_TEXT_MAX + 32];

    /* Each time; and its texts go on being of use. */
    for (int i = 0; i < 2; i++) {
        ck_assert(!list_compile_addresses(list, &bad, remedy));
        ck_assert_msg(span_eq(bad, span_of(wrong[_i].entry)), "%.*s", (int)bad.n, bad.p);
        ck_assert_str_eq(remedy, wrong[_i].remedy);
        ck_assert(list_holds_text(list, span_of(wrong[_i].entry)));
    }
    list_free(list);
}
END_TEST

/* Under ASan neither a leak nor a use after the end goes unseen. */
START_TEST(held_and_freed)
{
    struct list *list = list_of((const char *const[]){ "192.0.2.1", NULL });

    ck_assert_ptr_eq(list_hold(list), list);
    ck_assert_ptr_eq(list_hold(list), list);
    list_free(list);
    must_compile(list);
    list_free(list);
    ck_assert(list_holds_text(list, SPAN_LITERAL("192.0.2.1")) && holds(list, "192.0.2.1"));
    ck_assert_str_eq(list_name(list), "l");
    list_free(list);
}
END_TEST

/* ---- against the oracle ---- */

#define ENTRIES_MAX 300

struct text {
    char     bytes[8];
    unsigned n;
};

static struct text random_text(void)
{
    static const char alphabet[] = { 'a', 'b', '\0', '/', '\xC3', '\xA4' };
    struct text       text = { .n = below(6) };

    for (unsigned i = 0; i < text.n; i++)
        text.bytes[i] = alphabet[below(sizeof alphabet)];
    return text;
}

static bool oracle_text(const struct text *entries, size_t n, const struct text *text)
{
    for (size_t i = 0; i < n; i++)
        if (entries[i].n == text->n && memcmp(entries[i].bytes, text->bytes, text->n) == 0)
            return true;
    return false;
}

START_TEST(random_texts)
{
    struct text entries[ENTRIES_MAX];
    long        found = 0, asked = 0;

    for (int round = 0; round < 200; round++) {
        struct list *list = list_new("l", 1);
        size_t       n = below(ENTRIES_MAX) + 1;

        for (size_t i = 0; i < n; i++) {
            entries[i] = random_text();
            list_add(list, (struct span){ entries[i].bytes, entries[i].n });
        }
        list_finish(list);
        ck_assert_uint_eq(list_size(list), n);
        for (int i = 0; i < 500; i++) {
            struct text text = random_text();
            bool        held = list_holds_text(list, (struct span){ text.bytes, text.n });

            ck_assert(held == oracle_text(entries, n, &text));
            found += held;
            asked++;
        }
        list_free(list);
    }
    ck_assert_int_gt(found, asked / 20);
    ck_assert_int_lt(found, asked - asked / 20);
}
END_TEST

/* A network as its bits. */
struct bits {
    uint8_t  bytes[16];
    unsigned bits, prefix;
};

/* Few bits vary, at both ends and in the middle, so that networks hold each other and addresses lie in them. */
static struct bits random_address(void)
{
    struct bits a = { .bits = below(2) ? 32 : 128, .bytes = { 0x20, 0x01, 0x0D, 0xB8 } };
    unsigned    last = a.bits / 8 - 1;

    a.bytes[0] ^= (uint8_t)(below(4) << 6);
    a.bytes[last / 2] ^= (uint8_t)(below(4) << 3);
    a.bytes[last] ^= (uint8_t)below(8);
    a.prefix = a.bits;
    return a;
}

static bool bit(const struct bits *a, unsigned at)
{
    return a->bytes[at / 8] >> (7 - at % 8) & 1;
}

/* Long prefixes mostly: short ones hold nearly everything. */
static struct bits random_network(void)
{
    struct bits a = random_address();

    a.prefix = below(4) == 0 ? below(a.bits + 1) : a.bits - below(7);
    for (unsigned i = a.prefix; i < a.bits; i++)
        if (bit(&a, i))
            a.bytes[i / 8] ^= (uint8_t)(0x80 >> i % 8);
    return a;
}

static struct address address_of(const struct bits *a)
{
    return a->bits == 32 ? address_from_v4(a->bytes) : address_from_v6(a->bytes);
}

static bool oracle_address(const struct bits *entries, size_t n, const struct bits *address)
{
    for (size_t i = 0; i < n; i++) {
        unsigned k = 0;

        if (entries[i].bits != address->bits)
            continue;
        while (k < entries[i].prefix && bit(&entries[i], k) == bit(address, k))
            k++;
        if (k == entries[i].prefix)
            return true;
    }
    return false;
}

START_TEST(random_networks)
{
    struct bits entries[ENTRIES_MAX];
    long        found = 0, asked = 0;

    for (int round = 0; round < 300; round++) {
        struct list *list = list_new("l", 1);
        size_t       n = below(round % 3 == 0 ? ENTRIES_MAX : 8) + 1;

        for (size_t i = 0; i < n; i++) {
            char text[ADDRESS_TEXT_MAX];

            entries[i] = random_network();
            list_add(list, (struct span){ text, network_format(address_of(&entries[i]), entries[i].prefix, text) });
        }
        list_finish(list);
        must_compile(list);
        for (int i = 0; i < 300; i++) {
            struct bits    wanted = random_address();
            struct address address = address_of(&wanted);
            bool           held = list_holds_address(list, &address);

            ck_assert(held == oracle_address(entries, n, &wanted));
            found += held;
            asked++;
        }
        list_free(list);
    }
    ck_assert_int_gt(found, asked / 10);
    ck_assert_int_lt(found, asked - asked / 10);
}
END_TEST

/* The address that differs from `a` in one bit. */
static struct address flipped(struct bits a, unsigned at)
{
    a.bytes[at / 8] ^= (uint8_t)(0x80 >> at % 8);
    return address_of(&a);
}

/* A list of one network, for each length: in as far as the prefix goes, out beyond it. */
START_TEST(each_length)
{
    for (unsigned family = 32; family <= 128; family += 96) {
        for (unsigned prefix = 0; prefix <= family; prefix++) {
            struct bits  base = { .bits = family, .prefix = prefix, .bytes = { 0x2A, 0x55, 0xAA } };
            struct list *list = list_new("l", 1);
            char         text[ADDRESS_TEXT_MAX];

            list_add(list,
                     (struct span){ text, network_format(address_masked(address_of(&base), prefix), prefix, text) });
            list_finish(list);
            must_compile(list);
            for (unsigned at = 0; at < family; at++) {
                struct address address = flipped(base, at);

                ck_assert(list_holds_address(list, &address) == (at >= prefix));
            }
            list_free(list);
        }
    }
}
END_TEST

/* All 162 lengths in one list, each with a network that lies in no other. */
START_TEST(all_lengths_at_once)
{
    struct list *list = list_new("l", 1);
    char         text[ADDRESS_TEXT_MAX];

    for (unsigned family = 32; family <= 128; family += 96) {
        for (unsigned prefix = 1; prefix <= family; prefix++) {
            /* 0, 10, 110, 1110 ... as prefixes: none holds another, and only all ones is in none. */
            struct bits a = { .bits = family };

            for (unsigned i = 0; i + 1 < prefix; i++)
                a.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
            list_add(list, (struct span){ text, network_format(address_of(&a), prefix, text) });
        }
    }
    list_finish(list);
    must_compile(list);
    for (unsigned family = 32; family <= 128; family += 96) {
        struct bits    ones = { .bits = family };
        struct address address;

        memset(ones.bytes, 0xFF, family / 8);
        for (unsigned at = 0; at < family; at++) {
            address = flipped(ones, at);
            ck_assert(list_holds_address(list, &address));
        }
        address = address_of(&ones);
        ck_assert(!list_holds_address(list, &address));
    }
    list_free(list);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("list");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_test(tcase, names_and_fingerprints);
    tcase_add_test(tcase, texts);
    tcase_add_test(tcase, each_ends_when_told);
    tcase_add_test(tcase, entries_are_copied);
    tcase_add_test(tcase, addresses);
    tcase_add_test(tcase, everybody_of_one_family);
    tcase_add_loop_test(tcase, wrong_addresses, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(tcase, held_and_freed);
    tcase_add_test(tcase, random_texts);
    tcase_add_test(tcase, random_networks);
    tcase_add_test(tcase, each_length);
    tcase_add_test(tcase, all_lengths_at_once);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
