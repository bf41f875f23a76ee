#include "core/dispatch.h"
#include "dpq_kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* The instruction sets count only where the operating system saves the registers too: XCR0 says so. */
static uint64_t saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has_avx2(void) {
    unsigned a, b, c, d;
    if ((saved_registers() & 0x6) != 0x6) return 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA) || !(c & bit_F16C) || !(c & bit_POPCNT)) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

static int has_avx512(void) {
    unsigned a, b, c, d;
    if (!has_avx2() || (saved_registers() & 0xe6) != 0xe6) return 0;
    const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & wanted) == wanted && (b & bit_BMI2);
}
#endif

/* The levels this machine runs, best first, ending with NULL. */
static const dpqi_kernels *const *available(void) {
#if defined(__x86_64__)
    static const dpqi_kernels *const levels[] = {&dpqi_kernels_avx512, &dpqi_kernels_avx2, &dpqi_kernels_scalar, NULL};
    return levels + (has_avx512() ? 0 : has_avx2() ? 1 : 2);
#elif defined(__aarch64__)
    static const dpqi_kernels *const levels[] = {&dpqi_kernels_neon, &dpqi_kernels_scalar, NULL};
    return levels;
#else
    static const dpqi_kernels *const levels[] = {&dpqi_kernels_scalar, NULL};
    return levels;
#endif
}

const char *const *dpq_isa_available(void) {
#if defined(__aarch64__)
    static const char *const names[] = {"neon", "scalar", NULL};
#else
    static const char *const names[] = {"avx512", "avx2", "scalar", NULL};
#endif
    size_t first = 0;
    while (strcmp(names[first], available()[0]->name) != 0) first++;
    return names + first;
}

static const dpqi_kernels *level_named(const char *name) {
    for (const dpqi_kernels *const *level = available(); *level; level++)
        if (strcmp((*level)->name, name) == 0) return *level;
    return NULL;
}

static _Atomic(const dpqi_kernels *) chosen;
static _Thread_local const dpqi_kernels *selected;

const dpqi_kernels *dpqi_active(void) {
    if (selected) return selected;
    const dpqi_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);
    if (kernels) return kernels;
    const char *wish = getenv("DPQ_ISA");
    kernels = wish ? level_named(wish) : NULL;
    if (!kernels) kernels = available()[0];
    /* Threads that race here agree on whoever was first. */
    const dpqi_kernels *expected = NULL;
    if (!atomic_compare_exchange_strong(&chosen, &expected, kernels)) kernels = expected;
    return kernels;
}

const char *dpq_isa_name(void) { return dpqi_active()->name; }

dpq_status dpq_isa_select(const char *name) {
    const dpqi_kernels *kernels = name ? level_named(name) : NULL;
    if (name && !kernels) return DPQ_ERROR_ARGUMENT;
    selected = kernels;
    return DPQ_OK;
}
