#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/checksum.h"
#include "dpq_kernels.h"
#include "runtime/error.h"
#include "runtime/table.h"

#define CORRUPT(...) dpqi_fail(error, DPQ_ERROR_CORRUPT, __VA_ARGS__)

static int matches(const char *digits, uint64_t checksum) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum);
    return strcmp(text, digits) == 0;
}

static dpq_status verify_checksums(const dpq_table *table, dpq_error *error) {
    const dpqi_container *c = &table->container;
    const dpqi_metadata *own = dpqi_container_metadata(c, "checksum.header");
    if (!matches(own->value, dpqi_checksum_around(c->header, c->header_bytes, own->value_at, own->value_raw)))
        return dpqi_fail(error, DPQ_ERROR_CHECKSUM, "the header does not match its checksum: the file is damaged");
    for (size_t i = 0; i < c->metadata_count; i++) {
        const char *key = c->metadata[i].key;
        if (strncmp(key, "checksum.", 9) != 0 || &c->metadata[i] == own) continue;
        const dpqi_tensor *tensor = dpqi_container_tensor(c, key + 9);
        if (!matches(c->metadata[i].value, dpq_checksum(tensor->data, (size_t)tensor->bytes)))
            return dpqi_fail(error, DPQ_ERROR_CHECKSUM, "%.100s does not match its checksum: the file is damaged",
                             tensor->name);
    }
    return DPQ_OK;
}

/* Codes below their count, spare bits at the end of a row zero. */
static dpq_status verify_codes(const dpqi_tier *tier, dpq_error *error) {
    const dpqi_decoder *d = &tier->decoder;
    const size_t spare = d->row_bytes * 8 - (size_t)tier->groups * (d->adds ? 1 : d->bits);
    const int every_code_valid = d->codes == (size_t)1 << d->bits;
    if (spare == 0 && every_code_valid) return DPQ_OK;
    const uint32_t mask = (1u << d->bits) - 1;
    for (uint64_t r = 0; r < tier->rows; r++) {
        const uint8_t *row = d->packed + (size_t)r * d->row_bytes;
        if (spare && row[d->row_bytes - 1] >> (8 - spare))
            return CORRUPT("row %llu: bits beyond its last code are set", (unsigned long long)r);
        uint32_t window = 0;
        size_t held = 0;
        for (size_t g = 0; g < d->groups && !every_code_valid; g++) {
            for (; held < d->bits; held += 8) window |= (uint32_t)*row++ << held;
            if ((window & mask) >= d->codes)
                return CORRUPT("row %llu, group %zu: code %u of only %zu", (unsigned long long)r, g, window & mask,
                               d->codes);
            window >>= d->bits;
            held -= d->bits;
        }
    }
    return DPQ_OK;
}

/* Finite codewords, and zeros where the last group is padded. */
static dpq_status verify_codebook(const dpqi_tier *tier, dpq_error *error) {
    const dpqi_decoder *d = &tier->decoder;
    const size_t books = d->codebook_stride ? d->groups : 1;
    const size_t last_width = d->dimension - (d->groups - 1) * d->width;
    for (size_t g = 0; g < books; g++) {
        for (size_t k = 0; k < d->codes; k++) {
            const float *codeword = tier->codewords + (g * d->codes + k) * d->width;
            for (size_t c = 0; c < d->width; c++) {
                if (!isfinite(codeword[c])) return CORRUPT("a codeword of group %zu is not finite", g);
                if (d->codebook_stride && g == d->groups - 1 && c >= last_width && codeword[c] != 0)
                    return CORRUPT("the padding of group %zu is not zero", g);
            }
        }
    }
    return DPQ_OK;
}

/* Finite vectors, and finite sums of four of them. */
static dpq_status verify_basis(const dpqi_tier *tier, dpq_error *error) {
    const dpqi_decoder *d = &tier->decoder;
    for (size_t i = 0; i < d->groups * d->codebook_stride; i++)
        if (!isfinite(d->codebook[i])) return CORRUPT("a value of the basis or the bias is not finite");
    return DPQ_OK;
}

static dpq_status verify_norms(const dpq_table *table, dpq_error *error) {
    for (size_t i = 0; table->norm_codebook && i < 256; i++)
        if (!isfinite(table->norm_codebook[i]) || table->norm_codebook[i] < 0)
            return CORRUPT("a norm is negative or not finite");
    return DPQ_OK;
}

/* Every row in a tier that there is, the counts those of the map, nothing behind the last row. */
static dpq_status verify_map(const dpq_table *table, dpq_error *error) {
    const dpqi_tier_map *m = &table->map;
    if (table->tier_count == 1) return DPQ_OK;
    uint64_t counts[256] = {0};
    for (uint64_t r = 0; r < table->rows; r++) {
        if (r % DPQI_RANK_BLOCK == 0 &&
            memcmp(counts, m->rank + r / DPQI_RANK_BLOCK * m->tiers, m->tiers * sizeof *counts) != 0)
            return CORRUPT("tier.rank does not count the rows of each tier before row %llu", (unsigned long long)r);
        const size_t bit = (size_t)r * m->bits, at = bit / 8;
        const unsigned window = m->packed[at] | (bit % 8 + m->bits > 8 ? (unsigned)m->packed[at + 1] << 8 : 0);
        const unsigned tier = window >> bit % 8 & ((1u << m->bits) - 1);
        if (tier >= m->tiers)
            return CORRUPT("row %llu is in tier %u of only %zu", (unsigned long long)r, tier, m->tiers);
        counts[tier]++;
    }
    if (memcmp(counts, m->rows, m->tiers * sizeof *counts) != 0)
        return CORRUPT("tier.map does not give each tier the rows it has");
    const size_t used = (size_t)table->rows * m->bits % 8;
    if (used && m->packed[m->packed_bytes - 1] >> used) return CORRUPT("tier.map: bits beyond its last row are set");
    return DPQ_OK;
}

/* Words cover their bytes in row order, and `order` sorts them. Strictly ascending by word and id makes it a
 * permutation: no id can come twice. */
static dpq_status verify_vocabulary(const dpq_table *table, dpq_error *error) {
    if (!table->word_offsets) return DPQ_OK;
    const uint64_t *offsets = table->word_offsets;
    if (offsets[0] != 0 || offsets[table->rows] != table->word_bytes_count)
        return CORRUPT("vocabulary.offsets do not cover vocabulary.bytes");
    for (uint64_t i = 0; i < table->rows; i++)
        if (offsets[i] > offsets[i + 1]) return CORRUPT("vocabulary.offsets fall at row %llu", (unsigned long long)i);
    const uint8_t *before = NULL;
    size_t before_bytes = 0;
    for (uint64_t i = 0; i < table->rows; i++) {
        const uint64_t id = table->word_order[i];
        const uint8_t *word;
        size_t bytes;
        if (id >= table->rows) return CORRUPT("vocabulary.order names row %llu, which is none", (unsigned long long)id);
        if (!dpqi_table_word_range(table, id, &word, &bytes)) return CORRUPT("vocabulary.offsets are damaged");
        if (i > 0) {
            const int order = dpqi_word_compare(before, before_bytes, word, bytes);
            if (order > 0 || (order == 0 && table->word_order[i - 1] >= id))
                return CORRUPT("vocabulary.order is not sorted at place %llu", (unsigned long long)i);
        }
        before = word;
        before_bytes = bytes;
    }
    return DPQ_OK;
}

dpq_status dpq_table_verify(const dpq_table *table, dpq_error *error) {
    if (!table) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_verify: NULL");
    dpq_status status = verify_checksums(table, error);
    for (uint32_t t = 0; t < table->tier_count && !status; t++) {
        const dpqi_tier *tier = &table->tiers[t];
        status = tier->decoder.adds ? verify_basis(tier, error) : verify_codebook(tier, error);
        if (!status) status = verify_codes(tier, error);
    }
    if (!status) status = verify_norms(table, error);
    if (!status) status = verify_map(table, error);
    if (!status) status = verify_vocabulary(table, error);
    return status ? status : dpqi_succeed(error);
}
