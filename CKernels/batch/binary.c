/* Codes of binary tiers: choosing bits, packing, and the normal equations of their vectors. */
#include "batch/dispatch.h"
#include "batch/parallel.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 64 };

typedef struct bits_task {
    const dpqi_batch_kernels *kernels;
    size_t bits, stride;
    const float *gram, *diagonal;
    int passes;
    float *correlations, *halves;
    uint8_t *packed;
} bits_task;

static void settle_rows(void *context, size_t begin, size_t end, int worker) {
    const bits_task *t = context;
    (void)worker;
    for (size_t r = begin; r < end; r++)
        t->kernels->settle_bits(t->bits, t->gram, t->diagonal, t->passes, t->correlations + r * t->bits,
                                t->halves + r * t->stride);
}

dpq_status dpq_bits_settle(size_t rows, size_t bits, const float *gram, const float *diagonal, int passes, int threads,
                           float *correlations, float *halves, size_t stride) {
    if (stride < bits || (rows && (!gram || !diagonal || !correlations || !halves))) return DPQ_ERROR_ARGUMENT;
    bits_task task = {dpqi_batch_active(), bits, stride, gram, diagonal, passes, correlations, halves, NULL};
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)bits * 16), rows, GRAIN, settle_rows, &task);
    return DPQ_OK;
}

void dpq_bits_start(size_t rows, size_t bits, const float *correlations, float *halves, size_t stride) {
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < bits; j++) halves[r * stride + j] = correlations[r * bits + j] > 0 ? 0.5f : -0.5f;
}

static void pack_rows(void *context, size_t begin, size_t end, int worker) {
    const bits_task *t = context;
    const size_t row_bytes = (t->bits + 7) / 8;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *halves = t->halves + r * t->stride;
        uint8_t *packed = t->packed + r * row_bytes;
        memset(packed, 0, row_bytes);
        for (size_t j = 0; j < t->bits; j++) packed[j / 8] |= (uint8_t)((halves[j] > 0) << j % 8);
    }
}

dpq_status dpq_bits_pack(size_t rows, size_t bits, const float *halves, size_t stride, int threads,
                         uint8_t *out_packed) {
    if (stride < bits || (rows && (!halves || !out_packed))) return DPQ_ERROR_ARGUMENT;
    bits_task task = {.bits = bits, .stride = stride, .halves = (float *)(uintptr_t)halves, .packed = out_packed};
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)bits), rows, GRAIN, pack_rows, &task);
    return DPQ_OK;
}

static void unpack_rows(void *context, size_t begin, size_t end, int worker) {
    const bits_task *t = context;
    const size_t row_bytes = (t->bits + 7) / 8;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        float *halves = t->halves + r * t->stride;
        const uint8_t *packed = t->packed + r * row_bytes;
        for (size_t j = 0; j < t->bits; j++) halves[j] = (float)(packed[j / 8] >> j % 8 & 1) - 0.5f;
    }
}

dpq_status dpq_bits_unpack(size_t rows, size_t bits, const uint8_t *packed, int threads, float *halves, size_t stride) {
    if (stride < bits || (rows && (!packed || !halves))) return DPQ_ERROR_ARGUMENT;
    bits_task task = {.bits = bits, .stride = stride, .halves = halves, .packed = (uint8_t *)(uintptr_t)packed};
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)bits), rows, GRAIN, unpack_rows, &task);
    return DPQ_OK;
}

/* ---- normal equations ---- */

dpq_status dpq_solve_positive(size_t n, double *matrix, size_t columns, double *right) {
    if (n && (!matrix || (columns && !right))) return DPQ_ERROR_ARGUMENT;
    /* Cholesky, row by row: matrix = L L^T with L in the lower triangle. */
    for (size_t i = 0; i < n; i++) {
        double *row = matrix + i * n;
        for (size_t j = 0; j <= i; j++) {
            const double *other = matrix + j * n;
            double sum = row[j];
            for (size_t k = 0; k < j; k++) sum -= row[k] * other[k];
            if (j < i)
                row[j] = sum / other[j];
            else if (sum > 0)
                row[i] = sqrt(sum);
            else
                return DPQ_ERROR_ARGUMENT;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            for (size_t c = 0; c < columns; c++) right[i * columns + c] -= matrix[i * n + k] * right[k * columns + c];
        for (size_t c = 0; c < columns; c++) right[i * columns + c] /= matrix[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            for (size_t c = 0; c < columns; c++) right[i * columns + c] -= matrix[k * n + i] * right[k * columns + c];
        for (size_t c = 0; c < columns; c++) right[i * columns + c] /= matrix[i * n + i];
    }
    return DPQ_OK;
}
