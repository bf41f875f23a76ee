#include <string.h>

#include "runtime/error.h"
#include "runtime/table.h"

/* Ids are cleaned in blocks of this many, on the stack. */
enum { BLOCK = DPQI_ROW_BLOCK };

static int is_inside(const dpq_table *table, int64_t id) { return id >= 0 && (uint64_t)id < table->rows; }

dpq_status dpqi_table_check_ids(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                                dpq_error *error) {
    if (outside < DPQ_OUTSIDE_ERROR || outside > DPQ_OUTSIDE_LAST)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "an unknown rule for ids outside the table");
    if (outside != DPQ_OUTSIDE_ERROR) return DPQ_OK;
    for (size_t i = 0; i < count; i++)
        if (!is_inside(table, ids[i]))
            return dpqi_fail(error, DPQ_ERROR_RANGE, "row %lld is outside the table of %llu rows", (long long)ids[i],
                             (unsigned long long)table->rows);
    return DPQ_OK;
}

dpq_status dpq_table_lookup(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside, float *out,
                            size_t out_stride, dpq_error *error) {
    if (!table || (count && (!ids || !out)) || out_stride < table->dimension)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_lookup: NULL, or out_stride below the dimension");
    dpq_status status = dpqi_table_check_ids(table, ids, count, outside, error);
    if (status) return status;
    const dpqi_kernels *kernels = dpqi_active();
    if (outside == DPQ_OUTSIDE_ERROR) {
        dpqi_table_decode(table, kernels, ids, 0, count, out, out_stride);
        return dpqi_succeed(error);
    }
    int64_t clean[BLOCK];
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t block = count - start < BLOCK ? count - start : BLOCK;
        float *target = out + start * out_stride;
        for (size_t i = 0; i < block; i++)
            clean[i] = is_inside(table, ids[start + i]) ? ids[start + i] : (int64_t)table->rows - 1;
        if (table->rows) dpqi_table_decode(table, kernels, clean, 0, block, target, out_stride);
        for (size_t i = 0; i < block; i++)
            if (!table->rows || (outside == DPQ_OUTSIDE_ZERO && !is_inside(table, ids[start + i])))
                memset(target + i * out_stride, 0, (size_t)table->dimension * sizeof *out);
    }
    return dpqi_succeed(error);
}

dpq_status dpq_table_read(const dpq_table *table, uint64_t first, size_t count, float *out, size_t out_stride,
                          dpq_error *error) {
    if (!table || (count && !out) || out_stride < table->dimension)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_read: NULL, or out_stride below the dimension");
    if (first > table->rows || count > table->rows - first)
        return dpqi_fail(error, DPQ_ERROR_RANGE, "%zu rows from row %llu on are outside the table of %llu rows", count,
                         (unsigned long long)first, (unsigned long long)table->rows);
    dpqi_table_decode(table, dpqi_active(), NULL, first, count, out, out_stride);
    return dpqi_succeed(error);
}

static dpq_status check_bags(const int64_t *offsets, size_t bag_count, size_t id_count, dpq_error *error) {
    int64_t before = 0;
    for (size_t b = 0; b < bag_count; b++) {
        if (offsets[b] < before || (uint64_t)offsets[b] > id_count || (b == 0 && offsets[0] != 0))
            return dpqi_fail(
                error, DPQ_ERROR_ARGUMENT,
                "dpq_table_bag: offsets[%zu] = %lld: they start at 0, never fall and stay within the %zu ids", b,
                (long long)offsets[b], id_count);
        before = offsets[b];
    }
    return DPQ_OK;
}

/* Adds at most BLOCK rows of several tiers, all inside the table. */
static void add_tiers(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids, const float *factors,
                      size_t count, float *out) {
    dpqi_sorted_rows sorted;
    float sorted_factors[BLOCK];
    dpqi_table_sort(table, kernels, ids, 0, count, &sorted);
    for (size_t i = 0; i < count; i++)
        sorted_factors[i] = factors[sorted.places[i]] * dpqi_table_norm(table, (uint64_t)ids[sorted.places[i]]);
    for (uint32_t t = 0; t < table->tier_count; t++) {
        const size_t begin = sorted.start[t], rows = sorted.start[t + 1] - begin;
        if (rows) kernels->decode_sum(&table->tiers[t].decoder, sorted.rows + begin, sorted_factors + begin, rows, out);
    }
}

/* Adds the rows of one bag. Ids outside are the last row or left out. */
static void add_bag(const dpq_table *table, const dpqi_kernels *kernels, const int64_t *ids, const float *weights,
                    size_t count, dpq_outside outside, float *out) {
    int64_t clean[BLOCK];
    float factors[BLOCK];
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t block = count - start < BLOCK ? count - start : BLOCK;
        size_t kept = 0;
        for (size_t i = start; i < start + block; i++) {
            const int inside = is_inside(table, ids[i]);
            if (!inside && (outside == DPQ_OUTSIDE_ZERO || table->rows == 0)) continue;
            clean[kept] = inside ? ids[i] : (int64_t)table->rows - 1;
            factors[kept++] = weights ? weights[i] : 1.0f;
        }
        if (table->tier_count == 1)
            kernels->decode_sum(&table->tiers[0].decoder, clean, weights ? factors : NULL, kept, out);
        else
            add_tiers(table, kernels, clean, factors, kept, out);
    }
}

/* Fetches the codes of ids that come next: they arrive while those before are added. */
static void fetch_codes(const dpq_table *table, const int64_t *ids, size_t count) {
    const dpqi_decoder *d = &table->tiers[0].decoder;
    if (table->tier_count > 1) return;
    for (size_t i = 0; i < count && i < BLOCK / 4; i++) {
        if (!is_inside(table, ids[i])) continue;
        const uint8_t *row = d->packed + (size_t)ids[i] * d->row_bytes;
        __builtin_prefetch(row, 0, 3);
        __builtin_prefetch(row + d->row_bytes - 1, 0, 3);
    }
}

dpq_status dpq_table_bag(const dpq_table *table, const int64_t *ids, size_t id_count, const int64_t *offsets,
                         size_t bag_count, const float *weights, dpq_bag mode, dpq_outside outside, float *out,
                         size_t out_stride, dpq_error *error) {
    if (!table || (id_count && !ids) || (bag_count && (!offsets || !out)) || out_stride < table->dimension)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_bag: NULL, or out_stride below the dimension");
    if (mode != DPQ_BAG_SUM && (mode != DPQ_BAG_MEAN || weights))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_bag: an unknown mode, or weights with a mean");
    dpq_status status = check_bags(offsets, bag_count, id_count, error);
    if (!status) status = dpqi_table_check_ids(table, ids, id_count, outside, error);
    if (status) return status;
    const dpqi_kernels *kernels = dpqi_active();
    const size_t dimension = (size_t)table->dimension;
    for (size_t b = 0; b < bag_count; b++) {
        const size_t start = (size_t)offsets[b], end = b + 1 < bag_count ? (size_t)offsets[b + 1] : id_count;
        float *target = out + b * out_stride;
        memset(target, 0, dimension * sizeof *target);
        if (start == end) continue;
        fetch_codes(table, ids + end, id_count - end);
        add_bag(table, kernels, ids + start, weights ? weights + start : NULL, end - start, outside, target);
        if (mode == DPQ_BAG_MEAN) {
            const float factor = 1.0f / (float)(end - start);
            for (size_t c = 0; c < dimension; c++) target[c] *= factor;
        }
    }
    return dpqi_succeed(error);
}
