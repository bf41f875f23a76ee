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
    size_t pitch;           /* floats from one codeword to the next, at least `width` */
    size_t codebook_stride; /* floats from one group's codebook to the next; 0 when shared */
    size_t readable;        /* floats that may be read from `codebook` on: at least all codewords */
    int adds;               /* codewords are as long as rows, and added: `width` >= dimension is a multiple of 16 */
    const float *codebook;
    const float *columns;       /* the codebook turned on its side, see DPQI_COLUMN_BITS, or NULL */
    const uint8_t *packed;      /* row i at packed + i * row_bytes */
    const uint8_t *norm_codes;  /* one a row, or NULL: row i is multiplied by norm_codebook[norm_codes[i]] */
    const float *norm_codebook; /* [256], or NULL */
} dpqi_decoder;

/* Where codes have no more bits than this, a value of all codewords of a group lies side by side: columns[groups or
 * 1][width][entries]. The last codeword stands for those beyond it, and all of them are repeated to the end. */
#define DPQI_COLUMN_BITS 5

static inline size_t dpqi_column_entries(size_t bits) { return bits <= 4 ? 16 : 32; }

/* Bits of a binary tier are read four at a time: a group of 16 codewords holds the sums of their vectors. */
#define DPQI_SUM_BITS 4
#define DPQI_SUM_LANES 16

/* Which tier each row is in. All memory is borrowed. */
typedef struct dpqi_tier_map {
    size_t tiers;
    size_t bits;           /* of a row in `packed` */
    size_t fields;         /* of a word of 8 bytes: a multiple of 8, so that each word of them starts at a byte */
    uint64_t lowest;       /* the lowest bit of each field of a word */
    size_t packed_bytes;   /* ceil(rows * bits / 8) */
    const uint8_t *packed; /* least significant bit first, without padding between rows */
    const uint64_t *rank;  /* [blocks][tiers]: rows of each tier before each block of DPQI_RANK_BLOCK */
    uint64_t *stretches;   /* [ceil(rows / fields)][dpqi_stretch_words], or NULL; made at opening, owned by the table */
    const uint64_t *rows;  /* [tiers]: rows of each */
    uint8_t spare;         /* a tier that has rows, for rows that name none */
} dpqi_tier_map;

#define DPQI_RANK_BLOCK 512

/* Up to this many tiers a copy of the map is made in which each word of fields lies beside the counts of the rows of each
 * tier before it, 32 bits each: the place of a row is then one population count away. It takes 1/4, 3/4 and up to 2.5 bytes
 * a row for 2, 4 and 8 tiers; more tiers are rare, and would take too much. */
#define DPQI_STRETCH_TIERS 8

static inline size_t dpqi_stretch_words(size_t tiers) { return 1 + (tiers + 1) / 2; }

/* The lowest bit of every field of a word that holds the value that `wanted` repeats in all of them. */
static inline uint64_t dpqi_equal_fields(uint64_t word, uint64_t wanted, uint64_t lowest, size_t bits) {
    const uint64_t different = word ^ wanted;
    uint64_t any = different;
    for (size_t k = 1; k < bits; k++) any |= different >> k;
    return ~any & lowest;
}

/* Outputs from this many bytes on go past the caches, since reading a line only to overwrite it halves the speed. Below,
 * who reads the rows next finds them in the cache. Rows are without gaps, and not longer than a buffer holds twice. */
#define DPQI_STREAMED_BYTES ((size_t)16 << 20)
#define DPQI_STREAMED_DIMENSION 2048

static inline int dpqi_streams(size_t dimension, size_t stride, size_t count) {
    return stride == dimension && dimension <= DPQI_STREAMED_DIMENSION &&
           count >= DPQI_STREAMED_BYTES / sizeof(float) / dimension;
}

#endif
