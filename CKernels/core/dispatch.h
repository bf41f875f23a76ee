/* The kernels that read compressed tables, at one instruction-set level, as a table of function pointers, and the choice
 * of the level. batch/dispatch.h has those that train and encode.
 *
 * Every kernel is written once, in kernels/, over the vector vocabulary of simd/; the files of isa/ instantiate them at
 * one level each. Everything here is internal: arguments have been validated by the public entry points. */
#ifndef DPQI_DISPATCH_H
#define DPQI_DISPATCH_H

#include "core/decoder.h"
#include "dpq.h"

/* Rows that are summed: those from the end of the bag before on, up to, not including, `end`. */
typedef struct dpqi_bag {
    float *out;
    size_t end;
} dpqi_bag;

#define DPQI_SUM_ROWS 256

typedef void dpqi_locate(const dpqi_tier_map *map, const int64_t *ids, uint64_t first, size_t count, uint8_t *out_tier,
                         int64_t *out_row);
typedef void dpqi_index_map(const dpqi_tier_map *map, size_t count);
typedef void dpqi_score_tables(const dpqi_decoder *decoder, const float *query, int distance, float *out);

typedef struct dpqi_kernels {
    /* The tier of rows `ids`[count], all inside the table, or [first, first + count) where ids is NULL, and their place
     * in it: inside the tier whatever the map holds. */
    dpqi_locate *locate;

    /* Fills the `count` stretches of a map. */
    dpqi_index_map *index_map;

    /* Rows `ids`[count], all inside the tier, or [first, first + count) where ids is NULL, to out[count][stride]: the i-th
     * to out[places[i]], where places is not NULL. */
    void (*decode_rows)(const dpqi_decoder *decoder, const int64_t *ids, uint64_t first, const uint16_t *places,
                        size_t count, float *out, size_t stride);

    /* Adds to out[dimension] of each of `bags` its rows, each times its factor; norms are in the factors. Rows lie one bag
     * after another, at most DPQI_SUM_ROWS, all inside the tier; their codes are fetched by the caller. What a bag gets
     * does not depend on those beside it. */
    void (*decode_sums)(const dpqi_decoder *decoder, const int64_t *ids, const float *factors, const dpqi_bag *bags,
                        size_t bag_count);

    /* Rows of several tiers without gaps past the caches: row rows[i], inside tier tier[i], is the i-th.
     * Codes are fetched by the caller; dpqi_streams holds for the output of which these rows are a part. NULL where the
     * level does not stream. */
    void (*stream_tiers)(const dpqi_decoder *const *decoders, size_t tiers, const uint8_t *tier, const int64_t *rows,
                         size_t count, float *out);

    /* Rounds count values to the 2-byte type. */
    void (*narrow)(const float *values, size_t count, dpq_scalar type, uint16_t *out);

    /* Scores without decoding: what each codeword gives against a query, out[groups][codes] (products, or where
     * codewords are not added squared distances; a query of NULL is all zeros), and the sum of a row's entries. Norms
     * are left to the caller. */
    dpqi_score_tables *score_tables;
    void (*score_rows)(const dpqi_decoder *decoder, const float *tables, const int64_t *ids, uint64_t first,
                       size_t count, float *out);
} dpqi_kernels;

/* Instruction-set levels, best first. Their names are in core/dispatch.c. */
typedef enum dpqi_level {
#if defined(__x86_64__)
    DPQI_AVX512_VNNI, /* reads as DPQI_AVX512 does */
    DPQI_AVX512,
    DPQI_AVX2,
#elif defined(__aarch64__)
    DPQI_NEON,
#endif
    DPQI_SCALAR,
    DPQI_LEVELS
} dpqi_level;

/* The level in use, and its kernels. The first call looks at the processor and at DPQ_ISA; thread-safe. */
dpqi_level dpqi_active_level(void);
const dpqi_kernels *dpqi_active(void);

/* What levels share. */
dpqi_locate dpqi_locate_scalar;
dpqi_index_map dpqi_index_map_scalar;
dpqi_score_tables dpqi_score_tables_scalar;
#if defined(__x86_64__)
dpqi_locate dpqi_locate_avx2;
dpqi_index_map dpqi_index_map_avx2;
dpqi_score_tables dpqi_score_tables_avx2;
#elif defined(__aarch64__)
dpqi_locate dpqi_locate_neon;
dpqi_index_map dpqi_index_map_neon;
dpqi_score_tables dpqi_score_tables_neon;
#endif

/* One table a level; absent levels of other architectures are not linked. */
extern const dpqi_kernels dpqi_kernels_scalar;
#if defined(__x86_64__)
extern const dpqi_kernels dpqi_kernels_avx2;
extern const dpqi_kernels dpqi_kernels_avx512;
#elif defined(__aarch64__)
extern const dpqi_kernels dpqi_kernels_neon;
#endif

#endif
