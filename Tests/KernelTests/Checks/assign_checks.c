#define _GNU_SOURCE /* mmap of anonymous memory */
#include "support.h"

#include <sys/mman.h>

static uint16_t half_of(float value) {
    uint16_t half;
    dpq_f32_to_f16(&value, 1, &half);
    return half;
}

/* A random table in a random type, with everything the kernels must cope with: odd sizes, strides, unaligned starts. */
typedef struct table {
    dpq_rows rows;
    float *values; /* [count][dimension] as the kernels must see them */
    char *memory;
    float *scale;
} table;

static table make_table(uint64_t *seed, size_t count, size_t dimension, dpq_scalar type, size_t gap, int scaled,
                        float offset) {
    const size_t size = dpq_scalar_bytes(type), stride = dimension + gap;
    table t;
    t.memory = malloc(count * stride * size + 1);
    t.values = malloc((count * dimension + 1) * sizeof(float));
    t.scale = scaled ? malloc((count + 1) * sizeof(float)) : NULL;
    char *data = t.memory + 1; /* unaligned */
    for (size_t i = 0; i < count; i++) {
        const float scale = scaled ? 0.5f + 0.5f * random_value(seed) : 1;
        if (scaled) t.scale[i] = scale;
        for (size_t c = 0; c < stride; c++) {
            float value = c < dimension ? random_value(seed) + offset : NAN;
            char *cell = data + (i * stride + c) * size;
            if (type == DPQ_F32) memcpy(cell, &value, 4);
            if (type == DPQ_F64) {
                double wide = value;
                memcpy(cell, &wide, 8);
            }
            if (type == DPQ_F16) {
                const uint16_t half = half_of(value);
                memcpy(cell, &half, 2);
                dpq_f16_to_f32(&half, 1, &value);
            }
            if (type == DPQ_BF16) {
                uint32_t bits;
                memcpy(&bits, &value, 4);
                const uint16_t half = (uint16_t)(bits >> 16);
                memcpy(cell, &half, 2);
                bits = (uint32_t)half << 16;
                memcpy(&value, &bits, 4);
            }
            if (c < dimension) t.values[i * dimension + c] = value * scale;
        }
    }
    t.rows = (dpq_rows){data, type, count, dimension, stride, t.scale};
    return t;
}

static void free_table(table *t) {
    free(t->memory);
    free(t->values);
    free(t->scale);
}

static double distance(const table *t, const dpq_layout *layout, const float *codebook, size_t row, size_t group,
                       size_t code, dpq_similarity similarity) {
    const size_t width = dpq_layout_width(layout), first = group * width;
    const float *word = codebook + ((layout->shared ? 0 : group) * layout->codes + code) * width;
    double sum = 0;
    for (size_t c = 0; c < width && first + c < layout->dimension; c++) {
        const double x = t->values[row * layout->dimension + first + c], y = word[c];
        sum += similarity == DPQ_NEAREST ? (x - y) * (x - y) : -x * y;
    }
    return sum;
}

static size_t code_at(const void *codes, size_t all_codes, size_t index) {
    return all_codes <= 256 ? ((const uint8_t *)codes)[index] : ((const uint16_t *)codes)[index];
}

typedef struct prepared {
    const dpq_assigner *assigner;
    void *memory, *workspace;
    size_t workspace_bytes;
} prepared;

static prepared prepare(const dpq_layout *layout, const float *codebook, dpq_similarity similarity, int threads) {
    prepared p = {0};
    const size_t bytes = dpq_assigner_bytes(layout);
    p.memory = aligned(bytes);
    if (dpq_assigner_init(layout, codebook, similarity, p.memory, bytes, &p.assigner) != DPQ_OK) abort();
    p.workspace_bytes = dpq_assign_workspace_bytes(p.assigner, threads);
    p.workspace = aligned(p.workspace_bytes);
    return p;
}

static void release(prepared *p) {
    free(p->memory);
    free(p->workspace);
}

/* A codebook whose padding is zero, as every writer makes it. */
static float *make_codebook(uint64_t *seed, const dpq_layout *layout, float offset) {
    const size_t width = dpq_layout_width(layout), count = dpq_layout_codebook_count(layout);
    float *codebook = malloc(count * sizeof *codebook);
    for (size_t i = 0; i < count; i++) {
        const size_t column = i / (layout->codes * width) * width + i % width;
        codebook[i] = layout->shared || column < layout->dimension ? random_value(seed) + offset : 0;
    }
    return codebook;
}

/* Codes of the rows of a table, whose memory and the codebook's it frees, against float64. */
static int check_table_codes(uint64_t *seed, const dpq_layout *layout, table t, float *codebook,
                             dpq_similarity similarity, char *message, size_t message_bytes) {
    const size_t count = t.rows.count, gap = t.rows.stride - t.rows.dimension;
    const dpq_scalar type = t.rows.type;
    const size_t bytes = dpq_code_bytes(layout->codes), code_stride = layout->groups + gap;
    char *fast = malloc(count * code_stride * bytes + 1), *exact = malloc(count * code_stride * bytes + 1);
    uint8_t *packed = malloc(count * dpq_layout_row_bytes(layout) + 1);
    char *unpacked = malloc(count * layout->groups * bytes + 1);
    const int threads = 1 + (int)random_below(seed, 3);
    prepared p = prepare(layout, codebook, similarity, threads);
    memset(exact, 0x5a, count * code_stride * bytes);
    if (dpq_assign(p.assigner, &t.rows, DPQ_ASSIGN_FAST, threads, p.workspace, p.workspace_bytes, fast, code_stride) ||
        dpq_assign(p.assigner, &t.rows, DPQ_ASSIGN_EXACT, threads, p.workspace, p.workspace_bytes, exact,
                   code_stride) ||
        dpq_encode(p.assigner, &t.rows, DPQ_ASSIGN_EXACT, threads, p.workspace, p.workspace_bytes, packed) ||
        dpq_codes_unpack(layout, packed, count, 1, unpacked))
        REQUIRE(0, "a call failed");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < layout->groups; j++) {
            double best = INFINITY, second = INFINITY;
            size_t want = 0;
            for (size_t k = 0; k < layout->codes; k++) {
                const double d = distance(&t, layout, codebook, i, j, k, similarity);
                if (d < best) {
                    second = best;
                    best = d;
                    want = k;
                } else if (d < second) {
                    second = d;
                }
            }
            const size_t at = i * code_stride + j;
            REQUIRE(code_at(exact, layout->codes, at) == want,
                    "exact: row %zu group %zu of %zux%zu, %zu codes, type %d: code %zu, not %zu (%.17g, %.17g)", i, j,
                    layout->groups, dpq_layout_width(layout), layout->codes, type, code_at(exact, layout->codes, at),
                    want, best, second);
            REQUIRE(code_at(unpacked, layout->codes, i * layout->groups + j) == want, "encode: row %zu group %zu", i,
                    j);
            /* Values are of size 1 about the codebook's mean, and so are the scores of the fast mode. */
            if (second - best > 1e-5 * (1 + fabs(best) + fabs(second)))
                REQUIRE(code_at(fast, layout->codes, at) == want, "fast: row %zu group %zu: code %zu, not %zu (%g, %g)",
                        i, j, code_at(fast, layout->codes, at), want, best, second);
        }
    for (size_t i = 0; i < count * code_stride * bytes; i++)
        if (i / bytes % code_stride >= layout->groups) REQUIRE(exact[i] == 0x5a, "wrote between the rows of codes");
    release(&p);
    free_table(&t);
    free(codebook);
    free(fast);
    free(exact);
    free(packed);
    free(unpacked);
    return 0;
}

static int check_one(uint64_t *seed, const dpq_layout *layout, size_t count, dpq_scalar type, size_t gap, int scaled,
                     float offset, dpq_similarity similarity, char *message, size_t message_bytes) {
    const table t = make_table(seed, count, layout->dimension, type, gap, scaled, offset);
    return check_table_codes(seed, layout, t, make_codebook(seed, layout, offset), similarity, message, message_bytes);
}

/* What products of rounded numbers cannot tell: codewords that are nearly or quite equal, rows far beyond all codewords,
 * one far codeword among near ones, and none that differs. */
int check_hard_to_round(char *message, size_t message_bytes) {
    uint64_t seed = 5;
    for (int trial = 0; trial < 60; trial++) {
        const size_t width = 4 + (size_t)trial % 9 + (trial % 6 == 5 ? 50 : 0), codes = trial % 2 ? 128 : 200;
        const dpq_layout layout = {.dimension = 3 * width, .groups = 3, .codes = codes};
        const table t = make_table(&seed, 130, layout.dimension, DPQ_F32, 0, 0, 0);
        float *codebook = make_codebook(&seed, &layout, 0);
        const float apart = ldexpf(1, -4 - trial % 20);
        for (size_t i = 0; i < 3 * codes * width; i++) {
            const size_t code = i / width % codes;
            if (trial % 3 == 0 && code % 2) codebook[i] = codebook[i - width] + apart * random_value(&seed);
            if (trial % 3 == 1 && code == 70) codebook[i] *= 30;
            if (trial == 2) codebook[i] = 0.25f;
        }
        for (size_t i = 0; i < t.rows.count * layout.dimension; i++) {
            const size_t row = i / layout.dimension;
            if (row % 5 == 1) t.values[i] *= row % 10 == 1 ? 4 : 1000;
            memcpy(t.memory + 1 + i * sizeof(float), &t.values[i], sizeof(float));
        }
        if (check_table_codes(&seed, &layout, t, codebook, DPQ_NEAREST, message, message_bytes)) return 1;
    }
    return 0;
}

int check_assignment(char *message, size_t message_bytes) {
    static const size_t code_counts[] = {2, 3, 4, 5, 7, 15, 16, 17, 31, 32, 100, 255, 256, 257, 1000};
    static const size_t row_counts[] = {0, 1, 2, 15, 16, 17, 63, 64, 65, 130};
    uint64_t seed = 1;
    for (int trial = 0; trial < 160; trial++) {
        dpq_layout layout = {.groups = 1 + random_below(&seed, 9), .shared = trial % 4 == 3};
        const size_t width = trial < 80 ? 1 + (size_t)trial / 2 : 1 + random_below(&seed, 9);
        layout.dimension = layout.groups * width - random_below(&seed, width);
        layout.codes = code_counts[random_below(&seed, sizeof code_counts / sizeof *code_counts)];
        if (dpq_layout_check(&layout) != DPQ_OK) continue;
        if (check_one(&seed, &layout, row_counts[random_below(&seed, sizeof row_counts / sizeof *row_counts)],
                      trial % 4, random_below(&seed, 3), trial % 3 == 0, 0, trial % 5 == 4 ? DPQ_LARGEST : DPQ_NEAREST,
                      message, message_bytes))
            return 1;
    }
    const dpq_layout huge = {.dimension = 4, .groups = 2, .codes = 65536};
    return check_one(&seed, &huge, 70, DPQ_F32, 0, 0, 0, DPQ_NEAREST, message, message_bytes);
}

/* Equal codewords, and rows exactly between two: the lowest code wins, in both modes. */
static int check_ties_of(size_t code_count, size_t width, char *message, size_t message_bytes) {
    enum { MOST = 300, WIDEST = 6 };
    const dpq_layout layout = {.dimension = width, .groups = 1, .codes = code_count};
    float codebook[MOST * WIDEST], rows[80 * WIDEST];
    for (size_t k = 0; k < code_count; k++)
        for (size_t c = 0; c < width; c++) codebook[k * width + c] = c == 0 ? (float)(k / 2 % 9) : 0;
    for (size_t i = 0; i < 80; i++)
        for (size_t c = 0; c < width; c++) rows[i * width + c] = c == 0 ? (float)(i % 18) / 2 : 1;
    const dpq_rows view = {rows, DPQ_F32, 80, width, width, NULL};
    prepared p = prepare(&layout, codebook, DPQ_NEAREST, 1);
    for (int mode = DPQ_ASSIGN_FAST; mode <= DPQ_ASSIGN_EXACT; mode++) {
        uint16_t codes[80];
        if (dpq_assign(p.assigner, &view, mode, 1, p.workspace, p.workspace_bytes, codes, 1)) REQUIRE(0, "call failed");
        for (size_t i = 0; i < 80; i++) {
            const size_t value = i % 18 / 2, want = (value > 8 ? 8 : value) * 2;
            /* Centring rounds, so only the exact mode is held to ties between unequal codewords. */
            if (mode == DPQ_ASSIGN_FAST && i % 18 % 2) continue;
            const size_t code = code_at(codes, code_count, i);
            REQUIRE(code == want, "mode %d, row %zu, %zu codes: code %zu, not %zu", mode, i, code_count, code, want);
        }
    }
    release(&p);
    return 0;
}

int check_ties(char *message, size_t message_bytes) {
    static const size_t code_counts[] = {37, 72, 150, 300};
    for (size_t i = 0; i < sizeof code_counts / sizeof *code_counts; i++)
        for (size_t width = 3; width <= 6; width += 3)
            if (check_ties_of(code_counts[i], width, message, message_bytes)) return 1;
    return 0;
}

int check_far_from_origin(char *message, size_t message_bytes) {
    uint64_t seed = 3;
    const dpq_layout layout = {.dimension = 24, .groups = 6, .codes = 64};
    for (int power = 0; power < 4; power++)
        if (check_one(&seed, &layout, 200, DPQ_F32, 0, 0, powf(30, (float)power), DPQ_NEAREST, message, message_bytes))
            return 1;
    return 0;
}

/* Whatever the rows hold, codes stay in range and neighbours are not disturbed. */
static int check_non_finite_rows_of(size_t code_count, size_t dimension, char *message, size_t message_bytes) {
    uint64_t seed = 4;
    const dpq_layout layout = {.dimension = dimension, .groups = 2, .codes = code_count};
    const size_t row_bytes = dimension * sizeof(float);
    float *codebook = make_codebook(&seed, &layout, 0);
    table t = make_table(&seed, 70, dimension, DPQ_F32, 0, 0, 0);
    char *row = t.memory + 1 + 33 * row_bytes;
    uint8_t clean[140], dirty[140];
    for (int mode = DPQ_ASSIGN_FAST; mode <= DPQ_ASSIGN_EXACT; mode++) {
        prepared p = prepare(&layout, codebook, DPQ_NEAREST, 1);
        const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f};
        if (dpq_assign(p.assigner, &t.rows, mode, 1, p.workspace, p.workspace_bytes, clean, 2))
            REQUIRE(0, "call failed");
        float saved[12];
        memcpy(saved, row, row_bytes);
        for (size_t i = 0; i < 4; i++) {
            memcpy(row + 4, &odd[i], 4);
            if (dpq_assign(p.assigner, &t.rows, mode, 1, p.workspace, p.workspace_bytes, dirty, 2))
                REQUIRE(0, "call failed");
            for (size_t j = 0; j < 140; j++) {
                if (j == 66) REQUIRE(dirty[j] < code_count, "code %d of %zu", dirty[j], code_count);
                if (j != 66) REQUIRE(dirty[j] == clean[j], "a bad value changed the code of another row or group");
            }
        }
        memcpy(row, saved, row_bytes);
        release(&p);
    }
    free_table(&t);
    free(codebook);
    return 0;
}

int check_non_finite_rows(char *message, size_t message_bytes) {
    return check_non_finite_rows_of(19, 6, message, message_bytes) ||
           check_non_finite_rows_of(131, 6, message, message_bytes) ||
           check_non_finite_rows_of(131, 12, message, message_bytes);
}

/* A table whose element offsets pass 2^31: mostly pages of zeros that cost no memory. */
int check_large_table(char *message, size_t message_bytes) {
    const size_t dimension = 1024, count = ((size_t)1 << 21) + 5;
    const dpq_layout layout = {.dimension = dimension, .groups = 1, .codes = 3};
    /* Address-space limits (sanitizers, small machines) are no failure of the kernels. */
    char *data =
        mmap(NULL, count * dimension * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return 0;
    uint16_t *last = (uint16_t *)(void *)data + (count - 1) * dimension;
    for (size_t c = 0; c < dimension; c++) last[c] = 0x3f80; /* 1.0 in bf16 */
    float *codebook = malloc(3 * dimension * sizeof *codebook);
    for (size_t c = 0; c < dimension; c++) {
        codebook[c] = -1;
        codebook[dimension + c] = 0.25f;
        codebook[2 * dimension + c] = 1;
    }
    /* The rows between are skipped by a view of two rows with a stride as long as the table. */
    const dpq_rows ends = {data, DPQ_BF16, 2, dimension, (count - 1) * dimension, NULL};
    const dpq_rows tail = {data, DPQ_BF16, count, dimension, dimension, NULL};
    uint8_t codes[2];
    float row[2];
    prepared p = prepare(&layout, codebook, DPQ_NEAREST, 2);
    if (dpq_assign(p.assigner, &ends, DPQ_ASSIGN_EXACT, 2, p.workspace, p.workspace_bytes, codes, 1))
        REQUIRE(0, "call failed");
    REQUIRE(codes[0] == 1 && codes[1] == 2, "codes %d and %d, not 1 and 2", codes[0], codes[1]);
    float *read = malloc(dimension * sizeof *read);
    if (dpq_rows_read(&tail, count - 1, 1, read, dimension, 1)) REQUIRE(0, "call failed");
    row[0] = read[0], row[1] = read[dimension - 1];
    REQUIRE(row[0] == 1 && row[1] == 1, "the last row reads %g … %g", (double)row[0], (double)row[1]);
    free(read);
    free(codebook);
    release(&p);
    munmap(data, count * dimension * 2);
    return 0;
}

int check_sweep(char *message, size_t message_bytes) {
    uint64_t seed = 6;
    for (int trial = 0; trial < 40; trial++) {
        dpq_layout layout = {.groups = 1 + random_below(&seed, 12), .codes = 2 + random_below(&seed, 20)};
        layout.shared = trial % 3 == 2;
        const size_t widest = 1 + random_below(&seed, 5), count = 1 + random_below(&seed, 900);
        layout.dimension = layout.groups * widest - (trial % 2 ? random_below(&seed, widest) : 0);
        if (dpq_layout_check(&layout) != DPQ_OK) continue;
        const size_t width = dpq_layout_width(&layout);
        table t = make_table(&seed, count, layout.dimension, trial % 4, 1, trial % 5 == 0, 0);
        float *codebook = make_codebook(&seed, &layout, 0), *weights = malloc(count * sizeof *weights);
        for (size_t i = 0; i < count; i++) weights[i] = (float)random_below(&seed, 4);
        const float *given = trial % 2 ? weights : NULL;
        const size_t codebooks = layout.shared ? 1 : layout.groups, cells = codebooks * layout.codes;
        const size_t total = cells * (width + 2);
        double *sums[4];
        for (int threads = 1; threads <= 3; threads++) {
            prepared p = prepare(&layout, codebook, DPQ_NEAREST, threads);
            const size_t bytes = dpq_sweep_workspace_bytes(p.assigner, count, threads);
            void *workspace = aligned(bytes);
            double *out = sums[threads] = malloc(total * sizeof *out);
            const dpq_status status = dpq_sweep(p.assigner, &t.rows, given, threads, workspace, bytes, out,
                                                out + cells * width, out + cells * (width + 1));
            REQUIRE(status == DPQ_OK, "sweep: status %d", status);
            REQUIRE(memcmp(out, sums[1], total * sizeof *out) == 0, "%d threads give other bytes", threads);
            free(workspace);
            release(&p);
        }
        /* Against float64, with the codes of the fast mode: near ties may fall either way. */
        double *want = calloc(total, sizeof *want);
        prepared p = prepare(&layout, codebook, DPQ_NEAREST, 1);
        uint8_t *codes = malloc(count * layout.groups);
        if (dpq_assign(p.assigner, &t.rows, DPQ_ASSIGN_FAST, 1, p.workspace, p.workspace_bytes, codes, layout.groups))
            REQUIRE(0, "call failed");
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < layout.groups; j++) {
                const double weight = given ? given[i] : 1;
                const size_t code = codes[i * layout.groups + j];
                const size_t cell = (layout.shared ? 0 : j) * layout.codes + code;
                for (size_t c = 0; c < width; c++) {
                    const size_t column = j * width + c;
                    /* Coordinates beyond the dimension keep a shared codeword where it is. */
                    const double x = column < layout.dimension ? t.values[i * layout.dimension + column]
                                     : layout.shared           ? codebook[cell * width + c]
                                                               : 0;
                    want[cell * width + c] += weight * x;
                }
                want[cells * width + cell] += weight;
                want[cells * (width + 1) + cell] += weight * distance(&t, &layout, codebook, i, j, code, DPQ_NEAREST);
            }
        for (size_t i = 0; i < total; i++) {
            const double scale = i < cells * width ? want[cells * width + i / width] : i < cells * (width + 1) ? 0 : 1;
            REQUIRE(fabs(sums[1][i] - want[i]) <= 1e-5 * (fabs(want[i]) + scale), "cell %zu of %zu: %g, not %g", i,
                    total, sums[1][i], want[i]);
        }
        release(&p);
        free(codes);
        free(want);
        for (int threads = 1; threads <= 3; threads++) free(sums[threads]);
        free(weights);
        free(codebook);
        free_table(&t);
    }
    return 0;
}
