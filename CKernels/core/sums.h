/* sums.h - what a decoder of a binary tier reads. */
#ifndef DPQI_SUMS_H
#define DPQI_SUMS_H

#include "core/decoder.h"

/* Makes `d` the decoder of `bits` bits a row of `dimension` values, all but its memory. */
void dpqi_sums_layout(size_t bits, size_t dimension, dpqi_decoder *d);

/* Floats of the sums. */
size_t dpqi_sums_count(const dpqi_decoder *d);

/* Fills `sums`, zeros before, with the 16 sums of each four vectors of basis[bits][dimension]; the bias is in those of the
 * first four. Bits beyond the last add nothing. */
void dpqi_sums_make(const dpqi_decoder *d, size_t bits, const float *basis, const float *bias, float *sums);

#endif
