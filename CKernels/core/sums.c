#include "core/sums.h"

#include <string.h>

void dpqi_sums_layout(size_t bits, size_t dimension, dpqi_decoder *d) {
    *d = (dpqi_decoder){.dimension = dimension,
                        .adds = 1,
                        .groups = (bits + DPQI_SUM_BITS - 1) / DPQI_SUM_BITS,
                        .codes = (size_t)1 << DPQI_SUM_BITS,
                        .width = (dimension + DPQI_SUM_LANES - 1) / DPQI_SUM_LANES * DPQI_SUM_LANES,
                        .bits = DPQI_SUM_BITS,
                        .row_bytes = (bits + 7) / 8};
    d->pitch = d->width;
    d->codebook_stride = d->codes * d->width;
    d->readable = dpqi_sums_count(d);
}

size_t dpqi_sums_count(const dpqi_decoder *d) { return d->groups * d->codes * d->width; }

void dpqi_sums_make(const dpqi_decoder *d, size_t bits, const float *basis, const float *bias, float *sums) {
    memcpy(sums, bias, d->dimension * sizeof *sums);
    for (size_t g = 0; g < d->groups; g++, sums += d->codebook_stride) {
        for (size_t code = 1; code < d->codes; code++) {
            /* The sum without the highest bit of the code is there already. */
            const size_t bit = code >= 8 ? 3 : code >= 4 ? 2 : code >= 2 ? 1 : 0, j = g * DPQI_SUM_BITS + bit;
            const float *before = sums + (code - ((size_t)1 << bit)) * d->width;
            float *sum = sums + code * d->width;
            for (size_t c = 0; c < d->dimension; c++) sum[c] = before[c] + (j < bits ? basis[j * d->dimension + c] : 0);
        }
    }
}
