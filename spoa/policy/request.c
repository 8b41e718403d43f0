#include "policy/request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "policy/normalise.h"

void request_init(struct request *request, char *scratch, size_t scratch_size)
{
    memset(request, 0, sizeof *request);
    request->effort.steps = REQUEST_STEPS;
    request->scratch = scratch;
    request->scratch_end = scratch + scratch_size;
}

static char *take(struct request *request, size_t size)
{
    char *p = request->scratch;

    assert(size <= (size_t)(request->scratch_end - p));
    request->scratch += size;
    return p;
}

static bool claim(struct request *request, unsigned attribute)
{
    uint64_t bit = UINT64_C(1) << attribute;

    assert(attribute < ATTRIBUTES_MAX);
    if (request->set & bit)
        return false;
    request->set |= bit;
    return true;
}

static void set_src(struct request *request, struct address address)
{
    request->src = address;
    request->value[ATTRIBUTE_SRC] = (struct span){ (const char *)request->src.bytes, address.bits / 8u };
}

struct span request_src_text(const struct request *request, char *out)
{
    if (request->src.bits == 0)
        return request->value[ATTRIBUTE_SRC];
    return (struct span){ out, network_format(request->src, request->src.bits, out) };
}

void request_set_text(struct request *request, unsigned attribute, struct span text)
{
    struct address address;

    if (text.p == NULL || !claim(request, attribute))
        return;
    switch (attribute) {
    case ATTRIBUTE_SRC:
        /* Text that is no address still tells clients apart; an address in another spelling must not. */
        if (address_parse(text, &address))
            set_src(request, address);
        else
            request->value[attribute] = text;
        break;
    case ATTRIBUTE_HOST:
        request->value[attribute] = normalise_host(text, take(request, text.n));
        break;
    case ATTRIBUTE_PATH:
        request->raw_path = text;
        request->value[attribute] =
            normalise_path(text, take(request, NORMALISED_PATH_MAX(text.n)), &request->ambiguous);
        if (request->ambiguous)
            request->other_path =
                other_reading(request->value[attribute], take(request, 2 * request->value[attribute].n + 1));
        break;
    default:
        request->value[attribute] = text;
    }
}

void request_set_address(struct request *request, unsigned attribute, struct address address)
{
    char *text;

    if (attribute == ATTRIBUTE_SRC) {
        if (claim(request, attribute))
            set_src(request, address);
        return;
    }
    text = take(request, ADDRESS_TEXT_MAX);
    request_set_text(request, attribute, (struct span){ text, network_format(address, address.bits, text) });
}

void request_set_integer(struct request *request, unsigned attribute, int64_t value)
{
    char *text = take(request, 24);

    request_set_text(request, attribute, (struct span){ text, (size_t)snprintf(text, 24, "%" PRId64, value) });
}

void request_set_unsigned(struct request *request, unsigned attribute, uint64_t value)
{
    char *text = take(request, 24);

    request_set_text(request, attribute, (struct span){ text, (size_t)snprintf(text, 24, "%" PRIu64, value) });
}

void request_set_boolean(struct request *request, unsigned attribute, bool value)
{
    request_set_text(request, attribute, value ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
}

void request_finish(struct request *request)
{
    bool ambiguous;

    if (request->value[ATTRIBUTE_PATH].p == NULL)
        request->value[ATTRIBUTE_PATH] = normalise_path(SPAN_ABSENT, take(request, 1), &ambiguous);
}
