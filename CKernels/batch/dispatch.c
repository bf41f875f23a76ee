#include "batch/dispatch.h"

const dpqi_batch_kernels *dpqi_batch_active(void) {
    static const dpqi_batch_kernels *const kernels[DPQI_LEVELS] = {
#if defined(__x86_64__)
        [DPQI_AVX512_VNNI] = &dpqi_batch_kernels_avx512vnni,
        [DPQI_AVX512] = &dpqi_batch_kernels_avx512,
        [DPQI_AVX2] = &dpqi_batch_kernels_avx2,
#elif defined(__aarch64__)
        [DPQI_NEON] = &dpqi_batch_kernels_neon,
#endif
        [DPQI_SCALAR] = &dpqi_batch_kernels_scalar
    };
    return kernels[dpqi_active_level()];
}
