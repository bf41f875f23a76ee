#ifndef DPQI_LAYOUT_H
#define DPQI_LAYOUT_H

#include "core/rows.h"

/* Whether a view can be read: a known type, stride >= dimension, data where there are rows. */
int dpqi_rows_valid(const dpq_rows *rows);

/* Columns of group j that lie inside the dimension; less than the width only in a padded last group. */
static inline size_t dpqi_group_columns(const dpq_layout *layout, size_t group) {
    const size_t width = dpq_layout_width(layout), first = group * width;
    return layout->dimension - first < width ? layout->dimension - first : width;
}

#endif
