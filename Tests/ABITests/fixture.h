/* fixture.h - small .dpq files made in memory, with a decoder of their own to compare against.
 *
 * Written from docs/format.md alone: nothing of the library is used but the system's xxHash. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stddef.h>
#include <stdint.h>

enum { DAMAGE_TIER = 1, DAMAGE_PLACE, DAMAGE_RANK, DAMAGE_RANK_FAR, DAMAGE_RANK_AROUND, DAMAGE_ONE_TIER, DAMAGE_SPARE };

/* How the rows of a tier are coded; binary: `groups` bits. */
typedef struct tier_layout {
    size_t groups, codes;
    int shared, binary;
} tier_layout;

enum { MOST_TIERS = 9 };

typedef struct layout {
    const char *name;
    size_t rows, dimension, groups, codes;
    int shared, f16, cosine, words;
    int wild_codes;    /* some stored codes are not below `codes` */
    size_t tier_count; /* 0: one tier as the members above say, else `tiers` */
    tier_layout tiers[MOST_TIERS];
    size_t empty; /* the tier of this number, counted from 1, has no rows */
    int damage;   /* of the map, which its checksum does not show */
} layout;

typedef struct fixture_tier {
    tier_layout layout;
    size_t rows, width, bits, row_bytes, books;
    float *codebook; /* [books][codes][width], or the basis [groups][dimension] and then the bias */
    uint16_t *halves;
    uint8_t *packed;
} fixture_tier;

typedef struct fixture {
    layout layout;
    size_t tier_count;
    fixture_tier tiers[MOST_TIERS];
    size_t most_groups;
    uint8_t *tier;   /* of each row */
    uint32_t *codes; /* [rows][most_groups] as stored */
    float norm_codebook[256];
    uint8_t *norm_codes;
    char **words;
    uint8_t *file; /* from malloc, exactly `bytes` long, so that a sanitizer sees every byte read beyond */
    size_t bytes;
} fixture;

/* Seeded numbers. */
uint64_t random_bits(uint64_t *state);
float random_unit(uint64_t *state); /* in [-1, 1) */

fixture fixture_make(layout layout, uint64_t seed);
void fixture_free(fixture *fixture);

/* Row `id` in float64. Returns how far from it float32 may be. */
double fixture_row(const fixture *fixture, size_t id, double *out);

/* A file of this header text (padded with spaces so that data starts at a multiple of 64) and `data`. From malloc. */
uint8_t *file_of(const char *header, const uint8_t *data, size_t data_bytes, size_t *out_bytes);

/* The header text of a file, terminated. From malloc. */
char *header_of(const uint8_t *file);

#endif
