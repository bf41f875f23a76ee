#include "core/dispatch.h"

#if defined(__aarch64__)
#include "simd/neon.h"

#include "kernels/runtime_table.h"

#include "simd/end.h"
#endif
