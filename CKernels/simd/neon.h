/* The vector vocabulary over AArch64 Advanced SIMD: 4 lanes, 32 registers. */
#include <arm_neon.h>

#include "simd/convert.h"
#include "simd/spread.h"

#define DPQI_LEVEL neon

#define LANES 4
#define ROWS_AT_ONCE 4

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_set1(float a) { return vdupq_n_f32(a); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vm vf_gt(vf a, vf b) { return vcgtq_f32(a, b); }
static inline vm vf_ge(vf a, vf b) { return vcgeq_f32(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
static inline vf vf_max(vf a, vf b) { return vf_select(vf_gt(a, b), a, b); }
static inline vf vf_min(vf a, vf b) { return vf_select(vf_gt(b, a), a, b); }
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vf vf_scale2(vf a, vf n) {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}
static inline double vf_sum(vf a) { return vaddvq_f64(vaddq_f64(vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a))); }
static inline vi vi_set1(int32_t a) { return vdupq_n_s32(a); }
static inline vi vi_select(vm m, vi a, vi b) { return vbslq_s32(m, a, b); }
static inline void vi_store(int32_t *p, vi a) { vst1q_s32(p, a); }
static inline vm vf_not_finite(vf a) { return vmvnq_u32(vcleq_f32(vabsq_f32(a), vdupq_n_f32(3.402823466e+38f))); }
static inline uint32_t vm_bits(vm m) {
    static const uint32_t weights[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(m, vld1q_u32(weights)));
}
static inline vf vf_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void vf_store_f16(uint16_t *p, vf a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
static inline vf vf_load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
/* Transposes a 4 x 4 block: row[i] lane j becomes row[j] lane i. */
static inline void vf_transpose(vf row[LANES]) {
    const float32x4x2_t a = vtrnq_f32(row[0], row[1]), b = vtrnq_f32(row[2], row[3]);
    row[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    row[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    row[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    row[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}
static inline vf vf_load_bytes(const uint8_t *p, size_t bytes) {
    float a[LANES] = {0};
    memcpy(a, p, bytes);
    return vf_load(a);
}
static inline vi vi_of_bits(vf a) { return vreinterpretq_s32_f32(a); }
static inline vi vi_shift4(vi a) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), 4)); }
static inline vf vf_lookup16(const float *table, vi a) {
    /* The bytes 4 i to 4 i + 3 of the table. */
    const int32x4_t first = vmulq_n_s32(vandq_s32(a, vdupq_n_s32(15)), 0x04040404);
    const uint8x16_t bytes = vreinterpretq_u8_s32(vaddq_s32(first, vdupq_n_s32(0x03020100)));
    const uint8x16x4_t values = {{vreinterpretq_u8_f32(vf_load(table)), vreinterpretq_u8_f32(vf_load(table + 4)),
                                  vreinterpretq_u8_f32(vf_load(table + 8)), vreinterpretq_u8_f32(vf_load(table + 12))}};
    return vreinterpretq_f32_u8(vqtbl4q_u8(values, bytes));
}
/* 32 codes of 4 bits, a byte each. */
static inline void spread_nibbles(const uint8_t *packed, uint8_t *out) {
    const uint8x16_t bytes = vld1q_u8(packed);
    const uint8x16x2_t fields = {{vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8(bytes, 4)}};
    vst2q_u8(out, fields);
}
typedef vf v4;
#define v4_load vf_load
#define v4_store vf_store
#define v4_set1 vf_set1
#define v4_fma vf_fma
#define v4_transpose vf_transpose
static inline v4 v4_join(const float *low, const float *high) { return vcombine_f32(vld1_f32(low), vld1_f32(high)); }
static inline void v4_add_to(double *sum, v4 a, double weight) {
    const float64x2_t factor = vdupq_n_f64(weight), low = vcvt_f64_f32(vget_low_f32(a)), high = vcvt_high_f64_f32(a);
    vst1q_f64(sum, vfmaq_f64(vld1q_f64(sum), low, factor));
    vst1q_f64(sum + 2, vfmaq_f64(vld1q_f64(sum + 2), high, factor));
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
