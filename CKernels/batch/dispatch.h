/* The kernels that train and encode, at one instruction-set level: the counterpart of core/dispatch.h for batch/, and no
 * part of libdpq. */
#ifndef DPQI_BATCH_DISPATCH_H
#define DPQI_BATCH_DISPATCH_H

#include "core/dispatch.h"
#include "core/rows.h"
#include "dpq_kernels.h"

/* Rows of a tile. Rows lie in the lanes of vectors: a tile is stored [column][DPQI_TILE], so one coordinate of
 * neighbouring rows is contiguous, distances need no horizontal sums, and any width costs the same per value. */
#define DPQI_TILE 64

/* What a sweep adds up for a codeword: the weight of its rows, that times their squared norms, and their coordinates; padded to
 * vectors of four, so that none of those crosses a cache line. */
#define DPQI_SUM_HEAD 2
static inline size_t dpqi_sum_pitch(size_t width) { return (DPQI_SUM_HEAD + width + 3) / 4 * 4; }
/* Columns that are worked on together; a group more where they end inside one. */
#define DPQI_BLOCK_COLUMNS 64

/* Codewords are interleaved by this many in a prepared codebook, [codes / 16][width][16]: their scalars are neighbours
 * for broadcasting, and whole vectors of codes can be loaded where there are too few rows to fill the lanes. */
#define DPQI_CODE_BLOCK 16

/* A codebook in whole numbers of 16 bits, for the first pass of assignment; pairs is NULL where there is none. */
typedef struct dpqi_rounded {
    const int32_t
        *pairs;          /* [codes / DPQI_CODE_BLOCK][(width + 1) / 2][DPQI_CODE_BLOCK]: two neighbouring coordinates */
    const int32_t *bias; /* [codes], padded with INT32_MIN */
    float scale;         /* of rows: a value times this is rounded */
    float unit;          /* of scores: `scale` times that of the codewords */
    float reach;         /* the largest sum of the magnitudes of a codeword, in its whole numbers */
    float squared_norm;  /* of rows at most */
} dpqi_rounded;

/* Magnitudes of rows in whole numbers are below this; wider groups and larger codebooks are not rounded. */
#define DPQI_ROUNDED_MOST 32767.0f
#define DPQI_ROUNDED_WIDTH 64
#define DPQI_ROUNDED_CODES 1024

typedef struct dpqi_batch_kernels {
    size_t lanes; /* float32 lanes of a vector */

    /* out[column][DPQI_TILE] = row value - center[column], for rows [first, first + count) of `rows`, count <=
     * DPQI_TILE, columns [0, dimension); missing rows are 0. center may be NULL. */
    void (*load_tile)(const dpq_rows *rows, size_t first, size_t count, const float *center, float *out);

    /* The inverse for float32 rows: out[row][column], rows out_stride apart, of the first `count` rows of a tile. */
    void (*store_tile)(const float *tile, size_t count, size_t columns, float *out, size_t out_stride);

    /* For each of the first `rows` rows of a tile: the code with the largest score = bias + x . codeword, ties to the
     * lowest. tile [width][DPQI_TILE]; codewords interleaved and bias [codes], both padded to a multiple of
     * DPQI_CODE_BLOCK, the bias with -inf. Outputs have DPQI_TILE places, those beyond `rows` undefined.
     * The checked form sets bit r of out_doubtful where the best two scores of row r are not farther apart than
     * slope * ||x||^2 + constant (or one is not a number). */
    void (*assign_tile)(const float *tile, size_t rows, size_t width, const float *codewords, const float *bias,
                        size_t codes, int32_t *out_code);
    void (*assign_tile_checked)(const float *tile, size_t rows, size_t width, const float *codewords, const float *bias,
                                size_t codes, float slope, float constant, int32_t *out_code, uint64_t *out_doubtful);

    /* The codes of assign_tile_checked, by products of 16-bit numbers first. Sets bit r of out_left where row r is beyond
     * those and has to be assigned otherwise; its code and all bits beyond `rows` are undefined. NULL where the level gains
     * nothing by it; width <= DPQI_ROUNDED_WIDTH, codes <= DPQI_ROUNDED_CODES. */
    void (*assign_rounded)(const float *tile, size_t rows, size_t width, const float *codewords, const float *bias,
                           const dpqi_rounded *book, size_t codes, float slope, float constant, int32_t *out_code,
                           uint64_t *out_left, uint64_t *out_doubtful);

    /* Writes codes[groups][DPQI_TILE] of the first `rows` rows to out[rows][out_stride], as elements of 1 or 2 bytes.
     */
    void (*store_codes)(const int32_t *codes, size_t groups, size_t rows, size_t code_bytes, void *out,
                        size_t out_stride);

    /* For r < count, r < DPQI_TILE: (1, norms[r], rows[r][columns]) times weights[r], or 1 where weights is NULL, are added
     * to the places of sums[codes[r]]; sums [][pitch], pitch at least dpqi_sum_pitch(columns). norms has DPQI_TILE
     * places. */
    void (*accumulate)(const float *rows, size_t stride, size_t count, size_t columns, const int32_t *codes,
                       const float *weights, const float *norms, double *sums, size_t pitch);

    /* out[r][j][width] = values[j][codes[j][r]] for r < count, j < groups; rows of out `stride` apart. */
    void (*copy_codewords)(const float *values, size_t book, const int32_t *codes, size_t groups, size_t count,
                           size_t width, float *out, size_t stride);

    /* out[columns] = sum over e < count of weights[e] * rows[ids[e]], in the order of e; rows `columns` long. */
    void (*combine)(const float *rows, size_t columns, const int32_t *ids, const float *weights, size_t count,
                    float *out);

    /* out[row] = sum over `width` columns of tile value squared. */
    void (*tile_squared_norms)(const float *tile, size_t width, float *out);

    /* out_row = first row of [first, end) with a NaN or an infinity, or end. */
    size_t (*find_non_finite)(const dpq_rows *rows, size_t first, size_t end);

    /* Codes [rows][groups] from and to packed rows; elements of 1 byte up to 8 bits, else 2. Unpacked codes are
     * clamped. */
    void (*pack)(size_t groups, size_t bits, const void *values, size_t rows, uint8_t *out);
    void (*unpack)(size_t groups, size_t bits, size_t codes, const uint8_t *packed, size_t rows, void *out);

    /* The step of a DPQ layer; kernels/step.h says what each computes. */
    void (*softmax)(const float *query, const float *upstream, size_t width, const float *keys, const float *bias,
                    const float *values, size_t codes, float *shares, float *rewards, float *out_inverse,
                    float *out_mean);
    void (*multiply_keys)(const float *shares, const float *mean, float *gradient, size_t codes, const float *keys,
                          size_t width, const float *factor, float scale, float *out);
    void (*add_outer)(const float *gradient, size_t codes, const float *tile, size_t width, double *out, size_t pitch);
    void (*add_squares)(const float *tile, size_t columns, double *out);
    void (*scale_tile)(const float *tile, size_t columns, const float *factor, float *out);
    void (*subtract_product)(const float *tile, size_t width, const float *matrix, const float *bias, float *out);
    void (*add_by_code)(const float *rows, size_t stride, size_t count, size_t groups, size_t width,
                        const uint16_t *codes, size_t code_stride, double *sums, double *counts, size_t book);
    void (*replace_rows)(const float *keys, size_t book, const int32_t *codes, size_t groups, size_t count,
                         size_t width, const float *rows, size_t stride, float *out, double *sums);
    void (*pull_to_codes)(const float *rows, const float *upstream, size_t stride, size_t count, size_t groups,
                          size_t width, const float *keys, size_t book, const uint16_t *codes, size_t code_stride,
                          float weight, float *out);

    /* Bits of binary tiers; kernels/binary.h says what it computes. */
    void (*settle_bits)(size_t bits, const float *gram, const float *diagonal, int passes, float *correlations,
                        float *halves);

    /* Networks; kernels/network.h says what each computes. */
    void (*column_sums)(const float *values, size_t rows, size_t columns, size_t stride, float *out);
    double (*cross_entropy)(float *logits, size_t classes, size_t label, float scale);
    void (*lstm_forward)(size_t width, float *gates, const float *cell, float *out_cell, float *out_squashed,
                         float *out_hidden);
    void (*lstm_backward)(size_t width, float *gates, const float *cell, const float *squashed,
                          const float *hidden_gradient, float *cell_gradient);
    void (*dropout)(const float *values, size_t first, size_t count, float keep, uint64_t seed, float *out);
} dpqi_batch_kernels;

/* The kernels at the level of dpqi_active_level(). */
const dpqi_batch_kernels *dpqi_batch_active(void);

/* One table a level, as in core/dispatch.h. */
extern const dpqi_batch_kernels dpqi_batch_kernels_scalar;
#if defined(__x86_64__)
extern const dpqi_batch_kernels dpqi_batch_kernels_avx2;
extern const dpqi_batch_kernels dpqi_batch_kernels_avx512;
extern const dpqi_batch_kernels dpqi_batch_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const dpqi_batch_kernels dpqi_batch_kernels_neon;
#endif

#endif
