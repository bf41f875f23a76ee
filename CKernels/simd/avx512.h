/* The vector vocabulary over AVX-512 F, DQ, BW, VL: 16 lanes, 32 registers, mask registers. With AVX512_VNNI defined, the
 * level above that, whose processors multiply and add pairs of whole numbers in one instruction. */
#include <immintrin.h>

#include "simd/convert.h"

/* Functions from here to simd/end.h are for this level. */
#define DPQI_TARGETED
#ifdef AVX512_VNNI
#define DPQI_LEVEL avx512vnni
#define VNNI "avx512vnni,"
#else
#define DPQI_LEVEL avx512
#define VNNI ""
#endif
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target(VNNI "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi2"))),    \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi2")
#ifdef AVX512_VNNI
#pragma GCC target("avx512vnni")
#endif
#endif
#undef VNNI

#define LANES 16
#define ROWS_AT_ONCE 4

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vf_set1(float a) { return _mm512_set1_ps(a); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vm vf_gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline vm vf_ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm512_mask_mov_ps(b, m, a); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }
static inline double vf_sum(vf a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}
static inline vi vi_set1(int32_t a) { return _mm512_set1_epi32(a); }
static inline vi vi_select(vm m, vi a, vi b) { return _mm512_mask_mov_epi32(b, m, a); }
static inline void vi_store(int32_t *p, vi a) { _mm512_storeu_si512(p, a); }
static inline vm vf_not_finite(vf a) {
    return _mm512_cmp_ps_mask(_mm512_abs_ps(a), _mm512_set1_ps(3.402823466e+38f), _CMP_NLE_UQ);
}
static inline uint32_t vm_bits(vm m) { return m; }
static inline vf vf_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void vf_store_f16(uint16_t *p, vf a) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, 0)); }
static inline vf vf_load_bf16(const uint16_t *p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
/* Transposes a 16 x 16 block: row[i] lane j becomes row[j] lane i. */
static inline void vf_transpose(vf row[LANES]) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        /* The 128-bit quarters of b[i + 4 q] hold columns i, i + 4, i + 8, i + 12 of rows 4 q ... 4 q + 3. */
        const __m512 even = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88),
                     odd = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
        const __m512 even2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        const __m512 odd2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
        row[i] = _mm512_shuffle_f32x4(even, even2, 0x88);
        row[i + 8] = _mm512_shuffle_f32x4(even, even2, 0xdd);
        row[i + 4] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
        row[i + 12] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
    }
}
static inline vf vf_load_bytes(const uint8_t *p, size_t bytes) {
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(((__mmask64)1 << bytes) - 1, p));
}
static inline vi vi_of_bits(vf a) { return _mm512_castps_si512(a); }
static inline vi vi_shift4(vi a) { return _mm512_srli_epi32(a, 4); }
static inline vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
static inline vi vi_down(vi a, size_t bits) { return _mm512_srl_epi32(a, _mm_cvtsi32_si128((int)bits)); }
static inline vi vi_up(vi a, size_t bits) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128((int)bits)); }
/* Lane i: the sum of the lanes of a[i]. */
static inline vf vf_sums(const vf a[LANES]) {
    __m512 b[8], c[4], d[2];
    for (int i = 0; i < 8; i++)
        b[i] = _mm512_add_ps(_mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]), _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]));
    for (int i = 0; i < 4; i++)
        c[i] = _mm512_add_ps(_mm512_shuffle_ps(b[2 * i], b[2 * i + 1], 0x44),
                             _mm512_shuffle_ps(b[2 * i], b[2 * i + 1], 0xee));
    for (int i = 0; i < 2; i++)
        d[i] = _mm512_add_ps(_mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0x88),
                             _mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0xdd));
    return _mm512_add_ps(_mm512_shuffle_f32x4(d[0], d[1], 0x88), _mm512_shuffle_f32x4(d[0], d[1], 0xdd));
}
/* table[lowest 5 bits of a] */
static inline vf vf_lookup32(const float *table, vi a) {
    return _mm512_permutex2var_ps(vf_load(table), a, vf_load(table + 16));
}
static inline vf vf_lookup16(const float *table, vi a) { return _mm512_permutexvar_ps(a, vf_load(table)); }
static inline void vf_stream(float *p, vf a) { _mm512_stream_ps(p, a); }
static inline void stream_end(void) { _mm_sfence(); }
/* A vector is a cache line: one that starts `skipped` values before the end of `before`, and one made of two halves. */
static inline vf vf_splice(vf before, vf after, size_t skipped) {
    const __m512i lanes = _mm512_setr_epi32(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
    return _mm512_permutex2var_ps(before, _mm512_sub_epi32(lanes, _mm512_set1_epi32((int)skipped)), after);
}
static inline vf vf_join(const float *low, const float *high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
}
/* 32 codes of 4 bits, a byte each. */
static inline void spread_nibbles(const uint8_t *packed, uint8_t *out) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)packed), low = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(bytes, low), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
    _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi8(even, odd));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_unpackhi_epi8(even, odd));
}
/* Fields of `bits` bits, packed without gaps, put apart into bytes (up to 8 bits) or pairs of bytes. */
typedef uint64_t code_spread;
static inline code_spread spread_of(size_t bits) {
    return bits > 8 ? (((uint64_t)1 << bits) - 1) * 0x0001000100010001u
                    : (((uint64_t)1 << bits) - 1) * 0x0101010101010101u;
}
static inline uint64_t spread_bytes(code_spread fields, uint64_t word) { return _pdep_u64(word, fields); }
static inline uint64_t spread_pairs(code_spread fields, uint64_t word) { return _pdep_u64(word, fields); }
#ifdef AVX512_VNNI
/* Whole numbers of 16 bits in pairs, one pair a lane. */
#define MULTIPLIES_PAIRS
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
/* Also where one is not a number. */
static inline vm vf_not_below(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
static inline vm vm_or(vm a, vm b) { return (vm)(a | b); }
static inline vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
static inline vi vi_min(vi a, vi b) { return _mm512_min_epi32(a, b); }
static inline vm vi_gt(vi a, vi b) { return _mm512_cmpgt_epi32_mask(a, b); }
static inline vi vi_round(vf a) { return _mm512_cvtps_epi32(a); }
static inline vi vi_lowest_bit(vi a) { return _mm512_and_si512(a, _mm512_sub_epi32(_mm512_setzero_si512(), a)); }
/* Of a power of two. */
static inline vi vi_bit_number(vi a) {
    return _mm512_sub_epi32(_mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(a)), 23), _mm512_set1_epi32(127));
}
/* Rounded; of numbers beyond 16 bits the lowest remain. */
static inline vi vi_pairs(vf low, vf high) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, vi_round(low), _mm512_slli_epi32(vi_round(high), 16));
}
/* sum + low * low + high * high */
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm512_dpwssd_epi32(sum, a, b); }
#endif
typedef __m128 v4;
static inline v4 v4_load(const float *p) { return _mm_loadu_ps(p); }
static inline void v4_store(float *p, v4 a) { _mm_storeu_ps(p, a); }
static inline void v4_stream(float *p, v4 a) { _mm_stream_ps(p, a); }
/* All but the last or first value, which lies elsewhere. */
static inline v4 v4_set_last(v4 a, const float *last) { return _mm_insert_ps(a, _mm_load_ss(last), 0x30); }
static inline v4 v4_set_first(v4 a, const float *first) { return _mm_insert_ps(a, _mm_load_ss(first), 0x00); }
static inline v4 v4_join(const float *low, const float *high) {
    return _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)low)), (const __m64 *)high);
}
static inline v4 v4_set1(float a) { return _mm_set1_ps(a); }
static inline v4 v4_fma(v4 a, v4 b, v4 c) { return _mm_fmadd_ps(a, b, c); }
static inline void v4_transpose(v4 row[4]) { _MM_TRANSPOSE4_PS(row[0], row[1], row[2], row[3]); }
static inline void v4_add_to(double *sum, v4 a, double weight) {
    _mm256_storeu_pd(sum, _mm256_fmadd_pd(_mm256_cvtps_pd(a), _mm256_set1_pd(weight), _mm256_loadu_pd(sum)));
}
typedef __m256 v8;
static inline v8 v8_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v8_store(float *p, v8 a) { _mm256_storeu_ps(p, a); }
static inline v8 v8_set1(float a) { return _mm256_set1_ps(a); }
static inline v8 v8_fma(v8 a, v8 b, v8 c) { return _mm256_fmadd_ps(a, b, c); }
typedef vf v16;
#define v16_load vf_load
#define v16_store vf_store
#define v16_set1 vf_set1
#define v16_fma vf_fma
