#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dpq_kernels.h"

uint64_t dpq_checksum(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }
