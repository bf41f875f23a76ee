/* Nearest codes of whole tables: dpq_assign, dpq_encode. */
#include "batch/assigner.h"
#include "batch/parallel.h"

#include <math.h>

/* The code of one group of one row in float64, ties to the lowest. */
static int32_t exact_code(const dpq_assigner *assigner, const dpq_rows *rows, size_t row, size_t group) {
    const size_t width = assigner->width, columns = dpqi_group_columns(&assigner->layout, group);
    const float *codebook = dpqi_raw_codebook(assigner, group);
    const char *data = dpqi_row(rows, row);
    const float scale = rows->scale ? rows->scale[row] : 1;
    double best = INFINITY;
    int32_t code = 0;
    for (size_t k = 0; k < assigner->layout.codes; k++) {
        double distance = 0;
        for (size_t c = 0; c < columns; c++) {
            const float x = dpqi_element(data, rows->type, group * width + c) * scale;
            const double y = codebook[k * width + c];
            distance += assigner->similarity == DPQ_NEAREST ? (x - y) * (x - y) : -x * y;
        }
        if (distance < best) {
            best = distance;
            code = (int32_t)k;
        }
    }
    return code;
}

typedef struct assign_scratch {
    float *tile;     /* [groups of a block][width][DPQI_TILE] */
    int32_t *codes;  /* [groups of a block][DPQI_TILE] */
    void *row_codes; /* [DPQI_TILE][groups] code elements, for packing */
} assign_scratch;

static size_t carve_scratch(const dpq_assigner *assigner, void *memory, assign_scratch *out) {
    dpqi_arena arena = {memory, 0};
    const size_t groups = assigner->layout.groups;
    out->tile = DPQI_TAKE(&arena, float, dpqi_walk_groups(assigner->width, groups) * assigner->width * DPQI_TILE);
    out->codes = DPQI_TAKE(&arena, int32_t, dpqi_walk_groups(assigner->width, groups) * DPQI_TILE);
    out->row_codes = dpqi_take(&arena, groups * DPQI_TILE, dpq_code_bytes(assigner->layout.codes));
    return arena.used;
}

size_t dpq_assign_workspace_bytes(const dpq_assigner *assigner, int threads) {
    assign_scratch scratch;
    return assigner ? carve_scratch(assigner, NULL, &scratch) * (size_t)dpq_thread_count(threads) : 0;
}

typedef struct assign_task {
    const dpq_assigner *assigner;
    const dpq_rows *rows;
    const dpqi_batch_kernels *kernels;
    int32_t mode;
    char *workspace;
    size_t scratch_bytes;
    void *codes;
    size_t code_stride;
    uint8_t *packed; /* NULL unless encoding */
} assign_task;

/* Codes of one group of a tile. */
static void assign_group(const assign_task *task, const float *tile, size_t first, size_t count, size_t group,
                         int *wait, int32_t *codes) {
    const dpq_assigner *assigner = task->assigner;
    uint64_t doubtful = dpqi_nearest_codes(assigner, task->kernels, dpqi_slot(assigner, group), tile, count,
                                           task->mode == DPQ_ASSIGN_EXACT, wait, codes);
    for (; doubtful; doubtful &= doubtful - 1) {
        const size_t r = (size_t)__builtin_ctzll(doubtful);
        codes[r] = exact_code(assigner, task->rows, first + r, group);
    }
}

static void assign_tiles(void *context, size_t begin, size_t end, int worker) {
    const assign_task *task = context;
    const dpq_assigner *assigner = task->assigner;
    const size_t groups = assigner->layout.groups, width = assigner->width;
    assign_scratch scratch;
    carve_scratch(assigner, task->workspace + (size_t)worker * task->scratch_bytes, &scratch);
    const size_t code_bytes = dpq_code_bytes(assigner->layout.codes);
    const size_t stride = task->packed ? groups : task->code_stride;
    int wait = 0;
    dpqi_walk walk = dpqi_walk_begin(width, begin, end, 0, groups);
    for (dpqi_block block; dpqi_walk_next(&walk, &block);) {
        const size_t first = block.first_row, count = block.rows;
        dpqi_block_load(width, task->kernels, task->rows, &block, assigner->center, scratch.tile);
        char *out = task->packed ? scratch.row_codes : (char *)task->codes + first * stride * code_bytes;
        const size_t block_groups = block.end_group - block.first_group;
        for (size_t i = 0; i < block_groups; i++) {
            dpqi_prefetch(width, task->rows, &walk.next, i, block_groups);
            assign_group(task, scratch.tile + i * width * DPQI_TILE, first, count, block.first_group + i, &wait,
                         scratch.codes + i * DPQI_TILE);
        }
        task->kernels->store_codes(scratch.codes, block_groups, count, code_bytes, out + block.first_group * code_bytes,
                                   stride);
        if (task->packed && block.end_group == groups)
            dpq_codes_pack(&assigner->layout, scratch.row_codes, count, 1,
                           task->packed + first * dpq_layout_row_bytes(&assigner->layout));
    }
}

static dpq_status run_assignment(assign_task *task, int threads, void *workspace, size_t workspace_bytes) {
    const dpq_assigner *assigner = task->assigner;
    if (!assigner || !dpqi_rows_valid(task->rows) || task->rows->dimension != assigner->layout.dimension ||
        (task->mode != DPQ_ASSIGN_FAST && task->mode != DPQ_ASSIGN_EXACT))
        return DPQ_ERROR_ARGUMENT;
    if (workspace_bytes < dpq_assign_workspace_bytes(assigner, threads)) return DPQ_ERROR_MEMORY;
    if (!workspace || (uintptr_t)workspace % DPQ_ALIGNMENT) return DPQ_ERROR_ARGUMENT;
    assign_scratch scratch;
    task->kernels = dpqi_batch_active();
    task->workspace = workspace;
    task->scratch_bytes = carve_scratch(assigner, NULL, &scratch);
    const double operations = 2.0 * (double)task->rows->count * (double)assigner->layout.dimension *
                              (double)assigner->layout.codes / (double)task->kernels->lanes;
    dpqi_parallel(dpqi_workers(threads, operations), task->rows->count, DPQI_TILE, assign_tiles, task);
    return DPQ_OK;
}

dpq_status dpq_assign(const dpq_assigner *assigner, const dpq_rows *rows, int32_t mode, int threads, void *workspace,
                      size_t workspace_bytes, void *out_codes, size_t code_stride) {
    if (!assigner || !out_codes || code_stride < assigner->layout.groups) return DPQ_ERROR_ARGUMENT;
    assign_task task = {
        .assigner = assigner, .rows = rows, .mode = mode, .codes = out_codes, .code_stride = code_stride};
    return run_assignment(&task, threads, workspace, workspace_bytes);
}

dpq_status dpq_encode(const dpq_assigner *assigner, const dpq_rows *rows, int32_t mode, int threads, void *workspace,
                      size_t workspace_bytes, uint8_t *out_packed) {
    if (!assigner || !out_packed) return DPQ_ERROR_ARGUMENT;
    assign_task task = {.assigner = assigner, .rows = rows, .mode = mode, .packed = out_packed};
    return run_assignment(&task, threads, workspace, workspace_bytes);
}
