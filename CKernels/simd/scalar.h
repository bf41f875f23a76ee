/* The vector vocabulary at one lane: plain C. This level is the specification of the others. */
#include <math.h>

#include "simd/convert.h"

#define LANES 1
#define ROWS_AT_ONCE 4 /* vectors of rows scored together with DPQI_CODE_BLOCK codewords: bounded by the registers */

typedef float vf;
typedef int32_t vi;
typedef int vm;

static inline vf vf_load(const float *p) {
    vf a;
    memcpy(&a, (const char *)p, sizeof a); /* rows of a file may lie at any address */
    return a;
}
static inline void vf_store(float *p, vf a) { *p = a; }
static inline vf vf_set1(float a) { return a; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; } /* fused where the level has it */
static inline vf vf_max(vf a, vf b) { return a > b ? a : b; }   /* b where either is NaN */
static inline vf vf_min(vf a, vf b) { return a < b ? a : b; }
static inline vm vf_gt(vf a, vf b) { return a > b; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
static inline vf vf_round(vf a) { return nearbyintf(a); }
static inline vf vf_scale2(vf a, vf n) { return a * dpqi_float_of_bits((uint32_t)((int32_t)n + 127) << 23); }
static inline double vf_sum(vf a) { return a; } /* sum of the lanes in float64 */
static inline vi vi_set1(int32_t a) { return a; }
static inline vi vi_select(vm m, vi a, vi b) { return m ? a : b; }
static inline void vi_store(int32_t *p, vi a) { *p = a; }
static inline vm vf_not_finite(vf a) { return !(fabsf(a) <= 3.402823466e+38f); }
static inline uint32_t vm_bits(vm m) { return (uint32_t)m; } /* bit i: lane i */
static inline vf vf_load_f16(const uint16_t *p) {
    uint16_t half;
    memcpy(&half, (const char *)p, sizeof half);
    return dpqi_f16_to_f32(half);
}
static inline void vf_store_f16(uint16_t *p, vf a) { *p = dpqi_f32_to_f16(a); } /* nearest even */
static inline vf vf_load_bf16(const uint16_t *p) {
    uint16_t half;
    memcpy(&half, (const char *)p, sizeof half);
    return dpqi_bf16_to_f32(half);
}
static inline void vf_transpose(vf row[LANES]) { (void)row; }
