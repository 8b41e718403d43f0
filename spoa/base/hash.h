/* XXH3, compiled in place: most of what is hashed is a few bytes of a length known to the compiler, for which a call
 * into the library costs more than the hash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#endif
