#include "core/dispatch.h"

#if defined(__x86_64__)
#include "simd/avx2.h"

#include "kernels/runtime_table.h"

#include "simd/end.h"
#endif
