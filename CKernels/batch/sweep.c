/* One sweep of Lloyd's algorithm: assignment and accumulation fused, tile by tile.
 *
 * Rows are not asked for their errors. Those of a codeword sum to sum w |x|^2 - 2 c . sum w x + |c|^2 sum w, and all but
 * the first term is there anyway.
 *
 * The same bytes at any thread count: rows are cut into chunks by the problem's size alone, each codebook sums one
 * chunk at a time, and the chunks are added up in order. Workers share the groups where there are enough of them,
 * else the chunks; both do the same additions in the same order. */
#include "batch/assigner.h"
#include "batch/parallel.h"

#include <string.h>

/* Bytes of the partial sums of some codebooks over one chunk, [codebooks][codes][dpqi_sum_pitch]. */
static size_t partial_size(const dpq_assigner *assigner, size_t codebooks) {
    dpqi_arena arena = {NULL, 0};
    DPQI_TAKE(&arena, double, codebooks * assigner->layout.codes * dpqi_sum_pitch(assigner->width));
    return arena.used;
}

/* What the sums of the groups that go by together may take. */
#define PASS_BYTES ((size_t)384 << 10)

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
    float *norms;   /* [DPQI_TILE]: squared, of the centred rows */
    float *rows;    /* [DPQI_TILE][columns of a block]: the rows as float32 where the table is not */
} sweep_scratch;

static size_t carve_scratch(const dpq_assigner *assigner, void *memory, sweep_scratch *out) {
    dpqi_arena arena = {memory, 0};
    const size_t cells = dpqi_walk_groups(assigner->width, assigner->layout.groups) * assigner->width * DPQI_TILE;
    out->tile = DPQI_TAKE(&arena, float, cells);
    out->codes = DPQI_TAKE(&arena, int32_t, DPQI_TILE);
    out->norms = DPQI_TAKE(&arena, float, DPQI_TILE);
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
    const int workers = dpq_thread_count(threads);
    const size_t whole = partial_size(assigner, codebook_count(assigner));
    /* One worker shares the groups with none, where their codebooks are their own. */
    const size_t by_group = partial_size(assigner, 1) * codebook_count(assigner);
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

/* Codes jump about in sums that the first-level cache has no room for. Few codes gain nothing by it. */
static void fetch_sums(const int32_t *codes, size_t count, const double *sums, size_t book, size_t pitch) {
    enum { LINE = 64 / sizeof(double), FEW = 64 };
    for (size_t r = 0; book > FEW && r < count; r++)
        for (size_t i = 0; i < pitch; i += LINE) __builtin_prefetch(sums + (size_t)codes[r] * pitch + i, 1, 3);
}

/* Coordinates a padded last group does not have pull a shared codeword nowhere: they are where it is. */
static void add_padding(const dpq_assigner *assigner, size_t columns, size_t code, double weight, double *sums) {
    const size_t width = assigner->width;
    double *sum = sums + code * dpqi_sum_pitch(width);
    for (size_t c = columns; c < width; c++) {
        const double value = (double)assigner->raw[code * width + c], centred = value - (double)assigner->center[c];
        sum[1] += weight * centred * centred;
        sum[DPQI_SUM_HEAD + c] += weight * value;
    }
}

/* Adds rows [begin, end) of groups [first_group, end_group) to `part`, whose codebook 0 is that of first_group. */
static void sum_groups(const sweep_task *task, int worker, size_t first_group, size_t end_group, size_t begin,
                       size_t end, double *part) {
    const dpq_assigner *assigner = task->assigner;
    const dpq_layout *layout = &assigner->layout;
    const size_t width = assigner->width, codes = layout->codes, pitch = dpqi_sum_pitch(width);
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
            dpqi_nearest_codes(assigner, task->kernels, slot, tile, count, 0, &wait, scratch.codes);
            double *sums = part + (layout->shared ? 0 : (group - first_group) * codes * pitch);
            fetch_sums(scratch.codes, count, sums, codes, pitch);
            task->kernels->tile_squared_norms(tile, width, scratch.norms);
            const float *weights = task->weights ? task->weights + first : NULL;
            task->kernels->accumulate(rows + (group - block.first_group) * width, stride, count, columns, scratch.codes,
                                      weights, scratch.norms, sums, pitch);
            if (layout->shared && columns < width)
                for (size_t r = 0; r < count; r++)
                    add_padding(assigner, columns, (size_t)scratch.codes[r], weights ? (double)weights[r] : 1, sums);
        }
    }
}

/* The same for any number of groups: as many at a time as keep their sums in the second-level cache. */
static void sum_chunk(const sweep_task *task, int worker, size_t first_group, size_t end_group, size_t begin,
                      size_t end, double *part) {
    const dpq_layout *layout = &task->assigner->layout;
    const size_t book = layout->codes * dpqi_sum_pitch(task->assigner->width);
    const size_t groups = end_group - first_group, most = PASS_BYTES / (book * sizeof *part) + 1;
    const size_t passes = layout->shared ? 1 : (groups + most - 1) / most;
    for (size_t pass = 0; pass < passes; pass++) {
        const size_t first = groups * pass / passes, last = groups * (pass + 1) / passes;
        sum_groups(task, worker, first_group + first, first_group + last, begin, end, part + first * book);
    }
}

/* Adds one chunk's sums to the outputs for `codebooks` codebooks from `first` on; squared norms in the place of errors. */
static void add_partial(const sweep_task *task, size_t first, size_t codebooks, const double *part) {
    const size_t width = task->assigner->width, codes = task->assigner->layout.codes, pitch = dpqi_sum_pitch(width);
    for (size_t i = 0; i < codebooks * codes; i++, part += pitch) {
        const size_t out = first * codes + i;
        task->code_weights[out] += part[0];
        task->errors[out] += part[1];
        for (size_t c = 0; c < width; c++) task->sums[out * width + c] += part[DPQI_SUM_HEAD + c];
    }
}

/* Makes errors of squared norms, once all chunks of these codebooks are added. Everything is taken relative to the centre,
 * as the norms are, so what cancels is no larger than the spread of the rows: the error is off by the rounding of their
 * norms, some 2^-24 of them, which float32 scores of rows would be off by as well. */
static void finish_errors(const sweep_task *task, size_t first, size_t codebooks) {
    const dpq_assigner *assigner = task->assigner;
    const size_t width = assigner->width, codes = assigner->layout.codes;
    for (size_t b = first; b < first + codebooks; b++) {
        const size_t columns = assigner->layout.shared ? width : dpqi_group_columns(&assigner->layout, b);
        const float *center = assigner->center + b * width;
        for (size_t out = b * codes; out < (b + 1) * codes; out++) {
            double change = 0;
            for (size_t c = 0; c < columns; c++) {
                const double codeword = (double)assigner->raw[out * width + c] - (double)center[c];
                const double sum = task->sums[out * width + c] - task->code_weights[out] * (double)center[c];
                change += codeword * (task->code_weights[out] * codeword - 2 * sum);
            }
            const double error = task->errors[out] + change;
            task->errors[out] = error > 0 ? error : 0;
        }
    }
}

static void sweep_groups(void *context, size_t begin, size_t end, int worker) {
    const sweep_task *task = context;
    const dpq_assigner *assigner = task->assigner;
    const size_t rows = task->rows->count;
    double *part = (double *)(void *)(task->partials + begin * task->group_bytes);
    for (size_t chunk = 0; chunk < chunk_count(assigner, rows); chunk++) {
        /* Several groups together take no more than each by itself. */
        memset(part, 0, partial_size(assigner, end - begin));
        sum_chunk(task, worker, begin, end, chunk_begin(assigner, rows, chunk), chunk_begin(assigner, rows, chunk + 1),
                  part);
        add_partial(task, begin, end - begin, part);
    }
    finish_errors(task, begin, end - begin);
}

static void sweep_chunks(void *context, size_t begin, size_t end, int worker) {
    const sweep_task *task = context;
    const dpq_assigner *assigner = task->assigner;
    const size_t rows = task->rows->count;
    for (size_t chunk = begin; chunk < end; chunk++) {
        double *part = (double *)(void *)(task->partials + chunk * task->partial_bytes);
        memset(part, 0, task->partial_bytes);
        sum_chunk(task, worker, 0, assigner->layout.groups, chunk_begin(assigner, rows, chunk),
                  chunk_begin(assigner, rows, chunk + 1), part);
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
    sweep_task task = {.assigner = assigner, .rows = rows, .weights = weights, .kernels = dpqi_batch_active()};
    task.sums = out_sums;
    task.code_weights = out_weights;
    task.errors = out_errors;
    task.scratch = workspace;
    task.scratch_bytes = carve_scratch(assigner, NULL, &scratch);
    task.partials = task.scratch + task.scratch_bytes * (size_t)dpq_thread_count(threads);
    task.partial_bytes = partial_size(assigner, codebooks);
    task.group_bytes = partial_size(assigner, 1);
    const double operations =
        2.0 * (double)rows->count * (double)layout->dimension * (double)layout->codes / (double)task.kernels->lanes;
    const int workers = dpqi_workers(threads, operations);
    if (shares_groups(assigner, workers)) {
        dpqi_parallel(workers, layout->groups, 1, sweep_groups, &task);
        return DPQ_OK;
    }
    const size_t chunks = chunk_count(assigner, rows->count);
    dpqi_parallel(workers, chunks, 1, sweep_chunks, &task);
    for (size_t chunk = 0; chunk < chunks; chunk++)
        add_partial(&task, 0, codebooks, (const double *)(const void *)(task.partials + chunk * task.partial_bytes));
    finish_errors(&task, 0, codebooks);
    return DPQ_OK;
}
