/* decoder.h - what the reading kernels know of a tier of codes. */
#ifndef DPQI_DECODER_H
#define DPQI_DECODER_H

#include <stddef.h>
#include <stdint.h>

/* Packed codes and the codebook they point into. All memory is borrowed. */
typedef struct dpqi_decoder {
    size_t dimension;
    size_t groups;
    size_t codes;
    size_t width;           /* of a codeword; the last group uses its first dimension - (groups - 1) * width values */
    size_t bits;            /* of a code */
    size_t row_bytes;       /* of a row's packed codes */
    size_t codebook_stride; /* floats from one group's codebook to the next; 0 when shared */
    size_t readable;        /* floats that may be read from `codebook` on: at least all codewords */
    const float *codebook;
    const uint8_t *packed;      /* row i at packed + i * row_bytes */
    const uint8_t *norm_codes;  /* one a row, or NULL: row i is multiplied by norm_codebook[norm_codes[i]] */
    const float *norm_codebook; /* [256], or NULL */
} dpqi_decoder;

#endif
