/* The vector vocabulary at one lane: plain C. This level is the specification of the others. */
#include <math.h>

#include "simd/convert.h"

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
/* Stores to memory aligned as a vector, past the caches where the level can; stream_end orders them before what is
 * stored afterwards. */
static inline void vf_stream(float *p, vf a) { *p = a; }
static inline void stream_end(void) {}
/* The 16 nibbles of 8 bytes, the lower one of each byte first. */
static inline void split_nibbles(uint8_t *to, const uint8_t *from) {
    for (size_t i = 0; i < 8; i++) {
        to[2 * i] = from[i] & 15;
        to[2 * i + 1] = from[i] >> 4;
    }
}
static inline void copy8(float *to, const float *from) { memcpy(to, from, 32); }
static inline void copy16(float *to, const float *from) { memcpy(to, from, 64); }
