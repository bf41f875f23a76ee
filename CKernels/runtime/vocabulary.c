#include "runtime/table.h"

#include <string.h>

#include "runtime/error.h"

int dpqi_table_word_range(const dpq_table *table, uint64_t id, const uint8_t **out_start, size_t *out_bytes) {
    uint64_t start = table->word_offsets[id], end = table->word_offsets[id + 1];
    if (start > end || end > table->word_bytes_count) return 0;
    *out_start = table->word_bytes + start;
    *out_bytes = (size_t)(end - start);
    return 1;
}

int dpqi_word_compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes) {
    size_t shorter = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = shorter ? memcmp(a, b, shorter) : 0;
    return order ? order : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

dpq_status dpq_table_find(const dpq_table *table, const char *word, size_t bytes, int64_t *out_id, dpq_error *error) {
    if (!table || (!word && bytes) || !out_id) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_find: NULL");
    if (!table->word_offsets) return dpqi_fail(error, DPQ_ERROR_NO_VOCABULARY, "the table has no words: ask by id");
    uint64_t low = 0, high = table->rows, found = UINT64_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, id = table->word_order[middle];
        const uint8_t *other;
        size_t other_bytes;
        if (id >= table->rows || !dpqi_table_word_range(table, id, &other, &other_bytes))
            return dpqi_fail(error, DPQ_ERROR_CORRUPT, "the vocabulary is damaged: run verify");
        int order = dpqi_word_compare(other, other_bytes, (const uint8_t *)word, bytes);
        if (order == 0) found = id;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (found == UINT64_MAX)
        return dpqi_fail(error, DPQ_ERROR_NOT_FOUND, "the word \"%.*s\" is not in the table",
                         (int)(bytes < 100 ? bytes : 100), word ? word : "");
    *out_id = (int64_t)found;
    return dpqi_succeed(error);
}

dpq_status dpq_table_word(const dpq_table *table, int64_t id, const char **out_word, size_t *out_bytes,
                          dpq_error *error) {
    if (!table || !out_word || !out_bytes) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_word: NULL");
    if (!table->word_offsets) return dpqi_fail(error, DPQ_ERROR_NO_VOCABULARY, "the table has no words");
    if (id < 0 || (uint64_t)id >= table->rows)
        return dpqi_fail(error, DPQ_ERROR_RANGE, "row %lld is outside the table of %llu rows", (long long)id,
                         (unsigned long long)table->rows);
    const uint8_t *start;
    size_t bytes;
    if (!dpqi_table_word_range(table, (uint64_t)id, &start, &bytes))
        return dpqi_fail(error, DPQ_ERROR_CORRUPT, "the vocabulary is damaged: run verify");
    *out_word = (const char *)start;
    *out_bytes = bytes;
    return dpqi_succeed(error);
}
