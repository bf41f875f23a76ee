/* Scalar conversions between number types, exact or rounded to nearest even. */
#ifndef DPQI_CONVERT_H
#define DPQI_CONVERT_H

#include <stdint.h>
#include <string.h>

static inline float dpqi_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t dpqi_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float dpqi_bf16_to_f32(uint16_t half) { return dpqi_float_of_bits((uint32_t)half << 16); }

static inline float dpqi_f16_to_f32(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31) return dpqi_float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return dpqi_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* Subnormal: fraction * 2^-24, exact in float32. */
    const float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

static inline uint16_t dpqi_f32_to_bf16(float value) {
    const uint32_t bits = dpqi_bits_of_float(value);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded); /* a NaN stays one */
}

static inline uint16_t dpqi_f32_to_f16(float value) {
    const uint32_t bits = dpqi_bits_of_float(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds to 2^16 or more */
    if (magnitude < 0x38800000) {
        /* Subnormal or zero: adding 2^-1 leaves the rounded count of 2^-24 in the low bits. */
        const float shifted = dpqi_float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (dpqi_bits_of_float(shifted) - 0x3f000000));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

#endif
