/* Codes of binary tiers: choosing bits, packing, rebuilding rows, and the normal equations of their vectors. */
#include "batch/dispatch.h"
#include "batch/parallel.h"
#include "core/sums.h"

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

/* ---- rows from bits ---- */

typedef struct rebuild_task {
    const dpqi_kernels *kernels;
    dpqi_decoder decoder;
    float *out;
    size_t stride;
} rebuild_task;

static void rebuild_rows(void *context, size_t begin, size_t end, int worker) {
    const rebuild_task *t = context;
    (void)worker;
    t->kernels->decode_rows(&t->decoder, NULL, begin, NULL, end - begin, t->out + begin * t->stride, t->stride);
}

size_t dpq_bits_workspace_bytes(size_t bits, size_t dimension) {
    dpqi_decoder d;
    dpqi_sums_layout(bits, dimension, &d);
    return dpqi_sums_count(&d) * sizeof(float);
}

dpq_status dpq_bits_reconstruct(size_t bits, size_t dimension, const float *basis, const float *bias,
                                const uint8_t *packed, size_t rows, float *out, size_t out_stride, int threads,
                                void *workspace, size_t workspace_bytes) {
    if (bits == 0 || dimension == 0 || !basis || !bias || out_stride < dimension || (rows && (!packed || !out)))
        return DPQ_ERROR_ARGUMENT;
    if (!workspace || workspace_bytes < dpq_bits_workspace_bytes(bits, dimension)) return DPQ_ERROR_MEMORY;
    rebuild_task task = {.kernels = dpqi_batch_active()->runtime, .out = out, .stride = out_stride};
    dpqi_sums_layout(bits, dimension, &task.decoder);
    memset(workspace, 0, dpqi_sums_count(&task.decoder) * sizeof(float));
    dpqi_sums_make(&task.decoder, bits, basis, bias, workspace);
    task.decoder.codebook = workspace;
    task.decoder.packed = packed;
    const double operations = (double)rows * (double)task.decoder.groups * (double)dimension;
    dpqi_parallel(dpqi_workers(threads, operations), rows, GRAIN, rebuild_rows, &task);
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
