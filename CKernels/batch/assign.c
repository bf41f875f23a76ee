/* Nearest codes of whole tables: dpq_assigner_init, dpq_assign, dpq_encode. */
#include "batch/assigner.h"
#include "batch/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_count(const dpq_layout *layout) {
    if (!layout->shared) return layout->groups;
    return layout->groups > 1 && layout->groups * dpq_layout_width(layout) != layout->dimension ? 2 : 1;
}

/* Whether a first pass over rounded numbers is worth its while: rounding a row and looking for its code in the block that
 * won cost as much as some 100 codes of float32, or some 60 where those have to find the second-best score too. */
static int is_rounded(const dpq_layout *layout, int checked) {
    const size_t width = dpq_layout_width(layout);
    return layout->codes >= (checked ? 128 : 192) && layout->codes <= DPQI_ROUNDED_CODES && width >= 4 &&
           width <= DPQI_ROUNDED_WIDTH;
}

static size_t carve_assigner(const dpq_layout *layout, void *memory, dpq_assigner **out) {
    dpqi_arena arena = {memory, 0};
    const size_t width = dpq_layout_width(layout), slots = slot_count(layout);
    const size_t padded = (layout->codes + DPQI_CODE_BLOCK - 1) / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK;
    dpq_assigner *assigner = DPQI_TAKE(&arena, dpq_assigner, 1);
    float *codewords = DPQI_TAKE(&arena, float, (slots * padded * width));
    float *bias = DPQI_TAKE(&arena, float, (slots * padded));
    float *squared_norm = DPQI_TAKE(&arena, float, slots);
    float *center = DPQI_TAKE(&arena, float, (layout->groups * width));
    float *raw = DPQI_TAKE(&arena, float, dpq_layout_codebook_count(layout));
    const int rounds = is_rounded(layout, 1);
    dpqi_rounded *rounded = DPQI_TAKE(&arena, dpqi_rounded, rounds ? slots : 0);
    int32_t *pairs = DPQI_TAKE(&arena, int32_t, rounds ? slots * padded * ((width + 1) / 2) : 0);
    int32_t *rounded_bias = DPQI_TAKE(&arena, int32_t, rounds ? slots * padded : 0);
    if (assigner) {
        *assigner = (dpq_assigner){.layout = *layout, .width = width, .slots = slots, .padded_codes = padded};
        assigner->codewords = codewords;
        assigner->bias = bias;
        assigner->squared_norm = squared_norm;
        assigner->center = center;
        assigner->raw = raw;
        assigner->rounded = rounds ? rounded : NULL;
        assigner->pairs = pairs;
        assigner->rounded_bias = rounded_bias;
        *out = assigner;
    }
    return arena.used;
}

size_t dpq_assigner_bytes(const dpq_layout *layout) {
    return dpq_layout_check(layout) == DPQ_OK ? carve_assigner(layout, NULL, NULL) : 0;
}

/* Centres the codewords of one slot, interleaves them and notes their norms. `columns`: those that count. */
static void prepare_slot(dpq_assigner *assigner, size_t slot, const float *codebook, size_t columns, float *center) {
    const size_t width = assigner->width, codes = assigner->layout.codes;
    float *codewords = assigner->codewords + slot * assigner->padded_codes * width;
    float *bias = assigner->bias + slot * assigner->padded_codes;
    for (size_t c = 0; c < columns; c++) {
        double sum = 0;
        if (assigner->similarity == DPQ_NEAREST)
            for (size_t k = 0; k < codes; k++) sum += codebook[k * width + c];
        center[c] = (float)(sum / (double)codes);
    }
    memset(codewords, 0, assigner->padded_codes * width * sizeof *codewords);
    double largest = 0;
    for (size_t k = 0; k < assigner->padded_codes; k++) {
        if (k >= codes) {
            bias[k] = -INFINITY;
            continue;
        }
        float *block = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * width + k % DPQI_CODE_BLOCK;
        double square = 0;
        for (size_t c = 0; c < columns; c++) {
            const float value = codebook[k * width + c] - center[c];
            block[c * DPQI_CODE_BLOCK] = value;
            square += (double)value * value;
        }
        bias[k] = assigner->similarity == DPQ_NEAREST ? (float)(-square / 2) : 0;
        if (square > largest) largest = square;
    }
    assigner->squared_norm[slot] = (float)(largest * 1.000001);
}

/* The codewords of a slot in whole numbers of 16 bits, as fine as sums of 32 bits allow. Coordinates of rows may be twice
 * as large as those of codewords, their norms thrice; rows beyond that are left to float32. */
static void round_slot(dpq_assigner *assigner, size_t slot) {
    const size_t width = assigner->width, padded = assigner->padded_codes, pairs = (width + 1) / 2;
    const float *codewords = dpqi_slot_codewords(assigner, slot), *bias = dpqi_slot_bias(assigner, slot);
    int32_t *out = assigner->pairs + slot * padded * pairs, *out_bias = assigner->rounded_bias + slot * padded;
    dpqi_rounded *rounded = assigner->rounded + slot;
    *rounded = (dpqi_rounded){0};
    double largest = 0, reach = 0;
    for (size_t i = 0; i < padded * width; i++) largest = fmax(largest, fabs((double)codewords[i]));
    if (assigner->similarity != DPQ_NEAREST || !dpqi_batch_active()->assign_rounded ||
        !(largest > 1e-15 && largest < 1e15))
        return;
    /* |x . c - |c|^2 / 2| <= 3.5 max |c|^2 */
    const double square = assigner->squared_norm[slot], scale = DPQI_ROUNDED_MOST / (2 * largest);
    const double fineness = fmin(DPQI_ROUNDED_MOST / largest, 0x1p30 / (3.5 * square * scale));
    for (size_t k = 0; k < padded; k++) {
        const size_t block = k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK, lane = k % DPQI_CODE_BLOCK;
        double sum = 0;
        for (size_t p = 0; p < pairs; p++) {
            int32_t pair[2] = {0, 0};
            for (size_t i = 0; i < 2 && 2 * p + i < width; i++) {
                pair[i] =
                    (int32_t)lround(fineness * (double)codewords[block * width + (2 * p + i) * DPQI_CODE_BLOCK + lane]);
                sum += abs(pair[i]);
            }
            out[block * pairs + p * DPQI_CODE_BLOCK + lane] =
                (int32_t)((uint32_t)pair[0] & 0xffff) | (int32_t)((uint32_t)pair[1] << 16);
        }
        out_bias[k] = k < assigner->layout.codes ? (int32_t)lround(scale * fineness * (double)bias[k]) : INT32_MIN;
        if (sum > reach) reach = sum;
    }
    *rounded = (dpqi_rounded){
        out, out_bias, (float)scale, (float)(scale * fineness), (float)(reach * 1.005 + 1), (float)(9 * square)};
}

dpq_status dpq_assigner_init(const dpq_layout *layout, const float *codebook, dpq_similarity similarity, void *memory,
                             size_t memory_bytes, const dpq_assigner **out) {
    if (dpq_layout_check(layout) != DPQ_OK || !codebook || !memory || !out || (uintptr_t)memory % DPQ_ALIGNMENT ||
        (similarity != DPQ_NEAREST && similarity != DPQ_LARGEST))
        return DPQ_ERROR_ARGUMENT;
    if (memory_bytes < dpq_assigner_bytes(layout)) return DPQ_ERROR_MEMORY;
    dpq_assigner *assigner = NULL;
    carve_assigner(layout, memory, &assigner);
    assigner->similarity = similarity;
    const size_t width = assigner->width;
    memcpy(assigner->raw, codebook, dpq_layout_codebook_count(layout) * sizeof *codebook);
    memset(assigner->center, 0, layout->groups * width * sizeof(float));
    for (size_t group = 0; group < layout->groups; group++) {
        const size_t slot = dpqi_slot(assigner, group);
        float *center = assigner->center + group * width;
        if (layout->shared && group > 0 && slot == 0) {
            memcpy(center, assigner->center, width * sizeof *center);
            continue;
        }
        prepare_slot(assigner, slot, dpqi_raw_codebook(assigner, group), dpqi_group_columns(layout, group), center);
        if (assigner->rounded) round_slot(assigner, slot);
    }
    *out = assigner;
    return DPQ_OK;
}

/* ---- the exact check -------------------------------------------------------------------------------------------- */

/* The float32 score of x and c, both centred and rounded (relative error u = 2^-24 each), summed over s products onto a
 * rounded bias, differs from the exact one by at most about u * (s + 4) * (|x||c| + |c|^2 / 2); two scores by twice
 * that, and |x||c| <= (|x|^2 + |c|^2) / 2. Where the best two are closer, float64 decides. */
static void doubt_bound(const dpq_assigner *assigner, size_t slot, float *slope, float *constant) {
    const float unit = 0x1p-24f * 2 * (float)(assigner->width + 4);
    *slope = unit / 2;
    *constant = unit * assigner->squared_norm[slot];
}

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

uint64_t dpqi_nearest_codes(const dpq_assigner *assigner, const dpqi_batch_kernels *kernels, size_t slot,
                            const float *tile, size_t count, int checked, int *wait, int32_t *codes) {
    enum { GROUPS_WAITED = 64 };
    const size_t width = assigner->width, size = assigner->layout.codes;
    const float *codewords = dpqi_slot_codewords(assigner, slot), *bias = dpqi_slot_bias(assigner, slot);
    const uint64_t present = count < DPQI_TILE ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0;
    float slope, constant;
    doubt_bound(assigner, slot, &slope, &constant);
    uint64_t doubtful = 0;
    const dpqi_rounded *rounded = is_rounded(&assigner->layout, checked) ? assigner->rounded + slot : NULL;
    if (rounded && rounded->pairs && kernels->assign_rounded && count >= DPQI_TILE / 4 &&
        (*wait == 0 || --*wait == 0)) {
        uint64_t left;
        kernels->assign_rounded(tile, count, width, codewords, bias, rounded, size, slope, constant, codes, &left,
                                &doubtful);
        left &= present;
        if ((size_t)__builtin_popcountll(left) <= count / 4) {
            for (; left; left &= left - 1) {
                const size_t r = (size_t)__builtin_ctzll(left);
                int32_t code[DPQI_TILE];
                uint64_t doubt;
                kernels->assign_tile_checked(tile + r, 1, width, codewords, bias, size, slope, constant, code, &doubt);
                codes[r] = code[0];
                doubtful |= (doubt & 1) << r;
            }
            return checked ? doubtful & present : 0;
        }
        *wait = GROUPS_WAITED;
    }
    if (checked)
        kernels->assign_tile_checked(tile, count, width, codewords, bias, size, slope, constant, codes, &doubtful);
    else
        kernels->assign_tile(tile, count, width, codewords, bias, size, codes);
    return checked ? doubtful & present : 0;
}

/* ---- whole tables ----------------------------------------------------------------------------------------------- */

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
