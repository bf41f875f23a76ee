#include <string.h>

#include "runtime/table.h"

/* Tier and place of at most DPQI_ROW_BLOCK rows, whose codes are on their way to the caches then. */
static __attribute__((noinline)) void locate_and_fetch(const dpq_table *table, const dpqi_kernels *kernels,
                                                       const int64_t *ids, uint64_t first, size_t count,
                                                       uint8_t *out_tier, int64_t *out_row) {
    kernels->locate(&table->map, ids, first, count, out_tier, out_row);
    for (size_t i = 0; i < count; i++) {
        const dpqi_decoder *d = table->decoders[out_tier[i]];
        const uint8_t *codes = d->packed + (size_t)out_row[i] * d->row_bytes;
        __builtin_prefetch(codes, 0, 3);
        __builtin_prefetch(codes + d->row_bytes - 1, 0, 3);
    }
}

__attribute__((noinline)) void dpqi_table_sort(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids,
                                               uint64_t first, size_t count, dpqi_sorted_rows *out) {
    uint8_t tier[DPQI_ROW_BLOCK];
    int64_t row[DPQI_ROW_BLOCK];
    uint16_t next[256];
    locate_and_fetch(table, kernels, ids, first, count, tier, row);
    if (table->tier_count <= 4) {
        /* All counters in a register: one that is in memory is waited for when its tier comes again. */
        uint64_t places = 0;
        for (size_t i = 0; i < count; i++) places += (uint64_t)1 << 16 * tier[i];
        places *= 0x0001000100010000; /* each becomes the sum of those below it */
        for (uint32_t t = 0; t < table->tier_count; t++) out->start[t] = (uint16_t)(places >> 16 * t);
        out->start[table->tier_count] = (uint16_t)count;
        for (size_t i = 0; i < count; i++) {
            const unsigned shift = 16u * tier[i];
            const size_t at = places >> shift & 0xffff;
            places += (uint64_t)1 << shift;
            out->rows[at] = row[i];
            out->places[at] = (uint16_t)i;
        }
        return;
    }
    memset(out->start, 0, (table->tier_count + 1) * sizeof *out->start);
    for (size_t i = 0; i < count; i++) out->start[tier[i] + 1]++;
    for (uint32_t t = 0; t < table->tier_count; t++) {
        next[t] = out->start[t];
        out->start[t + 1] = (uint16_t)(out->start[t + 1] + out->start[t]);
    }
    for (size_t i = 0; i < count; i++) {
        const uint16_t at = next[tier[i]]++;
        out->rows[at] = row[i];
        out->places[at] = (uint16_t)i;
    }
}

/* Past the caches rows go in their order. */
static __attribute__((noinline)) void stream_block(const dpq_table *table, const dpqi_kernels *kernels,
                                                   const int64_t *ids, uint64_t first, size_t count, float *out) {
    uint8_t tier[DPQI_ROW_BLOCK];
    int64_t row[DPQI_ROW_BLOCK];
    locate_and_fetch(table, kernels, ids, first, count, tier, row);
    kernels->stream_tiers(table->decoders, table->tier_count, tier, row, count, out);
}

/* Elsewhere tier by tier: how a row is decoded is foreseen then. */
static __attribute__((noinline)) void decode_block(const dpq_table *table, const dpqi_kernels *kernels,
                                                   const int64_t *ids, uint64_t first, size_t count, float *out,
                                                   size_t stride) {
    dpqi_sorted_rows sorted;
    dpqi_table_sort(table, kernels, ids, first, count, &sorted);
    for (uint32_t t = 0; t < table->tier_count; t++) {
        const size_t begin = sorted.start[t], rows = sorted.start[t + 1] - begin;
        if (rows)
            kernels->decode_rows(table->decoders[t], sorted.rows + begin, 0, sorted.places + begin, rows, out, stride);
    }
}

void dpqi_table_decode(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids, uint64_t first,
                       size_t count, float *out, size_t stride) {
    if (table->tier_count == 1) {
        kernels->decode_rows(&table->tiers[0].decoder, ids, first, NULL, count, out, stride);
        return;
    }
    /* Rows that are multiplied by their norms are read again at once. */
    const int streamed =
        kernels->stream_tiers && !table->norm_codes && dpqi_streams((size_t)table->dimension, stride, count);
    for (size_t start = 0; start < count; start += DPQI_ROW_BLOCK) {
        const size_t block = count - start < DPQI_ROW_BLOCK ? count - start : DPQI_ROW_BLOCK;
        float *target = out + start * stride;
        if (streamed)
            stream_block(table, kernels, ids ? ids + start : NULL, first + start, block, target);
        else
            decode_block(table, kernels, ids ? ids + start : NULL, first + start, block, target, stride);
        for (size_t i = 0; table->norm_codes && i < block; i++) {
            const float norm = dpqi_table_norm(table, ids ? (uint64_t)ids[start + i] : first + start + i);
            for (size_t c = 0; c < table->dimension; c++) target[i * stride + c] *= norm;
        }
    }
}
