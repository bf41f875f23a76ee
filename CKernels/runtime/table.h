/* table.h - an open compressed table. */
#ifndef DPQI_TABLE_H
#define DPQI_TABLE_H

#include "core/dispatch.h"
#include "runtime/container.h"
#include "dpq.h"
#include "runtime/file.h"

/* Rows coded alike. */
typedef struct dpqi_tier {
    dpq_tier_kind kind;
    dpq_codebook_type codebook_type;
    uint64_t rows;
    uint64_t groups;        /* as the file says: a binary tier is decoded in groups of four bits */
    const float *codewords; /* the codebook or basis as float32 */
    dpqi_decoder decoder;
    float *widened;  /* `codewords` where the file has float16; owned */
    float *laid_out; /* what the decoder reads where that is not `codewords`; owned */
} dpqi_tier;

struct dpq_table {
    dpqi_file file;
    dpqi_container container;
    uint64_t rows;
    uint64_t dimension;
    dpq_metric metric;
    dpq_assignment assignment;
    uint32_t tier_count;
    dpqi_tier *tiers;              /* [tier_count] */
    uint64_t *tier_rows;           /* [tier_count]; owned by the table for `map` */
    const dpqi_decoder **decoders; /* [tier_count]: those of `tiers`; owned */
    dpqi_tier_map map;             /* where there are several tiers */
    const uint8_t *norm_codes;     /* one a row, or NULL; a single tier's decoder knows them too */
    const float *norm_codebook;    /* [256], or NULL */

    /* NULL without a vocabulary. Offsets are not checked at opening, but where they are used. */
    const uint8_t *word_bytes;
    uint64_t word_bytes_count;
    const uint64_t *word_offsets; /* [rows + 1] */
    const uint64_t *word_order;   /* [rows] */
};

/* Copies the codewords of a tier to where each lies in as few cache lines as can be, but for a large codebook. Returns 0
 * where there is no memory. */
int dpqi_tier_lay_out(dpqi_tier *tier);

/* Where the word of row `id` (< rows) lies, checked. Returns 0 where the offsets are damaged. */
int dpqi_table_word_range(const dpq_table *table, uint64_t id, const uint8_t **out_start, size_t *out_bytes);

/* Whether ids may be answered: the rule is known, and where it is DPQ_OUTSIDE_ERROR all are inside the table. */
dpq_status dpqi_table_check_ids(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                                dpq_error *error);

/* Rows that are looked at together where there are several tiers: so many that the codewords of a tier, once they are in
 * the second-level cache, serve some hundred rows. */
enum { DPQI_ROW_BLOCK = 1024 };

/* Rows of a block by tier: those of tier t are rows[start[t]] up to, not including, rows[start[t + 1]] of the tier, and
 * stand at the same of `places` in the block. */
typedef struct dpqi_sorted_rows {
    uint16_t start[257];
    uint16_t places[DPQI_ROW_BLOCK];
    int64_t rows[DPQI_ROW_BLOCK];
} dpqi_sorted_rows;

/* Sorts rows `ids`[count], or [first, first + count) where ids is NULL; count <= DPQI_ROW_BLOCK, all inside the table.
 * For tables of several tiers. */
void dpqi_table_sort(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids, uint64_t first,
                     size_t count, dpqi_sorted_rows *out);

/* Decodes rows `ids`[count], or [first, first + count) where ids is NULL, all inside the table, to out[count][stride].
 */
void dpqi_table_decode(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids, uint64_t first,
                       size_t count, float *out, size_t stride);

/* The factor of row `id`: its stored norm, or 1. */
static inline float dpqi_table_norm(const dpq_table *table, uint64_t id) {
    return table->norm_codes ? table->norm_codebook[table->norm_codes[id]] : 1.0f;
}

/* Order of two words by their bytes: below, at or above 0. */
int dpqi_word_compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

#endif
