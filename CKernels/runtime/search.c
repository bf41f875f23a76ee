#include <math.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/table.h"

/* Rows scored at a time: their scores stay on the stack. */
enum { BLOCK = DPQI_ROW_BLOCK };

/* A row found; `key` is its score turned so that larger is better. */
typedef struct candidate {
    int64_t id;
    float key;
} candidate;

/* ---- workspace: for each tier tables of [groups][1 << bits] floats; for a search then a decoded row and candidates ---- */

/* More than any memory holds: sums of a few of them do not overflow. */
#define TOO_MUCH (SIZE_MAX / 16)

static size_t rounded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static size_t table_bytes(const dpqi_tier *tier) {
    const dpqi_decoder *d = &tier->decoder;
    if (d->groups > TOO_MUCH / sizeof(float) >> d->bits) return TOO_MUCH;
    return rounded((d->groups << d->bits) * sizeof(float));
}

static size_t all_table_bytes(const dpq_table *table) {
    size_t bytes = 0;
    for (uint32_t t = 0; t < table->tier_count && bytes < TOO_MUCH; t++) bytes += table_bytes(&table->tiers[t]);
    return bytes < TOO_MUCH ? bytes : TOO_MUCH;
}

static size_t row_bytes(const dpq_table *table) { return rounded((size_t)table->dimension * sizeof(float)); }

/* The workspace from its first address aligned for anything in it. */
static char *aligned(void *workspace) { return (char *)workspace + (-(uintptr_t)workspace & 63); }

size_t dpq_table_dot_workspace_bytes(const dpq_table *table) { return table ? all_table_bytes(table) + 63 : 0; }

size_t dpq_table_neighbors_workspace_bytes(const dpq_table *table, size_t k) {
    if (!table) return 0;
    if (k > table->rows) k = (size_t)table->rows;
    return 2 * all_table_bytes(table) + row_bytes(table) + k * sizeof(candidate) + 63;
}

/* ---- dot products ---- */

static int is_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

/* Scores of rows `ids`[count], or [first, first + count) where ids is NULL, by tables that lie behind one another. */
static void score_rows(const dpq_table *table, const dpqi_kernels *kernels, const float *tables, const int64_t *ids,
                       uint64_t first, size_t count, float *out) {
    if (table->tier_count == 1) {
        kernels->score_rows(&table->tiers[0].decoder, tables, ids, first, count, out);
        return;
    }
    dpqi_sorted_rows sorted;
    float scores[BLOCK];
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t block = count - start < BLOCK ? count - start : BLOCK;
        const float *of_tier = tables;
        dpqi_table_sort(table, kernels, ids ? ids + start : NULL, first + start, block, &sorted);
        for (uint32_t t = 0; t < table->tier_count; t++) {
            const dpqi_tier *tier = &table->tiers[t];
            const size_t begin = sorted.start[t], rows = sorted.start[t + 1] - begin;
            if (rows) kernels->score_rows(&tier->decoder, of_tier, sorted.rows + begin, 0, rows, scores + begin);
            of_tier += table_bytes(tier) / sizeof *of_tier;
        }
        for (size_t i = 0; i < block; i++) out[start + sorted.places[i]] = scores[i];
    }
}

dpq_status dpq_table_dot(const dpq_table *table, const float *query, const int64_t *ids, uint64_t first, size_t count,
                         void *workspace, size_t workspace_bytes, float *out, dpq_error *error) {
    if (!table || !query || (count && !out)) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_dot: NULL");
    if (!workspace || workspace_bytes < dpq_table_dot_workspace_bytes(table))
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "dpq_table_dot: the workspace is smaller than %zu bytes",
                         dpq_table_dot_workspace_bytes(table));
    if (!ids && (first > table->rows || count > table->rows - first))
        return dpqi_fail(error, DPQ_ERROR_RANGE, "%zu rows from row %llu on are outside the table of %llu rows", count,
                         (unsigned long long)first, (unsigned long long)table->rows);
    for (size_t i = 0; ids && i < count; i++)
        if (ids[i] < 0 || (uint64_t)ids[i] >= table->rows)
            return dpqi_fail(error, DPQ_ERROR_RANGE, "row %lld is outside the table of %llu rows", (long long)ids[i],
                             (unsigned long long)table->rows);
    const dpqi_kernels *kernels = dpqi_active();
    char *memory = aligned(workspace);
    for (uint32_t t = 0; t < table->tier_count; t++) {
        kernels->score_tables(&table->tiers[t].decoder, query, 0, (float *)(void *)memory);
        memory += table_bytes(&table->tiers[t]);
    }
    score_rows(table, kernels, (const float *)(void *)aligned(workspace), ids, first, count, out);
    for (size_t i = 0; table->norm_codes && i < count; i++)
        out[i] *= dpqi_table_norm(table, ids ? (uint64_t)ids[i] : first + i);
    return dpqi_succeed(error);
}

/* ---- the k best, in a heap whose top is the worst of them ---- */

static int is_worse(candidate a, candidate b) { return a.key < b.key || (a.key == b.key && a.id > b.id); }

static void sink(candidate *heap, size_t count, size_t i) {
    const candidate moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_worse(heap[child + 1], heap[child])) child++;
        if (!is_worse(heap[child], moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

static void offer(candidate *heap, size_t *count, size_t k, candidate row) {
    if (*count < k) {
        size_t i = (*count)++;
        for (; i > 0 && is_worse(row, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
        heap[i] = row;
    } else if (is_worse(heap[0], row)) {
        heap[0] = row;
        sink(heap, k, 0);
    }
}

/* Leaves the heap best first. */
static void sort(candidate *heap, size_t count) {
    for (size_t end = count; end > 1; end--) {
        const candidate worst = heap[0];
        heap[0] = heap[end - 1];
        heap[end - 1] = worst;
        sink(heap, end - 1, 0);
    }
}

/* ---- nearest rows ---- */

/* A search under way. The tables of `first`, behind one another a tier, hold products with the query, or for plain L2
 * squared distances; those of `second`, where they are needed, squared norms of decoded rows before their stored norm.
 * Neither norms nor distances of sums come from tables: such rows are decoded to `row`. */
typedef struct scan {
    const dpq_table *table;
    const dpqi_kernels *kernels;
    const float *query;
    dpq_search search;
    int needs_norms;
    float *first;
    float *second;
    float *row;
    double query_squared_norm;
} scan;

static float score(const scan *s, uint64_t id, float first, float second) {
    const double norm = dpqi_table_norm(s->table, id);
    switch (s->search) {
    case DPQ_SEARCH_DOT: return (float)(norm * first);
    case DPQ_SEARCH_L2: {
        if (!s->needs_norms) return first;
        const double distance = s->query_squared_norm - 2 * norm * first + norm * norm * second;
        return distance > 0 ? (float)distance : 0;
    }
    default: {
        /* The stored norm cancels but for its sign. */
        const double lengths = s->query_squared_norm * second;
        if (norm == 0 || lengths == 0) return 0;
        return (float)((norm < 0 ? -1 : 1) * first / sqrt(lengths));
    }
    }
}

/* A squared distance from the query, or a product with it and a squared norm, of a row that is decoded. */
static void compare_row(const scan *s, const dpqi_decoder *d, int64_t row, float *out_first, float *out_second) {
    double product = 0, norm = 0, distance = 0;
    s->kernels->decode_rows(d, NULL, (uint64_t)row, NULL, 1, s->row, d->dimension);
    for (size_t c = 0; c < d->dimension; c++) {
        const double value = s->row[c], difference = value - s->query[c];
        product += value * s->query[c];
        norm += value * value;
        distance += difference * difference;
    }
    *out_first = (float)(s->needs_norms ? product : distance);
    *out_second = (float)norm;
}

/* The scores of `count` rows of a tier, `ids` or from `first` on, by its tables at `tables` of either kind. */
static void score_tier(const scan *s, uint32_t tier, size_t tables, const int64_t *ids, uint64_t first, size_t count,
                       float *out_first, float *out_second) {
    dpqi_decoder d = s->table->tiers[tier].decoder;
    if (d.adds && s->search != DPQ_SEARCH_DOT) {
        d.norm_codes = NULL;
        for (size_t i = 0; i < count; i++)
            compare_row(s, &d, ids ? ids[i] : (int64_t)(first + i), out_first + i, out_second + i);
        return;
    }
    s->kernels->score_rows(&d, s->first + tables, ids, first, count, out_first);
    if (s->needs_norms) s->kernels->score_rows(&d, s->second + tables, ids, first, count, out_second);
}

/* The same of rows [start, start + count) of the table, count <= BLOCK. */
static void score_block(const scan *s, uint64_t start, size_t count, float *out_first, float *out_second) {
    if (s->table->tier_count == 1) {
        score_tier(s, 0, 0, NULL, start, count, out_first, out_second);
        return;
    }
    dpqi_sorted_rows sorted;
    float first[BLOCK], second[BLOCK];
    size_t tables = 0;
    memset(second, 0, sizeof second);
    dpqi_table_sort(s->table, s->kernels, NULL, start, count, &sorted);
    for (uint32_t t = 0; t < s->table->tier_count; t++) {
        const size_t begin = sorted.start[t], rows = sorted.start[t + 1] - begin;
        if (rows) score_tier(s, t, tables, sorted.rows + begin, 0, rows, first + begin, second + begin);
        tables += table_bytes(&s->table->tiers[t]) / sizeof(float);
    }
    for (size_t i = 0; i < count; i++) {
        out_first[sorted.places[i]] = first[i];
        out_second[sorted.places[i]] = second[i];
    }
}

static size_t scan_rows(const scan *s, int64_t excluded, candidate *heap, size_t k) {
    const uint64_t rows = s->table->rows;
    float first[BLOCK], second[BLOCK];
    size_t found = 0;
    memset(second, 0, sizeof second);
    for (uint64_t start = 0; start < rows; start += BLOCK) {
        const size_t block = rows - start < BLOCK ? (size_t)(rows - start) : BLOCK;
        score_block(s, start, block, first, second);
        for (size_t i = 0; i < block; i++) {
            const int64_t id = (int64_t)(start + i);
            const float value = score(s, start + i, first[i], second[i]);
            const candidate row = {id, s->search == DPQ_SEARCH_L2 ? -value : value};
            if (id == excluded || row.key != row.key) continue; /* NaN: a codebook that verify refuses */
            offer(heap, &found, k, row);
        }
    }
    return found;
}

/* Makes the tables of every tier. */
static void prepare(scan *s) {
    float *first = s->first, *second = s->second;
    for (uint32_t t = 0; t < s->table->tier_count; t++) {
        const dpqi_decoder *d = &s->table->tiers[t].decoder;
        const size_t floats = table_bytes(&s->table->tiers[t]) / sizeof(float);
        if (!d->adds || s->search == DPQ_SEARCH_DOT)
            s->kernels->score_tables(d, s->query, s->search == DPQ_SEARCH_L2 && !s->needs_norms, first);
        if (!d->adds && s->needs_norms) s->kernels->score_tables(d, NULL, 1, second);
        first += floats;
        second += floats;
    }
}

dpq_status dpq_table_neighbors(const dpq_table *table, const float *query, dpq_search search, size_t k,
                               int64_t excluded, void *workspace, size_t workspace_bytes, int64_t *out_ids,
                               float *out_scores, size_t *out_count, dpq_error *error) {
    if (!table || !query || !out_count || (k && (!out_ids || !out_scores)))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_neighbors: NULL");
    if (search < DPQ_SEARCH_COSINE || search > DPQ_SEARCH_L2)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_neighbors: an unknown kind of search");
    const size_t needed = dpq_table_neighbors_workspace_bytes(table, k);
    if (!workspace || workspace_bytes < needed)
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "dpq_table_neighbors: the workspace is smaller than %zu bytes",
                         needed);
    if (!is_finite(query, (size_t)table->dimension))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "the query holds a value that is NaN or infinite");
    if (k > table->rows) k = (size_t)table->rows;

    char *memory = aligned(workspace);
    const size_t tables = all_table_bytes(table);
    scan s = {.table = table, .kernels = dpqi_active(), .query = query, .search = search};
    s.first = (float *)(void *)memory;
    s.second = (float *)(void *)(memory + tables);
    s.row = (float *)(void *)(memory + 2 * tables);
    candidate *heap = (candidate *)(void *)(memory + 2 * tables + row_bytes(table));
    /* Distances summed from parts lose no digits; the detour over norms is for rows scaled by one. */
    s.needs_norms = search == DPQ_SEARCH_COSINE || (search == DPQ_SEARCH_L2 && table->norm_codes);
    prepare(&s);
    for (size_t c = 0; c < table->dimension; c++) s.query_squared_norm += (double)query[c] * query[c];

    const size_t found = k ? scan_rows(&s, excluded, heap, k) : 0;
    sort(heap, found);
    for (size_t i = 0; i < found; i++) {
        out_ids[i] = heap[i].id;
        out_scores[i] = search == DPQ_SEARCH_L2 ? -heap[i].key : heap[i].key;
    }
    *out_count = found;
    return dpqi_succeed(error);
}
