/* Rows of a compressed table on several threads. */
#include "batch/parallel.h"
#include "dpq.h"
#include "dpq_kernels.h"

typedef struct read_task {
    const dpq_table *table;
    uint64_t first;
    float *out;
    size_t out_stride;
} read_task;

static void read_rows(void *context, size_t begin, size_t end, int worker) {
    const read_task *task = context;
    (void)worker;
    dpq_table_read(task->table, task->first + begin, end - begin, task->out + begin * task->out_stride,
                   task->out_stride, NULL); /* checked before */
}

dpq_status dpq_table_read_parallel(const dpq_table *table, uint64_t first, size_t count, float *out, size_t out_stride,
                                   int threads, dpq_error *error) {
    dpq_description about = {.struct_size = sizeof about};
    const int known = table && dpq_table_describe(table, &about) == DPQ_OK;
    const int workers = dpqi_workers(threads, (double)count * (double)about.dimension);
    /* What is wrong with the arguments is said there. */
    if (!known || workers == 1 || !out || out_stride < about.dimension || first > about.rows ||
        count > about.rows - first)
        return dpq_table_read(table, first, count, out, out_stride, error);
    read_task task = {table, first, out, out_stride};
    dpqi_parallel(workers, count, 64, read_rows, &task);
    return dpq_table_read(table, first, 0, out, out_stride, error);
}
