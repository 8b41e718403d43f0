/* Addresses and networks, against inet_pton() and bit by bit. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/require.h"
#include "policy/address.h"

static const struct {
    const char *from, *to; /* NULL: no address */
} addresses[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255", "255.255.255.255" },
    { "2001:DB8::1", "2001:db8::1" },
    { "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
    { "::", "::" },
    { "::1", "::1" },
    { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
    { "::ffff:192.0.2.1", "192.0.2.1" },
    { "::FFFF:c000:201", "192.0.2.1" },
    { "0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1" },
    { "::192.0.2.1", "::192.0.2.1" },
    { "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
    { "::ffff:0:0", "0.0.0.0" },
    { "::fffe:192.0.2.1", "::fffe:c000:201" },
    { "1::ffff:192.0.2.1", "1::ffff:c000:201" },
    { "", NULL },
    { "192.0.2", NULL },
    { "192.0.2.1.", NULL },
    { "192.0.2.256", NULL },
    { "192.0.2.01", NULL },
    { "0x7f.0.0.1", NULL },
    { "2130706433", NULL },
    { " 192.0.2.1", NULL },
    { "192.0.2.1 ", NULL },
    { "192.0.2.1/32", NULL },
    { "[::1]", NULL },
    { "::1%lo", NULL },
    { ":::", NULL },
    { "1:2:3:4:5:6:7:8:9", NULL },
    { "12345::", NULL },
    { "unix", NULL },
    { "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL },
};

START_TEST(address_texts)
{
    struct span    from = span_of(addresses[_i].from);
    char          *copy = malloc(from.n), out[ADDRESS_TEXT_MAX];
    struct address address;
    bool           parsed;

    memcpy(copy, from.p, from.n);
    parsed = address_parse((struct span){ copy, from.n }, &address);
    free(copy);
    ck_assert_msg(parsed == (addresses[_i].to != NULL), "%s", addresses[_i].from);
    if (!parsed)
        return;
    ck_assert_uint_eq(network_format(address, address.bits, out), strlen(addresses[_i].to));
    ck_assert_str_eq(out, addresses[_i].to);
}
END_TEST

START_TEST(no_text)
{
    struct address address;
    struct network network;
    bool           exact;

    ck_assert(!address_parse(SPAN_ABSENT, &address));
    ck_assert(!network_parse(SPAN_ABSENT, &network, &exact));
    ck_assert(!address_parse(SPAN_LITERAL("192.0.2.1\0"), &address));
}
END_TEST

static const struct {
    const char *from, *to; /* NULL: no network */
    bool        exact;
} networks[] = {
    { "192.0.2.1", "192.0.2.1", true },
    { "192.0.2.1/32", "192.0.2.1", true },
    { "192.0.2.0/24", "192.0.2.0/24", true },
    { "192.0.2.1/24", "192.0.2.0/24", false },
    { "10.0.0.0/7", "10.0.0.0/7", true },
    { "11.0.0.0/7", "10.0.0.0/7", false },
    { "0.0.0.0/0", "0.0.0.0/0", true },
    { "1.0.0.0/0", "0.0.0.0/0", false },
    { "2001:db8::/32", "2001:db8::/32", true },
    { "2001:DB8::/32", "2001:db8::/32", true },
    { "2001:db8::1/32", "2001:db8::/32", false },
    { "::1/128", "::1", true },
    { "::/0", "::/0", true },
    { "8000::/1", "8000::/1", true },
    { "c000::/1", "8000::/1", false },
    { "::ffff:192.0.2.0/120", "192.0.2.0/24", false },
    { "::ffff:192.0.2.1", "192.0.2.1", false },
    { "::ffff:0:0/96", "0.0.0.0/0", false },
    { "::ffff:0:0/95", NULL, false },
    { "192.0.2.0/33", NULL, false },
    { "192.0.2.0/", NULL, false },
    { "192.0.2.0/024", NULL, false },
    { "192.0.2.0/-1", NULL, false },
    { "192.0.2.0/+8", NULL, false },
    { "192.0.2.0/ 8", NULL, false },
    { "192.0.2.0/8/8", NULL, false },
    { "192.0.2.0/255.255.255.0", NULL, false },
    { "2001:db8::/129", NULL, false },
    { "2001:db8::/1000", NULL, false },
    { "192.0.2/24", NULL, false },
    { "/8", NULL, false },
    { "*", NULL, false },
};

START_TEST(network_texts)
{
    struct network network;
    bool           exact;
    char           out[ADDRESS_TEXT_MAX];
    bool           parsed = network_parse(span_of(networks[_i].from), &network, &exact);

    ck_assert_msg(parsed == (networks[_i].to != NULL), "%s", networks[_i].from);
    if (!parsed)
        return;
    ck_assert_uint_eq(network_format(network.address, network.prefix, out), strlen(networks[_i].to));
    ck_assert_str_eq(out, networks[_i].to);
    ck_assert_msg(exact == networks[_i].exact, "%s", networks[_i].from);
}
END_TEST

static uint64_t random_state;

static uint32_t random_u32(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

static bool bit(const uint8_t *bytes, unsigned i)
{
    return (bytes[i / 8] >> (7 - i % 8)) & 1;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (bit(a, i) != bit(b, i))
            return false;
    return true;
}

/* Every length of prefix, addresses that differ in one bit or in many. */
START_TEST(prefixes_bit_by_bit)
{
    random_state = 1;
    for (int i = 0; i < 100000; i++) {
        bool           v4 = random_u32() & 1;
        unsigned       bits = v4 ? 32 : 128, prefix = random_u32() % (bits + 1), flip = random_u32() % bits;
        uint8_t        a[16], b[16];
        struct address x, y, masked;
        struct network network;

        for (int k = 0; k < 16; k++)
            a[k] = (uint8_t)random_u32();
        a[0] |= 1; /* not mapped */
        memcpy(b, a, sizeof b);
        b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
        x = v4 ? address_from_v4(a) : address_from_v6(a);
        y = v4 ? address_from_v4(b) : address_from_v6(b);
        masked = address_masked(x, prefix);
        network = (struct network){ masked, (uint8_t)prefix };
        require(same_bits(masked.bytes, x.bytes, prefix), "/%u", prefix);
        for (unsigned k = prefix; k < 128; k++)
            require(!bit(masked.bytes, k), "/%u leaves bit %u", prefix, k);
        require(network_holds(&network, &x), "/%u", prefix);
        require(network_holds(&network, &y) == (flip >= prefix), "/%u, bit %u", prefix, flip);
    }
}
END_TEST

START_TEST(families_differ)
{
    struct network all_v4, all_v6;
    struct address v4, v6;
    bool           exact;

    ck_assert(network_parse(SPAN_LITERAL("0.0.0.0/0"), &all_v4, &exact) &&
              network_parse(SPAN_LITERAL("::/0"), &all_v6, &exact));
    ck_assert(address_parse(SPAN_LITERAL("0.0.0.0"), &v4) && address_parse(SPAN_LITERAL("::"), &v6));
    ck_assert(network_holds(&all_v4, &v4) && !network_holds(&all_v4, &v6));
    ck_assert(network_holds(&all_v6, &v6) && !network_holds(&all_v6, &v4));
}
END_TEST

/* What inet_pton() takes is taken, and the rest is not; what is formatted parses back. */
START_TEST(random_texts_as_inet_pton)
{
    static const char alphabet[] = "0123456789abcdefF::::..../";
    int               taken = 0;

    random_state = 2;
    for (int i = 0; i < 400000; i++) {
        char           text[24], back[ADDRESS_TEXT_MAX];
        size_t         n = random_u32() % 14;
        uint8_t        v4[4], v6[16];
        struct address address, again;
        bool           is_v4, is_v6, parsed;

        if (i % 4 == 0) {
            n = (size_t)snprintf(text, sizeof text, "%u.%u.%u.%u", random_u32() % 280, random_u32() % 280,
                                 random_u32() % 10, random_u32() % 300);
        } else {
            for (size_t k = 0; k < n; k++)
                text[k] = alphabet[random_u32() % (sizeof alphabet - 1)];
            text[n] = '\0';
        }
        is_v4 = inet_pton(AF_INET, text, v4) == 1;
        is_v6 = inet_pton(AF_INET6, text, v6) == 1;
        parsed = address_parse((struct span){ text, n }, &address);
        require(parsed == (is_v4 || is_v6), "'%s'", text);
        if (!parsed)
            continue;
        taken++;
        if (is_v4)
            require(address.bits == 32 && memcmp(address.bytes, v4, 4) == 0, "'%s'", text);
        else if (address.bits == 128)
            require(memcmp(address.bytes, v6, 16) == 0, "'%s'", text);
        network_format(address, address.bits, back);
        require(address_parse(span_of(back), &again) && memcmp(&again, &address, sizeof again) == 0, "'%s' '%s'", text,
                back);
    }
    ck_assert_int_gt(taken, 10000);
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("address");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, address_texts, 0, sizeof addresses / sizeof *addresses);
    tcase_add_test(tcase, no_text);
    tcase_add_loop_test(tcase, network_texts, 0, sizeof networks / sizeof *networks);
    tcase_add_test(tcase, prefixes_bit_by_bit);
    tcase_add_test(tcase, families_differ);
    tcase_add_test(tcase, random_texts_as_inet_pton);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
