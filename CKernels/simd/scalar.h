/* The vector vocabulary at one lane: plain C. This level is the specification of the others. */
#include <math.h>

#include "simd/convert.h"
#include "simd/spread.h"

#define DPQI_LEVEL scalar

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
static inline vm vf_ge(vf a, vf b) { return a >= b; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
static inline vf vf_round(vf a) { return nearbyintf(a); }
static inline vf vf_scale2(vf a, vf n) {
    /* Where n is not a number neither is a, and no integer may be made of it. */
    return n == n ? a * dpqi_float_of_bits((uint32_t)((int32_t)n + 127) << 23) : a;
}
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
/* The first `bytes` < 4 * LANES bytes at p, zeros after them. */
static inline vf vf_load_bytes(const uint8_t *p, size_t bytes) {
    float a = 0;
    memcpy(&a, p, bytes);
    return a;
}
static inline vi vi_of_bits(vf a) { return (vi)dpqi_bits_of_float(a); }
static inline vi vi_shift4(vi a) { return (vi)((uint32_t)a >> 4); }
/* table[lowest 4 bits of a] */
static inline vf vf_lookup16(const float *table, vi a) { return table[a & 15]; }
/* 32 codes of 4 bits, a byte each. */
static inline void spread_nibbles(const uint8_t *packed, uint8_t *out) {
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = packed[i] & 15;
        out[2 * i + 1] = packed[i] >> 4;
    }
}
/* v4, v8, v16: vectors of so many values at every level, where the length is not the level's choice. */
typedef struct v2 {
    vf low, high;
} v2;
static inline v2 v2_load(const float *p) { return (v2){vf_load(p), vf_load(p + 1)}; }
static inline void v2_store(float *p, v2 a) {
    vf_store(p, a.low);
    vf_store(p + 1, a.high);
}
static inline v2 v2_set1(float a) { return (v2){vf_set1(a), vf_set1(a)}; }
static inline v2 v2_fma(v2 a, v2 b, v2 c) { return (v2){vf_fma(a.low, b.low, c.low), vf_fma(a.high, b.high, c.high)}; }
typedef struct v4 {
    v2 low, high;
} v4;
static inline v4 v4_load(const float *p) { return (v4){v2_load(p), v2_load(p + 2)}; }
static inline void v4_store(float *p, v4 a) {
    v2_store(p, a.low);
    v2_store(p + 2, a.high);
}
static inline v4 v4_set1(float a) { return (v4){v2_set1(a), v2_set1(a)}; }
static inline v4 v4_fma(v4 a, v4 b, v4 c) { return (v4){v2_fma(a.low, b.low, c.low), v2_fma(a.high, b.high, c.high)}; }
static inline v4 v4_join(const float *low, const float *high) { return (v4){v2_load(low), v2_load(high)}; }
static inline void v4_add_to(double *sum, v4 a, double weight) {
    float values[4];
    v4_store(values, a);
    for (int i = 0; i < 4; i++) sum[i] += weight * (double)values[i];
}
/* Transposes a 4 x 4 block. */
static inline void v4_transpose(v4 row[4]) {
    float a[4][4], b[4];
    for (int i = 0; i < 4; i++) v4_store(a[i], row[i]);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) b[j] = a[j][i];
        row[i] = v4_load(b);
    }
}
typedef struct v8 {
    v4 low, high;
} v8;
static inline v8 v8_load(const float *p) { return (v8){v4_load(p), v4_load(p + 4)}; }
static inline void v8_store(float *p, v8 a) {
    v4_store(p, a.low);
    v4_store(p + 4, a.high);
}
static inline v8 v8_set1(float a) { return (v8){v4_set1(a), v4_set1(a)}; }
static inline v8 v8_fma(v8 a, v8 b, v8 c) { return (v8){v4_fma(a.low, b.low, c.low), v4_fma(a.high, b.high, c.high)}; }
typedef struct v16 {
    v8 low, high;
} v16;
static inline v16 v16_load(const float *p) { return (v16){v8_load(p), v8_load(p + 8)}; }
static inline void v16_store(float *p, v16 a) {
    v8_store(p, a.low);
    v8_store(p + 8, a.high);
}
static inline v16 v16_set1(float a) { return (v16){v8_set1(a), v8_set1(a)}; }
static inline v16 v16_fma(v16 a, v16 b, v16 c) {
    return (v16){v8_fma(a.low, b.low, c.low), v8_fma(a.high, b.high, c.high)};
}
