/* base/hash.h computes XXH3 of an object of any type at any address. If xxhash.h read the object through a pointer to a type
 * that may not alias it, the compiler could move these reads before the writes, and the hash would be that of old bytes. */
#include "base/hash.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Length, hash and hash with SEED of the first bytes of bytes(), as libxxhash computes them; some are in xxHash's own sanity
 * checks. XXH3 has a branch of its own for each of 1 to 3, 4 to 8, 9 to 16, 17 to 128, 129 to 240 and more bytes. */
#define SEED UINT64_C(0x9E3779B185EBCA8D)
#define LENGTHS(X)                                                                                                     \
    X(3, 0x54247382A8D6B94D, 0x634B8990B4976373)                                                                       \
    X(4, 0xE5DC74BC51848A51, 0xAA2E7ECCB0C8F747)                                                                       \
    X(5, 0xE4243F00720306BB, 0x5A67C87E50ED80ED)                                                                       \
    X(8, 0x24CCC9ACAA9F65E4, 0x8F973410999B8F6B)                                                                       \
    X(9, 0x14D5001C15DD3F2B, 0xB3AE7333D9013F60)                                                                       \
    X(12, 0xA713DAF0DFBB77E7, 0xE7303E1B2336DE0E)                                                                      \
    X(15, 0x45556D4D6E1798BC, 0x710DD5318F6F16D5)                                                                      \
    X(16, 0x981B17D36C7498C9, 0x663F29333B4DB6B1)                                                                      \
    X(17, 0x796F5ACD3A60F862, 0xF3EC5067F4306DB3)                                                                      \
    X(18, 0x6CFEAA845E6EBCD1, 0x603FDA3D472CBC69)                                                                      \
    X(24, 0xA3FE70BF9D3510EB, 0x850E80FC35BDD690)                                                                      \
    X(48, 0x397DA259ECBA1F11, 0xADC2CBAA44ACC616)                                                                      \
    X(80, 0xBCDEFBBB2C47C90A, 0xC6DD0CB699532E73)                                                                      \
    X(128, 0xFCFF24126754D861, 0x73FDE75280646649)                                                                     \
    X(195, 0xCD94217EE362EC3A, 0xBA68003D370CB3D9)                                                                     \
    X(240, 0x81C3C2B67F568CCF, 0xCC0F58C27EF3D8EE)                                                                     \
    X(241, 0xC5A639ECD2030E5E, 0xDDA9B0A161D4829A)                                                                     \
    X(1025, 0xD870C0FA13211C6A, 0x96792BCF9AF88519)                                                                    \
    X(2048, 0xDD59E2C3A5F038E0, 0x66F81670669ABABC)

#define LENGTH_MAX 2048

/* The buffer of xxHash's sanity checks, and two bytes for the types that are longer than what is hashed. */
static const uint8_t *bytes(void)
{
    static uint8_t buffer[LENGTH_MAX + 2];
    uint64_t       byte = UINT64_C(0x9E3779B1);

    for (size_t i = 0; i < sizeof buffer; i++, byte *= SEED)
        buffer[i] = (uint8_t)(byte >> 56);
    return buffer;
}

/* For each length, functions in which the compiler sees an object of some type written and then hashed. */
#define OF_TYPES(n, unseeded, seeded)                                                                                  \
    struct address_##n {                                                                                               \
        uint8_t bytes[n];                                                                                              \
        uint8_t bits;                                                                                                  \
    };                                                                                                                 \
                                                                                                                       \
    __attribute__((noinline)) static uint64_t hash_struct_##n(const void *from, uint64_t seed)                         \
    {                                                                                                                  \
        struct address_##n kept = *(const struct address_##n *)from;                                                   \
                                                                                                                       \
        return XXH3_64bits_withSeed(kept.bytes, n, seed);                                                              \
    }                                                                                                                  \
                                                                                                                       \
    __attribute__((noinline)) static uint64_t hash_shorts_##n(const void *from, uint64_t seed)                         \
    {                                                                                                                  \
        const uint8_t *bytes = from;                                                                                   \
        uint16_t       kept[n / 2 + 1];                                                                                \
                                                                                                                       \
        for (size_t i = 0; i <= n / 2; i++)                                                                            \
            kept[i] = (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);                                                \
        return XXH3_64bits_withSeed(kept, n, seed);                                                                    \
    }
LENGTHS(OF_TYPES)

static const struct {
    size_t   n;
    uint64_t unseeded, seeded;
    uint64_t (*hash_struct)(const void *from, uint64_t seed), (*hash_shorts)(const void *from, uint64_t seed);
} cases[] = {
#define CASE(n, unseeded, seeded) { n, UINT64_C(unseeded), UINT64_C(seeded), hash_struct_##n, hash_shorts_##n },
    LENGTHS(CASE)
};

#define CASES (int)(sizeof cases / sizeof cases[0])

START_TEST(test_struct)
{
    size_t n = cases[_i].n;

    ck_assert_msg(cases[_i].hash_struct(bytes(), 0) == cases[_i].unseeded, "%zu bytes", n);
    ck_assert_msg(cases[_i].hash_struct(bytes(), SEED) == cases[_i].seeded, "%zu bytes, with a seed", n);
}
END_TEST

START_TEST(test_shorts)
{
    size_t n = cases[_i].n;

    ck_assert_msg(cases[_i].hash_shorts(bytes(), 0) == cases[_i].unseeded, "%zu bytes", n);
    ck_assert_msg(cases[_i].hash_shorts(bytes(), SEED) == cases[_i].seeded, "%zu bytes, with a seed", n);
}
END_TEST

/* A length that only the run knows, at every alignment. */
START_TEST(test_places)
{
    static char room[LENGTH_MAX + 16];
    size_t      n = cases[_i].n;

    for (size_t at = 0; at < 16; at++) {
        memcpy(room + at, bytes(), n);
        ck_assert_msg(XXH3_64bits(room + at, n) == cases[_i].unseeded, "%zu bytes at %zu", n, at);
        ck_assert_msg(XXH3_64bits_withSeed(room + at, n, SEED) == cases[_i].seeded, "%zu bytes at %zu, with a seed", n,
                      at);
    }
}
END_TEST

int main(void)
{
    Suite   *suite = suite_create("hash");
    TCase   *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int      failed;

    tcase_add_loop_test(tcase, test_struct, 0, CASES);
    tcase_add_loop_test(tcase, test_shorts, 0, CASES);
    tcase_add_loop_test(tcase, test_places, 0, CASES);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
