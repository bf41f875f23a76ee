/* The vector vocabulary over AVX2 + FMA + F16C: 8 lanes, 16 registers. */
#include <immintrin.h>

#include "simd/convert.h"
#include "simd/spread.h"

/* Functions from here to simd/end.h are for this level. */
#define DPQI_LEVEL avx2
#define DPQI_TARGETED
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,popcnt")
#endif

#define LANES 8
#define ROWS_AT_ONCE 2

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_set1(float a) { return _mm256_set1_ps(a); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vm vf_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
static inline vm vf_ge(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale2(vf a, vf n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
static inline double vf_sum(vf a) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    const __m256d four = _mm256_add_pd(low, high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
static inline vi vi_set1(int32_t a) { return _mm256_set1_epi32(a); }
static inline vi vi_select(vm m, vi a, vi b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m)); }
static inline void vi_store(int32_t *p, vi a) { _mm256_storeu_si256((__m256i *)p, a); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/* Also where one is not a number. */
static inline vm vf_not_below(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NLT_UQ); }
static inline vm vm_or(vm a, vm b) { return _mm256_or_ps(a, b); }
static inline vm vf_not_finite(vf a) {
    const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
    return _mm256_cmp_ps(magnitude, _mm256_set1_ps(3.402823466e+38f), _CMP_NLE_UQ);
}
static inline uint32_t vm_bits(vm m) { return (uint32_t)_mm256_movemask_ps(m); }
static inline vf vf_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline void vf_store_f16(uint16_t *p, vf a) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, 0)); }
static inline vf vf_load_bf16(const uint16_t *p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
/* Transposes an 8 x 8 block: row[i] lane j becomes row[j] lane i. */
static inline void vf_transpose(vf row[LANES]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        row[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}
static inline vf vf_load_bytes(const uint8_t *p, size_t bytes) {
    float a[LANES] = {0};
    memcpy(a, p, bytes);
    return vf_load(a);
}
static inline vi vi_of_bits(vf a) { return _mm256_castps_si256(a); }
static inline vi vi_shift4(vi a) { return _mm256_srli_epi32(a, 4); }
static inline vf vf_lookup16(const float *table, vi a) {
    const __m256 low = _mm256_permutevar8x32_ps(vf_load(table), a);
    const __m256 high = _mm256_permutevar8x32_ps(vf_load(table + 8), a);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(a, 28)));
}
/* Stores to memory aligned as the vector, past the caches; stream_end orders them before what is stored afterwards. Levels
 * of fewer than 8 lanes have no such words. */
static inline void vf_stream(float *p, vf a) { _mm256_stream_ps(p, a); }
static inline void stream_end(void) { _mm_sfence(); }
typedef __m128i bytes16;
static inline bytes16 bytes16_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline bytes16 bytes16_of(uint64_t low, uint64_t high) {
    return _mm_set_epi64x((long long)high, (long long)low);
}
/* 32 codes of 4 bits, a byte each. */
static inline void spread_nibbles(bytes16 bytes, uint8_t *out) {
    const __m128i low = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(bytes, low), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
    _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi8(even, odd));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_unpackhi_epi8(even, odd));
}
/* How sixteen codes of fewer than 8 bits are put apart: the two bytes that hold each, and what moves it to the upper one. */
typedef struct code_window {
    __m256i bytes, factor, field;
} code_window;
static inline code_window window_of(size_t bits) {
    const __m256i number = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m256i bit = _mm256_mullo_epi16(number, _mm256_set1_epi16((short)bits)), byte = _mm256_srli_epi16(bit, 3);
    const __m256i within = _mm256_and_si256(bit, _mm256_set1_epi16(7)), upper = _mm256_set1_epi16(256);
    const __m256i powers = _mm256_broadcastsi128_si256(_mm_cvtsi64_si128(0x0204081020408000)); /* 2 ^ (8 - within) */
    const __m256i aligned = _mm256_and_si256(_mm256_cmpeq_epi16(within, _mm256_setzero_si256()), upper);
    return (code_window){_mm256_add_epi16(_mm256_mullo_epi16(byte, _mm256_set1_epi16(257)), upper),
                         _mm256_or_si256(_mm256_shuffle_epi8(powers, within), aligned),
                         _mm256_set1_epi16((short)((1 << bits) - 1))};
}
/* Sixteen codes, a byte each. */
static inline void spread_window(const code_window *w, bytes16 bytes, uint8_t *out) {
    const __m256i both = _mm256_broadcastsi128_si256(bytes);
    const __m256i moved = _mm256_mullo_epi16(_mm256_shuffle_epi8(both, w->bytes), w->factor);
    const __m256i codes = _mm256_and_si256(_mm256_srli_epi16(moved, 8), w->field);
    const __m128i high = _mm256_extracti128_si256(codes, 1);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(_mm256_castsi256_si128(codes), high));
}
/* Whole numbers of 16 bits in pairs, one pair a lane. */
#define MULTIPLIES_PAIRS
static inline vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
static inline vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
static inline vi vi_min(vi a, vi b) { return _mm256_min_epi32(a, b); }
static inline vm vi_gt(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b)); }
static inline vi vi_round(vf a) { return _mm256_cvtps_epi32(a); }
static inline vi vi_lowest_bit(vi a) { return _mm256_and_si256(a, _mm256_sub_epi32(_mm256_setzero_si256(), a)); }
/* Of a power of two. */
static inline vi vi_bit_number(vi a) {
    const __m256i exponent = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(a)), 23);
    return _mm256_sub_epi32(exponent, _mm256_set1_epi32(127));
}
/* Rounded; numbers beyond 16 bits become the largest. */
static inline vi vi_pairs(vf low, vf high) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
    return _mm256_shuffle_epi8(_mm256_packs_epi32(vi_round(low), vi_round(high)), order);
}
/* sum + low * low + high * high */
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
typedef __m128 v4;
static inline v4 v4_load(const float *p) { return _mm_loadu_ps(p); }
static inline void v4_store(float *p, v4 a) { _mm_storeu_ps(p, a); }
static inline void v4_stream(float *p, v4 a) { _mm_stream_ps(p, a); }
/* Two values at `low` and two at `high`. */
static inline v4 v4_join(const float *low, const float *high) {
    return _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)low)), (const __m64 *)high);
}
/* All but the last or first value, which lies elsewhere. */
static inline v4 v4_set_last(v4 a, const float *last) { return _mm_insert_ps(a, _mm_load_ss(last), 0x30); }
static inline v4 v4_set_first(v4 a, const float *first) { return _mm_insert_ps(a, _mm_load_ss(first), 0x00); }
static inline v4 v4_set1(float a) { return _mm_set1_ps(a); }
static inline v4 v4_fma(v4 a, v4 b, v4 c) { return _mm_fmadd_ps(a, b, c); }
static inline void v4_transpose(v4 row[4]) { _MM_TRANSPOSE4_PS(row[0], row[1], row[2], row[3]); }
/* sum[i] += weight * a[i] in float64. */
static inline void v4_add_to(double *sum, v4 a, double weight) {
    _mm256_storeu_pd(sum, _mm256_fmadd_pd(_mm256_cvtps_pd(a), _mm256_set1_pd(weight), _mm256_loadu_pd(sum)));
}
typedef vf v8;
#define v8_load vf_load
#define v8_store vf_store
#define v8_set1 vf_set1
#define v8_fma vf_fma
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
