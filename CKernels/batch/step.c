/* The step of a DPQ layer over one batch (Chen, Li, Sun 2020, sections 2-3).
 *
 * Workers share the groups; each takes its groups a few at a time and lets the batch go by in tiles of rows. Codes are
 * found by the kernels of assignment, from codewords made of the keys for it; the backward pass computes responses
 * again rather than store them: no [batch][groups][codes] array exists.
 *
 * The normalisation needs no pass over responses of its own. A response is linear in y = q (SX) or y = (q, ||q||^2)
 * (VQ), r_k = w_k . y + const, so its mean and variance over the batch follow from those of y; and the gradient through
 * the batch statistics, dr - mean(dr) - r^ mean(dr r^), is linear in dr and in y, so it follows from sums of dr, of dr y
 * and of y y.
 *
 * What groups share is kept per group and added up in their order, so the results are the same bytes at any thread
 * count. */
#include "batch/assigner.h"
#include "batch/dispatch.h"
#include "batch/parallel.h"
#include "batch/walk.h"
#include "core/arena.h"

#include <math.h>
#include <string.h>

/* Buffers of one worker. A block is a tile of a few groups. */
typedef struct step_scratch {
    float *query;          /* [groups of a block][width][DPQI_TILE] */
    float *upstream;       /* [groups of a block][width][DPQI_TILE] */
    float *query_gradient; /* [groups of a block][width][DPQI_TILE] */
    float *extended;       /* [width + 2][DPQI_TILE]: a group's queries and what else belongs to y */
    float *keys;           /* [groups of a pass][padded codes][width + 1]: keys made ready */
    float *bias;           /* [groups of a pass][padded codes] */
    size_t first_group;    /* of the pass */
    float *shares;         /* [codes][DPQI_TILE] */
    float *gradient;       /* [codes][DPQI_TILE] */
    float *inverse, *mean; /* [DPQI_TILE] */
    int32_t *codes;        /* [groups of a block][DPQI_TILE] */
    int wait;              /* see dpqi_nearest_codes */
} step_scratch;

/* Groups whose keys and sums stay in the second-level cache together while the batch goes by: at least a block of them.
 * The more they are, the longer the stretches of memory that are read. */
#define PASS_BYTES ((size_t)384 << 10)

static size_t padded(size_t codes) { return (codes + DPQI_CODE_BLOCK - 1) / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK; }

static size_t groups_of_a_pass(const dpq_step *step) {
    const size_t values = padded(step->codes) * (step->width + 1);
    const size_t most = PASS_BYTES / (values * (2 * sizeof(double) + sizeof(float)));
    const size_t least = dpqi_walk_groups(step->width, step->groups);
    return most > step->groups ? step->groups : most < least ? least : most;
}

/* Groups a worker takes at once: narrow stretches of rows would cost more than processors that end apart. */
static size_t groups_of_a_piece(const dpq_step *step, int workers) {
    const size_t share = (step->groups + (size_t)workers - 1) / (size_t)workers, pass = groups_of_a_pass(step);
    return pass < share ? pass : share;
}

static size_t carve_scratch(const dpq_step *step, void *memory, step_scratch *out) {
    dpqi_arena arena = {memory, 0};
    const size_t groups = dpqi_walk_groups(step->width, step->groups), cells = groups * step->width * DPQI_TILE;
    const size_t codes = padded(step->codes), ready = groups_of_a_pass(step);
    out->query = DPQI_TAKE(&arena, float, cells);
    out->upstream = DPQI_TAKE(&arena, float, cells);
    out->query_gradient = DPQI_TAKE(&arena, float, cells);
    out->extended = DPQI_TAKE(&arena, float, (step->width + 2) * DPQI_TILE);
    out->keys = DPQI_TAKE(&arena, float, ready *codes *(step->width + 1));
    out->bias = DPQI_TAKE(&arena, float, ready *codes);
    out->shares = DPQI_TAKE(&arena, float, (step->codes * DPQI_TILE));
    out->gradient = DPQI_TAKE(&arena, float, (step->codes * DPQI_TILE));
    out->inverse = DPQI_TAKE(&arena, float, DPQI_TILE);
    out->mean = DPQI_TAKE(&arena, float, DPQI_TILE);
    out->codes = DPQI_TAKE(&arena, int32_t, groups * DPQI_TILE);
    out->wait = 0;
    return arena.used;
}

static dpq_layout layout_of(const dpq_step *step) {
    return (dpq_layout){step->groups * step->width, step->groups, step->codes, step->shared};
}

/* Bytes of the assigner that finds the codes, where that is faster than largest responses are: the first pass over rounded
 * numbers is for nearest codewords, which those of VQ are unless responses are normalised. Else 0. */
static size_t assigner_bytes(const dpq_step *step) {
    const dpq_layout layout = layout_of(step);
    return step->variant == DPQ_VQ && !step->normalise && dpqi_is_rounded(&layout) ? dpq_assigner_bytes(&layout) : 0;
}

/* Buffers of the whole call. */
typedef struct step_shared {
    double *means;           /* [groups][codes]: of responses; VQ backward: counts of codes */
    double *variances;       /* [groups][codes]: of responses */
    double *moments;         /* [groups]: sums of products of y and 1, the lower triangle */
    double *key_gradients;   /* SX: [groups][width + 1][padded codes], the last row sums of gradients by responses;
                                VQ: [groups][codes][width] */
    double *value_gradients; /* [groups][codes][width] */
    double *losses;          /* [groups] */
    double *mean_gradient;   /* [codes] */
    double *mean_product;    /* [codes]: of gradient and normalised response */
    float *matrices;         /* [groups][width][width]: what the normalisation takes from query gradients, linear ... */
    float *offsets;          /* [groups][width]: ... and constant */
    float *centers;          /* [groups][width]: VQ, the mean of a group's keys */
    float *pooled;           /* [2][codes]: means and variances of this batch */
    float *mean;             /* [codes] */
    float *factor;           /* [codes]: 1 / sqrt(variance + epsilon) */
    char *assigner;          /* [assigner_bytes(step)] */
} step_shared;

/* Numbers of a lower triangle, and the place of one. */
static size_t triangle(size_t size) { return size * (size + 1) / 2; }
static double at_triangle(const double *values, size_t i, size_t j) {
    return i < j ? values[triangle(j) + i] : values[triangle(i) + j];
}

static size_t carve_shared(const dpq_step *step, void *memory, step_shared *out) {
    dpqi_arena arena = {memory, 0};
    const size_t cells = step->groups * step->codes, width = step->width;
    out->means = DPQI_TAKE(&arena, double, cells);
    out->variances = DPQI_TAKE(&arena, double, cells);
    out->moments = DPQI_TAKE(&arena, double, step->groups *triangle(width + 2));
    out->key_gradients = DPQI_TAKE(&arena, double, step->groups *(width + 1) * padded(step->codes));
    out->value_gradients = DPQI_TAKE(&arena, double, cells *width);
    out->losses = DPQI_TAKE(&arena, double, step->groups);
    out->mean_gradient = DPQI_TAKE(&arena, double, step->codes);
    out->mean_product = DPQI_TAKE(&arena, double, step->codes);
    out->matrices = DPQI_TAKE(&arena, float, step->groups *width *width);
    out->offsets = DPQI_TAKE(&arena, float, step->groups *width);
    out->centers = DPQI_TAKE(&arena, float, step->groups *width);
    out->pooled = DPQI_TAKE(&arena, float, 2 * step->codes);
    out->mean = DPQI_TAKE(&arena, float, step->codes);
    out->factor = DPQI_TAKE(&arena, float, step->codes);
    out->assigner = DPQI_TAKE(&arena, char, assigner_bytes(step));
    return arena.used;
}

static int step_valid(const dpq_step *step) {
    return step && step->groups >= 1 && step->width >= 1 && step->codes >= 2 && step->codes <= 65536 &&
           (step->variant == DPQ_SX || step->variant == DPQ_VQ) && (step->variant == DPQ_VQ || step->temperature > 0) &&
           (!step->normalise || step->epsilon > 0);
}

size_t dpq_step_workspace_bytes(const dpq_step *step, int threads) {
    step_scratch scratch;
    step_shared shared;
    if (!step_valid(step)) return 0;
    return carve_shared(step, NULL, &shared) + carve_scratch(step, NULL, &scratch) * (size_t)dpq_thread_count(threads);
}

typedef struct step_task {
    const dpq_step *step;
    const dpqi_batch_kernels *kernels;
    const float *query, *keys, *values, *upstream;
    const uint16_t *codes;        /* backward */
    const float *mean, *factor;   /* of the normalisation, or NULL */
    const dpq_assigner *assigner; /* forward, or NULL */
    step_shared shared;
    char *scratch;
    size_t scratch_bytes;
    uint16_t *out_codes;
    float *output, *query_gradient;
    int wants_keys, wants_loss;
    float key_weight, commitment;
} step_task;

/* What is done with the blocks of a worker's groups; `next` is the block to fetch meanwhile. */
typedef void (*block_body)(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                           step_scratch *scratch);

/* Runs the body over all blocks of groups [begin, end): all tiles of the groups of a pass before the next. */
static void walk_groups(const step_task *task, size_t begin, size_t end, int worker, block_body body) {
    const dpq_step *step = task->step;
    step_scratch scratch;
    carve_scratch(step, task->scratch + (size_t)worker * task->scratch_bytes, &scratch);
    const size_t at_once = groups_of_a_pass(step);
    for (size_t group = begin; group < end; group += at_once) {
        scratch.first_group = group;
        const size_t last = end - group < at_once ? end : group + at_once;
        dpqi_walk walk = dpqi_walk_begin(step->width, 0, step->batch, group, last);
        for (dpqi_block block; dpqi_walk_next(&walk, &block);) body(task, &block, &walk.next, &scratch);
    }
}

/* A [batch][groups][width] array as rows. */
static dpq_rows batch_rows(const dpq_step *step, const float *values) {
    const size_t columns = step->groups * step->width;
    return (dpq_rows){values, DPQ_F32, step->batch, columns, columns, NULL};
}

static void load_block(const step_task *task, const float *values, const dpqi_block *block, const float *center,
                       float *tile) {
    const dpq_rows rows = batch_rows(task->step, values);
    dpqi_block_load(task->step->width, task->kernels, &rows, block, center, tile);
}

/* Fetches the share of group `i` of this block from the next one. */
static void fetch_next(const step_task *task, const float *values, const dpqi_block *block, const dpqi_block *next,
                       size_t i) {
    const dpq_rows rows = batch_rows(task->step, values);
    dpqi_prefetch(task->step->width, &rows, next, i, block->end_group - block->first_group);
}

/* The codebook of a group in keys or values. */
static const float *codebook_of(const dpq_step *step, const float *codebooks, size_t group) {
    return codebooks + (step->shared ? 0 : group) * step->codes * step->width;
}

/* Offset of the first value of a block in a [batch][groups][width] array, for the group `i` of the block. */
static size_t block_offset(const dpq_step *step, const dpqi_block *block, size_t i) {
    return (block->first_row * step->groups + block->first_group + i) * step->width;
}

static double step_operations(const dpq_step *step, const dpqi_batch_kernels *kernels) {
    return 2.0 * (double)step->batch * (double)step->groups * (double)step->width * (double)step->codes /
           (double)kernels->lanes;
}

static dpq_status start_task(step_task *task, const dpq_step *step, const float *query, const float *keys,
                             const float *values, int threads, void *workspace, size_t workspace_bytes) {
    if (!step_valid(step) || !keys || (step->variant == DPQ_SX && !values) || (step->batch && !query))
        return DPQ_ERROR_ARGUMENT;
    if (workspace_bytes < dpq_step_workspace_bytes(step, threads)) return DPQ_ERROR_MEMORY;
    if (!workspace || (uintptr_t)workspace % DPQ_ALIGNMENT) return DPQ_ERROR_ARGUMENT;
    step_scratch scratch;
    task->step = step;
    task->kernels = dpqi_batch_active();
    task->query = query;
    task->keys = keys;
    task->values = step->variant == DPQ_SX ? values : keys;
    task->scratch = (char *)workspace + carve_shared(step, workspace, &task->shared);
    task->scratch_bytes = carve_scratch(step, NULL, &scratch);
    return DPQ_OK;
}

static void set_statistics(step_task *task, const float *statistics) {
    const dpq_step *step = task->step;
    for (size_t k = 0; k < step->codes; k++) {
        task->shared.mean[k] = statistics[k];
        task->shared.factor[k] = (float)(1 / sqrt((double)statistics[step->codes + k] + (double)step->epsilon));
    }
    task->mean = task->shared.mean;
    task->factor = task->shared.factor;
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

/* Whether y holds ||q||^2. */
static int has_norm(const dpq_step *step) { return step->variant == DPQ_VQ && step->normalise; }

/* scratch->extended: the queries of a tile, with `norm` their squared norms, with `one` ones. Returns its columns. */
static size_t extend_tile(const step_task *task, const float *tile, size_t rows, int norm, int one,
                          step_scratch *scratch) {
    const size_t width = task->step->width;
    size_t columns = width;
    memcpy(scratch->extended, tile, width * DPQI_TILE * sizeof *tile);
    if (norm) task->kernels->tile_squared_norms(tile, width, scratch->extended + columns++ * DPQI_TILE);
    if (one) {
        float *ones = scratch->extended + columns++ * DPQI_TILE;
        for (size_t r = 0; r < DPQI_TILE; r++) ones[r] = r < rows;
    }
    return columns;
}

static double *moments_of(const step_task *task, size_t group) {
    return task->shared.moments + group * triangle(task->step->width + 2);
}

/* Adds a tile's products of y and 1 to the moments of its group. */
static void add_moments(const step_task *task, const dpqi_block *block, size_t group, const float *tile,
                        step_scratch *scratch) {
    double *moments = moments_of(task, group);
    const size_t columns = extend_tile(task, tile, block->rows, has_norm(task->step), 1, scratch);
    if (block->first_row == 0) memset(moments, 0, triangle(columns) * sizeof *moments);
    task->kernels->add_squares(scratch->extended, columns, moments);
}

/* Mean and variance of the responses of a group to code `k` from the moments of y, which are taken with queries less
 * `shift`. */
static void response_statistics(const step_task *task, size_t group, const float *shift, size_t k) {
    const dpq_step *step = task->step;
    const size_t width = step->width, size = width + (step->variant == DPQ_VQ);
    const double *moments = moments_of(task, group), *sums = moments + triangle(size), rows = (double)step->batch;
    const float *key = codebook_of(step, task->keys, group) + k * width;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < size; i++) {
        /* w of SX: the key; of VQ: 2 (key - shift), and -1 for the norm. */
        double weight[2], inner = 0;
        for (size_t j = 0; j < size; j++) {
            weight[1] = step->variant == DPQ_SX ? (double)key[j]
                        : j < width             ? 2 * ((double)key[j] - (double)shift[j])
                                                : -1;
            inner += weight[1] * (at_triangle(moments, i, j) - sums[i] * sums[j] / rows);
        }
        weight[0] = step->variant == DPQ_SX ? (double)key[i] : i < width ? 2 * ((double)key[i] - (double)shift[i]) : -1;
        variance += weight[0] * inner;
        mean += weight[0] * sums[i] / rows;
        if (step->variant == DPQ_SX) mean += weight[0] * (double)shift[i];
        if (step->variant == DPQ_VQ && i < width) mean -= weight[0] * weight[0] / 4;
    }
    task->shared.means[group * step->codes + k] = mean;
    task->shared.variances[group * step->codes + k] = variance / rows;
}

/* The same from the responses themselves. In a batch of few rows those to a code may happen to be nearly equal, and a
 * difference of moments would then say little. */
static void direct_statistics(const step_task *task, size_t group, size_t k) {
    const dpq_step *step = task->step;
    const float *key = codebook_of(step, task->keys, group) + k * step->width;
    double mean = 0, variance = 0, responses[DPQI_TILE];
    for (size_t r = 0; r < step->batch; r++) {
        const float *query = task->query + (r * step->groups + group) * step->width;
        responses[r] = 0;
        for (size_t c = 0; c < step->width; c++) {
            const double x = (double)query[c], y = (double)key[c];
            responses[r] += step->variant == DPQ_SX ? x * y : -(x - y) * (x - y);
        }
        mean += responses[r] / (double)step->batch;
    }
    for (size_t r = 0; r < step->batch; r++) variance += (responses[r] - mean) * (responses[r] - mean);
    task->shared.means[group * step->codes + k] = mean;
    task->shared.variances[group * step->codes + k] = variance / (double)step->batch;
}

/* The moments of y, with queries less the first of the batch: that is about as far from their mean as the rest, so the
 * differences of sums lose no digits. */
static void sum_moments(const step_task *task, const dpqi_block *block, const dpqi_block *next, step_scratch *scratch) {
    const dpq_step *step = task->step;
    load_block(task, task->query, block, task->query, scratch->query);
    for (size_t group = block->first_group; group < block->end_group; group++) {
        const size_t i = group - block->first_group;
        fetch_next(task, task->query, block, next, i);
        add_moments(task, block, group, scratch->query + i * step->width * DPQI_TILE, scratch);
        if (block->first_row + block->rows == step->batch)
            for (size_t k = 0; k < step->codes; k++)
                response_statistics(task, group, task->query + group * step->width, k);
    }
}

static void sum_moments_task(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    if (task->step->batch > DPQI_TILE) {
        walk_groups(task, begin, end, worker, sum_moments);
        return;
    }
    for (size_t group = begin; group < end; group++)
        for (size_t k = 0; k < task->step->codes; k++) direct_statistics(task, group, k);
}

/* Mean and variance over the groups together. */
static void pool_statistics(const dpq_step *step, const step_shared *shared, float *out_statistics) {
    for (size_t k = 0; k < step->codes; k++) {
        double mean = 0, variance = 0;
        for (size_t group = 0; group < step->groups; group++) mean += shared->means[group * step->codes + k];
        mean /= (double)step->groups;
        for (size_t group = 0; group < step->groups; group++) {
            const double shift = shared->means[group * step->codes + k] - mean;
            variance += shared->variances[group * step->codes + k] + shift * shift;
        }
        variance /= (double)step->groups;
        out_statistics[k] = (float)mean;
        out_statistics[step->codes + k] = variance > 0 ? (float)variance : 0;
    }
}

/* Makes the keys of a group ready for assignment, interleaved: the largest bias + codeword . y is the largest
 * (normalised) response. VQ takes keys and queries less the mean key, which does not change distances and keeps their
 * digits. */
static void prepare_codewords(const step_task *task, size_t group, float *codewords, float *bias) {
    const dpq_step *step = task->step;
    const size_t width = step->width, codes = padded(step->codes), columns = width + (size_t)has_norm(step);
    const float *keys = codebook_of(step, task->keys, group), *center = task->shared.centers + group * width;
    memset(codewords, 0, codes * columns * sizeof *codewords);
    for (size_t k = 0; k < codes; k++) bias[k] = -INFINITY;
    for (size_t k = 0; k < step->codes; k++) {
        const double factor = task->mean ? (double)task->factor[k] : 1, mean = task->mean ? (double)task->mean[k] : 0;
        float *block = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * columns + k % DPQI_CODE_BLOCK;
        double norm = 0;
        for (size_t c = 0; c < width; c++) {
            double value = (double)keys[k * width + c];
            if (step->variant == DPQ_VQ) {
                value -= (double)center[c];
                norm += value * value;
            }
            block[c * DPQI_CODE_BLOCK] = (float)(has_norm(step) ? 2 * factor * value : factor * value);
        }
        if (has_norm(step)) block[width * DPQI_CODE_BLOCK] = (float)-factor;
        bias[k] = (float)(step->variant == DPQ_SX ? -factor * mean
                          : step->normalise       ? -factor * (norm + mean)
                                                  : -norm / 2);
    }
}

/* The codes of one group of a tile. */
static void choose_group(const step_task *task, const dpqi_block *block, size_t group, const float *tile,
                         step_scratch *scratch, int32_t *codes) {
    const dpq_step *step = task->step;
    const dpq_assigner *assigner = task->assigner;
    if (assigner) {
        dpqi_nearest_codes(assigner, task->kernels, dpqi_slot(assigner, group), tile, block->rows, 0, &scratch->wait,
                           codes);
        return;
    }
    const size_t size = padded(step->codes), columns = step->width + (size_t)has_norm(step);
    float *keys = scratch->keys + (group - scratch->first_group) * size * (step->width + 1);
    float *bias = scratch->bias + (group - scratch->first_group) * size;
    if (block->first_row == 0) prepare_codewords(task, group, keys, bias);
    if (has_norm(step)) {
        extend_tile(task, tile, block->rows, 1, 0, scratch);
        tile = scratch->extended;
    }
    task->kernels->assign_tile(tile, block->rows, columns, keys, bias, step->codes, codes);
}

static void choose_codes(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                         step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t groups = block->end_group - block->first_group, stride = step->groups * step->width;
    const size_t width = step->width;
    const float *centers = task->assigner ? task->assigner->center : task->shared.centers;
    load_block(task, task->query, block, step->variant == DPQ_VQ ? centers : NULL, scratch->query);
    for (size_t i = 0; i < groups; i++) {
        const float *tile = scratch->query + i * width * DPQI_TILE;
        fetch_next(task, task->query, block, next, i);
        if (task->output) fetch_next(task, task->output, block, next, i);
        choose_group(task, block, block->first_group + i, tile, scratch, scratch->codes + i * DPQI_TILE);
    }
    const size_t at = block_offset(step, block, 0), book = step->shared ? 0 : step->codes;
    float *output = task->output ? task->output + at : NULL;
    if (task->wants_loss) {
        double *losses = task->shared.losses + block->first_group;
        if (block->first_row == 0) memset(losses, 0, groups * sizeof *losses);
        task->kernels->replace_rows(codebook_of(step, task->keys, block->first_group), book, scratch->codes, groups,
                                    block->rows, width, task->query + at, stride, output, losses);
    } else if (output) {
        task->kernels->copy_codewords(codebook_of(step, task->values, block->first_group), book, scratch->codes, groups,
                                      block->rows, width, output, stride);
    }
    task->kernels->store_codes(scratch->codes, groups, block->rows, sizeof *task->out_codes,
                               task->out_codes + block->first_row * step->groups + block->first_group, step->groups);
}

static void choose_codes_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, choose_codes);
}

/* The mean key of each group. */
static void set_centers(const step_task *task) {
    const dpq_step *step = task->step;
    for (size_t group = 0; group < step->groups; group++) {
        const float *keys = codebook_of(step, task->keys, group);
        float *center = task->shared.centers + group * step->width;
        for (size_t c = 0; c < step->width; c++) {
            double sum = 0;
            for (size_t k = 0; k < step->codes; k++) sum += (double)keys[k * step->width + c];
            center[c] = (float)(sum / (double)step->codes);
        }
    }
}

dpq_status dpq_step_forward(const dpq_step *step, const float *query, const float *keys, const float *values,
                            const float *statistics, int threads, void *workspace, size_t workspace_bytes,
                            uint16_t *out_codes, float *out_output, float *out_statistics, double *out_regularization) {
    step_task task = {0};
    const dpq_status status = start_task(&task, step, query, keys, values, threads, workspace, workspace_bytes);
    if (status != DPQ_OK) return status;
    if ((step->batch && !out_codes) || (step->batch == 0 && step->normalise && !statistics)) return DPQ_ERROR_ARGUMENT;
    task.out_codes = out_codes;
    task.output = out_output;
    const int workers = dpqi_workers(threads, step_operations(step, task.kernels));
    if (step->normalise) {
        if (!statistics) {
            dpqi_parallel(workers, step->groups, groups_of_a_piece(step, workers), sum_moments_task, &task);
            pool_statistics(step, &task.shared, task.shared.pooled);
            statistics = task.shared.pooled;
        }
        set_statistics(&task, statistics);
    }
    if (out_statistics)
        for (size_t k = 0; k < step->codes; k++) {
            out_statistics[k] = step->normalise ? statistics[k] : 0;
            out_statistics[step->codes + k] = step->normalise ? statistics[step->codes + k] : 1;
        }
    const size_t bytes = assigner_bytes(step);
    if (bytes) {
        const dpq_layout layout = layout_of(step);
        dpq_assigner_init(&layout, keys, DPQ_NEAREST, task.shared.assigner, bytes, &task.assigner);
    } else if (step->variant == DPQ_VQ) {
        set_centers(&task);
    }
    task.wants_loss = out_regularization && step->variant == DPQ_VQ;
    dpqi_parallel(workers, step->groups, groups_of_a_piece(step, workers), choose_codes_task, &task);
    if (out_regularization) {
        double loss = 0;
        if (task.wants_loss && step->batch)
            for (size_t group = 0; group < step->groups; group++) loss += task.shared.losses[group];
        const double elements = (double)step->batch * (double)step->groups * (double)step->width;
        *out_regularization = step->batch ? loss / elements : 0;
    }
    return DPQ_OK;
}

/* ---- backward, SX ----------------------------------------------------------------------------------------------- */

static const double log2_e = 1.4426950408889634, ln_2 = 0.6931471805599453;

static double *key_gradients_of(const step_task *task, size_t group) {
    return task->shared.key_gradients + group * (task->step->width + 1) * padded(task->step->codes);
}

/* Makes the keys of a group ready for the softmax: bias + key . q is the response over the temperature, in powers of
 * two. */
static void prepare_keys(const step_task *task, size_t group, float *keys, float *bias) {
    const dpq_step *step = task->step;
    const float *source = codebook_of(step, task->keys, group);
    for (size_t k = 0; k < step->codes; k++) {
        const double factor = (task->mean ? (double)task->factor[k] : 1) * log2_e / (double)step->temperature;
        bias[k] = task->mean ? (float)(-factor * (double)task->mean[k]) : 0;
        for (size_t c = 0; c < step->width; c++)
            keys[k * step->width + c] = (float)(factor * (double)source[k * step->width + c]);
    }
}

/* Gradients that take the statistics of the normalisation as constants: of queries, and sums for those of keys. */
static void gradients_sx(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                         step_scratch *scratch) {
    const dpq_step *step = task->step;
    const dpqi_batch_kernels *kernels = task->kernels;
    const size_t width = step->width, codes = step->codes, groups = block->end_group - block->first_group;
    const size_t stride = step->groups * width, size = padded(codes);
    double *values = task->shared.value_gradients + block->first_group * codes * width;
    load_block(task, task->query, block, NULL, scratch->query);
    load_block(task, task->upstream, block, NULL, scratch->upstream);
    if (block->first_row == 0) memset(values, 0, groups * codes * width * sizeof *values);
    for (size_t i = 0; i < groups; i++) {
        const size_t group = block->first_group + i;
        const float *query = scratch->query + i * width * DPQI_TILE;
        float *keys = scratch->keys + (group - scratch->first_group) * size * (width + 1);
        float *bias = scratch->bias + (group - scratch->first_group) * size;
        double *key_gradients = key_gradients_of(task, group);
        if (block->first_row == 0) {
            prepare_keys(task, group, keys, bias);
            memset(key_gradients, 0, (width + 1) * size * sizeof *key_gradients);
        }
        fetch_next(task, task->query, block, next, i);
        fetch_next(task, task->upstream, block, next, i);
        if (task->query_gradient) fetch_next(task, task->query_gradient, block, next, i);
        kernels->softmax(query, scratch->upstream + i * width * DPQI_TILE, width, keys, bias,
                         codebook_of(step, task->values, group), codes, scratch->shares, scratch->gradient,
                         scratch->inverse, scratch->mean);
        kernels->multiply_keys(scratch->shares, scratch->mean, scratch->gradient, codes, keys, width, scratch->inverse,
                               (float)ln_2, scratch->query_gradient + i * width * DPQI_TILE);
        if (task->wants_keys || task->mean) {
            kernels->scale_tile(query, width, scratch->inverse, scratch->extended);
            if (task->mean) memcpy(scratch->extended + width * DPQI_TILE, scratch->inverse, DPQI_TILE * sizeof(float));
            kernels->add_outer(scratch->gradient, codes, scratch->extended, width + (task->mean != NULL), key_gradients,
                               size);
        }
        if (task->mean) add_moments(task, block, group, query, scratch);
    }
    kernels->add_by_code(task->upstream + block_offset(step, block, 0), stride, block->rows, groups, width,
                         task->codes + block->first_row * step->groups + block->first_group, step->groups, values, NULL,
                         codes);
    if (task->query_gradient)
        kernels->store_tile(scratch->query_gradient, block->rows, groups * width,
                            task->query_gradient + block_offset(step, block, 0), stride);
}

static void gradients_sx_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, gradients_sx);
}

/* Means over batch and groups of the gradient by the normalised response, dr, and of dr times that response. */
static void pool_gradients(const step_task *task) {
    const dpq_step *step = task->step;
    const size_t width = step->width, size = padded(step->codes);
    const double cells = (double)step->batch * (double)step->groups * (double)step->temperature;
    for (size_t k = 0; k < step->codes; k++) {
        double gradient = 0, product = 0;
        for (size_t group = 0; group < step->groups; group++) {
            const double *sums = key_gradients_of(task, group), sum = sums[width * size + k];
            const float *key = codebook_of(step, task->keys, group) + k * width;
            double along = 0;
            for (size_t c = 0; c < width; c++) along += sums[c * size + k] * (double)key[c];
            gradient += sum;
            product += (double)task->factor[k] * (along - (double)task->mean[k] * sum);
        }
        task->shared.mean_gradient[k] = gradient / cells;
        task->shared.mean_product[k] = product / cells;
    }
}

/* What the batch statistics take from the gradients of keys, and what they will take from those of queries:
 * sum over k of f (mean(dr) + r^ mean(dr r^)) key, with r^ = f (q . key - mean). */
static void normalise_group(const step_task *task, size_t group) {
    const dpq_step *step = task->step;
    const size_t width = step->width, size = padded(step->codes);
    const double *moments = moments_of(task, group), *sums = moments + triangle(width);
    const float *keys = codebook_of(step, task->keys, group);
    double *gradients = key_gradients_of(task, group);
    float *matrix = task->shared.matrices + group * width * width, *offset = task->shared.offsets + group * width;
    for (size_t k = 0; k < step->codes; k++) {
        const double factor = (double)task->factor[k], mean = (double)task->mean[k];
        const double product = factor * task->shared.mean_product[k], gradient = task->shared.mean_gradient[k];
        for (size_t c = 0; c < width; c++) {
            double along = 0;
            for (size_t i = 0; i < width; i++) along += at_triangle(moments, c, i) * (double)keys[k * width + i];
            double *sum = gradients + c * size + k;
            *sum =
                factor * (*sum - (double)step->temperature * (gradient * sums[c] + product * (along - mean * sums[c])));
        }
    }
    for (size_t c = 0; c < width; c++) {
        double constant = 0;
        for (size_t k = 0; k < step->codes; k++) {
            const double factor = (double)task->factor[k], product = factor * task->shared.mean_product[k];
            constant += factor * (task->shared.mean_gradient[k] - product * (double)task->mean[k]) *
                        (double)keys[k * width + c];
        }
        offset[c] = (float)constant;
        for (size_t i = 0; i < width; i++) {
            double sum = 0;
            for (size_t k = 0; k < step->codes; k++) {
                const double factor = (double)task->factor[k];
                sum += factor * factor * task->shared.mean_product[k] * (double)keys[k * width + i] *
                       (double)keys[k * width + c];
            }
            matrix[i * width + c] = (float)sum;
        }
    }
}

static void normalise_queries(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                              step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t width = step->width, groups = block->end_group - block->first_group;
    load_block(task, task->query, block, NULL, scratch->query);
    load_block(task, task->query_gradient, block, NULL, scratch->query_gradient);
    for (size_t i = 0; i < groups; i++) {
        const size_t group = block->first_group + i, at = i * width * DPQI_TILE;
        fetch_next(task, task->query, block, next, i);
        fetch_next(task, task->query_gradient, block, next, i);
        task->kernels->subtract_product(scratch->query + at, width, task->shared.matrices + group * width * width,
                                        task->shared.offsets + group * width, scratch->query_gradient + at);
    }
    task->kernels->store_tile(scratch->query_gradient, block->rows, groups * width,
                              task->query_gradient + block_offset(step, block, 0), step->groups * width);
}

static void normalise_task(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    for (size_t group = begin; group < end; group++) normalise_group(task, group);
    if (task->query_gradient) walk_groups(task, begin, end, worker, normalise_queries);
}

/* ---- backward, VQ ----------------------------------------------------------------------------------------------- */

/* Bytes of sums that stay in the second-level cache. */
#define SUMS_AT_ONCE ((size_t)256 << 10)

/* The key gradient is key_weight * 2 / elements * sum over the rows of a code of (key - q): the code's count times
 * its key, less the sum of its queries. Rows go by whole, as many groups as the sums allow. */
static void gradients_vq_task(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    const dpqi_batch_kernels *kernels = task->kernels;
    const size_t width = step->width, codes = step->codes, stride = step->groups * width;
    const size_t wanted = SUMS_AT_ONCE / (codes * width * sizeof(double)), at_once = wanted ? wanted : 1;
    const float commit = (float)(2 * (double)task->commitment / ((double)step->batch * (double)stride));
    (void)worker;
    memset(task->shared.key_gradients + begin * codes * width, 0, (end - begin) * codes * width * sizeof(double));
    memset(task->shared.means + begin * codes, 0, (end - begin) * codes * sizeof(double));
    for (size_t group = begin; group < end; group += at_once) {
        const size_t groups = end - group < at_once ? end - group : at_once;
        for (size_t row = 0; row < step->batch; row += DPQI_TILE) {
            const size_t rows = step->batch - row < DPQI_TILE ? step->batch - row : DPQI_TILE;
            const size_t at = row * stride + group * width;
            const uint16_t *chosen = task->codes + row * step->groups + group;
            if (task->wants_keys)
                kernels->add_by_code(task->query + at, stride, rows, groups, width, chosen, step->groups,
                                     task->shared.key_gradients + group * codes * width,
                                     task->shared.means + group * codes, codes);
            if (!task->query_gradient) continue;
            if (task->commitment != 0)
                kernels->pull_to_codes(task->query + at, task->upstream + at, stride, rows, groups, width,
                                       codebook_of(step, task->keys, group), step->shared ? 0 : codes, chosen,
                                       step->groups, commit, task->query_gradient + at);
            else
                for (size_t r = 0; r < rows; r++)
                    memcpy(task->query_gradient + at + r * stride, task->upstream + at + r * stride,
                           groups * width * sizeof(float));
        }
    }
}

/* Turns counts and sums of queries into key gradients. */
static void finish_vq(const step_task *task) {
    const dpq_step *step = task->step;
    const double elements = (double)step->batch * (double)step->groups * (double)step->width;
    const double pull = 2 * (double)task->key_weight / elements;
    for (size_t group = 0; group < step->groups; group++) {
        const float *keys = codebook_of(step, task->keys, group);
        double *gradient = task->shared.key_gradients + group * step->codes * step->width;
        for (size_t i = 0; i < step->codes * step->width; i++) {
            const double count = task->shared.means[group * step->codes + i / step->width];
            gradient[i] = pull * (count * (double)keys[i] - gradient[i]);
        }
    }
}

/* Writes per-group gradients out: as they are, or their sum where the codebook is shared. */
static void gather_gradient(const dpq_step *step, const double *per_group, float *out) {
    const size_t codebook = step->codes * step->width;
    for (size_t i = 0; i < (step->shared ? codebook : step->groups * codebook); i++) {
        double sum = per_group[i];
        if (step->shared)
            for (size_t group = 1; group < step->groups; group++) sum += per_group[group * codebook + i];
        out[i] = (float)sum;
    }
}

/* The same from the sums of SX, which lie on their side. */
static void gather_key_gradient(const step_task *task, float *out) {
    const dpq_step *step = task->step;
    const size_t width = step->width, size = padded(step->codes), books = step->shared ? 1 : step->groups;
    for (size_t book = 0; book < books; book++)
        for (size_t k = 0; k < step->codes; k++)
            for (size_t c = 0; c < width; c++) {
                double sum = key_gradients_of(task, book)[c * size + k];
                if (step->shared)
                    for (size_t group = 1; group < step->groups; group++)
                        sum += key_gradients_of(task, group)[c * size + k];
                out[(book * step->codes + k) * width + c] = (float)(sum / (double)step->temperature);
            }
}

dpq_status dpq_step_backward(const dpq_step *step, const float *query, const float *keys, const float *values,
                             const uint16_t *codes, const float *statistics, const float *upstream, float key_weight,
                             float commitment, int threads, void *workspace, size_t workspace_bytes,
                             float *out_query_gradient, float *out_key_gradient, float *out_value_gradient) {
    step_task task = {0};
    const dpq_status status = start_task(&task, step, query, keys, values, threads, workspace, workspace_bytes);
    if (status != DPQ_OK) return status;
    const int sx = step->variant == DPQ_SX;
    if (step->batch == 0 || !codes || !upstream || (sx && step->normalise && !statistics)) return DPQ_ERROR_ARGUMENT;
    /* In 16 bits, for then the compiler compares eight and more at once. */
    const uint16_t last = (uint16_t)(step->codes - 1);
    uint16_t invalid = 0;
    for (size_t i = 0; i < step->batch * step->groups; i++) invalid |= codes[i] > last;
    if (invalid) return DPQ_ERROR_ARGUMENT;
    task.upstream = upstream;
    task.codes = codes;
    task.query_gradient = out_query_gradient;
    task.wants_keys = out_key_gradient != NULL;
    task.key_weight = key_weight;
    task.commitment = commitment;
    const int workers = dpqi_workers(threads, 3 * step_operations(step, task.kernels));
    if (!sx) {
        dpqi_parallel(workers, step->groups, groups_of_a_piece(step, workers), gradients_vq_task, &task);
        if (!out_key_gradient) return DPQ_OK;
        finish_vq(&task);
        gather_gradient(step, task.shared.key_gradients, out_key_gradient);
        return DPQ_OK;
    }
    if (step->normalise) set_statistics(&task, statistics);
    dpqi_parallel(workers, step->groups, groups_of_a_piece(step, workers), gradients_sx_task, &task);
    if (step->normalise) {
        pool_gradients(&task);
        dpqi_parallel(workers, step->groups, groups_of_a_piece(step, workers), normalise_task, &task);
    }
    if (out_key_gradient) gather_key_gradient(&task, out_key_gradient);
    if (out_value_gradient) gather_gradient(step, task.shared.value_gradients, out_value_gradient);
    return DPQ_OK;
}
