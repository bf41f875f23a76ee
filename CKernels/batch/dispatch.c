#include "batch/dispatch.h"

const dpqi_batch_kernels *dpqi_batch_active(void) {
#if defined(__x86_64__)
    static const dpqi_batch_kernels *const levels[] = {&dpqi_batch_kernels_avx512, &dpqi_batch_kernels_avx2,
                                                       &dpqi_batch_kernels_scalar};
#elif defined(__aarch64__)
    static const dpqi_batch_kernels *const levels[] = {&dpqi_batch_kernels_neon, &dpqi_batch_kernels_scalar};
#else
    static const dpqi_batch_kernels *const levels[] = {&dpqi_batch_kernels_scalar};
#endif
    const dpqi_kernels *active = dpqi_active();
    size_t level = 0;
    while (levels[level]->runtime != active) level++;
    return levels[level];
}
