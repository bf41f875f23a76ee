#include "batch/dispatch.h"
#include "batch/layout.h"
#include "batch/parallel.h"

typedef struct read_task {
    const dpq_rows *rows;
    size_t first;
    float *out;
    size_t out_stride;
} read_task;

static void read_rows(void *context, size_t begin, size_t end, int worker) {
    const read_task *task = context;
    const dpq_rows *rows = task->rows;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const char *row = dpqi_row(rows, task->first + i);
        float *out = task->out + i * task->out_stride;
        const float scale = rows->scale ? rows->scale[task->first + i] : 1;
        for (size_t c = 0; c < rows->dimension; c++) out[c] = dpqi_element(row, rows->type, c) * scale;
    }
}

dpq_status dpq_rows_read(const dpq_rows *rows, size_t first, size_t count, float *out, size_t out_stride, int threads) {
    if (!dpqi_rows_valid(rows) || first > rows->count || count > rows->count - first || out_stride < rows->dimension ||
        (count && !out))
        return DPQ_ERROR_ARGUMENT;
    read_task task = {rows, first, out, out_stride};
    dpqi_parallel(dpqi_workers(threads, (double)count * (double)rows->dimension), count, 64, read_rows, &task);
    return DPQ_OK;
}

typedef struct finite_task {
    const dpq_rows *rows;
    const dpqi_batch_kernels *kernels;
    size_t *first_bad; /* per worker */
} finite_task;

#define MAX_SCANNERS 64

static void find_non_finite(void *context, size_t begin, size_t end, int worker) {
    const finite_task *task = context;
    size_t *first_bad = &task->first_bad[worker];
    if (*first_bad < begin) return;
    const size_t row = task->kernels->find_non_finite(task->rows, begin, end);
    if (row < end) *first_bad = row;
}

dpq_status dpq_rows_find_non_finite(const dpq_rows *rows, int threads, size_t *out_row) {
    if (!dpqi_rows_valid(rows) || !out_row) return DPQ_ERROR_ARGUMENT;
    size_t first_bad[MAX_SCANNERS];
    for (size_t i = 0; i < MAX_SCANNERS; i++) first_bad[i] = rows->count;
    finite_task task = {rows, dpqi_batch_active(), first_bad};
    int workers = dpqi_workers(threads, (double)rows->count * (double)rows->dimension);
    if (workers > MAX_SCANNERS) workers = MAX_SCANNERS;
    dpqi_parallel(workers, rows->count, 64, find_non_finite, &task);
    *out_row = rows->count;
    for (size_t i = 0; i < MAX_SCANNERS; i++)
        if (first_bad[i] < *out_row) *out_row = first_bad[i];
    return DPQ_OK;
}

void dpq_f32_to_f16(const float *values, size_t count, uint16_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = dpqi_f32_to_f16(values[i]);
}

void dpq_f16_to_f32(const uint16_t *values, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) out[i] = dpqi_f16_to_f32(values[i]);
}

typedef struct compare_task {
    const dpq_rows *a, *b;
    double *squared_distance, *dot, *a_norm, *b_norm;
} compare_task;

static void compare_rows(void *context, size_t begin, size_t end, int worker) {
    const compare_task *task = context;
    const dpq_rows *a = task->a, *b = task->b;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const char *row_a = dpqi_row(a, i), *row_b = dpqi_row(b, i);
        const double scale_a = a->scale ? a->scale[i] : 1, scale_b = b->scale ? b->scale[i] : 1;
        double distance = 0, dot = 0, norm_a = 0, norm_b = 0;
        for (size_t c = 0; c < a->dimension; c++) {
            const double x = dpqi_element(row_a, a->type, c) * scale_a, y = dpqi_element(row_b, b->type, c) * scale_b;
            distance += (x - y) * (x - y);
            dot += x * y;
            norm_a += x * x;
            norm_b += y * y;
        }
        if (task->squared_distance) task->squared_distance[i] = distance;
        if (task->dot) task->dot[i] = dot;
        if (task->a_norm) task->a_norm[i] = norm_a;
        if (task->b_norm) task->b_norm[i] = norm_b;
    }
}

dpq_status dpq_rows_compare(const dpq_rows *a, const dpq_rows *b, int threads, double *out_squared_distance,
                            double *out_dot, double *out_a_squared_norm, double *out_b_squared_norm) {
    if (!dpqi_rows_valid(a) || !dpqi_rows_valid(b) || a->count != b->count || a->dimension != b->dimension)
        return DPQ_ERROR_ARGUMENT;
    compare_task task = {a, b, out_squared_distance, out_dot, out_a_squared_norm, out_b_squared_norm};
    dpqi_parallel(dpqi_workers(threads, 8.0 * (double)a->count * (double)a->dimension), a->count, 64, compare_rows,
                  &task);
    return DPQ_OK;
}
