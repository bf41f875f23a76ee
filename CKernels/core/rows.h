/* Single elements of a dpq_rows view. */
#ifndef DPQI_ROWS_H
#define DPQI_ROWS_H

#include "dpq_kernels.h"
#include "simd/convert.h"

/* One element of the row that starts at `row`, converted; scale not applied. */
static inline float dpqi_element(const char *row, dpq_scalar type, size_t column) {
    uint16_t half;
    float single;
    double wide;
    switch (type) {
    case DPQ_F16: memcpy(&half, row + 2 * column, sizeof half); return dpqi_f16_to_f32(half);
    case DPQ_BF16: memcpy(&half, row + 2 * column, sizeof half); return dpqi_bf16_to_f32(half);
    case DPQ_F64: memcpy(&wide, row + 8 * column, sizeof wide); return (float)wide;
    default: memcpy(&single, row + 4 * column, sizeof single); return single;
    }
}

static inline size_t dpqi_element_bytes(dpq_scalar type) {
    return type == DPQ_F64 ? 8 : type == DPQ_F32 ? 4 : type == DPQ_F16 || type == DPQ_BF16 ? 2 : 0;
}

/* Start of row i. */
static inline const char *dpqi_row(const dpq_rows *rows, size_t i) {
    return (const char *)rows->data + i * rows->stride * dpqi_element_bytes(rows->type);
}

#endif
