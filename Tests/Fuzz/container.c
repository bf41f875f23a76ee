/* libFuzzer target: the whole of libdpq over a file in memory. Every call on whatever opens, with small batches. */
#include <stdlib.h>
#include <string.h>

#include "dpq.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Stops the fuzzer: what is claimed in dpq.h does not hold. */
static void expect(int holds) {
    if (!holds) abort();
}

static int is_error(dpq_status status, const dpq_error *error) {
    expect(error->status == status);
    expect((status == DPQ_OK) == (error->message[0] == 0));
    expect(!strchr(error->message, '\n') && memchr(error->message, 0, sizeof error->message));
    return status != DPQ_OK;
}

/* ---- calls ---- */

enum { BATCH = 4, NEAREST = 3, LARGEST_ROW = 1 << 14 };

static void use_words(const dpq_table *table, const dpq_description *about, const int64_t *ids) {
    dpq_error error;
    int64_t found;
    is_error(dpq_table_find(table, "cat", 3, &found, &error), &error);
    for (int i = 0; i < BATCH; i++) {
        const char *word;
        size_t bytes;
        if (is_error(dpq_table_word(table, ids[i], &word, &bytes, &error), &error)) continue;
        expect(about->has_vocabulary && ids[i] >= 0 && (uint64_t)ids[i] < about->rows);
        /* A sound file finds a row of that word; a damaged one may find nothing, but no row outside. */
        if (!is_error(dpq_table_find(table, word, bytes, &found, &error), &error))
            expect(found >= 0 && (uint64_t)found < about->rows);
    }
}

static void use_rows(const dpq_table *table, const dpq_description *about, const int64_t *ids) {
    const size_t dimension = (size_t)about->dimension, stride = dimension + 1;
    float *out = malloc(BATCH * stride * sizeof *out), *again = malloc(BATCH * stride * sizeof *again);
    dpq_error error;
    for (dpq_outside outside = DPQ_OUTSIDE_ERROR; outside <= DPQ_OUTSIDE_LAST; outside++) {
        is_error(dpq_table_lookup(table, ids, BATCH, outside, out, stride, &error), &error);
        const int64_t offsets[3] = {0, 1, 1};
        const float weights[BATCH] = {1, -2, 0.5f, 0};
        is_error(dpq_table_bag(table, ids, BATCH, offsets, 3, weights, DPQ_BAG_SUM, outside, out, stride, &error),
                 &error);
        is_error(dpq_table_bag(table, ids, BATCH, offsets, 3, NULL, DPQ_BAG_MEAN, outside, out, stride, &error),
                 &error);
    }
    const size_t count = about->rows < BATCH ? (size_t)about->rows : BATCH;
    const uint64_t first = about->rows - count;
    expect(!is_error(dpq_table_read(table, first, count, out, stride, &error), &error));
    int64_t last[BATCH];
    for (size_t i = 0; i < count; i++) last[i] = (int64_t)(first + i);
    expect(!is_error(dpq_table_lookup(table, last, count, DPQ_OUTSIDE_ERROR, again, stride, &error), &error));
    for (size_t i = 0; i < count; i++)
        expect(memcmp(out + i * stride, again + i * stride, dimension * sizeof *out) == 0);
    free(out);
    free(again);
}

static void use_search(const dpq_table *table, const dpq_description *about, const int64_t *ids) {
    const size_t dimension = (size_t)about->dimension, dot_bytes = dpq_table_dot_workspace_bytes(table),
                 search_bytes = dpq_table_neighbors_workspace_bytes(table, NEAREST);
    const size_t limit = 1 << 24;
    if (dot_bytes > limit || search_bytes > limit) return;
    float *query = malloc(dimension * sizeof *query), out[BATCH], scores[NEAREST];
    void *workspace = malloc(dot_bytes > search_bytes ? dot_bytes : search_bytes);
    for (size_t c = 0; c < dimension; c++) query[c] = (float)(c % 17) - 8;
    dpq_error error;
    is_error(dpq_table_dot(table, query, ids, 0, BATCH, workspace, dot_bytes, out, &error), &error);
    const size_t rows = about->rows < BATCH ? (size_t)about->rows : BATCH;
    expect(!is_error(dpq_table_dot(table, query, NULL, about->rows - rows, rows, workspace, dot_bytes, out, &error),
                     &error));
    for (dpq_search search = DPQ_SEARCH_COSINE; search <= DPQ_SEARCH_L2; search++) {
        int64_t nearest[NEAREST];
        size_t count = 0;
        expect(!is_error(dpq_table_neighbors(table, query, search, NEAREST, ids[1], workspace, search_bytes, nearest,
                                             scores, &count, &error),
                         &error));
        expect(count <= NEAREST);
        for (size_t i = 0; i < count; i++) expect(nearest[i] >= 0 && (uint64_t)nearest[i] < about->rows);
    }
    free(query);
    free(workspace);
}

static void use(const dpq_table *table, size_t bytes, uint64_t seed) {
    dpq_description about = {.struct_size = sizeof about};
    expect(dpq_table_describe(table, &about) == DPQ_OK && about.file_bytes == bytes && about.header_bytes <= bytes);
    dpq_table_metadata(table, "recipe");
    for (size_t i = 0; i < dpq_table_section_count(table); i++) {
        dpq_section section = {.struct_size = sizeof section};
        expect(dpq_table_section_at(table, i, &section) == DPQ_OK && section.bytes <= bytes);
        expect(dpq_table_section_named(table, section.name, &section) == DPQ_OK);
    }
    /* Every codeword can be read. */
    volatile float sum = 0;
    for (uint32_t t = 0; t < about.tiers; t++) {
        dpq_tier_description tier = {.struct_size = sizeof tier};
        expect(dpq_table_describe_tier(table, t, &tier) == DPQ_OK);
        const float *codebook = dpq_table_codebook(table, t);
        const uint64_t codewords = tier.kind == DPQ_TIER_BINARY ? tier.groups
                                   : tier.shared                ? tier.codes
                                                                : tier.groups * tier.codes;
        for (uint64_t i = 0; i < codewords * tier.width; i++) sum += codebook[i];
    }

    dpq_error error;
    is_error(dpq_table_verify(table, &error), &error);
    const int64_t rows = (int64_t)about.rows;
    const int64_t ids[BATCH] = {0, rows - 1, rows ? (int64_t)(seed % about.rows) : 0, seed & 1 ? rows : INT64_MIN};
    use_words(table, &about, ids);
    /* Rows longer than the file are honest where groups share a codebook; here they would only cost time. */
    if (about.dimension > LARGEST_ROW) return;
    use_rows(table, &about, ids);
    use_search(table, &about, ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* Exactly as long as the file, so that every byte read beyond it is seen. */
    uint8_t *file = malloc(size ? size : 1);
    if (size) memcpy(file, data, size);
    dpq_table *table;
    dpq_error error;
    if (!is_error(dpq_table_open_memory(file, size, &table, &error), &error)) {
        use(table, size, XXH3_64bits(file, size));
        dpq_table_close(table);
    } else {
        expect(table == NULL);
    }
    free(file);
    return 0;
}
