#include "batch/dispatch.h"

#if defined(__x86_64__)
#define AVX512_VNNI
#include "simd/avx512.h"

#include "kernels/batch_table.h"

#include "simd/end.h"
#endif
