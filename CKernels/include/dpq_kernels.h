/* dpq_kernels.h - batch kernels for encoders and trainers.
 *
 * The arithmetic of product quantization over whole tables: nearest-code assignment, bit packing, reconstruction,
 * codebook accumulation and the step of a DPQ layer. The small runtime that only reads compressed files is dpq.h;
 * nothing here is needed for it.
 *
 * Conventions
 *   - Shapes are written [rows][columns], row-major. `width` = ceil(dimension / groups) is the length of a codeword.
 *     Where groups * width > dimension the last group is padded: columns at and beyond `dimension` are never read
 *     from a row nor written to one, count as zero, and stay zero in codebooks.
 *   - Codes are uint8_t where the layout has at most 256 codes, else uint16_t ("code elements" below); see
 *     dpq_code_bytes.
 *   - Functions allocate nothing. Memory comes from the caller, sized by the matching ..._bytes function, aligned to
 *     DPQ_ALIGNMENT bytes. Read-only arguments may be unaligned unless said otherwise. Buffers must not overlap.
 *   - `threads`: 1 runs on the caller; more uses at most that many; 0 means all processors. Results are the same
 *     bytes at any thread count. Work too small to share runs on the caller whatever is asked.
 *   - All functions are re-entrant; an object may be read by many threads at once.
 *   - Every function that can fail returns a dpq_status and, unless said otherwise, writes nothing on failure.
 */
#ifndef DPQ_KERNELS_H
#define DPQ_KERNELS_H

#include "dpq.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Alignment in bytes of every workspace and object given to these functions. */
#define DPQ_ALIGNMENT 64

/* ---- the machine ------------------------------------------------------------------------------------------------ */

/* Name of the instruction-set level whose kernels the calling thread runs: "scalar", "avx2", "avx512", "avx512vnni"
 * (AVX-512 with products of whole numbers) or "neon". */
DPQ_API const char *dpq_isa_name(void);

/* Levels this machine can run, best first, as a NULL-terminated array of static strings. */
DPQ_API const char *const *dpq_isa_available(void);

/* Makes the calling thread's calls run at the level `name`, for tests and benchmarks; NULL returns to the level of the
 * process: the best the machine has, or the lower one that the environment variable DPQ_ISA named at first use.
 * Returns DPQ_ERROR_ARGUMENT for a name this machine cannot run. */
DPQ_API dpq_status dpq_isa_select(const char *name);

/* "openmp" or "serial": who runs the parallel parts of this build. */
DPQ_API const char *dpq_parallel_backend(void);

/* Threads `threads` stands for: itself, or the number of processors available for 0. At least 1; 1 when serial. */
DPQ_API int dpq_thread_count(int threads);

/* Makes OpenBLAS ready: single-threaded, because the products here are cut into tiles that run on our own threads, and
 * with kernels for this processor where the library does not know it (it is then several times slower; the environment
 * variable OPENBLAS_CORETYPE is left alone if set). A program that calls dpq_matrix_multiply from a process of its own
 * choosing should call this once at start, before anything multiplies; the `dpq` command does. It is a process-wide
 * setting, hence not done behind the caller's back. */
DPQ_API void dpq_blas_prepare(void);

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* Bytes of one element: 4, 2, 2, 8; 0 for anything else. */
DPQ_API size_t dpq_scalar_bytes(dpq_scalar type);

/* A borrowed view of table rows, little endian. Element (i, c) is at data + (i * stride + c) * element bytes.
 * `scale`, where not NULL, holds one factor a row that is multiplied in on reading (unit rows for the cosine metric).
 */
typedef struct dpq_rows {
    const void *data;
    dpq_scalar type;
    size_t count;
    size_t dimension;
    size_t stride; /* elements from one row to the next, >= dimension */
    const float *scale;
} dpq_rows;

/* Writes rows [first, first + count) as f32 to out[count][out_stride] (converted, scale applied). */
DPQ_API dpq_status dpq_rows_read(const dpq_rows *rows, size_t first, size_t count, float *out, size_t out_stride,
                                 int threads);

/* First row that holds a NaN or an infinity, or rows->count when all are finite. `scale` is ignored. */
DPQ_API dpq_status dpq_rows_find_non_finite(const dpq_rows *rows, int threads, size_t *out_row);

/* Rounds count f32 values to f16 (nearest even; beyond the range: infinity). */
DPQ_API void dpq_f32_to_f16(const float *values, size_t count, uint16_t *out);

/* Widens count f16 values. */
DPQ_API void dpq_f16_to_f32(const uint16_t *values, size_t count, float *out);

/* Compares equal-shaped tables row by row, in float64. Each output may be NULL and holds rows->count values:
 * squared distance, dot product, squared norm of a's row, squared norm of b's row. */
DPQ_API dpq_status dpq_rows_compare(const dpq_rows *a, const dpq_rows *b, int threads, double *out_squared_distance,
                                    double *out_dot, double *out_a_squared_norm, double *out_b_squared_norm);

/* ---- code layout ------------------------------------------------------------------------------------------------ */

/* How a row of `dimension` values is coded: `groups` sub-vectors of `width` values, each one of `codes` codewords.
 * Valid: dimension >= 1, 1 <= groups, (groups - 1) * width < dimension where width = ceil(dimension / groups),
 * 2 <= codes <= 65536. `shared` != 0: one codebook [1][codes][width] serves every group, else [groups][codes][width].
 */
typedef struct dpq_layout {
    size_t dimension;
    size_t groups;
    size_t codes;
    int32_t shared;
} dpq_layout;

/* DPQ_OK, or DPQ_ERROR_ARGUMENT when the layout is not valid. */
DPQ_API dpq_status dpq_layout_check(const dpq_layout *layout);
DPQ_API size_t dpq_layout_width(const dpq_layout *layout);          /* ceil(dimension / groups) */
DPQ_API size_t dpq_layout_bits(const dpq_layout *layout);           /* ceil(log2 codes), 1..16 */
DPQ_API size_t dpq_layout_row_bytes(const dpq_layout *layout);      /* packed bytes of a row: ceil(groups*bits/8) */
DPQ_API size_t dpq_layout_codebook_count(const dpq_layout *layout); /* floats of a codebook */
DPQ_API size_t dpq_code_bytes(size_t codes);                        /* 1 when codes <= 256, else 2 */

/* ---- nearest-code assignment ------------------------------------------------------------------------------------ */

typedef int32_t dpq_similarity;
enum {
    DPQ_NEAREST = 0, /* code = argmin_k ||x - c_k||^2 */
    DPQ_LARGEST = 1  /* code = argmax_k x . c_k */
};

/* A codebook made ready for assignment: centred, with its half norms. Lives in memory of the caller. */
typedef struct dpq_assigner dpq_assigner;

/* Bytes dpq_assigner_init needs. */
DPQ_API size_t dpq_assigner_bytes(const dpq_layout *layout);

/* Prepares `codebook` [groups or 1][codes][width] (copied; need not outlive the call) in `memory`. The codewords are
 * centred by their mean in each group, so that tables far from the origin lose no digits. *out points into memory and
 * is valid as long as it is; there is nothing to destroy. */
DPQ_API dpq_status dpq_assigner_init(const dpq_layout *layout, const float *codebook, dpq_similarity similarity,
                                     void *memory, size_t memory_bytes, const dpq_assigner **out);

/* Workspace bytes for dpq_assign, dpq_encode and dpq_sweep with this assigner at this thread count. */
DPQ_API size_t dpq_assign_workspace_bytes(const dpq_assigner *assigner, int threads);
DPQ_API size_t dpq_sweep_workspace_bytes(const dpq_assigner *assigner, size_t rows, int threads);

/* Codes of every row to out_codes[rows][code_stride] (code elements; code_stride >= groups). Ties go to the lowest
 * code.
 *
 * DPQ_ASSIGN_FAST: argmax of the float32 score x.c - ||c||^2/2 on centred values.
 * DPQ_ASSIGN_EXACT: the argmin of the distance in float64 over the values as given, ties to the lowest code: groups
 * whose best two scores differ by less than a bound on the float32 error are scored again in float64. Costs a few per
 * cent more; what is written to files is made this way. A row with a NaN gets some valid code. */
enum { DPQ_ASSIGN_FAST = 0, DPQ_ASSIGN_EXACT = 1 };
DPQ_API dpq_status dpq_assign(const dpq_assigner *assigner, const dpq_rows *rows, int32_t mode, int threads,
                              void *workspace, size_t workspace_bytes, void *out_codes, size_t code_stride);

/* As dpq_assign, but the codes are packed: row i occupies out_packed[i * row_bytes ...], row_bytes as
 * dpq_layout_row_bytes; unused high bits are zero. */
DPQ_API dpq_status dpq_encode(const dpq_assigner *assigner, const dpq_rows *rows, int32_t mode, int threads,
                              void *workspace, size_t workspace_bytes, uint8_t *out_packed);

/* One sweep of Lloyd's algorithm (k-means): assigns every row (DPQ_ASSIGN_FAST) and, for codebook b and code k, sums
 * over the rows (and, when shared, groups) coded k:
 *   out_sums[b][k][width]   sum of w * x          (float64; the padding columns stay 0)
 *   out_weights[b][k]       sum of w
 *   out_errors[b][k]        sum of w * ||x - c_k||^2   (from float32 norms of rows: for steering, not for reports)
 * weights: one factor w >= 0 a row, or NULL for 1. The outputs are overwritten. */
DPQ_API dpq_status dpq_sweep(const dpq_assigner *assigner, const dpq_rows *rows, const float *weights, int threads,
                             void *workspace, size_t workspace_bytes, double *out_sums, double *out_weights,
                             double *out_errors);

/* ---- packing and reconstruction --------------------------------------------------------------------------------- */

/* Packs codes[rows][groups] (code elements), least significant bit first: code j of a row occupies bits
 * [j*bits, (j+1)*bits) of its row_bytes bytes. Codes must be < layout->codes. */
DPQ_API dpq_status dpq_codes_pack(const dpq_layout *layout, const void *codes, size_t rows, int threads,
                                  uint8_t *out_packed);

/* The inverse of dpq_codes_pack. A stored code >= layout->codes comes out as layout->codes - 1. */
DPQ_API dpq_status dpq_codes_unpack(const dpq_layout *layout, const uint8_t *packed, size_t rows, int threads,
                                    void *out_codes);

/* Rebuilds rows from packed codes: out[rows][out_stride], out_stride >= dimension; nothing beyond `dimension` is
 * written.
 * codebook [groups or 1][codes][width] f32. A stored code >= codes counts as codes - 1. */
DPQ_API dpq_status dpq_reconstruct(const dpq_layout *layout, const float *codebook, const uint8_t *packed, size_t rows,
                                   float *out, size_t out_stride, int threads);

/* dpq_table_read on several threads (dpq.h says the rest). */
DPQ_API dpq_status dpq_table_read_parallel(const dpq_table *table, uint64_t first, size_t count, float *out,
                                           size_t out_stride, int threads, dpq_error *error);

/* ---- binary codes (after AdaComp: Kim, Kim, Lee 2020) ----------------------------------------------------------- */

/* A row is coded by `bits` bits: x is about bias + sum_j bit_j basis[j], or m + sum_j h_j basis[j] with h_j = bit_j - 1/2
 * and m = bias + sum_j basis[j] / 2. While bits are chosen they are kept as those h, +-1/2, halves[rows][stride]. */

/* h_j = 1/2 where the correlation basis[j] . (x - m), correlations[rows][bits], is above 0, else -1/2. */
DPQ_API void dpq_bits_start(size_t rows, size_t bits, const float *correlations, float *halves, size_t stride);

/* Flips bits one by one, lowest first, in at most `passes` passes over each row while that lessens |x - m - sum h b|^2.
 * The first passes flip only what lessens it much.
 * correlations[rows][bits]: basis[j] . (x - m - sum_k h_k basis[k]); they follow every flip. gram[bits][bits]:
 * basis[i] . basis[j]; diagonal[bits] its diagonal. */
DPQ_API dpq_status dpq_bits_settle(size_t rows, size_t bits, const float *gram, const float *diagonal, int passes,
                                   int threads, float *correlations, float *halves, size_t stride);

/* Packs bit j of a row, 1 where its h is above 0, to bit j % 8 of byte j / 8 of its ceil(bits / 8) bytes. */
DPQ_API dpq_status dpq_bits_pack(size_t rows, size_t bits, const float *halves, size_t stride, int threads,
                                 uint8_t *out_packed);

/* The h of packed bits. */
DPQ_API dpq_status dpq_bits_unpack(size_t rows, size_t bits, const uint8_t *packed, int threads, float *halves,
                                   size_t stride);

/* Solves matrix[n][n] * x = right[n][columns] in place, for a symmetric positive definite matrix of which the lower
 * triangle is read and overwritten. DPQ_ERROR_ARGUMENT where it is not positive definite. */
DPQ_API dpq_status dpq_solve_positive(size_t n, double *matrix, size_t columns, double *right);

/* ---- the step of a DPQ layer (Chen, Li, Sun 2020, sections 2-3) ------------------------------------------------- */

typedef int32_t dpq_variant;
enum { DPQ_SX = 0, DPQ_VQ = 1 };

/* One batch: query [batch][groups][width], keys and (SX) values [groups or 1][codes][width].
 *   response r[b,j,k] = q.key (SX) or -||q - key||^2 (VQ)
 *   normalised (normalise != 0): (r - mean_k) / sqrt(variance_k + epsilon), one mean and one biased variance a code,
 *   pooled over batch and groups
 *   code = argmax_k, ties to the lowest
 *   SX: output = values[code]; gradient through softmax(response / temperature), straight through the argmax
 *   VQ: output = keys[code]; the gradient passes to the query unchanged */
typedef struct dpq_step {
    size_t batch;
    size_t groups;
    size_t codes;
    size_t width;
    dpq_variant variant;
    int32_t shared;
    int32_t normalise;
    float temperature; /* SX, > 0 */
    float epsilon;     /* of the normalisation, > 0 */
} dpq_step;

/* Workspace bytes for forward and backward at this thread count. */
DPQ_API size_t dpq_step_workspace_bytes(const dpq_step *step, int threads);

/* Forward. `statistics`: NULL to use the batch's own mean and variance (training), else [2][codes]: means then
 * variances to use (evaluation with running statistics). Outputs:
 *   out_codes       uint16_t [batch][groups]
 *   out_output      [batch][groups][width], may be NULL
 *   out_statistics  [2][codes]: the means and variances used, may be NULL; without normalisation zeros and ones
 *   out_regularization  VQ: mean over all elements of (key - q)^2; SX: 0; may be NULL */
DPQ_API dpq_status dpq_step_forward(const dpq_step *step, const float *query, const float *keys, const float *values,
                                    const float *statistics, int threads, void *workspace, size_t workspace_bytes,
                                    uint16_t *out_codes, float *out_output, float *out_statistics,
                                    double *out_regularization);

/* Backward of the loss  sum(output * upstream) + key_weight * regularization + commitment * mean((q - key)^2)  with the
 * codes and statistics that dpq_step_forward returned for the same batch in training mode. (The regularization moves
 * only keys, the commitment term only the query; both apply to VQ alone.) The gradients are overwritten, each may be
 * NULL: query [batch][groups][width], keys and values [groups or 1][codes][width]. */
DPQ_API dpq_status dpq_step_backward(const dpq_step *step, const float *query, const float *keys, const float *values,
                                     const uint16_t *codes, const float *statistics, const float *upstream,
                                     float key_weight, float commitment, int threads, void *workspace,
                                     size_t workspace_bytes, float *out_query_gradient, float *out_key_gradient,
                                     float *out_value_gradient);

/* ---- rows of trained tables, and optimisers ---------------------------------------------------------------------- */

/* out[i][columns] = table[ids[i]], rows of out `out_stride` apart; DPQ_ERROR_ARGUMENT for an id outside 0..<rows. */
DPQ_API dpq_status dpq_gather(const float *table, size_t rows, size_t columns, const int32_t *ids, size_t count,
                              int threads, float *out, size_t out_stride);

/* out[places[i]][columns] += values[i], in the order of i, rows of values `stride` apart; DPQ_ERROR_ARGUMENT for a place
 * outside 0..<out_rows. */
DPQ_API dpq_status dpq_scatter_add(const float *values, size_t stride, size_t columns, const int32_t *places,
                                   size_t count, int threads, float *out, size_t out_rows);

/* Product of a sparse matrix in compressed rows and a dense one: out[i][columns] = sum over e in [offsets[i],
 * offsets[i + 1]) of weights[e] * rows[ids[e]], in the order of e, for i < count; offsets ascend from 0 on or above.
 * DPQ_ERROR_ARGUMENT for an id outside 0..<row_count. Embeddings are pooled this way, and with the transposed matrix
 * their gradients spread. */
DPQ_API dpq_status dpq_combine_rows(const float *rows, size_t row_count, size_t columns, const int64_t *offsets,
                                    const int32_t *ids, const float *weights, size_t count, int threads, float *out);

/* What an optimiser moves: the rows `rows`[count], each at most once, of values [value_rows][columns], or the first
 * `count` where rows is NULL; gradient [count][columns]. */
typedef struct dpq_update {
    float *values;
    size_t value_rows;
    size_t columns;
    const float *gradient;
    const int32_t *rows;
    size_t count;
} dpq_update;

/* value -= rate * gradient. */
DPQ_API dpq_status dpq_sgd_step(const dpq_update *update, float rate, int threads);

/* Adam (Kingma, Ba 2015), lazy: only the rows of the update move, and only their moments. first, second [value_rows]
 * [columns] are the moments; `rate` already holds the correction of their bias.
 *   first += (1 - first_decay) * (g - first);  second += (1 - second_decay) * (g^2 - second)
 *   value -= rate * first / (sqrt(second) + epsilon) */
DPQ_API dpq_status dpq_adam_step(const dpq_update *update, float *first, float *second, float first_decay,
                                 float second_decay, float rate, float epsilon, int threads);

/* Sum of squares, in float64. */
DPQ_API double dpq_squared_norm(const float *values, size_t count, int threads);

/* ---- products --------------------------------------------------------------------------------------------------- */

/* A product of matrices: m x n values, sums of k products. */
typedef struct dpq_product {
    size_t m, n, k;
    size_t lda, ldb, ldc; /* row strides */
    int32_t transpose_a;  /* a is [k][lda] rather than [m][lda] */
    int32_t transpose_b;  /* b is [n][ldb] rather than [k][ldb] */
    int32_t accumulate;   /* the product is added to c */
} dpq_product;

/* c[m][n] = a * b, each transposed where the product says so, plus bias[n] in every row where bias is not NULL (it then
 * replaces what `accumulate` would add to). Cut into tiles that do not depend on `threads`; each tile is one
 * single-threaded OpenBLAS call (see dpq_blas_prepare). */
DPQ_API dpq_status dpq_matrix_multiply(const dpq_product *product, const float *a, const float *b, const float *bias,
                                       float *c, int threads);

/* ---- networks --------------------------------------------------------------------------------------------------- */

/* out[columns] = sum of the rows of values[rows][stride]. */
DPQ_API dpq_status dpq_column_sums(const float *values, size_t rows, size_t columns, size_t stride, float *out,
                                   int threads);

/* Softmax and cross-entropy of logits[rows][classes]: out_losses[rows] = -ln softmax(row)[label], in nats. A negative
 * label leaves the row out: loss 0, gradient 0. With scale != 0 the logits are replaced by their gradient,
 * scale * (softmax(row) - onehot(label)); with 0 they stay. Labels must be below `classes`. */
DPQ_API dpq_status dpq_cross_entropy(float *logits, size_t rows, size_t classes, const int32_t *labels, float scale,
                                     double *out_losses, int threads);

/* One step of `batch` LSTM cells of `width` units (Hochreiter, Schmidhuber 1997; with forget gates). gates[batch][4 width]
 * holds the sums that go into the input, forget, cell and output gates and receives what comes out of them. All other
 * arrays are [batch][width]: out_cell = f * cell + i * g, out_squashed = tanh(out_cell), out_hidden = o * out_squashed.
 * out_cell may be cell. */
DPQ_API dpq_status dpq_lstm_forward(size_t batch, size_t width, float *gates, const float *cell, float *out_cell,
                                    float *out_squashed, float *out_hidden, int threads);

/* Its backward pass: gates as forward left them become the gradient by the sums; cell_gradient, of the loss by out_cell
 * from later steps, becomes that by cell. */
DPQ_API dpq_status dpq_lstm_backward(size_t batch, size_t width, float *gates, const float *cell, const float *squashed,
                                     const float *hidden_gradient, float *cell_gradient, int threads);

/* Dropout: out[i] = values[i] / keep with probability keep, else 0; 0 < keep <= 1. The choice depends on `seed` and i
 * alone, so the backward pass is the same call on the gradient. out may be values. count < 2^32. */
DPQ_API dpq_status dpq_dropout(const float *values, size_t count, float keep, uint64_t seed, float *out, int threads);

/* ---- checksums -------------------------------------------------------------------------------------------------- */

/* XXH3-64 with seed 0, as stored in compressed files. */
DPQ_API uint64_t dpq_checksum(const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
