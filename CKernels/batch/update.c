/* Rows of trained tables by their ids, and the steps of optimisers. All of it is bound by memory, so plain loops do. */
#include "batch/dispatch.h"
#include "batch/parallel.h"
#include "dpq_kernels.h"

#include <math.h>
#include <string.h>

static int ids_valid(const int32_t *ids, size_t count, size_t rows) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= rows) return 0;
    return 1;
}

typedef struct gather_task {
    const float *table;
    size_t columns;
    const int32_t *ids;
    float *out;
    size_t out_stride;
} gather_task;

static void gather_rows(void *context, size_t begin, size_t end, int worker) {
    const gather_task *task = context;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        memcpy(task->out + i * task->out_stride, task->table + (size_t)task->ids[i] * task->columns,
               task->columns * sizeof(float));
}

dpq_status dpq_gather(const float *table, size_t rows, size_t columns, const int32_t *ids, size_t count, int threads,
                      float *out, size_t out_stride) {
    if (out_stride < columns || (count && (!table || !ids || !out)) || !ids_valid(ids, count, rows))
        return DPQ_ERROR_ARGUMENT;
    gather_task task = {table, columns, ids, out, out_stride};
    dpqi_parallel(dpqi_workers(threads, (double)count * (double)columns), count, 64, gather_rows, &task);
    return DPQ_OK;
}

typedef struct scatter_task {
    const float *values;
    size_t stride, columns;
    const int32_t *places;
    size_t count;
    float *out;
} scatter_task;

/* Workers share the columns, so each sum is formed in the order of the rows whoever forms it. */
static void scatter_columns(void *context, size_t begin, size_t end, int worker) {
    const scatter_task *task = context;
    (void)worker;
    for (size_t i = 0; i < task->count; i++) {
        const float *row = task->values + i * task->stride;
        float *out = task->out + (size_t)task->places[i] * task->columns;
        for (size_t c = begin; c < end; c++) out[c] += row[c];
    }
}

dpq_status dpq_scatter_add(const float *values, size_t stride, size_t columns, const int32_t *places, size_t count,
                           int threads, float *out, size_t out_rows) {
    if (stride < columns || (count && (!values || !places || !out)) || !ids_valid(places, count, out_rows))
        return DPQ_ERROR_ARGUMENT;
    scatter_task task = {values, stride, columns, places, count, out};
    dpqi_parallel(dpqi_workers(threads, (double)count * (double)columns), columns, 32, scatter_columns, &task);
    return DPQ_OK;
}

typedef struct combine_task {
    const float *rows;
    size_t columns;
    const int64_t *offsets;
    const int32_t *ids;
    const float *weights;
    const dpqi_batch_kernels *kernels;
    float *out;
} combine_task;

static void combine_rows(void *context, size_t begin, size_t end, int worker) {
    const combine_task *task = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const int64_t first = task->offsets[i];
        task->kernels->combine(task->rows, task->columns, task->ids + first, task->weights + first,
                               (size_t)(task->offsets[i + 1] - first), task->out + i * task->columns);
    }
}

dpq_status dpq_combine_rows(const float *rows, size_t row_count, size_t columns, const int64_t *offsets,
                            const int32_t *ids, const float *weights, size_t count, int threads, float *out) {
    if (count == 0) return DPQ_OK;
    if (!offsets || !out || offsets[0] < 0) return DPQ_ERROR_ARGUMENT;
    for (size_t i = 0; i < count; i++)
        if (offsets[i + 1] < offsets[i]) return DPQ_ERROR_ARGUMENT;
    const size_t entries = (size_t)offsets[count];
    if (entries && (!rows || !ids || !weights || !ids_valid(ids, entries, row_count))) return DPQ_ERROR_ARGUMENT;
    combine_task task = {rows, columns, offsets, ids, weights, dpqi_batch_active(), out};
    dpqi_parallel(dpqi_workers(threads, (double)entries * (double)columns / 4), count, 8, combine_rows, &task);
    return DPQ_OK;
}

/* ---- optimisers ------------------------------------------------------------------------------------------------- */

typedef struct update_task {
    const dpq_update *update;
    float rate;
    float *first, *second;
    float first_decay, second_decay, epsilon;
} update_task;

/* Where the values of gradient row `i` begin. */
static size_t place_of(const dpq_update *update, size_t i) {
    return (update->rows ? (size_t)update->rows[i] : i) * update->columns;
}

static int update_valid(const dpq_update *update) {
    return update && (update->count == 0 || (update->values && update->gradient)) &&
           (update->rows ? ids_valid(update->rows, update->count, update->value_rows)
                         : update->count <= update->value_rows);
}

static void sgd_rows(void *context, size_t begin, size_t end, int worker) {
    const update_task *task = context;
    const dpq_update *update = task->update;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float *restrict value = update->values + place_of(update, i);
        const float *restrict gradient = update->gradient + i * update->columns;
        for (size_t c = 0; c < update->columns; c++) value[c] -= task->rate * gradient[c];
    }
}

static void run_update(const dpq_update *update, double operations, int threads, dpqi_task body, update_task *task) {
    const size_t grain = update->columns >= 4096 ? 1 : 4096 / (update->columns ? update->columns : 1);
    const double work = operations * (double)update->count * (double)update->columns;
    dpqi_parallel(dpqi_workers(threads, work), update->count, grain, body, task);
}

dpq_status dpq_sgd_step(const dpq_update *update, float rate, int threads) {
    if (!update_valid(update)) return DPQ_ERROR_ARGUMENT;
    update_task task = {.update = update, .rate = rate};
    run_update(update, 1, threads, sgd_rows, &task);
    return DPQ_OK;
}

static void adam_rows(void *context, size_t begin, size_t end, int worker) {
    const update_task *task = context;
    const dpq_update *update = task->update;
    const float first_share = 1 - task->first_decay, second_share = 1 - task->second_decay;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const size_t at = place_of(update, i);
        float *restrict value = update->values + at, *restrict first = task->first + at;
        float *restrict second = task->second + at;
        const float *restrict gradient = update->gradient + i * update->columns;
        for (size_t c = 0; c < update->columns; c++) {
            const float g = gradient[c];
            first[c] += first_share * (g - first[c]);
            second[c] += second_share * (g * g - second[c]);
            value[c] -= task->rate * first[c] / (sqrtf(second[c]) + task->epsilon);
        }
    }
}

dpq_status dpq_adam_step(const dpq_update *update, float *first, float *second, float first_decay, float second_decay,
                         float rate, float epsilon, int threads) {
    if (!update_valid(update) || (update->count && (!first || !second)) || !(epsilon > 0)) return DPQ_ERROR_ARGUMENT;
    update_task task = {update, rate, first, second, first_decay, second_decay, epsilon};
    run_update(update, 4, threads, adam_rows, &task);
    return DPQ_OK;
}

/* Parts the sum is cut into, and sums side by side within one: both only by the length, never by the workers. */
#define NORM_PARTS 64
#define NORM_SUMS 8

typedef struct norm_task {
    const float *values;
    size_t count, part;
    double sums[NORM_PARTS];
} norm_task;

static void square_parts(void *context, size_t begin, size_t end, int worker) {
    norm_task *task = context;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        size_t i = p * task->part;
        const size_t last = task->count - i < task->part ? task->count : i + task->part;
        double sums[NORM_SUMS] = {0}, sum = 0;
        for (; i + NORM_SUMS <= last; i += NORM_SUMS)
            for (size_t s = 0; s < NORM_SUMS; s++) {
                const double value = (double)task->values[i + s];
                sums[s] += value * value;
            }
        for (; i < last; i++) sum += (double)task->values[i] * (double)task->values[i];
        for (size_t s = 0; s < NORM_SUMS; s++) sum += sums[s];
        task->sums[p] = sum;
    }
}

double dpq_squared_norm(const float *values, size_t count, int threads) {
    norm_task task = {.values = values, .count = count, .part = (count + NORM_PARTS - 1) / NORM_PARTS};
    if (count == 0) return 0;
    const size_t parts = (count + task.part - 1) / task.part;
    dpqi_parallel(dpqi_workers(threads, (double)count), parts, 1, square_parts, &task);
    double sum = 0;
    for (size_t p = 0; p < parts; p++) sum += task.sums[p];
    return sum;
}
