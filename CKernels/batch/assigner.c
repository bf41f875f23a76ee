/* Codebooks made ready for assignment, and the nearest codes of one group of a tile. */
#include "batch/assigner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_count(const dpq_layout *layout) {
    if (!layout->shared) return layout->groups;
    return layout->groups > 1 && layout->groups * dpq_layout_width(layout) != layout->dimension ? 2 : 1;
}

/* Rounding a row and looking for its code in the block that won cost as much as 60 to 100 codes of float32. */
int dpqi_is_rounded(const dpq_layout *layout) {
    const size_t width = dpq_layout_width(layout);
    return layout->codes >= 128 && layout->codes <= DPQI_ROUNDED_CODES && width >= 4 && width <= DPQI_ROUNDED_WIDTH;
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
    const int rounds = dpqi_is_rounded(layout);
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

/* The mean of each column of a codebook. */
static void column_means(const float *codebook, size_t codes, size_t width, size_t columns, float *mean) {
    enum { AT_ONCE = 8 };
    for (size_t first = 0; first < columns; first += AT_ONCE) {
        const size_t count = columns - first < AT_ONCE ? columns - first : AT_ONCE;
        double sum[AT_ONCE] = {0};
        for (size_t k = 0; k < codes; k++)
            for (size_t c = 0; c < count; c++) sum[c] += codebook[k * width + first + c];
        for (size_t c = 0; c < count; c++) mean[first + c] = (float)(sum[c] / (double)codes);
    }
}

/* Interleaves `count` codewords less the centre, and adds their squares. The compiler makes one of these for whole blocks. */
static inline __attribute__((always_inline)) void center_block(const float *codebook, size_t count, size_t width,
                                                               size_t columns, const float *center, float *block,
                                                               double *square) {
    for (size_t c = 0; c < columns; c++)
        for (size_t k = 0; k < count; k++) {
            const float value = codebook[k * width + c] - center[c];
            block[c * DPQI_CODE_BLOCK + k] = value;
            square[k] += (double)value * value;
        }
}

/* Centres the codewords of one slot, interleaves them and notes their norms. `columns`: those that count. */
static void prepare_slot(dpq_assigner *assigner, size_t slot, const float *codebook, size_t columns, float *center) {
    const size_t width = assigner->width, codes = assigner->layout.codes, padded = assigner->padded_codes;
    float *codewords = assigner->codewords + slot * padded * width, *bias = assigner->bias + slot * padded;
    double largest = 0;
    if (assigner->similarity == DPQ_NEAREST) column_means(codebook, codes, width, columns, center);
    memset(codewords, 0, padded * width * sizeof *codewords);
    for (size_t first = 0; first < padded; first += DPQI_CODE_BLOCK) {
        const size_t count = codes - first < DPQI_CODE_BLOCK ? codes - first : DPQI_CODE_BLOCK;
        float *block = codewords + first * width;
        double square[DPQI_CODE_BLOCK] = {0};
        if (count == DPQI_CODE_BLOCK)
            center_block(codebook + first * width, DPQI_CODE_BLOCK, width, columns, center, block, square);
        else
            center_block(codebook + first * width, count, width, columns, center, block, square);
        for (size_t k = 0; k < DPQI_CODE_BLOCK; k++) {
            bias[first + k] = k >= count                            ? -INFINITY
                              : assigner->similarity == DPQ_NEAREST ? (float)(-square[k] / 2)
                                                                    : 0;
            if (square[k] > largest) largest = square[k];
        }
    }
    assigner->squared_norm[slot] = (float)(largest * 1.000001);
}

/* The largest magnitude; not finite where one value is not. */
static float largest_magnitude(const float *values, size_t count) {
    int32_t most = 0; /* the bits of floats are ordered as they are */
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= INT32_MAX;
        if (bits > most) most = bits;
    }
    float largest;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* Of numbers that fit. lround is a call. */
static inline int32_t rounded(double x) { return (int32_t)(x + (x < 0 ? -0.5 : 0.5)); }

/* The codewords of a slot in whole numbers of 16 bits, as fine as sums of 32 bits allow. Coordinates of rows may be twice
 * as large as those of codewords, their norms thrice; rows beyond that are left to float32. */
static void round_slot(dpq_assigner *assigner, size_t slot) {
    const size_t width = assigner->width, padded = assigner->padded_codes, pairs = (width + 1) / 2;
    const float *codewords = dpqi_slot_codewords(assigner, slot), *bias = dpqi_slot_bias(assigner, slot);
    int32_t *out = assigner->pairs + slot * padded * pairs, *out_bias = assigner->rounded_bias + slot * padded;
    assigner->rounded[slot] = (dpqi_rounded){0};
    const double largest = largest_magnitude(codewords, padded * width);
    if (assigner->similarity != DPQ_NEAREST || !dpqi_batch_active()->assign_rounded ||
        !(largest > 1e-15 && largest < 1e15))
        return;
    /* |x . c - |c|^2 / 2| <= 3.5 max |c|^2 */
    const double square = assigner->squared_norm[slot], scale = DPQI_ROUNDED_MOST / (2 * largest);
    const double fineness = fmin(DPQI_ROUNDED_MOST / largest, 0x1p30 / (3.5 * square * scale));
    static const float zeros[DPQI_CODE_BLOCK];
    int32_t reach = 0; /* below 2^15 a coordinate */
    for (size_t first = 0; first < padded; first += DPQI_CODE_BLOCK) {
        int32_t sum[DPQI_CODE_BLOCK] = {0};
        for (size_t p = 0; p < pairs; p++) {
            const float *low = codewords + first * width + 2 * p * DPQI_CODE_BLOCK;
            const float *high = 2 * p + 1 < width ? low + DPQI_CODE_BLOCK : zeros;
            int32_t *pair = out + first * pairs + p * DPQI_CODE_BLOCK;
            for (size_t k = 0; k < DPQI_CODE_BLOCK; k++) {
                const int32_t a = rounded(fineness * (double)low[k]), b = rounded(fineness * (double)high[k]);
                sum[k] += abs(a) + abs(b);
                pair[k] = (int32_t)(((uint32_t)a & 0xffff) | (uint32_t)b << 16);
            }
        }
        for (size_t k = 0; k < DPQI_CODE_BLOCK; k++) {
            /* Codes that are not there have a bias of minus infinity. */
            const int present = first + k < assigner->layout.codes;
            out_bias[first + k] = present ? rounded(scale * fineness * (double)bias[first + k]) : INT32_MIN;
            if (sum[k] > reach) reach = sum[k];
        }
    }
    assigner->rounded[slot] = (dpqi_rounded){
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

/* ---- nearest codes ---------------------------------------------------------------------------------------------- */

/* The float32 score of x and c, both centred and rounded (relative error u = 2^-24 each), summed over s products onto a
 * rounded bias, differs from the exact one by at most about u * (s + 4) * (|x||c| + |c|^2 / 2); two scores by twice
 * that, and |x||c| <= (|x|^2 + |c|^2) / 2. Where the best two are closer, float64 decides. */
static void doubt_bound(const dpq_assigner *assigner, size_t slot, float *slope, float *constant) {
    const float unit = 0x1p-24f * 2 * (float)(assigner->width + 4);
    *slope = unit / 2;
    *constant = unit * assigner->squared_norm[slot];
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
    const dpqi_rounded *rounded = assigner->rounded ? assigner->rounded + slot : NULL;
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
