/* table.h - an open compressed table. */
#ifndef DPQI_TABLE_H
#define DPQI_TABLE_H

#include "core/decoder.h"
#include "runtime/container.h"
#include "dpq.h"
#include "runtime/file.h"

/* Rows coded alike. */
typedef struct dpqi_tier {
    dpq_tier_kind kind;
    dpq_codebook_type codebook_type;
    uint64_t rows;
    dpqi_decoder decoder;
    float *widened; /* the codebook as float32 where the file has float16; owned */
} dpqi_tier;

struct dpq_table {
    dpqi_file file;
    dpqi_container container;
    uint64_t rows;
    uint64_t dimension;
    dpq_metric metric;
    dpq_assignment assignment;
    uint32_t tier_count;
    dpqi_tier tier; /* version 1 as read here has one */

    /* NULL without a vocabulary. Offsets are not checked at opening, but where they are used. */
    const uint8_t *word_bytes;
    uint64_t word_bytes_count;
    const uint64_t *word_offsets; /* [rows + 1] */
    const uint64_t *word_order;   /* [rows] */
};

/* Where the word of row `id` (< rows) lies, checked. Returns 0 where the offsets are damaged. */
int dpqi_table_word_range(const dpq_table *table, uint64_t id, const uint8_t **out_start, size_t *out_bytes);

/* Whether ids may be answered: the rule is known, and where it is DPQ_OUTSIDE_ERROR all are inside the table. */
dpq_status dpqi_table_check_ids(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                                dpq_error *error);

/* Order of two words by their bytes: below, at or above 0. */
int dpqi_word_compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

#endif
