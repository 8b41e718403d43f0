/* XXH3, compiled in place: most of what is hashed is a few bytes of a length known to the compiler, for which a call
 * into the library costs more than the hash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

/* 0: xxhash.h reads its input by memcpy(). Otherwise it dereferences a uint64_t pointer, which strict aliasing forbids where the
 * input was written as another type: gcc 14 with xxHash 0.8.3 moved the reads before the writes. */
#define XXH_FORCE_MEMORY_ACCESS 0
#define XXH_INLINE_ALL
#include <xxhash.h>

#endif
