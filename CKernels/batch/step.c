/* The step of a DPQ layer over one batch (Chen, Li, Sun 2020, sections 2-3).
 *
 * Workers share the groups; each takes its groups a few at a time and lets the batch go by in tiles of rows, whose
 * responses are computed again where they are needed a second time rather than stored: no [batch][groups][codes] array
 * exists. What groups share (the statistics of the normalisation, gradients of a shared codebook) is kept per group and
 * added up in their order, so the results are the same bytes at any thread count. */
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
    float *responses;      /* [codes][DPQI_TILE] */
    float *gradient;       /* [codes][DPQI_TILE] */
    float *numerators;     /* [codes][DPQI_TILE] */
    float *best;           /* [DPQI_TILE] */
    int32_t *codes;        /* [groups of a block][DPQI_TILE] */
} step_scratch;

static size_t carve_scratch(const dpq_step *step, void *memory, step_scratch *out) {
    dpqi_arena arena = {memory, 0};
    const size_t groups = dpqi_walk_groups(step->width, step->groups), cells = groups * step->width * DPQI_TILE;
    out->query = DPQI_TAKE(&arena, float, cells);
    out->upstream = DPQI_TAKE(&arena, float, cells);
    out->query_gradient = DPQI_TAKE(&arena, float, cells);
    out->responses = DPQI_TAKE(&arena, float, (step->codes * DPQI_TILE));
    out->gradient = DPQI_TAKE(&arena, float, (step->codes * DPQI_TILE));
    out->numerators = DPQI_TAKE(&arena, float, (step->codes * DPQI_TILE));
    out->best = DPQI_TAKE(&arena, float, DPQI_TILE);
    out->codes = DPQI_TAKE(&arena, int32_t, groups * DPQI_TILE);
    return arena.used;
}

/* Buffers of the whole call. */
typedef struct step_shared {
    double *sums;            /* [groups][codes]: of responses, of response gradients, or counts of codes */
    double *products;        /* [groups][codes]: of responses, or of gradient and response */
    double *key_gradients;   /* [groups][codes][width] */
    double *value_gradients; /* [groups][codes][width] */
    double *losses;          /* [groups] */
    float *shifts;           /* [groups][codes]: what responses are taken from before they are squared and summed */
    float *pooled;           /* [2][codes]: means and variances of this batch */
    float *mean;             /* [codes] */
    float *factor;           /* [codes]: 1 / sqrt(variance + epsilon) */
    float *mean_gradient;    /* [codes] */
    float *mean_product;     /* [codes] */
} step_shared;

static size_t carve_shared(const dpq_step *step, void *memory, step_shared *out) {
    dpqi_arena arena = {memory, 0};
    const size_t cells = step->groups * step->codes;
    out->sums = DPQI_TAKE(&arena, double, cells);
    out->products = DPQI_TAKE(&arena, double, cells);
    out->key_gradients = DPQI_TAKE(&arena, double, cells * step->width);
    out->value_gradients = DPQI_TAKE(&arena, double, cells * step->width);
    out->losses = DPQI_TAKE(&arena, double, step->groups);
    out->shifts = DPQI_TAKE(&arena, float, cells);
    out->pooled = DPQI_TAKE(&arena, float, 2 * step->codes);
    out->mean = DPQI_TAKE(&arena, float, step->codes);
    out->factor = DPQI_TAKE(&arena, float, step->codes);
    out->mean_gradient = DPQI_TAKE(&arena, float, step->codes);
    out->mean_product = DPQI_TAKE(&arena, float, step->codes);
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
    const uint16_t *codes;      /* backward */
    const float *mean, *factor; /* of the normalisation, or NULL */
    step_shared shared;
    char *scratch;
    size_t scratch_bytes;
    uint16_t *out_codes;
    float *output, *query_gradient;
    int wants_keys; /* whether key gradients are asked for */
    float key_weight, commitment;
} step_task;

/* What is done with the blocks of a worker's groups; `next` is the block to fetch meanwhile. */
typedef void (*block_body)(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                           step_scratch *scratch);

/* Runs the body over all blocks of groups [begin, end): all tiles of a few groups before the next few, so that what
 * these groups sum up stays in the cache. */
static void walk_groups(const step_task *task, size_t begin, size_t end, int worker, block_body body) {
    const dpq_step *step = task->step;
    step_scratch scratch;
    carve_scratch(step, task->scratch + (size_t)worker * task->scratch_bytes, &scratch);
    const size_t at_once = dpqi_walk_begin(step->width, 0, step->batch, begin, end).groups_at_once;
    for (size_t group = begin; group < end; group += at_once) {
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

static void load_block(const step_task *task, const float *values, const dpqi_block *block, float *tile) {
    const dpq_rows rows = batch_rows(task->step, values);
    dpqi_block_load(task->step->width, task->kernels, &rows, block, NULL, tile);
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

/* Responses of group `i` of a loaded block, normalised where mean is given. */
static void respond(const step_task *task, const dpqi_block *block, size_t i, const float *mean,
                    step_scratch *scratch) {
    const dpq_step *step = task->step;
    task->kernels->responses(scratch->query + i * step->width * DPQI_TILE, step->width,
                             codebook_of(step, task->keys, block->first_group + i), step->codes,
                             step->variant == DPQ_VQ, mean, task->factor, scratch->responses);
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

/* Sums of responses and of their squares for each group and code. They are taken from the first row's response first:
 * that is about as far from the mean as the rest, so the difference of the sums loses no digits. */
static void sum_responses(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                          step_scratch *scratch) {
    const dpq_step *step = task->step;
    load_block(task, task->query, block, scratch->query);
    for (size_t group = block->first_group; group < block->end_group; group++) {
        const size_t at = group * step->codes;
        fetch_next(task, task->query, block, next, group - block->first_group);
        respond(task, block, group - block->first_group, NULL, scratch);
        if (block->first_row == 0)
            for (size_t k = 0; k < step->codes; k++) {
                task->shared.shifts[at + k] = scratch->responses[k * DPQI_TILE];
                task->shared.sums[at + k] = task->shared.products[at + k] = 0;
            }
        task->kernels->add_moments(scratch->responses, scratch->responses, task->shared.shifts + at, step->codes,
                                   block->rows, task->shared.sums + at, task->shared.products + at);
    }
}

static void sum_responses_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, sum_responses);
}

/* Pools the groups' means and squared deviations pairwise (Chan, Golub, LeVeque 1979). */
static void pool_statistics(const dpq_step *step, const step_shared *shared, float *out_statistics) {
    const double rows = (double)step->batch;
    for (size_t k = 0; k < step->codes; k++) {
        double mean = 0, square = 0;
        for (size_t group = 0; group < step->groups; group++) {
            const size_t at = group * step->codes + k;
            const double offset = shared->sums[at] / rows;
            const double shift = (double)shared->shifts[at] + offset - mean;
            square += shared->products[at] - shared->sums[at] * offset;
            square += shift * shift * rows * (double)group / (double)(group + 1);
            mean += shift / (double)(group + 1);
        }
        const double variance = square / (rows * (double)step->groups);
        out_statistics[k] = (float)mean;
        out_statistics[step->codes + k] = variance > 0 ? (float)variance : 0;
    }
}

static void choose_codes(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                         step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t groups = block->end_group - block->first_group, stride = step->groups * step->width;
    load_block(task, task->query, block, scratch->query);
    for (size_t i = 0; i < groups; i++) {
        int32_t *codes = scratch->codes + i * DPQI_TILE;
        fetch_next(task, task->query, block, next, i);
        respond(task, block, i, NULL, scratch);
        task->kernels->argmax(scratch->responses, step->codes, task->mean, task->factor, codes, scratch->best);
        if (task->output)
            task->kernels->copy_codewords(codebook_of(step, task->values, block->first_group + i), codes, block->rows,
                                          step->width, task->output + block_offset(step, block, i), stride);
        if (step->variant == DPQ_VQ) {
            double *loss = task->shared.losses + block->first_group + i;
            if (block->first_row == 0) *loss = 0;
            for (size_t r = 0; r < block->rows; r++) *loss -= (double)scratch->best[r];
        }
    }
    task->kernels->store_codes(scratch->codes, groups, block->rows, sizeof *task->out_codes,
                               task->out_codes + block->first_row * step->groups + block->first_group, step->groups);
}

static void choose_codes_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, choose_codes);
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
            dpqi_parallel(workers, step->groups, 1, sum_responses_task, &task);
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
    dpqi_parallel(workers, step->groups, 1, choose_codes_task, &task);
    if (out_regularization) {
        double loss = 0;
        if (step->variant == DPQ_VQ && step->batch)
            for (size_t group = 0; group < step->groups; group++) loss += task.shared.losses[group];
        const double elements = (double)step->batch * (double)step->groups * (double)step->width;
        *out_regularization = step->batch ? loss / elements : 0;
    }
    return DPQ_OK;
}

/* ---- backward, SX ----------------------------------------------------------------------------------------------- */

/* Gradient of the loss by the (normalised) responses of group `i` of a loaded block, to scratch->gradient. */
static void response_gradient(const step_task *task, const dpqi_block *block, size_t i, step_scratch *scratch) {
    const dpq_step *step = task->step;
    respond(task, block, i, task->mean, scratch);
    task->kernels->responses(scratch->upstream + i * step->width * DPQI_TILE, step->width,
                             codebook_of(step, task->values, block->first_group + i), step->codes, 0, NULL, NULL,
                             scratch->gradient);
    task->kernels->softmax_backward(scratch->responses, step->codes, 1 / step->temperature, scratch->numerators,
                                    scratch->gradient);
}

/* What the gradient through the batch statistics needs: sums over rows of the gradient, and of it times the response.
 */
static void sum_gradients(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                          step_scratch *scratch) {
    const dpq_step *step = task->step;
    load_block(task, task->query, block, scratch->query);
    load_block(task, task->upstream, block, scratch->upstream);
    for (size_t group = block->first_group; group < block->end_group; group++) {
        double *sums = task->shared.sums + group * step->codes, *products = task->shared.products + group * step->codes;
        if (block->first_row == 0) {
            memset(sums, 0, step->codes * sizeof *sums);
            memset(products, 0, step->codes * sizeof *products);
        }
        fetch_next(task, task->query, block, next, group - block->first_group);
        fetch_next(task, task->upstream, block, next, group - block->first_group);
        response_gradient(task, block, group - block->first_group, scratch);
        task->kernels->add_moments(scratch->gradient, scratch->responses, NULL, step->codes, block->rows, sums,
                                   products);
    }
}

static void sum_gradients_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, sum_gradients);
}

static void pool_gradient_sums(const dpq_step *step, step_shared *shared) {
    const double cells = (double)step->batch * (double)step->groups;
    for (size_t k = 0; k < step->codes; k++) {
        double sum = 0, product = 0;
        for (size_t group = 0; group < step->groups; group++) {
            sum += shared->sums[group * step->codes + k];
            product += shared->products[group * step->codes + k];
        }
        shared->mean_gradient[k] = (float)(sum / cells);
        shared->mean_product[k] = (float)(product / cells);
    }
}

/* The codes of one group of a block, of the forward pass. */
static void block_codes(const step_task *task, const dpqi_block *block, size_t group, int32_t *out) {
    for (size_t r = 0; r < block->rows; r++) out[r] = task->codes[(block->first_row + r) * task->step->groups + group];
}

static void gradients_sx(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                         step_scratch *scratch) {
    const dpq_step *step = task->step;
    const dpqi_batch_kernels *kernels = task->kernels;
    const size_t width = step->width, codebook = step->codes * width, groups = block->end_group - block->first_group;
    const size_t stride = step->groups * width;
    load_block(task, task->query, block, scratch->query);
    load_block(task, task->upstream, block, scratch->upstream);
    for (size_t i = 0; i < groups; i++) {
        const size_t group = block->first_group + i, tile = i * width * DPQI_TILE;
        double *keys = task->shared.key_gradients + group * codebook;
        double *values = task->shared.value_gradients + group * codebook;
        if (block->first_row == 0) {
            memset(keys, 0, codebook * sizeof *keys);
            memset(values, 0, codebook * sizeof *values);
        }
        fetch_next(task, task->query, block, next, i);
        fetch_next(task, task->upstream, block, next, i);
        response_gradient(task, block, i, scratch);
        if (task->mean)
            kernels->normalise_backward(scratch->gradient, scratch->responses, step->codes, task->shared.mean_gradient,
                                        task->shared.mean_product, task->factor);
        if (task->wants_keys) kernels->add_outer(scratch->gradient, step->codes, scratch->query + tile, width, keys);
        if (task->query_gradient)
            kernels->multiply_keys(scratch->gradient, step->codes, codebook_of(step, task->keys, group), width,
                                   scratch->query_gradient + tile);
        block_codes(task, block, group, scratch->codes);
        kernels->accumulate(task->upstream + block_offset(step, block, i), stride, block->rows, width, scratch->codes,
                            NULL, values, width);
    }
    if (task->query_gradient)
        kernels->store_tile(scratch->query_gradient, block->rows, groups * width,
                            task->query_gradient + block_offset(step, block, 0), stride);
}

static void gradients_sx_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, gradients_sx);
}

/* ---- backward, VQ ----------------------------------------------------------------------------------------------- */

/* The key gradient is key_weight * 2 / elements * sum over the rows of a code of (key - q): the code's count times
 * its key, less the sum of its queries. */
static void gradients_vq(const step_task *task, const dpqi_block *block, const dpqi_block *next,
                         step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t width = step->width, codebook = step->codes * width, groups = block->end_group - block->first_group;
    const size_t stride = step->groups * width, first = block_offset(step, block, 0);
    for (size_t i = 0; i < groups; i++) {
        const size_t group = block->first_group + i;
        double *sums = task->shared.key_gradients + group * codebook, *counts = task->shared.sums + group * step->codes;
        if (block->first_row == 0) {
            memset(sums, 0, codebook * sizeof *sums);
            memset(counts, 0, step->codes * sizeof *counts);
        }
        fetch_next(task, task->query, block, next, i);
        block_codes(task, block, group, scratch->codes);
        for (size_t r = 0; r < block->rows; r++) counts[scratch->codes[r]] += 1;
        task->kernels->accumulate(task->query + block_offset(step, block, i), stride, block->rows, width,
                                  scratch->codes, NULL, sums, width);
    }
    if (!task->query_gradient) return;
    for (size_t r = 0; r < block->rows; r++)
        memcpy(task->query_gradient + first + r * stride, task->upstream + first + r * stride,
               groups * width * sizeof(float));
    if (task->commitment == 0) return;
    const float commit = (float)(2 * (double)task->commitment / ((double)step->batch * (double)stride));
    for (size_t r = 0; r < block->rows; r++)
        for (size_t i = 0; i < groups; i++) {
            const size_t cell = (block->first_row + r) * step->groups + block->first_group + i;
            const float *key = codebook_of(step, task->keys, block->first_group + i) + task->codes[cell] * width;
            for (size_t c = 0; c < width; c++)
                task->query_gradient[cell * width + c] += commit * (task->query[cell * width + c] - key[c]);
        }
}

static void gradients_vq_task(void *context, size_t begin, size_t end, int worker) {
    walk_groups(context, begin, end, worker, gradients_vq);
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
            const double count = task->shared.sums[group * step->codes + i / step->width];
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

dpq_status dpq_step_backward(const dpq_step *step, const float *query, const float *keys, const float *values,
                             const uint16_t *codes, const float *statistics, const float *upstream, float key_weight,
                             float commitment, int threads, void *workspace, size_t workspace_bytes,
                             float *out_query_gradient, float *out_key_gradient, float *out_value_gradient) {
    step_task task = {0};
    const dpq_status status = start_task(&task, step, query, keys, values, threads, workspace, workspace_bytes);
    if (status != DPQ_OK) return status;
    const int sx = step->variant == DPQ_SX;
    if (step->batch == 0 || !codes || !upstream || (sx && step->normalise && !statistics)) return DPQ_ERROR_ARGUMENT;
    for (size_t i = 0; i < step->batch * step->groups; i++)
        if (codes[i] >= step->codes) return DPQ_ERROR_ARGUMENT;
    task.upstream = upstream;
    task.codes = codes;
    task.query_gradient = out_query_gradient;
    task.wants_keys = out_key_gradient != NULL;
    task.key_weight = key_weight;
    task.commitment = commitment;
    const int workers = dpqi_workers(threads, 3 * step_operations(step, task.kernels));
    if (!sx) {
        dpqi_parallel(workers, step->groups, 1, gradients_vq_task, &task);
        finish_vq(&task);
    } else {
        if (step->normalise) {
            set_statistics(&task, statistics);
            dpqi_parallel(workers, step->groups, 1, sum_gradients_task, &task);
            pool_gradient_sums(step, &task.shared);
        }
        dpqi_parallel(workers, step->groups, 1, gradients_sx_task, &task);
        if (out_value_gradient) gather_gradient(step, task.shared.value_gradients, out_value_gradient);
    }
    if (out_key_gradient) gather_gradient(step, task.shared.key_gradients, out_key_gradient);
    return DPQ_OK;
}
