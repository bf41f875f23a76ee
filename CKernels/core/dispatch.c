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

static int has_vnni(void) {
    unsigned a, b, c, d;
    return has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_AVX512VNNI);
}
#endif

static const char *const names[] = {
#if defined(__x86_64__)
    [DPQI_AVX512_VNNI] = "avx512vnni",
    [DPQI_AVX512] = "avx512",
    [DPQI_AVX2] = "avx2",
#elif defined(__aarch64__)
    [DPQI_NEON] = "neon",
#endif
    [DPQI_SCALAR] = "scalar",
    [DPQI_LEVELS] = NULL};

/* The best level of this machine; it runs those behind it too. */
static dpqi_level best_level(void) {
#if defined(__x86_64__)
    return has_vnni() ? DPQI_AVX512_VNNI : has_avx512() ? DPQI_AVX512 : has_avx2() ? DPQI_AVX2 : DPQI_SCALAR;
#else
    return (dpqi_level)0;
#endif
}

const char *const *dpq_isa_available(void) { return names + best_level(); }

/* DPQI_LEVELS where this machine has no level of that name. */
static dpqi_level level_named(const char *name) {
    dpqi_level level = best_level();
    while (level < DPQI_LEVELS && strcmp(names[level], name) != 0) level++;
    return level;
}

/* One more than the level, 0 for none. */
static atomic_int chosen;
static _Thread_local int selected;

dpqi_level dpqi_active_level(void) {
    if (selected) return (dpqi_level)(selected - 1);
    int active = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (active) return (dpqi_level)(active - 1);
    const char *wish = getenv("DPQ_ISA");
    dpqi_level level = wish ? level_named(wish) : DPQI_LEVELS;
    if (level == DPQI_LEVELS) level = best_level();
    /* Threads that race here agree on whoever was first. */
    return atomic_compare_exchange_strong(&chosen, &active, (int)level + 1) ? level : (dpqi_level)(active - 1);
}

const dpqi_kernels *dpqi_active(void) {
    static const dpqi_kernels *const kernels[DPQI_LEVELS] = {
#if defined(__x86_64__)
        [DPQI_AVX512_VNNI] = &dpqi_kernels_avx512,
        [DPQI_AVX512] = &dpqi_kernels_avx512,
        [DPQI_AVX2] = &dpqi_kernels_avx2,
#elif defined(__aarch64__)
        [DPQI_NEON] = &dpqi_kernels_neon,
#endif
        [DPQI_SCALAR] = &dpqi_kernels_scalar
    };
    return kernels[dpqi_active_level()];
}

const char *dpq_isa_name(void) { return names[dpqi_active_level()]; }

dpq_status dpq_isa_select(const char *name) {
    const dpqi_level level = name ? level_named(name) : DPQI_LEVELS;
    if (name && level == DPQI_LEVELS) return DPQ_ERROR_ARGUMENT;
    selected = name ? (int)level + 1 : 0;
    return DPQ_OK;
}
