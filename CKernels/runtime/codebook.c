#include <stdlib.h>
#include <string.h>

#include "runtime/table.h"

/* Floats of a codebook that is laid out anew: as much as the second-level cache may hold. */
#define MOST_FLOATS ((size_t)1 << 20)

/* At least so much may be read past the last codeword; columns start at a multiple of it. */
#define SLACK 16

/* Short codewords lie close, so that more of them are in the first-level cache; others start at a multiple of their
 * vectors. */
static size_t pitch_of(size_t width) { return width <= 4 ? width : (width + 7) & ~(size_t)7; }

int dpqi_tier_lay_out(dpqi_tier *tier) {
    dpqi_decoder *d = &tier->decoder;
    const size_t pitch = pitch_of(d->width), books = d->codebook_stride ? d->groups : 1, codewords = books * d->codes;
    const size_t entries = d->bits <= DPQI_COLUMN_BITS ? dpqi_column_entries(d->bits) : 0;
    if (codewords > MOST_FLOATS / pitch) return 1;
    const size_t floats = (codewords * pitch + 2 * SLACK - 1) / SLACK * SLACK;
    const size_t column_floats = books * d->width * entries;
    const size_t bytes = (floats + column_floats) * sizeof(float);
    float *slot = tier->laid_out = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (!slot) return 0;
    memset(slot, 0, floats * sizeof *slot);
    for (size_t i = 0; i < codewords; i++, slot += pitch)
        for (size_t c = 0; c < d->width; c++) slot[c] = tier->codewords[i * d->width + c];
    slot = tier->laid_out + floats;
    d->columns = entries ? slot : NULL;
    for (size_t i = 0; i < (entries ? books : 0); i++)
        for (size_t c = 0; c < d->width; c++, slot += entries)
            for (size_t k = 0; k < entries; k++) {
                const size_t code = k & (((size_t)1 << d->bits) - 1), top = d->codes - 1;
                slot[k] = tier->codewords[(i * d->codes + (code < top ? code : top)) * d->width + c];
            }
    d->codebook = tier->laid_out;
    d->pitch = pitch;
    d->codebook_stride = d->codebook_stride ? d->codes * pitch : 0;
    d->readable = floats;
    return 1;
}
