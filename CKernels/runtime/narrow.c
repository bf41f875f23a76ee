#include "core/dispatch.h"
#include "runtime/error.h"
#include "runtime/table.h"

/* Floats decoded at a time: they stay in the first cache. */
enum { BLOCK_FLOATS = 4096 };

static size_t block_rows(const dpq_table *table) {
    return table->dimension < BLOCK_FLOATS ? BLOCK_FLOATS / (size_t)table->dimension : 1;
}

size_t dpq_table_lookup_as_workspace_bytes(const dpq_table *table) {
    if (!table) return 0;
    return block_rows(table) * (size_t)table->dimension * sizeof(float) + sizeof(float) - 1;
}

dpq_status dpq_table_lookup_as(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                               dpq_scalar type, void *out, size_t out_stride, void *workspace, size_t workspace_bytes,
                               dpq_error *error) {
    if (!table || (count && (!ids || !out)) || out_stride < table->dimension) return dpqi_fail_output(error, __func__);
    if (type != DPQ_F16 && type != DPQ_BF16)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_lookup_as: the type is neither DPQ_F16 nor DPQ_BF16");
    if (!workspace || workspace_bytes < dpq_table_lookup_as_workspace_bytes(table))
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "dpq_table_lookup_as: the workspace is smaller than %zu bytes",
                         dpq_table_lookup_as_workspace_bytes(table));
    dpq_status status = dpqi_table_check_ids(table, ids, count, outside, error);
    if (status) return status;
    const dpqi_kernels *kernels = dpqi_active();
    const size_t dimension = (size_t)table->dimension, most = block_rows(table);
    float *rows = (float *)(void *)((char *)workspace + (-(uintptr_t)workspace & (sizeof(float) - 1)));
    for (size_t start = 0; start < count; start += most) {
        const size_t block = count - start < most ? count - start : most;
        if ((status = dpq_table_lookup(table, ids + start, block, outside, rows, dimension, error))) return status;
        for (size_t i = 0; i < block; i++)
            kernels->narrow(rows + i * dimension, dimension, type, (uint16_t *)out + (start + i) * out_stride);
    }
    return dpqi_succeed(error);
}
