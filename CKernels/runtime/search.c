#include <math.h>
#include <string.h>

#include "core/dispatch.h"
#include "runtime/error.h"
#include "runtime/table.h"

/* Rows scored at a time: their scores stay on the stack. */
enum { BLOCK = 256 };

/* A row found; `key` is its score turned so that larger is better. */
typedef struct candidate {
    int64_t id;
    float key;
} candidate;

/* ---- workspace: tables of [groups][1 << bits] floats, then candidates ---- */

static size_t table_bytes(const dpq_table *table) {
    const dpqi_decoder *d = &table->tier.decoder;
    if (d->groups > SIZE_MAX / 8 / sizeof(float) >> d->bits) return SIZE_MAX / 8;
    return (d->groups << d->bits) * sizeof(float);
}

static size_t rounded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

/* The workspace from its first address aligned for anything in it. */
static char *aligned(void *workspace) { return (char *)workspace + (-(uintptr_t)workspace & 63); }

size_t dpq_table_dot_workspace_bytes(const dpq_table *table) { return table ? rounded(table_bytes(table)) + 63 : 0; }

size_t dpq_table_neighbors_workspace_bytes(const dpq_table *table, size_t k) {
    if (!table) return 0;
    if (k > table->rows) k = (size_t)table->rows;
    return 2 * rounded(table_bytes(table)) + k * sizeof(candidate) + 63;
}

/* ---- dot products ---- */

static int is_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

static float norm_of(const dpqi_decoder *d, uint64_t id) {
    return d->norm_codes ? d->norm_codebook[d->norm_codes[id]] : 1.0f;
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
    const dpqi_decoder *d = &table->tier.decoder;
    float *tables = (float *)(void *)aligned(workspace);
    kernels->score_tables(d, query, 0, tables);
    kernels->score_rows(d, tables, ids, first, count, out);
    for (size_t i = 0; d->norm_codes && i < count; i++) out[i] *= norm_of(d, ids ? (uint64_t)ids[i] : first + i);
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

/* A search under way. `first` holds products with the query, or for plain L2 squared distances; `second`, where it is
 * needed, squared norms of decoded rows before their stored norm. */
typedef struct scan {
    const dpqi_decoder *decoder;
    const dpqi_kernels *kernels;
    dpq_search search;
    int needs_norms;
    float *first;
    float *second;
    double query_squared_norm;
} scan;

static float score(const scan *s, uint64_t id, float first, float second) {
    const double norm = norm_of(s->decoder, id);
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

static size_t scan_rows(const scan *s, uint64_t rows, int64_t excluded, candidate *heap, size_t k) {
    float first[BLOCK], second[BLOCK];
    size_t found = 0;
    memset(second, 0, sizeof second);
    for (uint64_t start = 0; start < rows; start += BLOCK) {
        const size_t block = rows - start < BLOCK ? (size_t)(rows - start) : BLOCK;
        s->kernels->score_rows(s->decoder, s->first, NULL, start, block, first);
        if (s->needs_norms) s->kernels->score_rows(s->decoder, s->second, NULL, start, block, second);
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
    const dpqi_decoder *d = &table->tier.decoder;
    if (!is_finite(query, d->dimension))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "the query holds a value that is NaN or infinite");
    if (k > table->rows) k = (size_t)table->rows;

    char *memory = aligned(workspace);
    scan s = {.decoder = d, .kernels = dpqi_active(), .search = search};
    s.first = (float *)(void *)memory;
    s.second = (float *)(void *)(memory + rounded(table_bytes(table)));
    candidate *heap = (candidate *)(void *)(memory + 2 * rounded(table_bytes(table)));
    /* Distances summed from parts lose no digits; the detour over norms is for rows scaled by one. */
    s.needs_norms = search == DPQ_SEARCH_COSINE || (search == DPQ_SEARCH_L2 && d->norm_codes);
    s.kernels->score_tables(d, query, search == DPQ_SEARCH_L2 && !s.needs_norms, s.first);
    if (s.needs_norms) s.kernels->score_tables(d, NULL, 1, s.second);
    for (size_t c = 0; c < d->dimension; c++) s.query_squared_norm += (double)query[c] * query[c];

    const size_t found = k ? scan_rows(&s, table->rows, excluded, heap, k) : 0;
    sort(heap, found);
    for (size_t i = 0; i < found; i++) {
        out_ids[i] = heap[i].id;
        out_scores[i] = search == DPQ_SEARCH_L2 ? -heap[i].key : heap[i].key;
    }
    *out_count = found;
    return dpqi_succeed(error);
}
