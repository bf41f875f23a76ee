#ifndef DPQI_ASSIGNER_H
#define DPQI_ASSIGNER_H

#include "batch/layout.h"
#include "core/arena.h"
#include "core/dispatch.h"

#include <string.h>

/* A codebook made ready for assignment. A slot is a codebook as one or more groups see it: one a group; or, when shared,
 * one for all, and a second one for a padded last group that uses only the leading coordinates. */
struct dpq_assigner {
    dpq_layout layout;
    dpq_similarity similarity;
    size_t width;
    size_t slots;
    size_t padded_codes; /* codes rounded up to DPQI_CODE_BLOCK */
    float *codewords;    /* [slots][padded_codes / DPQI_CODE_BLOCK][width][DPQI_CODE_BLOCK], centred */
    float *bias;         /* [slots][padded_codes]: -||c||^2 / 2, or 0 for DPQ_LARGEST; -inf for padding */
    float *squared_norm; /* [slots]: largest squared norm of a centred codeword */
    float *center;       /* [groups][width]: what is subtracted from rows; 0 in padding columns */
    float *raw;          /* the codebook as given */
};

static inline size_t dpqi_slot(const dpq_assigner *assigner, size_t group) {
    if (!assigner->layout.shared) return group;
    return assigner->slots == 2 && group == assigner->layout.groups - 1;
}

static inline const float *dpqi_slot_codewords(const dpq_assigner *assigner, size_t slot) {
    return assigner->codewords + slot * assigner->padded_codes * assigner->width;
}

static inline const float *dpqi_slot_bias(const dpq_assigner *assigner, size_t slot) {
    return assigner->bias + slot * assigner->padded_codes;
}

/* The codebook as given that serves `group`, [codes][width]. */
static inline const float *dpqi_raw_codebook(const dpq_assigner *assigner, size_t group) {
    return assigner->raw + (assigner->layout.shared ? 0 : group) * assigner->layout.codes * assigner->width;
}

/* ---- walking over a table --------------------------------------------------------------------------------------- */

/* A block: the rows of one tile, the columns of a few groups. It is small enough that its transposed copy stays in the
 * first-level cache while its groups are scored. */
typedef struct dpqi_block {
    size_t first_row, rows;
    size_t first_group, end_group;
} dpqi_block;

/* The blocks of rows [begin, end), groups [first_group, end_group): groups within a tile first. */
typedef struct dpqi_walk {
    size_t end_row, first_group, end_group, groups_at_once;
    dpqi_block next;
} dpqi_walk;

#define DPQI_BLOCK_COLUMNS 64

static inline void dpqi_walk_size(dpqi_walk *walk) {
    dpqi_block *next = &walk->next;
    const size_t rows = walk->end_row - next->first_row, groups = walk->end_group - next->first_group;
    next->rows = rows < DPQI_TILE ? rows : DPQI_TILE;
    next->end_group = next->first_group + (groups < walk->groups_at_once ? groups : walk->groups_at_once);
}

static inline dpqi_walk dpqi_walk_begin(const dpq_assigner *assigner, size_t begin, size_t end, size_t first_group,
                                        size_t end_group) {
    const size_t groups = end_group - first_group;
    const size_t wanted = (groups * assigner->width + DPQI_BLOCK_COLUMNS - 1) / DPQI_BLOCK_COLUMNS;
    /* Blocks of equal size: a narrow last one would be transposed value by value. */
    dpqi_walk walk = {end, first_group, end_group, (groups + wanted - 1) / wanted, {begin, 0, first_group, 0}};
    dpqi_walk_size(&walk);
    return walk;
}

/* At least the groups of any block of a walk over some of `groups` groups. */
static inline size_t dpqi_walk_groups(const dpq_assigner *assigner, size_t groups) {
    const size_t most = DPQI_BLOCK_COLUMNS / assigner->width + 1;
    return most < groups ? most : groups;
}

/* The next block, or 0 when all are done. */
static inline int dpqi_walk_next(dpqi_walk *walk, dpqi_block *out) {
    *out = walk->next;
    if (out->rows == 0) return 0;
    walk->next.first_group = out->end_group;
    if (out->end_group == walk->end_group) {
        walk->next.first_group = walk->first_group;
        walk->next.first_row += out->rows;
    }
    dpqi_walk_size(walk);
    return 1;
}

/* The columns of a block as a view of their own. */
static inline dpq_rows dpqi_block_view(const dpq_assigner *assigner, const dpq_rows *rows, const dpqi_block *block) {
    const size_t first = block->first_group * assigner->width, end = block->end_group * assigner->width;
    dpq_rows view = *rows;
    view.data = (const char *)rows->data + first * dpqi_element_bytes(rows->type);
    view.dimension = (end < rows->dimension ? end : rows->dimension) - first;
    return view;
}

/* Turns a block on its side, centred; the padding columns of a last group are zero. Returns the view of its columns. */
static inline dpq_rows dpqi_block_load(const dpq_assigner *assigner, const dpqi_kernels *kernels, const dpq_rows *rows,
                                       const dpqi_block *block, float *tile) {
    const dpq_rows view = dpqi_block_view(assigner, rows, block);
    const size_t columns = (block->end_group - block->first_group) * assigner->width;
    kernels->load_tile(&view, block->first_row, block->rows, assigner->center + block->first_group * assigner->width,
                       tile);
    if (view.dimension < columns)
        memset(tile + view.dimension * DPQI_TILE, 0, (columns - view.dimension) * DPQI_TILE * sizeof *tile);
    return view;
}

/* Fetches the `part`-th of `parts` shares of a block that comes next, while the one before it is worked on: a burst of all
 * its cache lines would wait for itself. */
static inline void dpqi_prefetch(const dpq_assigner *assigner, const dpq_rows *rows, const dpqi_block *block,
                                 size_t part, size_t parts) {
    const dpq_rows view = dpqi_block_view(assigner, rows, block);
    const size_t bytes = view.dimension * dpqi_element_bytes(view.type);
    for (size_t r = block->rows * part / parts; r < block->rows * (part + 1) / parts; r++) {
        const char *row = dpqi_row(&view, block->first_row + r);
        for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, 3);
        __builtin_prefetch(row + bytes - 1, 0, 3);
    }
}

#endif
