/* Walking over a table block by block. */
#ifndef DPQI_WALK_H
#define DPQI_WALK_H

#include "batch/dispatch.h"

#include <string.h>

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

static inline void dpqi_walk_size(dpqi_walk *walk) {
    dpqi_block *next = &walk->next;
    const size_t rows = walk->end_row - next->first_row, groups = walk->end_group - next->first_group;
    next->rows = rows < DPQI_TILE ? rows : DPQI_TILE;
    next->end_group = next->first_group + (groups < walk->groups_at_once ? groups : walk->groups_at_once);
}

static inline dpqi_walk dpqi_walk_begin(size_t width, size_t begin, size_t end, size_t first_group, size_t end_group) {
    const size_t groups = end_group - first_group;
    const size_t wanted = (groups * width + DPQI_BLOCK_COLUMNS - 1) / DPQI_BLOCK_COLUMNS;
    /* Blocks of equal size: a narrow last one would be transposed value by value. */
    dpqi_walk walk = {end, first_group, end_group, (groups + wanted - 1) / wanted, {begin, 0, first_group, 0}};
    dpqi_walk_size(&walk);
    return walk;
}

/* At least the groups of any block of a walk over some of `groups` groups. */
static inline size_t dpqi_walk_groups(size_t width, size_t groups) {
    const size_t most = DPQI_BLOCK_COLUMNS / width + 1;
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
static inline dpq_rows dpqi_block_view(size_t width, const dpq_rows *rows, const dpqi_block *block) {
    const size_t first = block->first_group * width, end = block->end_group * width;
    dpq_rows view = *rows;
    view.data = (const char *)rows->data + first * dpqi_element_bytes(rows->type);
    view.dimension = (end < rows->dimension ? end : rows->dimension) - first;
    return view;
}

/* Turns a block on its side, less `center` [all groups][width] where given; the padding columns of a last group are
 * zero. Returns the view of its columns. */
static inline dpq_rows dpqi_block_load(size_t width, const dpqi_batch_kernels *kernels, const dpq_rows *rows,
                                       const dpqi_block *block, const float *center, float *tile) {
    const dpq_rows view = dpqi_block_view(width, rows, block);
    const size_t columns = (block->end_group - block->first_group) * width;
    kernels->load_tile(&view, block->first_row, block->rows, center ? center + block->first_group * width : NULL, tile);
    if (view.dimension < columns)
        memset(tile + view.dimension * DPQI_TILE, 0, (columns - view.dimension) * DPQI_TILE * sizeof *tile);
    return view;
}

/* Fetches the `part`-th of `parts` shares of a block that comes next, while the one before it is worked on: a burst
 * of all its cache lines would wait for itself. */
static inline void dpqi_prefetch(size_t width, const dpq_rows *rows, const dpqi_block *block, size_t part,
                                 size_t parts) {
    const dpq_rows view = dpqi_block_view(width, rows, block);
    const size_t bytes = view.dimension * dpqi_element_bytes(view.type);
    const size_t pitch = view.stride * dpqi_element_bytes(view.type);
    const uint32_t count = (uint32_t)block->rows, share = (count + (uint32_t)parts - 1) / (uint32_t)parts;
    const size_t begin = share * part, end = begin + share < count ? begin + share : count;
    uintptr_t row = (uintptr_t)view.data + (block->first_row + begin) * pitch;
    for (size_t r = begin; r < end; r++, row += pitch)
        for (uintptr_t line = row / 64 * 64; line < row + bytes; line += 64)
            __builtin_prefetch((const void *)line, 0, 2);
}

#endif
