/* One sweep of Lloyd's algorithm: assignment and accumulation fused, tile by tile.
 *
 * The same bytes at any thread count: rows are cut into chunks by the problem's size alone, each codebook sums one
 * chunk at a time, and the chunks are added up in order. Workers share the groups where there are enough of them,
 * else the chunks; both do the same additions in the same order. */
#include "batch/assigner.h"
#include "batch/parallel.h"

#include <string.h>

/* Partial sums of the codebooks of some groups over one chunk. */
typedef struct partial {
    double *sums;    /* [codebooks][codes][width] */
    double *tallies; /* [codebooks][codes][2]: weight and error, side by side because they are added together */
} partial;

static size_t carve_partial(const dpq_assigner *assigner, size_t codebooks, void *memory, partial *out) {
    dpqi_arena arena = {memory, 0};
    const size_t codes = codebooks * assigner->layout.codes;
    out->sums = DPQI_TAKE(&arena, double, codes * assigner->width);
    out->tallies = DPQI_TAKE(&arena, double, 2 * codes);
    return arena.used;
}

static size_t codebook_count(const dpq_assigner *assigner) {
    return assigner->layout.shared ? 1 : assigner->layout.groups;
}

/* As many chunks as keep their sums an eighth of the table, at most 16. */
static size_t chunk_count(const dpq_assigner *assigner, size_t rows) {
    const size_t chunks = rows / (16 * assigner->layout.codes);
    return chunks < 1 ? 1 : chunks > 16 ? 16 : chunks;
}

static size_t chunk_begin(const dpq_assigner *assigner, size_t rows, size_t chunk) {
    const size_t tiles = (rows + DPQI_TILE - 1) / DPQI_TILE;
    const size_t row = tiles * chunk / chunk_count(assigner, rows) * DPQI_TILE;
    return row < rows ? row : rows;
}

typedef struct sweep_scratch {
    float *tile;    /* [groups of a block][width][DPQI_TILE] */
    int32_t *codes; /* [DPQI_TILE] */
    float *scores;  /* [DPQI_TILE] */
    float *errors;  /* [DPQI_TILE] */
    float *rows;    /* [DPQI_TILE][columns of a block]: the rows as float32 where the table is not */
} sweep_scratch;

static size_t carve_scratch(const dpq_assigner *assigner, void *memory, sweep_scratch *out) {
    dpqi_arena arena = {memory, 0};
    const size_t cells = dpqi_walk_groups(assigner->width, assigner->layout.groups) * assigner->width * DPQI_TILE;
    out->tile = DPQI_TAKE(&arena, float, cells);
    out->codes = DPQI_TAKE(&arena, int32_t, DPQI_TILE);
    out->scores = DPQI_TAKE(&arena, float, DPQI_TILE);
    out->errors = DPQI_TAKE(&arena, float, DPQI_TILE);
    out->rows = DPQI_TAKE(&arena, float, cells);
    return arena.used;
}

/* Workers share the groups when each gets at least two; a shared codebook belongs to no group. */
static int shares_groups(const dpq_assigner *assigner, int workers) {
    return !assigner->layout.shared && assigner->layout.groups >= 2 * (size_t)workers;
}

size_t dpq_sweep_workspace_bytes(const dpq_assigner *assigner, size_t rows, int threads) {
    if (!assigner) return 0;
    sweep_scratch scratch;
    partial part;
    const int workers = dpq_thread_count(threads);
    const size_t whole = carve_partial(assigner, codebook_count(assigner), NULL, &part);
    /* One worker shares the groups with none, where their codebooks are their own. */
    const size_t by_group = carve_partial(assigner, 1, NULL, &part) * codebook_count(assigner);
    const size_t partials = shares_groups(assigner, workers) ? by_group : whole * chunk_count(assigner, rows);
    return carve_scratch(assigner, NULL, &scratch) * (size_t)workers + (partials > by_group ? partials : by_group);
}

typedef struct sweep_task {
    const dpq_assigner *assigner;
    const dpq_rows *rows;
    const float *weights;
    const dpqi_batch_kernels *kernels;
    char *scratch;
    size_t scratch_bytes;
    char *partials;
    size_t partial_bytes; /* of all codebooks over one chunk */
    size_t group_bytes;   /* of one */
    double *sums, *code_weights, *errors;
} sweep_task;

/* Adds rows [begin, end) of groups [first_group, end_group) to `part`, whose codebook 0 is that of first_group. */
static void sum_chunk(const sweep_task *task, int worker, size_t first_group, size_t end_group, size_t begin,
                      size_t end, const partial *part) {
    const dpq_assigner *assigner = task->assigner;
    const dpq_layout *layout = &assigner->layout;
    const size_t width = assigner->width, codes = layout->codes;
    sweep_scratch scratch;
    carve_scratch(assigner, task->scratch + (size_t)worker * task->scratch_bytes, &scratch);

    const int plain =
        task->rows->type == DPQ_F32 && !task->rows->scale && (uintptr_t)task->rows->data % sizeof(float) == 0;
    int wait = 0;
    dpqi_walk walk = dpqi_walk_begin(width, begin, end, first_group, end_group);
    for (dpqi_block block; dpqi_walk_next(&walk, &block);) {
        const size_t first = block.first_row, count = block.rows, groups = block.end_group - block.first_group;
        const dpq_rows view = dpqi_block_load(width, task->kernels, task->rows, &block, assigner->center, scratch.tile);
        const float *rows = (const float *)(const void *)dpqi_row(&view, first);
        size_t stride = view.stride;
        if (!plain) {
            dpq_rows_read(&view, first, count, scratch.rows, view.dimension, 1);
            rows = scratch.rows;
            stride = view.dimension;
        }
        for (size_t group = block.first_group; group < block.end_group; group++) {
            dpqi_prefetch(width, task->rows, &walk.next, group - block.first_group, groups);
            const size_t slot = dpqi_slot(assigner, group), columns = dpqi_group_columns(layout, group);
            const float *tile = scratch.tile + (group - block.first_group) * width * DPQI_TILE;
            dpqi_nearest_codes(assigner, task->kernels, slot, tile, count, 0, &wait, scratch.codes, scratch.scores);
            task->kernels->tile_errors(tile, width, scratch.scores, scratch.errors);
            const size_t base = layout->shared ? 0 : (group - first_group) * codes;
            const float *weights = task->weights ? task->weights + first : NULL;
            double *sums = part->sums + base * width;
            task->kernels->accumulate(rows + (group - block.first_group) * width, stride, count, columns, scratch.codes,
                                      weights, scratch.errors, sums, part->tallies + 2 * base, width);
            /* Coordinates a padded last group does not have pull a shared codeword nowhere. */
            if (layout->shared && columns < width)
                for (size_t r = 0; r < count; r++)
                    for (size_t c = columns, code = (size_t)scratch.codes[r]; c < width; c++)
                        sums[code * width + c] +=
                            (weights ? (double)weights[r] : 1) * (double)assigner->raw[code * width + c];
        }
    }
}

/* Adds one chunk's sums to the outputs for `codebooks` codebooks from `first` on. */
static void add_partial(const sweep_task *task, size_t first, size_t codebooks, const partial *part) {
    const size_t width = task->assigner->width, codes = task->assigner->layout.codes;
    for (size_t i = 0; i < codebooks * codes; i++) {
        const size_t out = first * codes + i;
        for (size_t c = 0; c < width; c++) task->sums[out * width + c] += part->sums[i * width + c];
        task->code_weights[out] += part->tallies[2 * i];
        task->errors[out] += part->tallies[2 * i + 1];
    }
}

static void sweep_groups(void *context, size_t begin, size_t end, int worker) {
    const sweep_task *task = context;
    const dpq_assigner *assigner = task->assigner;
    const size_t rows = task->rows->count;
    partial part;
    /* Several groups together take no more than each by itself. */
    const size_t bytes = carve_partial(assigner, end - begin, task->partials + begin * task->group_bytes, &part);
    for (size_t chunk = 0; chunk < chunk_count(assigner, rows); chunk++) {
        memset(part.sums, 0, bytes);
        sum_chunk(task, worker, begin, end, chunk_begin(assigner, rows, chunk), chunk_begin(assigner, rows, chunk + 1),
                  &part);
        add_partial(task, begin, end - begin, &part);
    }
}

static void sweep_chunks(void *context, size_t begin, size_t end, int worker) {
    const sweep_task *task = context;
    const dpq_assigner *assigner = task->assigner;
    const size_t rows = task->rows->count;
    for (size_t chunk = begin; chunk < end; chunk++) {
        partial part;
        carve_partial(assigner, codebook_count(assigner), task->partials + chunk * task->partial_bytes, &part);
        memset(part.sums, 0, task->partial_bytes);
        sum_chunk(task, worker, 0, assigner->layout.groups, chunk_begin(assigner, rows, chunk),
                  chunk_begin(assigner, rows, chunk + 1), &part);
    }
}

dpq_status dpq_sweep(const dpq_assigner *assigner, const dpq_rows *rows, const float *weights, int threads,
                     void *workspace, size_t workspace_bytes, double *out_sums, double *out_weights,
                     double *out_errors) {
    if (!assigner || !dpqi_rows_valid(rows) || rows->dimension != assigner->layout.dimension || !out_sums ||
        !out_weights || !out_errors || assigner->similarity != DPQ_NEAREST)
        return DPQ_ERROR_ARGUMENT;
    if (workspace_bytes < dpq_sweep_workspace_bytes(assigner, rows->count, threads)) return DPQ_ERROR_MEMORY;
    if (!workspace || (uintptr_t)workspace % DPQ_ALIGNMENT) return DPQ_ERROR_ARGUMENT;
    const dpq_layout *layout = &assigner->layout;
    const size_t codebooks = codebook_count(assigner), values = codebooks * layout->codes;
    memset(out_sums, 0, values * assigner->width * sizeof *out_sums);
    memset(out_weights, 0, values * sizeof *out_weights);
    memset(out_errors, 0, values * sizeof *out_errors);
    if (rows->count == 0) return DPQ_OK;

    sweep_scratch scratch;
    partial part;
    sweep_task task = {.assigner = assigner, .rows = rows, .weights = weights, .kernels = dpqi_batch_active()};
    task.sums = out_sums;
    task.code_weights = out_weights;
    task.errors = out_errors;
    task.scratch = workspace;
    task.scratch_bytes = carve_scratch(assigner, NULL, &scratch);
    task.partials = task.scratch + task.scratch_bytes * (size_t)dpq_thread_count(threads);
    task.partial_bytes = carve_partial(assigner, codebooks, NULL, &part);
    task.group_bytes = carve_partial(assigner, 1, NULL, &part);
    const double operations =
        2.0 * (double)rows->count * (double)layout->dimension * (double)layout->codes / (double)task.kernels->lanes;
    const int workers = dpqi_workers(threads, operations);
    if (shares_groups(assigner, workers)) {
        dpqi_parallel(workers, layout->groups, 1, sweep_groups, &task);
        return DPQ_OK;
    }
    const size_t chunks = chunk_count(assigner, rows->count);
    dpqi_parallel(workers, chunks, 1, sweep_chunks, &task);
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        carve_partial(assigner, codebooks, task.partials + chunk * task.partial_bytes, &part);
        add_partial(&task, 0, codebooks, &part);
    }
    return DPQ_OK;
}
