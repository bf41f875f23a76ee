#include "batch/dispatch.h"

#if defined(__aarch64__)
#include "simd/neon.h"

#include "kernels/batch_table.h"

#include "simd/end.h"
#endif
