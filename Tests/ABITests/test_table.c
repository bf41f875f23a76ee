/* Every answer of the library at every instruction-set level, against float64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dpq.h"
#include "dpq_kernels.h"
#include "fixture.h"

int failures;
const char *subject = "";

static const layout layouts[] = {
    {.name = "8 bits", .rows = 301, .dimension = 48, .groups = 8, .codes = 256, .words = 1},
    {.name = "8 bits, width 6, many groups", .rows = 90, .dimension = 420, .groups = 70, .codes = 256},
    {.name = "4 bits", .rows = 140, .dimension = 36, .groups = 9, .codes = 16, .words = 1},
    {.name = "4 bits, many groups", .rows = 60, .dimension = 201, .groups = 67, .codes = 16},
    {.name = "5 bits, padded", .rows = 77, .dimension = 50, .groups = 17, .codes = 32, .cosine = 1, .words = 1},
    {.name = "7 bits, codes no power of two", .rows = 64, .dimension = 30, .groups = 10, .codes = 100, .f16 = 1},
    {.name = "11 bits", .rows = 100, .dimension = 24, .groups = 3, .codes = 1500, .words = 1},
    {.name = "12 bits, shared", .rows = 50, .dimension = 26, .groups = 13, .codes = 4096, .shared = 1},
    {.name = "16 bits", .rows = 40, .dimension = 5, .groups = 2, .codes = 65536, .shared = 1, .cosine = 1},
    {.name = "1 bit", .rows = 130, .dimension = 70, .groups = 70, .codes = 2, .words = 1},
    {.name = "2 bits", .rows = 90, .dimension = 400, .groups = 200, .codes = 4, .cosine = 1},
    {.name = "3 bits, many groups, padded", .rows = 70, .dimension = 531, .groups = 177, .codes = 7},
    {.name = "5 bits, 19 codes, shared", .rows = 70, .dimension = 428, .groups = 107, .codes = 19, .shared = 1},
    {.name = "shared, padded, f16, cosine",
     .rows = 88,
     .dimension = 43,
     .groups = 15,
     .codes = 64,
     .shared = 1,
     .f16 = 1,
     .cosine = 1,
     .words = 1},
    {.name = "one group", .rows = 30, .dimension = 19, .groups = 1, .codes = 8},
    {.name = "wide codewords", .rows = 33, .dimension = 100, .groups = 3, .codes = 12, .cosine = 1},
    {.name = "very wide codewords", .rows = 20, .dimension = 333, .groups = 2, .codes = 6, .f16 = 1},
    {.name = "width 12, padded", .rows = 60, .dimension = 117, .groups = 10, .codes = 40},
    {.name = "width 16, 256 codes", .rows = 300, .dimension = 144, .groups = 9, .codes = 256, .words = 1},
    {.name = "width 4, 256 codes", .rows = 120, .dimension = 100, .groups = 25, .codes = 256},
    {.name = "width 8, 256 codes, shared", .rows = 70, .dimension = 64, .groups = 8, .codes = 256, .shared = 1},
    {.name = "width 3, 256 codes", .rows = 90, .dimension = 60, .groups = 20, .codes = 256},
    {.name = "width 3, 256 codes, shared", .rows = 60, .dimension = 24, .groups = 8, .codes = 256, .shared = 1},
    {.name = "width 6, 256 codes, odd groups", .rows = 80, .dimension = 54, .groups = 9, .codes = 256},
    {.name = "width 24, padded", .rows = 50, .dimension = 211, .groups = 9, .codes = 16, .shared = 1},
    {.name = "width 41", .rows = 50, .dimension = 410, .groups = 10, .codes = 17, .cosine = 1},
    {.name = "9 bits, width 7, padded", .rows = 50, .dimension = 85, .groups = 13, .codes = 400},
    {.name = "10 bits, width 19", .rows = 50, .dimension = 190, .groups = 10, .codes = 600, .shared = 1},
    {.name = "133 groups of 3, padded", .rows = 40, .dimension = 397, .groups = 133, .codes = 32, .cosine = 1},
    {.name = "9 bits, rows beyond the buffer", .rows = 9, .dimension = 4101, .groups = 41, .codes = 300},
    {.name = "width 6, 4 bits", .rows = 90, .dimension = 48, .groups = 8, .codes = 16},
    {.name = "width 3, 5 bits, shared", .rows = 70, .dimension = 96, .groups = 32, .codes = 32, .shared = 1},
    {.name = "width 8, 5 bits, wild codes", .rows = 80, .dimension = 72, .groups = 9, .codes = 20, .wild_codes = 1},
    {.name = "width 4, 3 bits, wild codes", .rows = 60, .dimension = 76, .groups = 19, .codes = 7, .wild_codes = 1},
    {.name = "width 16, 4 bits", .rows = 60, .dimension = 80, .groups = 5, .codes = 16},
    {.name = "width 12, 6 bits, cosine", .rows = 60, .dimension = 84, .groups = 7, .codes = 50, .cosine = 1},
    {.name = "width 4, 4 bits, more groups than a run", .rows = 50, .dimension = 528, .groups = 132, .codes = 16},
    {.name = "4 bits added, a group", .rows = 80, .dimension = 16, .tier_count = 1, .tiers = {{4, 2, 0, 1}}},
    {.name = "eight tiers",
     .rows = 2700,
     .dimension = 24,
     .tier_count = 8,
     .tiers = {{.groups = 1, .codes = 4},
               {.groups = 2, .codes = 4},
               {.groups = 3, .codes = 4},
               {.groups = 4, .codes = 4},
               {.groups = 6, .codes = 4},
               {.groups = 8, .codes = 4},
               {.groups = 12, .codes = 4},
               {.groups = 24, .codes = 4}}},
    {.name = "three tiers of 4, 8 and 5 bits, width 12, 6 and 3",
     .rows = 900,
     .dimension = 48,
     .tier_count = 3,
     .tiers = {{.groups = 4, .codes = 16}, {.groups = 8, .codes = 256}, {.groups = 16, .codes = 20}}},
    {.name = "width 1", .rows = 45, .dimension = 21, .groups = 21, .codes = 200, .words = 1},
    {.name = "wild codes", .rows = 45, .dimension = 22, .groups = 8, .codes = 20, .wild_codes = 1},
    {.name = "5 bits added, rows beyond the buffer",
     .rows = 9,
     .dimension = 4100,
     .tier_count = 1,
     .tiers = {{.groups = 5, .binary = 1}}},
    {.name = "13 bits added",
     .rows = 70,
     .dimension = 37,
     .words = 1,
     .tier_count = 1,
     .tiers = {{.groups = 13, .binary = 1}}},
    {.name = "one bit added, f16", .rows = 70, .dimension = 5, .f16 = 1, .tier_count = 1, .tiers = {{1, 2, 0, 1}}},
    {.name = "200 bits added, cosine",
     .rows = 150,
     .dimension = 150,
     .cosine = 1,
     .tier_count = 1,
     .tiers = {{200, 2, 0, 1}}},
    {.name = "two tiers",
     .rows = 1700,
     .dimension = 20,
     .words = 1,
     .tier_count = 2,
     .tiers = {{.groups = 5, .codes = 16}, {.groups = 10, .codes = 16}}},
    {.name = "three tiers of both kinds, cosine",
     .rows = 1300,
     .dimension = 33,
     .cosine = 1,
     .words = 1,
     .tier_count = 3,
     .tiers = {{.groups = 4, .codes = 16}, {.groups = 21, .binary = 1}, {.groups = 11, .codes = 300, .shared = 1}}},
    {.name = "three tiers of both kinds, f16",
     .rows = 700,
     .dimension = 24,
     .f16 = 1,
     .tier_count = 3,
     .tiers = {{.groups = 8, .binary = 1}, {.groups = 9, .binary = 1}, {.groups = 24, .codes = 32}}},
    {.name = "tiers of codewords of 12, 6 and 3 values",
     .rows = 700,
     .dimension = 48,
     .tier_count = 3,
     .tiers = {{.groups = 4, .codes = 256}, {.groups = 8, .codes = 256}, {.groups = 16, .codes = 256}}},
    {.name = "three tiers of whole codewords of 256 codes",
     .rows = 2600,
     .dimension = 48,
     .tier_count = 3,
     .tiers = {{.groups = 3, .codes = 256}, {.groups = 4, .codes = 256}, {.groups = 12, .codes = 256}}},
    {.name = "four tiers, one empty",
     .rows = 1100,
     .dimension = 12,
     .tier_count = 4,
     .empty = 2,
     .tiers = {{.groups = 2, .codes = 2},
               {.groups = 2, .codes = 4},
               {.groups = 3, .codes = 4},
               {.groups = 12, .codes = 256}}},
    {.name = "six tiers",
     .rows = 1600,
     .dimension = 16,
     .words = 1,
     .tier_count = 6,
     .tiers = {{.groups = 1, .codes = 2},
               {.groups = 2, .codes = 2},
               {.groups = 4, .codes = 2},
               {.groups = 2, .codes = 8},
               {.groups = 12, .binary = 1},
               {.groups = 16, .codes = 9}}},
    {.name = "nine tiers",
     .rows = 1100,
     .dimension = 6,
     .cosine = 1,
     .tier_count = 9,
     .tiers = {{.groups = 1, .codes = 2},
               {.groups = 1, .codes = 3},
               {.groups = 1, .codes = 4},
               {.groups = 1, .codes = 7},
               {.groups = 2, .codes = 3},
               {.groups = 2, .codes = 5},
               {.groups = 3, .codes = 4},
               {.groups = 3, .codes = 8},
               {.groups = 6, .codes = 256}}},
    {.name = "tiers without rows",
     .rows = 0,
     .dimension = 6,
     .tier_count = 2,
     .tiers = {{.groups = 1, .codes = 2}, {.groups = 2, .codes = 4}}},
    {.name = "one row", .rows = 1, .dimension = 1, .groups = 1, .codes = 2, .words = 1},
    {.name = "no rows", .rows = 0, .dimension = 12, .groups = 3, .codes = 16, .words = 1, .cosine = 1},
};

static const float untouched = -12345.5f;

static void check_tier(const fixture *f, const dpq_table *table, uint32_t index) {
    const fixture_tier *expected = &f->tiers[index];
    const tier_layout *l = &expected->layout;
    dpq_tier_description t = {.struct_size = sizeof t};
    CHECK(dpq_table_describe_tier(table, index, &t) == DPQ_OK, "describe tier");
    CHECK(t.groups == l->groups && t.codes == l->codes && t.width == expected->width && t.bits == expected->bits,
          "tier %u", index);
    CHECK(t.row_bytes == expected->row_bytes && t.rows == expected->rows, "tier %u", index);
    CHECK(t.kind == (l->binary ? DPQ_TIER_BINARY : DPQ_TIER_CONCAT) && t.shared == l->shared, "tier %u", index);
    CHECK(t.codebook_type == (f->layout.f16 ? DPQ_CODEBOOK_F16 : DPQ_CODEBOOK_F32), "codebook type");
    char name[32];
    dpq_section s = {.struct_size = sizeof s};
    snprintf(name, sizeof name, "tier.%u.codes", index);
    CHECK(dpq_table_section_named(table, name, &s) == DPQ_OK && s.bytes == t.rows * t.row_bytes, "codes");
    CHECK(s.rank == 2 && s.shape[0] == t.rows && strcmp(s.type, "U8") == 0, "codes");
    const size_t values = l->binary ? l->groups * t.width : expected->books * l->codes * t.width;
    CHECK(memcmp(dpq_table_codebook(table, index), expected->codebook, 4 * values) == 0, "codebook %u", index);
}

static void check_description(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    dpq_description d = {.struct_size = sizeof d};
    CHECK(dpq_table_describe(table, &d) == DPQ_OK, "describe");
    CHECK(d.rows == l->rows && d.dimension == l->dimension && d.file_bytes == f->bytes, "shape");
    CHECK(d.tiers == f->tier_count, "tiers");
    CHECK(d.metric == (l->cosine ? DPQ_METRIC_COSINE : DPQ_METRIC_L2) && d.has_vocabulary == l->words, "metric, words");
    CHECK(d.header_bytes % 64 == 0 && d.assignment == DPQ_ASSIGNMENT_NEAREST, "header");
    for (size_t i = 0; i < f->tier_count; i++) check_tier(f, table, (uint32_t)i);
    dpq_tier_description t = {.struct_size = sizeof t};
    CHECK(dpq_table_describe_tier(table, d.tiers, &t) == DPQ_ERROR_ARGUMENT, "no further tier");
    CHECK(!dpq_table_codebook(table, d.tiers), "no further codebook");
    /* An older caller knows a shorter struct: nothing beyond it may be written. */
    d = (dpq_description){.struct_size = offsetof(dpq_description, dimension), .dimension = 77};
    CHECK(dpq_table_describe(table, &d) == DPQ_OK && d.rows == l->rows && d.dimension == 77, "short struct");
    d.struct_size = 0;
    CHECK(dpq_table_describe(table, &d) == DPQ_ERROR_ARGUMENT, "struct_size not set");

    const char *recipe = dpq_table_metadata(table, "recipe");
    CHECK(recipe && strcmp(recipe, "{\"method\":\"kmeans\",\"note\":\"\xC3\xA9\xF0\x9F\x98\x80\"}") == 0, "%s", recipe);
    CHECK(!dpq_table_metadata(table, "no such key"), "metadata");
    dpq_section s = {.struct_size = sizeof s};
    d.struct_size = sizeof d;
    dpq_table_describe(table, &d);
    uint64_t sum = d.header_bytes;
    for (size_t i = 0; i < dpq_table_section_count(table); i++) {
        CHECK(dpq_table_section_at(table, i, &s) == DPQ_OK, "section %zu", i);
        sum += s.bytes;
    }
    CHECK(sum == f->bytes, "sections cover the file");
    CHECK(dpq_table_section_named(table, "nothing", &s) == DPQ_ERROR_NOT_FOUND, "no such section");
}

/* The tier of each row, asked for in any order. */
static void check_tiers(const fixture *f, const dpq_table *table) {
    enum { IDS = 600 };
    const layout *l = &f->layout;
    int64_t ids[IDS];
    uint8_t tiers[IDS];
    uint64_t seed = 11;
    const size_t count = l->rows ? IDS : 0;
    for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(random_bits(&seed) % l->rows);
    CHECK(dpq_table_tiers(table, ids, count, tiers, NULL) == DPQ_OK, "tiers");
    for (size_t i = 0; i < count; i++)
        CHECK(tiers[i] == f->tier[ids[i]], "row %d is said to be in tier %d", (int)ids[i], tiers[i]);
    ids[0] = (int64_t)l->rows;
    CHECK(dpq_table_tiers(table, ids, 1, tiers, NULL) == DPQ_ERROR_RANGE, "a row outside");
    CHECK(dpq_table_tiers(NULL, ids, 1, tiers, NULL) == DPQ_ERROR_ARGUMENT, "no table");
}

static void check_words(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    int64_t id = -1;
    dpq_error error;
    if (!l->words) {
        CHECK(dpq_table_find(table, "a", 1, &id, &error) == DPQ_ERROR_NO_VOCABULARY, "%s", error.message);
        return;
    }
    for (size_t r = 0; r < l->rows; r++) {
        const char *word = NULL;
        size_t bytes = 0, first = 0;
        CHECK(dpq_table_word(table, (int64_t)r, &word, &bytes, &error) == DPQ_OK, "%s", error.message);
        CHECK(bytes == strlen(f->words[r]) && memcmp(word, f->words[r], bytes) == 0, "word of %zu", r);
        while (strcmp(f->words[first], f->words[r]) != 0) first++;
        CHECK(dpq_table_find(table, f->words[r], bytes, &id, &error) == DPQ_OK, "%s", error.message);
        CHECK(id == (int64_t)first, "word %zu found at %lld", r, (long long)id);
    }
    const char *absent[] = {"b", "aa", "w", "w99999", "\xFF", "ABC", "zzzz"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        id = -7;
        dpq_status status = dpq_table_find(table, absent[i], strlen(absent[i]), &id, &error);
        CHECK(status == DPQ_ERROR_NOT_FOUND && id == -7 && error.status == status, "%s", absent[i]);
    }
    const char *word;
    size_t bytes;
    CHECK(dpq_table_word(table, -1, &word, &bytes, &error) == DPQ_ERROR_RANGE, "row -1");
    CHECK(dpq_table_word(table, (int64_t)l->rows, &word, &bytes, &error) == DPQ_ERROR_RANGE, "row beyond");
}

/* Decoding copies or multiplies once, so it is exact, but where vectors are added. */
static void check_row(const fixture *f, size_t id, const float *row) {
    double *expected = malloc((f->layout.dimension + 1) * sizeof *expected);
    const double error = fixture_row(f, id, expected);
    for (size_t c = 0; c < f->layout.dimension; c++)
        CHECK(fabs((double)row[c] - (float)expected[c]) <= error, "row %zu column %zu: %g, not %g", id, c, row[c],
              expected[c]);
    free(expected);
}

/* So many rows that they go past the caches, to where a line of the cache begins, a quarter of one and a single value:
 * the same bits as a few rows give, and nothing around them. */
static void check_many_rows(const fixture *f, const dpq_table *table) {
    const size_t n = f->layout.rows, d = f->layout.dimension, count = ((size_t)16 << 20) / (sizeof(float) * d) + 133;
    const size_t bytes = d * sizeof(float), spare = 32, offsets[] = {0, 4, 1};
    /* Other levels have no way past the caches. */
    if (n == 0 || d > 2048 || strncmp(dpq_isa_name(), "avx", 3) != 0) return;
    dpq_error error;
    uint64_t seed = 12;
    float *rows = malloc(n * bytes), *memory = malloc(count * bytes + 2 * spare * sizeof *memory);
    int64_t *ids = malloc(count * sizeof *ids);
    CHECK(dpq_table_read(table, 0, n, rows, d, &error) == DPQ_OK, "%s", error.message);
    for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(random_bits(&seed) % n);
    for (size_t o = 0; o < 3; o++) {
        const size_t to_line = (64 - (uintptr_t)memory % 64) % 64 / sizeof *memory,
                     lead = to_line + offsets[o]; /* < spare */
        float *out = memory + lead;
        if (lead) out[-1] = untouched;
        out[count * d] = untouched;
        memset(out, 0, count * bytes);
        CHECK(dpq_table_lookup(table, ids, count, DPQ_OUTSIDE_ERROR, out, d, &error) == DPQ_OK, "%s", error.message);
        size_t wrong = 0;
        for (size_t i = 0; i < count; i++) wrong += memcmp(out + i * d, rows + (size_t)ids[i] * d, bytes) != 0;
        CHECK(wrong == 0, "%zu of %zu rows, %zu values from a line's start", wrong, count, offsets[o]);
        CHECK((!lead || out[-1] == untouched) && out[count * d] == untouched, "written around the rows");
    }
    free(rows), free(memory), free(ids);
}

static void check_rows(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    const size_t n = l->rows, stride = l->dimension + 3, count = n + 40;
    dpq_error error;
    uint64_t seed = 11;
    float *out = malloc(count * stride * sizeof *out);
    int64_t *ids = malloc(count * sizeof *ids);

    for (size_t i = 0; i < count * stride; i++) out[i] = untouched;
    CHECK(dpq_table_read(table, 0, n, out, stride, &error) == DPQ_OK, "%s", error.message);
    for (size_t r = 0; r < n; r++) {
        check_row(f, r, out + r * stride);
        for (size_t c = l->dimension; c < stride; c++)
            CHECK(out[r * stride + c] == untouched, "written beyond row %zu", r);
    }
    for (size_t i = n * stride; i < count * stride; i++) CHECK(out[i] == untouched, "written beyond the rows");
    CHECK(dpq_table_read(table, 1, n, out, stride, &error) == DPQ_ERROR_RANGE, "rows beyond the table");
    CHECK(dpq_table_read(table, UINT64_MAX, 2, out, stride, &error) == DPQ_ERROR_RANGE, "rows beyond the table");
    CHECK(dpq_table_read(table, 0, n, out, l->dimension - 1, &error) == DPQ_ERROR_ARGUMENT, "stride");

    /* Without gaps, into exactly as much memory as is needed: an overlapping copy of a last group would show. */
    if (n) {
        float *exact = malloc(n * l->dimension * sizeof *exact);
        for (size_t i = 0; i < n; i++) ids[i] = (int64_t)(random_bits(&seed) % n);
        CHECK(dpq_table_lookup(table, ids, n, DPQ_OUTSIDE_ERROR, exact, l->dimension, &error) == DPQ_OK, "%s",
              error.message);
        for (size_t i = 0; i < n; i++) check_row(f, (size_t)ids[i], exact + i * l->dimension);
        free(exact);
    }

    for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(random_bits(&seed) % (n + 2)) - 1;
    ids[0] = INT64_MIN;
    ids[1] = INT64_MAX;
    for (size_t i = 0; i < count * stride; i++) out[i] = untouched;
    CHECK(dpq_table_lookup(table, ids, count, DPQ_OUTSIDE_ERROR, out, stride, &error) == DPQ_ERROR_RANGE, "range");
    for (size_t i = 0; i < count * stride; i++) CHECK(out[i] == untouched, "written in spite of the error");
    for (dpq_outside outside = DPQ_OUTSIDE_ZERO; outside <= DPQ_OUTSIDE_LAST; outside++) {
        CHECK(dpq_table_lookup(table, ids, count, outside, out, stride, &error) == DPQ_OK, "%s", error.message);
        for (size_t i = 0; i < count; i++) {
            const int inside = ids[i] >= 0 && (size_t)ids[i] < n;
            if (inside || (outside == DPQ_OUTSIDE_LAST && n)) {
                check_row(f, inside ? (size_t)ids[i] : n - 1, out + i * stride);
            } else {
                for (size_t c = 0; c < l->dimension; c++) CHECK(out[i * stride + c] == 0, "row outside is not zero");
            }
            CHECK(out[i * stride + l->dimension] == untouched, "written beyond a row");
        }
    }
    CHECK(dpq_table_lookup(table, ids, count, 9, out, stride, &error) == DPQ_ERROR_ARGUMENT, "unknown rule");
    free(out);
    free(ids);
}

/* The 2-byte number nearest to a value, ties to the even one. */
static uint16_t nearest_half(double value, dpq_scalar type) {
    const int digits = type == DPQ_F16 ? 10 : 7, lowest = type == DPQ_F16 ? -14 : -126;
    int exponent;
    frexp(fabs(value), &exponent);
    exponent = value == 0 || exponent - 1 < lowest ? lowest : exponent - 1;
    /* Where the steps are 2^(exponent - digits), nearbyint rounds half to even; a carry runs into the exponent. */
    const double steps = nearbyint(ldexp(fabs(value), digits - exponent));
    const double magnitude = steps + (double)(exponent - lowest) * (1 << digits);
    const uint16_t infinity = type == DPQ_F16 ? 0x7c00 : 0x7f80;
    return (uint16_t)((magnitude < infinity ? (uint16_t)magnitude : infinity) | (signbit(value) ? 0x8000 : 0));
}

static void check_narrow(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    const size_t count = l->rows + 60, stride = l->dimension + 3, bytes = dpq_table_lookup_as_workspace_bytes(table);
    int64_t *ids = malloc(count * sizeof *ids);
    float *wide = malloc(count * l->dimension * sizeof *wide);
    uint16_t *out = malloc(count * stride * sizeof *out);
    char *workspace = malloc(bytes);
    dpq_error error;
    for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(i * 7 % (l->rows + 2)) - 1;
    for (size_t i = 0; i < count * stride; i++) out[i] = 0x1234;
    CHECK(dpq_table_lookup_as(table, ids, count, DPQ_OUTSIDE_ERROR, DPQ_F16, out, stride, workspace, bytes, &error) ==
              DPQ_ERROR_RANGE,
          "range");
    CHECK(dpq_table_lookup_as(table, ids, count, DPQ_OUTSIDE_ZERO, DPQ_F16, out, stride, workspace, bytes - 1,
                              &error) == DPQ_ERROR_MEMORY,
          "workspace");
    CHECK(dpq_table_lookup_as(table, ids, count, DPQ_OUTSIDE_ZERO, DPQ_F64, out, stride, workspace, bytes, &error) ==
              DPQ_ERROR_ARGUMENT,
          "type");
    CHECK(dpq_table_lookup_as(table, ids, count, DPQ_OUTSIDE_ZERO, DPQ_F16, out, l->dimension - 1, workspace, bytes,
                              &error) == DPQ_ERROR_ARGUMENT,
          "stride");
    for (size_t i = 0; i < count * stride; i++) CHECK(out[i] == 0x1234, "written in spite of the error");
    for (dpq_outside outside = DPQ_OUTSIDE_ZERO; outside <= DPQ_OUTSIDE_LAST; outside++) {
        CHECK(dpq_table_lookup(table, ids, count, outside, wide, l->dimension, &error) == DPQ_OK, "%s", error.message);
        for (dpq_scalar type = DPQ_F16; type <= DPQ_BF16; type++) {
            CHECK(dpq_table_lookup_as(table, ids, count, outside, type, out, stride, workspace, bytes, &error) ==
                      DPQ_OK,
                  "%s", error.message);
            for (size_t i = 0; i < count; i++) {
                for (size_t c = 0; c < l->dimension; c++) {
                    const float value = wide[i * l->dimension + c];
                    const uint16_t expected = nearest_half(value, type);
                    CHECK(out[i * stride + c] == expected, "%g: %x, not %x", value, out[i * stride + c], expected);
                }
                CHECK(out[i * stride + l->dimension] == 0x1234, "written beyond a row");
            }
        }
    }
    free(ids);
    free(wide);
    free(out);
    free(workspace);
}

static void check_bags(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    enum { IDS = 700, BAGS = 9 };
    int64_t ids[IDS], offsets[BAGS] = {0, 0, 1, 3, 3, 40, 600, 650, 700};
    float weights[IDS];
    dpq_error error;
    uint64_t seed = 5;
    const size_t stride = l->dimension + 1;
    float *out = malloc(BAGS * stride * sizeof *out), *alone = malloc(stride * sizeof *alone);
    double *row = malloc(l->dimension * sizeof *row), *sum = malloc(2 * l->dimension * sizeof *sum);
    for (size_t i = 0; i < IDS; i++) {
        ids[i] = (int64_t)(random_bits(&seed) % (l->rows + 3)) - 1;
        weights[i] = random_unit(&seed);
    }
    ids[IDS / 2] = -1;
    for (int variant = 0; variant < 3; variant++) {
        const float *factors = variant == 1 ? weights : NULL;
        const dpq_bag mode = variant == 2 ? DPQ_BAG_MEAN : DPQ_BAG_SUM;
        const dpq_outside outside = variant == 0 ? DPQ_OUTSIDE_LAST : DPQ_OUTSIDE_ZERO;
        for (size_t i = 0; i < BAGS * stride; i++) out[i] = untouched;
        dpq_status status = dpq_table_bag(table, ids, IDS, offsets, BAGS, factors, mode, outside, out, stride, &error);
        CHECK(status == DPQ_OK, "%s", error.message);
        for (size_t b = 0; b < BAGS; b++) {
            const size_t end = b + 1 < BAGS ? (size_t)offsets[b + 1] : IDS;
            memset(sum, 0, 2 * l->dimension * sizeof *sum);
            for (size_t i = (size_t)offsets[b]; i < end; i++) {
                const int inside = ids[i] >= 0 && (size_t)ids[i] < l->rows;
                if (!inside && (outside == DPQ_OUTSIDE_ZERO || !l->rows)) continue;
                const double error = fixture_row(f, inside ? (size_t)ids[i] : l->rows - 1, row);
                for (size_t c = 0; c < l->dimension; c++) {
                    const double value = row[c] * (factors ? factors[i] : 1) /
                                         (mode == DPQ_BAG_MEAN ? (double)(end - (size_t)offsets[b]) : 1);
                    sum[c] += value;
                    sum[l->dimension + c] += fabs(value) + 1e5 * error;
                }
            }
            for (size_t c = 0; c < l->dimension; c++)
                CHECK(fabs(out[b * stride + c] - sum[c]) <= 1e-5 * sum[l->dimension + c],
                      "bag %zu column %zu: %g, not %g", b, c, out[b * stride + c], sum[c]);
            CHECK(out[b * stride + l->dimension] == untouched, "written beyond a bag");
            /* What a bag gets does not depend on those beside it. */
            const int64_t start = 0;
            status = dpq_table_bag(table, ids + offsets[b], end - (size_t)offsets[b], &start, 1,
                                   factors ? factors + offsets[b] : NULL, mode, outside, alone, stride, &error);
            CHECK(status == DPQ_OK && memcmp(alone, out + b * stride, l->dimension * sizeof *out) == 0,
                  "bag %zu alone is another", b);
        }
    }
    /* Bags of one row are rows, and empty where it is outside. */
    int64_t *each = malloc(IDS * sizeof *each);
    float *bags = malloc(IDS * stride * sizeof *bags), *rows = malloc(IDS * stride * sizeof *rows);
    for (size_t i = 0; i < IDS; i++) each[i] = (int64_t)i;
    for (int few = 0; few < 2; few++) {
        for (size_t i = 0; few && i < IDS; i++) ids[i] = i % 300 == 0 ? ids[i] : -1;
        CHECK(dpq_table_bag(table, ids, IDS, each, IDS, NULL, DPQ_BAG_MEAN, DPQ_OUTSIDE_ZERO, bags, stride, &error) ==
                  DPQ_OK,
              "%s", error.message);
        CHECK(dpq_table_lookup(table, ids, IDS, DPQ_OUTSIDE_ZERO, rows, stride, &error) == DPQ_OK, "%s", error.message);
        for (size_t i = 0; i < IDS; i++)
            for (size_t c = 0; c < l->dimension; c++)
                CHECK(bags[i * stride + c] == rows[i * stride + c], "a bag of row %lld is not the row",
                      (long long)ids[i]);
    }
    free(each);
    free(bags);
    free(rows);
    CHECK(dpq_table_bag(table, ids, IDS, offsets, BAGS, weights, DPQ_BAG_MEAN, DPQ_OUTSIDE_ZERO, out, stride, &error) ==
              DPQ_ERROR_ARGUMENT,
          "weights with a mean");
    CHECK(dpq_table_bag(table, ids, IDS, offsets, BAGS, NULL, DPQ_BAG_SUM, DPQ_OUTSIDE_ERROR, out, stride, &error) ==
              DPQ_ERROR_RANGE,
          "ids outside");
    offsets[3] = 0;
    CHECK(dpq_table_bag(table, ids, IDS, offsets, BAGS, NULL, DPQ_BAG_SUM, DPQ_OUTSIDE_ZERO, out, stride, &error) ==
              DPQ_ERROR_ARGUMENT,
          "falling offsets");
    offsets[3] = 3;
    CHECK(dpq_table_bag(table, ids, IDS - 1, offsets, BAGS, NULL, DPQ_BAG_SUM, DPQ_OUTSIDE_ZERO, out, stride, &error) ==
              DPQ_ERROR_ARGUMENT,
          "offsets beyond the ids");
    free(out);
    free(alone);
    free(row);
    free(sum);
}

static void check_dot(const fixture *f, const dpq_table *table, const float *query, void *workspace) {
    const layout *l = &f->layout;
    const size_t bytes = dpq_table_dot_workspace_bytes(table);
    dpq_error error;
    uint64_t seed = 3;
    float *out = malloc((2 * l->rows + 1) * sizeof *out);
    int64_t *ids = malloc((l->rows + 1) * sizeof *ids);
    double *row = malloc(l->dimension * sizeof *row);
    for (size_t i = 0; i < l->rows; i++) ids[i] = (int64_t)(random_bits(&seed) % l->rows);
    CHECK(dpq_table_dot(table, query, NULL, 0, l->rows, workspace, bytes, out, &error) == DPQ_OK, "%s", error.message);
    CHECK(dpq_table_dot(table, query, ids, 0, l->rows, workspace, bytes, out + l->rows, &error) == DPQ_OK, "%s",
          error.message);
    for (size_t i = 0; i < 2 * l->rows; i++) {
        fixture_row(f, i < l->rows ? i : (size_t)ids[i - l->rows], row);
        double sum = 0, magnitude = 0;
        for (size_t c = 0; c < l->dimension; c++) {
            sum += row[c] * query[c];
            magnitude += fabs(row[c] * query[c]);
        }
        CHECK(fabs(out[i] - sum) <= 1e-5 * magnitude, "row %zu: %g, not %g", i, out[i], sum);
    }
    CHECK(dpq_table_dot(table, query, NULL, 0, l->rows, workspace, bytes - 1, out, &error) == DPQ_ERROR_MEMORY,
          "workspace");
    CHECK(dpq_table_dot(table, query, NULL, 1, l->rows, workspace, bytes, out, &error) == DPQ_ERROR_RANGE, "rows");
    ids[0] = (int64_t)l->rows;
    CHECK(dpq_table_dot(table, query, ids, 0, 1, workspace, bytes, out, &error) == DPQ_ERROR_RANGE, "ids");
    free(out);
    free(ids);
    free(row);
}

/* A score where larger is better. */
static double exact_score(const fixture *f, const float *query, dpq_search search, size_t id, double *row) {
    double dot = 0, distance = 0, query_norm = 0, row_norm = 0;
    fixture_row(f, id, row);
    for (size_t c = 0; c < f->layout.dimension; c++) {
        dot += query[c] * row[c];
        distance += (query[c] - row[c]) * (query[c] - row[c]);
        query_norm += (double)query[c] * query[c];
        row_norm += row[c] * row[c];
    }
    if (search == DPQ_SEARCH_DOT) return dot;
    if (search == DPQ_SEARCH_L2) return -distance;
    return query_norm == 0 || row_norm == 0 ? 0 : dot / sqrt(query_norm * row_norm);
}

static void check_search(const fixture *f, const dpq_table *table, const float *query, dpq_search search, size_t k,
                         int64_t excluded) {
    const layout *l = &f->layout;
    const size_t bytes = dpq_table_neighbors_workspace_bytes(table, k), rows = l->rows;
    const size_t expected = k < rows - (excluded >= 0) ? k : rows - (excluded >= 0);
    char *workspace = malloc(bytes + 1);
    double *row = malloc(l->dimension * sizeof *row), *exact = malloc((rows + 1) * sizeof *exact);
    int64_t *ids = malloc((k + 1) * sizeof *ids);
    float *scores = malloc((k + 1) * sizeof *scores);
    char *found = calloc(rows + 1, 1);
    size_t count = 99;
    dpq_error error;
    double scale = 1e-12;
    for (size_t i = 0; i < rows; i++) {
        exact[i] = exact_score(f, query, search, i, row);
        if (fabs(exact[i]) > scale) scale = fabs(exact[i]);
    }
    const double tolerance = 2e-5 * scale;
    /* The workspace may start at any address. */
    dpq_status status =
        dpq_table_neighbors(table, query, search, k, excluded, workspace + 1, bytes, ids, scores, &count, &error);
    CHECK(status == DPQ_OK && count == expected, "%s, %zu rows, not %zu", error.message, count, expected);
    const double sign = search == DPQ_SEARCH_L2 ? -1 : 1;
    double worst = INFINITY;
    for (size_t i = 0; i < count && count == expected; i++) {
        const double key = sign * scores[i];
        CHECK(ids[i] >= 0 && (size_t)ids[i] < rows && ids[i] != excluded && !found[ids[i]], "id %lld",
              (long long)ids[i]);
        found[ids[i]] = 1;
        CHECK(fabs(key - exact[ids[i]]) <= tolerance, "row %lld: %g, not %g", (long long)ids[i], key, exact[ids[i]]);
        CHECK(i == 0 || key < worst || (key == worst && ids[i] > ids[i - 1]), "place %zu is out of order", i);
        worst = key;
    }
    for (size_t i = 0; i < rows && count == k && k; i++)
        CHECK(found[i] || (int64_t)i == excluded || exact[i] <= worst + tolerance, "row %zu was missed", i);
    CHECK(dpq_table_neighbors(table, query, search, k, excluded, workspace, bytes - 1, ids, scores, &count, &error) ==
              DPQ_ERROR_MEMORY,
          "workspace");
    free(workspace);
    free(row);
    free(exact);
    free(ids);
    free(scores);
    free(found);
}

static void check_queries(const fixture *f, const dpq_table *table) {
    const layout *l = &f->layout;
    float *query = malloc(l->dimension * sizeof *query);
    void *workspace = malloc(dpq_table_dot_workspace_bytes(table));
    uint64_t seed = 17;
    for (size_t c = 0; c < l->dimension; c++) query[c] = random_unit(&seed);
    check_dot(f, table, query, workspace);
    const size_t last = l->rows ? l->rows - 1 : 0;
    for (dpq_search search = DPQ_SEARCH_COSINE; l->rows && search <= DPQ_SEARCH_L2; search++) {
        check_search(f, table, query, search, 10, -1);
        check_search(f, table, query, search, 1, (int64_t)last);
        check_search(f, table, query, search, l->rows + 5, 0);
        check_search(f, table, query, search, 0, -1);
    }
    /* A row as its own query, and a query of zeros. */
    if (l->rows) {
        dpq_table_read(table, last, 1, query, l->dimension, NULL);
        for (dpq_search search = DPQ_SEARCH_COSINE; search <= DPQ_SEARCH_L2; search++)
            check_search(f, table, query, search, 7, (int64_t)last);
    }
    memset(query, 0, l->dimension * sizeof *query);
    for (dpq_search search = DPQ_SEARCH_COSINE; l->rows && search <= DPQ_SEARCH_L2; search++)
        check_search(f, table, query, search, 5, -1);
    int64_t id;
    float score;
    size_t count;
    query[0] = NAN;
    const size_t bytes = dpq_table_neighbors_workspace_bytes(table, 1);
    void *space = malloc(bytes);
    CHECK(dpq_table_neighbors(table, query, DPQ_SEARCH_DOT, 1, -1, space, bytes, &id, &score, &count, NULL) ==
              DPQ_ERROR_ARGUMENT,
          "a query that is not finite");
    free(space);
    free(query);
    free(workspace);
}

static void check_layout(const layout *l, uint64_t seed) {
    fixture f = fixture_make(*l, seed);
    dpq_table *table = NULL;
    dpq_error error;
    subject = l->name;
    dpq_status status = dpq_table_open_memory(f.file, f.bytes, &table, &error);
    CHECK(status == DPQ_OK, "%s", error.message);
    if (status == DPQ_OK) {
        status = dpq_table_verify(table, &error);
        CHECK(status == (l->wild_codes ? DPQ_ERROR_CORRUPT : DPQ_OK), "%s", error.message);
        check_description(&f, table);
        check_tiers(&f, table);
        check_words(&f, table);
        check_rows(&f, table);
        check_many_rows(&f, table);
        check_narrow(&f, table);
        check_bags(&f, table);
        check_queries(&f, table);
    }
    dpq_table_close(table);
    fixture_free(&f);
}

int main(void) {
    CHECK(dpq_version() == DPQ_VERSION_MAJOR * 1000000 + DPQ_VERSION_MINOR * 1000 + DPQ_VERSION_PATCH, "version");
    for (const char *const *level = dpq_isa_available(); *level; level++) {
        CHECK(dpq_isa_select(*level) == DPQ_OK && strcmp(dpq_isa_name(), *level) == 0, "level %s", *level);
        for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) check_layout(&layouts[i], 100 + i);
        printf("%s: %zu layouts\n", *level, sizeof layouts / sizeof *layouts);
    }
    dpq_table_close(NULL);
    printf("%d failures\n", failures);
    return failures != 0;
}
