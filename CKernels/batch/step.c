/* The step of a DPQ layer over one batch (Chen, Li, Sun 2020, sections 2-3).
 *
 * Workers share the groups; within a group the batch goes by in tiles of rows, whose responses are computed again where
 * they are needed a second time rather than stored: no [batch][groups][codes] array exists. What groups share (the
 * statistics of the normalisation, gradients of a shared codebook) is kept per group and added up in their order, so the
 * results are the same bytes at any thread count. */
#include "batch/parallel.h"
#include "core/arena.h"
#include "core/dispatch.h"

#include <math.h>
#include <string.h>

/* Buffers of one worker. */
typedef struct step_scratch {
    float *query;          /* [width][DPQI_TILE] */
    float *upstream;       /* [width][DPQI_TILE] */
    float *query_gradient; /* [width][DPQI_TILE] */
    float *responses;      /* [codes][DPQI_TILE] */
    float *gradient;       /* [codes][DPQI_TILE] */
    float *probabilities;  /* [codes][DPQI_TILE] */
    int32_t *tile_codes;   /* [DPQI_TILE] */
    double *sums;          /* [codes] */
    double *products;      /* [codes] */
} step_scratch;

static size_t carve_scratch(const dpq_step *step, void *memory, step_scratch *out) {
    dpqi_arena arena = {memory, 0};
    out->query = DPQI_TAKE(&arena, float, step->width *DPQI_TILE);
    out->upstream = DPQI_TAKE(&arena, float, step->width *DPQI_TILE);
    out->query_gradient = DPQI_TAKE(&arena, float, step->width *DPQI_TILE);
    out->responses = DPQI_TAKE(&arena, float, step->codes *DPQI_TILE);
    out->gradient = DPQI_TAKE(&arena, float, step->codes *DPQI_TILE);
    out->probabilities = DPQI_TAKE(&arena, float, step->codes *DPQI_TILE);
    out->tile_codes = DPQI_TAKE(&arena, int32_t, DPQI_TILE);
    out->sums = DPQI_TAKE(&arena, double, step->codes);
    out->products = DPQI_TAKE(&arena, double, step->codes);
    return arena.used;
}

/* Buffers of the whole call. */
typedef struct step_shared {
    double *group_means;     /* [groups][codes]: means of responses, or sums of gradients */
    double *group_squares;   /* [groups][codes]: squared deviations, or sums of gradient times response */
    double *key_gradients;   /* [groups][codes][width] */
    double *value_gradients; /* [groups][codes][width] */
    double *group_losses;    /* [groups] */
    float *pooled;           /* [2][codes]: means and variances of this batch */
    float *mean;             /* [codes] */
    float *factor;           /* [codes]: 1 / sqrt(variance + epsilon) */
    float *mean_gradient;    /* [codes] */
    float *mean_product;     /* [codes] */
} step_shared;

static size_t carve_shared(const dpq_step *step, void *memory, step_shared *out) {
    dpqi_arena arena = {memory, 0};
    const size_t cells = step->groups * step->codes;
    out->group_means = DPQI_TAKE(&arena, double, cells);
    out->group_squares = DPQI_TAKE(&arena, double, cells);
    out->key_gradients = DPQI_TAKE(&arena, double, cells *step->width);
    out->value_gradients = DPQI_TAKE(&arena, double, cells *step->width);
    out->group_losses = DPQI_TAKE(&arena, double, step->groups);
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
    const dpqi_kernels *kernels;
    const float *query, *keys, *values, *upstream;
    step_shared shared;
    char *scratch;
    size_t scratch_bytes;
    uint16_t *codes;
    float *output, *query_gradient, *value_gradient;
    int wants_keys; /* whether key gradients are asked for */
    float key_weight, commitment;
} step_task;

static step_scratch scratch_of(const step_task *task, int worker) {
    step_scratch scratch;
    carve_scratch(task->step, task->scratch + (size_t)worker * task->scratch_bytes, &scratch);
    return scratch;
}

/* The codebook of a group in keys or values. */
static const float *codebook_of(const dpq_step *step, const float *codebooks, size_t group) {
    return codebooks + (step->shared ? 0 : group) * step->codes * step->width;
}

/* Turns rows [first, first + count) of one group of a [batch][groups][width] array into a tile. */
static void load_group(const step_task *task, const float *values, size_t group, size_t first, size_t count,
                       float *tile) {
    const dpq_step *step = task->step;
    const dpq_rows rows = {values + group * step->width, DPQ_F32,      step->batch, step->width,
                           step->groups * step->width,   NULL};
    task->kernels->load_tile(&rows, first, count, NULL, tile);
}

/* Loads a tile of queries and computes its responses, normalised where the step says so. */
static size_t tile_responses(const step_task *task, size_t group, size_t first, int normalise, step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t count = step->batch - first < DPQI_TILE ? step->batch - first : DPQI_TILE;
    load_group(task, task->query, group, first, count, scratch->query);
    task->kernels->responses(scratch->query, step->width, codebook_of(step, task->keys, group), step->codes,
                             step->variant == DPQ_VQ, scratch->responses);
    if (normalise) task->kernels->normalise(scratch->responses, step->codes, task->shared.mean, task->shared.factor);
    return count;
}

static double step_operations(const dpq_step *step, const dpqi_kernels *kernels) {
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
    task->kernels = dpqi_active();
    task->query = query;
    task->keys = keys;
    task->values = step->variant == DPQ_SX ? values : keys;
    task->scratch = (char *)workspace + carve_shared(step, workspace, &task->shared);
    task->scratch_bytes = carve_scratch(step, NULL, &scratch);
    return DPQ_OK;
}

static void set_statistics(const dpq_step *step, const float *statistics, step_shared *shared) {
    for (size_t k = 0; k < step->codes; k++) {
        shared->mean[k] = statistics[k];
        shared->factor[k] = (float)(1 / sqrt((double)statistics[step->codes + k] + (double)step->epsilon));
    }
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

/* Mean and squared deviations of each code's responses in one group, tiles merged pairwise (Chan et al. 1979). */
static void group_statistics(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    step_scratch scratch = scratch_of(task, worker);
    for (size_t group = begin; group < end; group++) {
        double *means = task->shared.group_means + group * step->codes;
        double *squares = task->shared.group_squares + group * step->codes;
        memset(means, 0, step->codes * sizeof *means);
        memset(squares, 0, step->codes * sizeof *squares);
        for (size_t first = 0; first < step->batch; first += DPQI_TILE) {
            const size_t count = tile_responses(task, group, first, 0, &scratch);
            task->kernels->row_sums(scratch.responses, NULL, NULL, step->codes, count, scratch.sums, NULL);
            for (size_t k = 0; k < step->codes; k++) scratch.sums[k] /= (double)count;
            task->kernels->row_sums(scratch.responses, NULL, scratch.sums, step->codes, count, NULL, scratch.products);
            for (size_t k = 0; k < step->codes; k++) {
                const double shift = scratch.sums[k] - means[k], seen = (double)first, now = (double)count;
                squares[k] += scratch.products[k] + shift * shift * seen * now / (seen + now);
                means[k] += shift * now / (seen + now);
            }
        }
    }
}

static void pool_statistics(const dpq_step *step, const step_shared *shared, float *out_statistics) {
    for (size_t k = 0; k < step->codes; k++) {
        double mean = 0, square = 0;
        for (size_t group = 0; group < step->groups; group++) {
            const double shift = shared->group_means[group * step->codes + k] - mean;
            square += shared->group_squares[group * step->codes + k] +
                      shift * shift * (double)step->batch * (double)group / (double)(group + 1);
            mean += shift / (double)(group + 1);
        }
        out_statistics[k] = (float)mean;
        out_statistics[step->codes + k] = (float)(square / ((double)step->batch * (double)step->groups));
    }
}

static void group_outputs(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    step_scratch scratch = scratch_of(task, worker);
    for (size_t group = begin; group < end; group++) {
        const float *values = codebook_of(step, task->values, group);
        double loss = 0;
        for (size_t first = 0; first < step->batch; first += DPQI_TILE) {
            const size_t count = tile_responses(task, group, first, step->normalise, &scratch);
            task->kernels->argmax(scratch.responses, step->codes, scratch.tile_codes);
            for (size_t r = 0; r < count; r++) {
                const size_t cell = (first + r) * step->groups + group;
                const float *value = values + (size_t)scratch.tile_codes[r] * step->width;
                task->codes[cell] = (uint16_t)scratch.tile_codes[r];
                if (task->output) memcpy(task->output + cell * step->width, value, step->width * sizeof *value);
                if (step->variant == DPQ_VQ)
                    for (size_t c = 0; c < step->width; c++) {
                        const double difference = (double)value[c] - (double)scratch.query[c * DPQI_TILE + r];
                        loss += difference * difference;
                    }
            }
        }
        task->shared.group_losses[group] = loss;
    }
}

dpq_status dpq_step_forward(const dpq_step *step, const float *query, const float *keys, const float *values,
                            const float *statistics, int threads, void *workspace, size_t workspace_bytes,
                            uint16_t *out_codes, float *out_output, float *out_statistics, double *out_regularization) {
    step_task task = {0};
    const dpq_status status = start_task(&task, step, query, keys, values, threads, workspace, workspace_bytes);
    if (status != DPQ_OK) return status;
    if (step->batch && !out_codes) return DPQ_ERROR_ARGUMENT;
    task.codes = out_codes;
    task.output = out_output;
    const int workers = dpqi_workers(threads, step_operations(step, task.kernels));
    if (step->normalise) {
        float *pooled = task.shared.pooled;
        if (!statistics) {
            if (step->batch == 0) return DPQ_ERROR_ARGUMENT;
            dpqi_parallel(workers, step->groups, 1, group_statistics, &task);
            pool_statistics(step, &task.shared, pooled);
            statistics = pooled;
        }
        set_statistics(step, statistics, &task.shared);
    }
    if (out_statistics)
        for (size_t k = 0; k < step->codes; k++) {
            out_statistics[k] = step->normalise ? statistics[k] : 0;
            out_statistics[step->codes + k] = step->normalise ? statistics[step->codes + k] : 1;
        }
    dpqi_parallel(workers, step->groups, 1, group_outputs, &task);
    if (out_regularization) {
        double loss = 0;
        for (size_t group = 0; group < step->groups; group++) loss += task.shared.group_losses[group];
        const double elements = (double)step->batch * (double)step->groups * (double)step->width;
        *out_regularization = step->variant == DPQ_VQ && step->batch ? loss / elements : 0;
    }
    return DPQ_OK;
}

/* ---- backward --------------------------------------------------------------------------------------------------- */

/* Gradient of the loss by the (normalised) responses of one tile, to scratch->gradient; the responses stay as they are. */
static size_t response_gradient(const step_task *task, size_t group, size_t first, step_scratch *scratch) {
    const dpq_step *step = task->step;
    const size_t count = tile_responses(task, group, first, step->normalise, scratch);
    load_group(task, task->upstream, group, first, count, scratch->upstream);
    task->kernels->responses(scratch->upstream, step->width, codebook_of(step, task->values, group), step->codes, 0,
                             scratch->gradient);
    task->kernels->softmax_backward(scratch->responses, step->codes, 1 / step->temperature, scratch->probabilities,
                                    scratch->gradient);
    return count;
}

/* What the gradient through the batch statistics needs: sums over rows of the gradient, and of it times the response. */
static void group_gradient_sums(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    step_scratch scratch = scratch_of(task, worker);
    for (size_t group = begin; group < end; group++) {
        double *sums = task->shared.group_means + group * step->codes;
        double *products = task->shared.group_squares + group * step->codes;
        memset(sums, 0, step->codes * sizeof *sums);
        memset(products, 0, step->codes * sizeof *products);
        for (size_t first = 0; first < step->batch; first += DPQI_TILE) {
            const size_t count = response_gradient(task, group, first, &scratch);
            task->kernels->row_sums(scratch.gradient, scratch.responses, NULL, step->codes, count, scratch.sums,
                                    scratch.products);
            for (size_t k = 0; k < step->codes; k++) {
                sums[k] += scratch.sums[k];
                products[k] += scratch.products[k];
            }
        }
    }
}

static void pool_gradient_sums(const dpq_step *step, step_shared *shared) {
    const double cells = (double)step->batch * (double)step->groups;
    for (size_t k = 0; k < step->codes; k++) {
        double sum = 0, product = 0;
        for (size_t group = 0; group < step->groups; group++) {
            sum += shared->group_means[group * step->codes + k];
            product += shared->group_squares[group * step->codes + k];
        }
        shared->mean_gradient[k] = (float)(sum / cells);
        shared->mean_product[k] = (float)(product / cells);
    }
}

static void group_gradients_sx(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    const dpqi_kernels *kernels = task->kernels;
    const size_t width = step->width, codebook = step->codes * width;
    step_scratch scratch = scratch_of(task, worker);
    for (size_t group = begin; group < end; group++) {
        double *key_gradient = task->shared.key_gradients + group * codebook;
        double *value_gradient = task->shared.value_gradients + group * codebook;
        memset(key_gradient, 0, codebook * sizeof *key_gradient);
        memset(value_gradient, 0, codebook * sizeof *value_gradient);
        for (size_t first = 0; first < step->batch; first += DPQI_TILE) {
            const size_t count = response_gradient(task, group, first, &scratch);
            if (step->normalise)
                kernels->normalise_backward(scratch.gradient, scratch.responses, step->codes,
                                            task->shared.mean_gradient, task->shared.mean_product,
                                            task->shared.factor);
            if (task->wants_keys)
                kernels->add_outer(scratch.gradient, step->codes, scratch.query, width, key_gradient);
            if (task->query_gradient)
                kernels->multiply_keys(scratch.gradient, step->codes, codebook_of(step, task->keys, group), width,
                                       scratch.query_gradient);
            for (size_t r = 0; r < count; r++) {
                const size_t cell = (first + r) * step->groups + group;
                double *value = value_gradient + (size_t)task->codes[cell] * width;
                for (size_t c = 0; c < width; c++) {
                    value[c] += (double)scratch.upstream[c * DPQI_TILE + r];
                    if (task->query_gradient)
                        task->query_gradient[cell * width + c] = scratch.query_gradient[c * DPQI_TILE + r];
                }
            }
        }
    }
}

static void group_gradients_vq(void *context, size_t begin, size_t end, int worker) {
    const step_task *task = context;
    const dpq_step *step = task->step;
    const size_t width = step->width, codebook = step->codes * width;
    const double elements = (double)step->batch * (double)step->groups * (double)width;
    const double pull = 2 * (double)task->key_weight / elements, commit = 2 * (double)task->commitment / elements;
    (void)worker;
    for (size_t group = begin; group < end; group++) {
        const float *keys = codebook_of(step, task->keys, group);
        double *key_gradient = task->shared.key_gradients + group * codebook;
        memset(key_gradient, 0, codebook * sizeof *key_gradient);
        for (size_t b = 0; b < step->batch; b++) {
            const size_t cell = b * step->groups + group, code = task->codes[cell];
            for (size_t c = 0; c < width; c++) {
                const double difference = (double)keys[code * width + c] - (double)task->query[cell * width + c];
                key_gradient[code * width + c] += pull * difference;
                if (task->query_gradient)
                    task->query_gradient[cell * width + c] =
                        (float)((double)task->upstream[cell * width + c] - commit * difference);
            }
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
    if ((step->batch && (!codes || !upstream)) || (sx && step->normalise && !statistics)) return DPQ_ERROR_ARGUMENT;
    for (size_t i = 0; i < step->batch * step->groups; i++)
        if (codes[i] >= step->codes) return DPQ_ERROR_ARGUMENT;
    task.upstream = upstream;
    task.codes = (uint16_t *)codes; /* read only */
    task.query_gradient = out_query_gradient;
    task.wants_keys = out_key_gradient != NULL;
    task.key_weight = key_weight;
    task.commitment = commitment;
    const int workers = dpqi_workers(threads, 3 * step_operations(step, task.kernels));
    if (sx && step->normalise) {
        set_statistics(step, statistics, &task.shared);
        dpqi_parallel(workers, step->groups, 1, group_gradient_sums, &task);
        pool_gradient_sums(step, &task.shared);
    }
    dpqi_parallel(workers, step->groups, 1, sx ? group_gradients_sx : group_gradients_vq, &task);
    if (out_key_gradient) gather_gradient(step, task.shared.key_gradients, out_key_gradient);
    if (sx && out_value_gradient) gather_gradient(step, task.shared.value_gradients, out_value_gradient);
    return DPQ_OK;
}
