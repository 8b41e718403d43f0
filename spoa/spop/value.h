/* Typed data: what arguments, HELLO keys and variables hold. */
#ifndef SPOP_VALUE_H
#define SPOP_VALUE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* The numbers are those of the protocol. */
enum spop_type {
    SPOP_NULL = 0,
    SPOP_BOOL = 1,
    SPOP_INT32 = 2,
    SPOP_UINT32 = 3,
    SPOP_INT64 = 4,
    SPOP_UINT64 = 5,
    SPOP_IPV4 = 6,
    SPOP_IPV6 = 7,
    SPOP_STRING = 8,
    SPOP_BINARY = 9
};

#define SPOP_FLAG_TRUE 0x10 /* in the byte of the type: the value of a SPOP_BOOL */

struct spop_value {
    enum spop_type type;
    union {
        bool            boolean; /* SPOP_BOOL */
        int64_t         sint;    /* SPOP_INT32, SPOP_INT64 */
        uint64_t        uint;    /* SPOP_UINT32, SPOP_UINT64 */
        struct in_addr  ipv4;
        struct in6_addr ipv6;
        struct span     text; /* SPOP_STRING, SPOP_BINARY: any bytes; borrows, n may be 0, p is never NULL */
    };
};

/* Reads one value and advances `in` past it. False when it is truncated, of a type that does not exist, or an integer
 * outside its type; `in` is then of no more use. Flag bits other than the boolean's are ignored. */
bool spop_value_get(struct span *in, struct spop_value *value);

/* Reads a name: a length and that many bytes, without a type. Errors as above. */
bool spop_name_get(struct span *in, struct span *name);

#endif
