/* Networks: rows are shared among workers; no result depends on more than its own row or column. */
#include "batch/dispatch.h"
#include "batch/parallel.h"

typedef struct network_task {
    const dpqi_batch_kernels *kernels;
    size_t rows, columns, stride;
    const float *values, *cell, *squashed, *gradient;
    const int32_t *labels;
    float *gates, *out, *out_squashed, *out_hidden;
    float factor;
    uint64_t seed;
    double *losses;
} network_task;

/* Workers for `values` values that cost about `each` operations of a vector. */
static int workers_for(int threads, size_t values, double each, const dpqi_batch_kernels *kernels) {
    return dpqi_workers(threads, (double)values * each / (double)kernels->lanes);
}

static void sum_columns(void *context, size_t begin, size_t end, int worker) {
    const network_task *task = context;
    (void)worker;
    task->kernels->column_sums(task->values + begin, task->rows, end - begin, task->stride, task->out + begin);
}

dpq_status dpq_column_sums(const float *values, size_t rows, size_t columns, size_t stride, float *out, int threads) {
    if (stride < columns || (columns && !out) || (rows && columns && !values)) return DPQ_ERROR_ARGUMENT;
    network_task task = {.kernels = dpqi_batch_active(), .rows = rows, .stride = stride, .values = values, .out = out};
    dpqi_parallel(workers_for(threads, rows * columns, 2, task.kernels), columns, 128, sum_columns, &task);
    return DPQ_OK;
}

static void cross_entropy_rows(void *context, size_t begin, size_t end, int worker) {
    const network_task *task = context;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        float *logits = task->out + row * task->columns;
        if (task->labels[row] >= 0) {
            task->losses[row] =
                task->kernels->cross_entropy(logits, task->columns, (size_t)task->labels[row], task->factor);
        } else {
            task->losses[row] = 0;
            if (task->factor != 0)
                for (size_t c = 0; c < task->columns; c++) logits[c] = 0;
        }
    }
}

dpq_status dpq_cross_entropy(float *logits, size_t rows, size_t classes, const int32_t *labels, float scale,
                             double *out_losses, int threads) {
    if (rows && (!logits || !labels || !out_losses || classes == 0)) return DPQ_ERROR_ARGUMENT;
    for (size_t row = 0; row < rows; row++)
        if (labels[row] >= 0 && (size_t)labels[row] >= classes) return DPQ_ERROR_ARGUMENT;
    network_task task = {.kernels = dpqi_batch_active(),
                         .columns = classes,
                         .labels = labels,
                         .out = logits,
                         .factor = scale,
                         .losses = out_losses};
    dpqi_parallel(workers_for(threads, rows * classes, 25, task.kernels), rows, 1, cross_entropy_rows, &task);
    return DPQ_OK;
}

static void lstm_forward_rows(void *context, size_t begin, size_t end, int worker) {
    const network_task *task = context;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        const size_t at = row * task->columns;
        task->kernels->lstm_forward(task->columns, task->gates + 4 * at, task->cell + at, task->out + at,
                                    task->out_squashed + at, task->out_hidden + at);
    }
}

dpq_status dpq_lstm_forward(size_t batch, size_t width, float *gates, const float *cell, float *out_cell,
                            float *out_squashed, float *out_hidden, int threads) {
    if (batch && width && (!gates || !cell || !out_cell || !out_squashed || !out_hidden)) return DPQ_ERROR_ARGUMENT;
    network_task task = {.kernels = dpqi_batch_active(),
                         .columns = width,
                         .cell = cell,
                         .gates = gates,
                         .out = out_cell,
                         .out_squashed = out_squashed,
                         .out_hidden = out_hidden};
    dpqi_parallel(workers_for(threads, batch * width, 150, task.kernels), batch, 1, lstm_forward_rows, &task);
    return DPQ_OK;
}

static void lstm_backward_rows(void *context, size_t begin, size_t end, int worker) {
    const network_task *task = context;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        const size_t at = row * task->columns;
        task->kernels->lstm_backward(task->columns, task->gates + 4 * at, task->cell + at, task->squashed + at,
                                     task->gradient + at, task->out + at);
    }
}

dpq_status dpq_lstm_backward(size_t batch, size_t width, float *gates, const float *cell, const float *squashed,
                             const float *hidden_gradient, float *cell_gradient, int threads) {
    if (batch && width && (!gates || !cell || !squashed || !hidden_gradient || !cell_gradient))
        return DPQ_ERROR_ARGUMENT;
    network_task task = {.kernels = dpqi_batch_active(),
                         .columns = width,
                         .cell = cell,
                         .squashed = squashed,
                         .gradient = hidden_gradient,
                         .gates = gates,
                         .out = cell_gradient};
    dpqi_parallel(workers_for(threads, batch * width, 40, task.kernels), batch, 1, lstm_backward_rows, &task);
    return DPQ_OK;
}

static void drop_values(void *context, size_t begin, size_t end, int worker) {
    const network_task *task = context;
    (void)worker;
    task->kernels->dropout(task->values, begin, end - begin, task->factor, task->seed, task->out);
}

dpq_status dpq_dropout(const float *values, size_t count, float keep, uint64_t seed, float *out, int threads) {
    if (!(keep > 0 && keep <= 1) || count > UINT32_MAX || (count && (!values || !out))) return DPQ_ERROR_ARGUMENT;
    network_task task = {.kernels = dpqi_batch_active(), .values = values, .out = out, .factor = keep, .seed = seed};
    dpqi_parallel(workers_for(threads, count, 20, task.kernels), count, 1024, drop_values, &task);
    return DPQ_OK;
}
