#include "batch/layout.h"

dpq_status dpq_layout_check(const dpq_layout *layout) {
    if (!layout || layout->dimension == 0 || layout->groups == 0 || layout->groups > layout->dimension ||
        layout->codes < 2 || layout->codes > 65536)
        return DPQ_ERROR_ARGUMENT;
    return (layout->groups - 1) * dpq_layout_width(layout) < layout->dimension ? DPQ_OK : DPQ_ERROR_ARGUMENT;
}

size_t dpq_layout_width(const dpq_layout *layout) {
    return layout->dimension / layout->groups + (layout->dimension % layout->groups != 0);
}

size_t dpq_layout_bits(const dpq_layout *layout) {
    size_t bits = 1;
    while (((size_t)1 << bits) < layout->codes) bits++;
    return bits;
}

size_t dpq_layout_row_bytes(const dpq_layout *layout) { return (layout->groups * dpq_layout_bits(layout) + 7) / 8; }

size_t dpq_layout_codebook_count(const dpq_layout *layout) {
    return (layout->shared ? 1 : layout->groups) * layout->codes * dpq_layout_width(layout);
}

size_t dpq_code_bytes(size_t codes) { return codes <= 256 ? 1 : 2; }

size_t dpq_scalar_bytes(dpq_scalar type) { return type < DPQ_F32 || type > DPQ_F64 ? 0 : dpqi_element_bytes(type); }

int dpqi_rows_valid(const dpq_rows *rows) {
    return rows && dpq_scalar_bytes(rows->type) && rows->stride >= rows->dimension && (rows->data || rows->count == 0);
}
