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
    const uint64_t rows = table->rows;
    size_t inside = 0;
    while (inside < count && (uint64_t)ids[inside] < rows) inside++;
    if (inside == count) return DPQ_OK;
    return dpqi_fail(error, DPQ_ERROR_RANGE, "row %lld is outside the table of %llu rows", (long long)ids[inside],
                     (unsigned long long)rows);
}

dpq_status dpq_table_lookup(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside, float *out,
                            size_t out_stride, dpq_error *error) {
    if (!table || (count && (!ids || !out)) || out_stride < table->dimension) return dpqi_fail_output(error, __func__);
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
    if (!table || (count && !out) || out_stride < table->dimension) return dpqi_fail_output(error, __func__);
    if (first > table->rows || count > table->rows - first)
        return dpqi_fail(error, DPQ_ERROR_RANGE, "%zu rows from row %llu on are outside the table of %llu rows", count,
                         (unsigned long long)first, (unsigned long long)table->rows);
    dpqi_table_decode(table, dpqi_active(), NULL, first, count, out, out_stride);
    return dpqi_succeed(error);
}

dpq_status dpq_table_tiers(const dpq_table *table, const int64_t *ids, size_t count, uint8_t *out_tiers,
                           dpq_error *error) {
    if (!table || (count && (!ids || !out_tiers))) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_tiers: NULL");
    dpq_status status = dpqi_table_check_ids(table, ids, count, DPQ_OUTSIDE_ERROR, error);
    if (status) return status;
    const dpqi_kernels *kernels = dpqi_active();
    int64_t rows[DPQI_ROW_BLOCK];
    for (size_t start = 0; start < count; start += DPQI_ROW_BLOCK) {
        const size_t block = count - start < DPQI_ROW_BLOCK ? count - start : DPQI_ROW_BLOCK;
        if (table->tier_count > 1)
            kernels->locate(&table->map, ids + start, 0, block, out_tiers + start, rows);
        else
            memset(out_tiers + start, 0, block);
    }
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

/* Rows of some bags, cleaned and with their factors, and what each bag is multiplied by once they are added. */
typedef struct bag_block {
    size_t rows, bags;
    int64_t ids[DPQI_SUM_ROWS];
    float factors[DPQI_SUM_ROWS];
    dpqi_bag bag[DPQI_SUM_ROWS];
    float scales[DPQI_SUM_ROWS];
} bag_block;

/* Adds the rows of a block tier by tier. */
static void add_tiers(const dpq_table *table, const dpqi_kernels *kernels, const bag_block *block) {
    dpqi_sorted_rows sorted;
    float factors[DPQI_SUM_ROWS];
    dpqi_bag bags[DPQI_SUM_ROWS];
    dpqi_table_sort(table, kernels, block->ids, 0, block->rows, &sorted);
    for (size_t i = 0; i < block->rows; i++) factors[i] = block->factors[sorted.places[i]];
    for (uint32_t t = 0; t < table->tier_count; t++) {
        const size_t begin = sorted.start[t], end = sorted.start[t + 1];
        size_t count = 0;
        /* Places rise within a tier, as the ends of the bags do. */
        for (size_t i = begin, b = 0; i < end; b++) {
            const size_t first = i;
            while (i < end && sorted.places[i] < block->bag[b].end) i++;
            if (i > first) bags[count++] = (dpqi_bag){block->bag[b].out, i - begin};
        }
        if (count) kernels->decode_sums(&table->tiers[t].decoder, sorted.rows + begin, factors + begin, bags, count);
    }
}

/* Adds the rows of a block to their bags, and empties it. */
static void add_block(const dpq_table *table, const dpqi_kernels *kernels, bag_block *block) {
    if (table->tier_count > 1)
        add_tiers(table, kernels, block);
    else if (block->rows)
        kernels->decode_sums(&table->tiers[0].decoder, block->ids, block->factors, block->bag, block->bags);
    for (size_t b = 0; b < block->bags; b++)
        for (size_t c = 0; block->scales[b] != 1 && c < table->dimension; c++) block->bag[b].out[c] *= block->scales[b];
    block->rows = block->bags = 0;
}

/* Puts rows of a bag into a block that has room for them. Ids outside are the last row or left out. */
static void put_rows(const dpq_table *table, bag_block *block, const int64_t *ids, const float *weights, size_t count,
                     dpq_outside outside, float scale, float *out) {
    const dpqi_decoder *d = &table->tiers[0].decoder;
    for (size_t i = 0; i < count; i++) {
        const int inside = is_inside(table, ids[i]);
        if (!inside && (outside == DPQ_OUTSIDE_ZERO || table->rows == 0)) continue;
        const uint64_t id = inside ? (uint64_t)ids[i] : table->rows - 1;
        /* Rows of several tiers are fetched once they are found. */
        if (table->tier_count == 1) {
            __builtin_prefetch(d->packed + id * d->row_bytes, 0, 3);
            __builtin_prefetch(d->packed + (id + 1) * d->row_bytes - 1, 0, 3);
        }
        block->ids[block->rows] = (int64_t)id;
        block->factors[block->rows++] = dpqi_table_norm(table, id) * (weights ? weights[i] : 1.0f);
    }
    block->bag[block->bags] = (dpqi_bag){out, block->rows};
    block->scales[block->bags++] = scale;
}

dpq_status dpq_table_bag(const dpq_table *table, const int64_t *ids, size_t id_count, const int64_t *offsets,
                         size_t bag_count, const float *weights, dpq_bag mode, dpq_outside outside, float *out,
                         size_t out_stride, dpq_error *error) {
    if (!table || (id_count && !ids) || (bag_count && (!offsets || !out)) || out_stride < table->dimension)
        return dpqi_fail_output(error, __func__);
    if (mode != DPQ_BAG_SUM && (mode != DPQ_BAG_MEAN || weights))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_bag: an unknown mode, or weights with a mean");
    dpq_status status = check_bags(offsets, bag_count, id_count, error);
    if (!status) status = dpqi_table_check_ids(table, ids, id_count, outside, error);
    if (status) return status;
    const dpqi_kernels *kernels = dpqi_active();
    /* The codes of one block's rows arrive while those of the one before are added. */
    bag_block blocks[2], *block = blocks, *before = blocks + 1;
    block->rows = block->bags = before->rows = before->bags = 0;
    for (size_t b = 0; b < bag_count; b++) {
        const size_t first = (size_t)offsets[b], end = b + 1 < bag_count ? (size_t)offsets[b + 1] : id_count;
        float *target = out + b * out_stride;
        memset(target, 0, (size_t)table->dimension * sizeof *target);
        /* A long bag is cut at the same rows wherever it stands, so that its sum is the same. */
        for (size_t start = first, rows; start < end; start += rows) {
            rows = end - start < DPQI_SUM_ROWS ? end - start : DPQI_SUM_ROWS;
            if (block->rows + rows > DPQI_SUM_ROWS || block->bags == DPQI_SUM_ROWS) {
                bag_block *const full = block;
                add_block(table, kernels, before);
                block = before;
                before = full;
            }
            put_rows(table, block, ids + start, weights ? weights + start : NULL, rows, outside,
                     mode == DPQ_BAG_MEAN && start + rows == end ? 1.0f / (float)(end - first) : 1.0f, target);
        }
    }
    add_block(table, kernels, before);
    add_block(table, kernels, block);
    return dpqi_succeed(error);
}
