#include "support.h"

/* One reconstruction against a loop over single bits: `stride` values a row, from `offset` values past an aligned
 * address, by `threads`. Nothing but the rows may be written; the codes lie at the very end of their memory. */
static int compare(const dpq_layout *layout, size_t rows, size_t stride, size_t offset, int threads, uint64_t seed,
                   char *message, size_t message_bytes) {
    const size_t width = dpq_layout_width(layout), bits = dpq_layout_bits(layout),
                 books = dpq_layout_codebook_count(layout);
    const size_t row_bytes = dpq_layout_row_bytes(layout), guard = 64, total = offset + guard + rows * stride + guard;
    const float untouched = -12345.5f;
    float *codebook = malloc(books * sizeof *codebook), *memory = aligned(total * sizeof *memory);
    uint8_t *packed = malloc(rows * row_bytes);
    for (size_t i = 0; i < books; i++) codebook[i] = random_value(&seed);
    for (size_t i = 0; i < rows * row_bytes; i++) packed[i] = (uint8_t)random_bits(&seed);
    for (size_t i = 0; i < total; i++) memory[i] = untouched;
    float *out = memory + offset + guard;
    REQUIRE(dpq_reconstruct(layout, codebook, packed, rows, out, stride, threads) == DPQ_OK, "failed");
    for (size_t i = 0; i < offset + guard; i++) REQUIRE(memory[i] == untouched, "written before the first row");
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < layout->dimension; c++) {
            const size_t group = c / width;
            size_t code = 0;
            for (size_t k = 0, bit = group * bits; k < bits; k++, bit++)
                code |= (size_t)(packed[r * row_bytes + bit / 8] >> bit % 8 & 1) << k;
            if (code >= layout->codes) code = layout->codes - 1;
            const size_t book = layout->shared ? 0 : group * layout->codes;
            const float want = codebook[(book + code) * width + c % width], value = out[r * stride + c];
            REQUIRE(value == want,
                    "dimension %zu, %zu groups of %zu codes, shared %d: row %zu of %zu, column %zu is %g, not %g",
                    layout->dimension, layout->groups, layout->codes, layout->shared, r, rows, c, (double)value,
                    (double)want);
        }
        for (size_t c = layout->dimension; c < stride; c++)
            REQUIRE(out[r * stride + c] == untouched, "dimension %zu, width %zu: written %zu values beyond row %zu",
                    layout->dimension, width, c - layout->dimension, r);
    }
    for (size_t i = 0; i < guard; i++) REQUIRE(out[rows * stride + i] == untouched, "written beyond the last row");
    free(codebook), free(memory), free(packed);
    return 0;
}

int check_reconstruction(char *message, size_t message_bytes) {
    uint64_t seed = 12;
    /* Every width, its last group full and cut to any length, with codebooks of a group and shared. */
    for (size_t width = 1; width <= 40; width++) {
        for (size_t rest = 1; rest <= width; rest += width < 12 ? 1 : 1 + random_below(&seed, 4)) {
            for (int shared = 0; shared <= 1; shared++) {
                const size_t groups = 1 + random_below(&seed, 9), codes = 2 + random_below(&seed, 300);
                const dpq_layout layout = {(groups - 1) * width + rest, groups, codes, shared};
                if (dpq_layout_width(&layout) != width) continue;
                const size_t stride = layout.dimension + random_below(&seed, 3);
                if (compare(&layout, 1 + random_below(&seed, 5), stride, random_below(&seed, 16), 1, seed, message,
                            message_bytes))
                    return 1;
            }
        }
    }
    /* Every number of bits, codes beyond those that there are, more groups than are unpacked at a time. */
    for (size_t bits = 1; bits <= 16; bits++) {
        for (size_t trial = 0; trial < 6; trial++) {
            const size_t most = (size_t)1 << bits, groups = trial < 4 ? 1 + random_below(&seed, 20) : 120 + 9 * trial;
            const size_t codes = trial & 1 ? most : most - random_below(&seed, most / 2),
                         width = 1 + random_below(&seed, 4);
            const dpq_layout layout = {groups * width, groups, codes, trial > 0 && bits > 10};
            if (compare(&layout, 3, layout.dimension + trial % 3, trial, 1, seed, message, message_bytes)) return 1;
        }
    }
    /* Rows side by side that several threads write. */
    const dpq_layout side_by_side = {5 * 7, 7, 19, 0}, narrow = {3 * 11 - 1, 11, 16, 0};
    if (compare(&side_by_side, 40000, side_by_side.dimension, 1, 3, seed, message, message_bytes)) return 1;
    if (compare(&narrow, 40000, narrow.dimension, 2, 3, seed, message, message_bytes)) return 1;
    /* Large outputs, which go past the caches, from addresses that are not those of a cache line. */
    for (size_t offset = 0; offset < 16; offset += 5) {
        const int32_t shared = (int32_t)(offset & 1);
        const dpq_layout large[] = {{299, 50, 256, shared}, {304, 38, 256, shared}, {304, 19, 256, shared}};
        for (size_t i = 0; i < 3; i++)
            if (compare(&large[i], 14200, large[i].dimension, offset, 1 + (int)offset / 10, seed, message,
                        message_bytes))
                return 1;
    }
    return 0;
}
