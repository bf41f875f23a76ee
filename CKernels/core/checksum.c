#include "core/checksum.h"

#include "dpq_kernels.h"

#define XXH_INLINE_ALL
#define XXH_NO_INLINE_HINTS 1 /* a third smaller, as fast on what is longer than a line */
#include <xxhash.h>

uint64_t dpq_checksum(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }

uint64_t dpqi_checksum_around(const void *data, size_t bytes, size_t hole, size_t hole_bytes) {
    const unsigned char *start = data;
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, start, hole);
    for (size_t i = 0; i < hole_bytes; i++) XXH3_64bits_update(&state, "0", 1);
    XXH3_64bits_update(&state, start + hole + hole_bytes, bytes - hole - hole_bytes);
    return XXH3_64bits_digest(&state);
}
