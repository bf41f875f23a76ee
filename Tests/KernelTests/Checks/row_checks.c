#include "support.h"

int check_rows(char *message, size_t message_bytes) {
    uint64_t seed = 7;
    enum { COUNT = 133, DIMENSION = 37 };
    float *a = malloc(sizeof(float) * COUNT * DIMENSION), *b = malloc(sizeof(float) * COUNT * DIMENSION);
    float *scale = malloc(sizeof(float) * COUNT), *out = malloc(sizeof(float) * COUNT * DIMENSION);
    for (size_t i = 0; i < COUNT * DIMENSION; i++) a[i] = random_value(&seed), b[i] = random_value(&seed);
    for (size_t i = 0; i < COUNT; i++) scale[i] = random_value(&seed);
    const dpq_rows plain = {a, DPQ_F32, COUNT, DIMENSION, DIMENSION, NULL};
    const dpq_rows scaled = {b, DPQ_F32, COUNT, DIMENSION, DIMENSION, scale};
    double results[4][COUNT];
    REQUIRE(dpq_rows_compare(&plain, &scaled, 2, results[0], results[1], results[2], results[3]) == DPQ_OK, "failed");
    REQUIRE(dpq_rows_read(&scaled, 0, COUNT, out, DIMENSION, 3) == DPQ_OK, "failed");
    for (size_t i = 0; i < COUNT; i++) {
        double want[4] = {0};
        for (size_t c = 0; c < DIMENSION; c++) {
            const double x = a[i * DIMENSION + c], y = (double)b[i * DIMENSION + c] * (double)scale[i];
            want[0] += (x - y) * (x - y), want[1] += x * y, want[2] += x * x, want[3] += y * y;
            REQUIRE(fabs((double)out[i * DIMENSION + c] - y) <= 1e-7 * fabs(y), "row %zu column %zu reads %g, not %g",
                    i, c, (double)out[i * DIMENSION + c], y);
        }
        for (int k = 0; k < 4; k++)
            REQUIRE(fabs(results[k][i] - want[k]) <= 1e-12 * (1 + fabs(want[k])), "row %zu, result %d", i, k);
    }
    /* The first bad row is found wherever the bad value stands, by any number of threads. */
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int trial = 0; trial < 200; trial++) {
        size_t row = random_below(&seed, COUNT + 1), found = 0;
        const size_t later = row + random_below(&seed, COUNT + 1 - row);
        const size_t at[2] = {row * DIMENSION + random_below(&seed, DIMENSION),
                              later * DIMENSION + random_below(&seed, DIMENSION)};
        float saved[2] = {0};
        for (int k = 0; k < 2; k++)
            if (at[k] < COUNT * DIMENSION) saved[k] = a[at[k]];
        for (int k = 0; k < 2; k++)
            if (at[k] < COUNT * DIMENSION) a[at[k]] = bad[trial % 3];
        REQUIRE(dpq_rows_find_non_finite(&plain, 1 + trial % 3, &found) == DPQ_OK, "failed");
        REQUIRE(found == row, "bad value in row %zu, found in %zu", row, found);
        for (int k = 1; k >= 0; k--)
            if (at[k] < COUNT * DIMENSION && at[0] != at[1]) a[at[k]] = saved[k];
        if (at[0] == at[1] && at[0] < COUNT * DIMENSION) a[at[0]] = saved[0];
    }
    free(a), free(b), free(scale), free(out);
    return 0;
}

/* Every half is widened exactly, comes back to itself, and everything between two halves rounds to the nearer one. */
int check_half_floats(char *message, size_t message_bytes) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const uint16_t half = (uint16_t)bits;
        uint16_t back;
        float value;
        dpq_f16_to_f32(&half, 1, &value);
        dpq_f32_to_f16(&value, 1, &back);
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        if (exponent == 31 && fraction) {
            REQUIRE(isnan(value) && (back & 0x7c00) == 0x7c00 && (back & 0x3ff), "NaN %04x", bits);
            continue;
        }
        double want = exponent == 31 ? INFINITY
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
        if (bits >> 15) want = -want;
        REQUIRE((double)value == want, "half %04x widens to %g, not %g", bits, (double)value, want);
        REQUIRE(back == half, "half %04x comes back as %04x", bits, back);
        if ((bits & 0x7fff) >= 0x7bff) continue;
        const uint16_t next_half = (uint16_t)(half + 1);
        float next;
        dpq_f16_to_f32(&next_half, 1, &next);
        const float middle = value + (next - value) / 2, below = nextafterf(middle, value),
                    above = nextafterf(middle, next);
        uint16_t rounded[3];
        const float between[3] = {below, middle, above};
        dpq_f32_to_f16(between, 3, rounded);
        REQUIRE(rounded[0] == half && rounded[2] == next_half && rounded[1] == (half & 1 ? next_half : half),
                "rounding above half %04x", bits);
    }
    const float large[3] = {65519.99f, 65520.0f, 1e30f};
    uint16_t out[3];
    dpq_f32_to_f16(large, 3, out);
    REQUIRE(out[0] == 0x7bff && out[1] == 0x7c00 && out[2] == 0x7c00, "overflow");
    return 0;
}

/* Packing against one bit at a time; unpacking clamps what no encoder writes. */
int check_codes(char *message, size_t message_bytes) {
    uint64_t seed = 10;
    static const size_t large[] = {63, 64, 65, 255, 256, 257, 511, 512, 1000, 4095, 4096, 4097, 32769, 65535, 65536};
    const size_t large_count = sizeof large / sizeof *large;
    for (size_t trial = 2; trial < 40 + large_count; trial++) {
        const size_t codes = trial < 40 ? trial : large[trial - 40];
        dpq_layout layout = {.groups = 1 + random_below(&seed, 70), .codes = codes};
        layout.dimension = layout.groups * (1 + random_below(&seed, 3));
        const size_t rows = 1 + random_below(&seed, 100), bytes = dpq_code_bytes(codes);
        const size_t bits = dpq_layout_bits(&layout), row_bytes = dpq_layout_row_bytes(&layout);
        char *plain = malloc(rows * layout.groups * bytes), *back = malloc(rows * layout.groups * bytes);
        uint8_t *packed = malloc(rows * row_bytes), *want = calloc(rows, row_bytes);
        for (size_t i = 0; i < rows * layout.groups; i++) {
            const size_t code = random_below(&seed, codes), bit = i % layout.groups * bits;
            if (bytes == 1) ((uint8_t *)plain)[i] = (uint8_t)code;
            if (bytes == 2) ((uint16_t *)(void *)plain)[i] = (uint16_t)code;
            for (size_t k = 0; k < bits; k++)
                want[i / layout.groups * row_bytes + (bit + k) / 8] |= (uint8_t)((code >> k & 1) << (bit + k) % 8);
        }
        REQUIRE(dpq_codes_pack(&layout, plain, rows, 2, packed) == DPQ_OK, "pack failed");
        REQUIRE(memcmp(packed, want, rows * row_bytes) == 0, "%zu codes pack to other bits", codes);
        REQUIRE(dpq_codes_unpack(&layout, packed, rows, 2, back) == DPQ_OK, "unpack failed");
        REQUIRE(memcmp(plain, back, rows * layout.groups * bytes) == 0, "%zu codes do not come back", codes);

        memset(packed, 0xff, rows * row_bytes);
        REQUIRE(dpq_codes_unpack(&layout, packed, rows, 1, back) == DPQ_OK, "unpack failed");
        for (size_t i = 0; i < rows * layout.groups; i++) {
            const size_t code = bytes == 1 ? ((uint8_t *)back)[i] : ((uint16_t *)(void *)back)[i];
            REQUIRE(code == codes - 1, "a code beyond %zu unpacks as %zu", codes, code);
        }
        free(plain), free(back), free(packed), free(want);
    }
    return 0;
}

int check_arguments(char *message, size_t message_bytes) {
    const dpq_layout bad[] = {{0, 1, 2, 0}, {4, 0, 2, 0}, {4, 5, 2, 0}, {10, 8, 2, 0}, {4, 2, 1, 0}, {4, 2, 65537, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REQUIRE(dpq_layout_check(&bad[i]) == DPQ_ERROR_ARGUMENT && dpq_assigner_bytes(&bad[i]) == 0, "layout %zu", i);
    REQUIRE(dpq_layout_check(NULL) == DPQ_ERROR_ARGUMENT, "NULL layout");
    const dpq_layout layout = {4, 2, 16, 0};
    REQUIRE(dpq_layout_check(&layout) == DPQ_OK, "good layout");
    REQUIRE(dpq_isa_select("sse9") == DPQ_ERROR_ARGUMENT, "isa");
    float codebook[64] = {0}, row[4] = {0};
    uint8_t codes[2];
    const size_t bytes = dpq_assigner_bytes(&layout);
    char *memory = aligned(bytes);
    const dpq_assigner *assigner = NULL;
    REQUIRE(dpq_assigner_init(&layout, codebook, DPQ_NEAREST, memory, bytes - 1, &assigner) == DPQ_ERROR_MEMORY,
            "size");
    REQUIRE(dpq_assigner_init(&layout, codebook, 7, memory, bytes, &assigner) == DPQ_ERROR_ARGUMENT, "similarity");
    REQUIRE(dpq_assigner_init(&layout, codebook, DPQ_NEAREST, memory, bytes, &assigner) == DPQ_OK, "init");
    const size_t need = dpq_assign_workspace_bytes(assigner, 1);
    char *workspace = aligned(need);
    const dpq_rows rows = {row, DPQ_F32, 1, 4, 4, NULL}, narrow = {row, DPQ_F32, 1, 3, 3, NULL},
                   overlapping = {row, DPQ_F32, 1, 4, 3, NULL}, unknown = {row, 9, 1, 4, 4, NULL};
    REQUIRE(dpq_assign(assigner, &rows, 0, 1, workspace, need - 1, codes, 2) == DPQ_ERROR_MEMORY, "workspace");
    REQUIRE(dpq_assign(assigner, &rows, 2, 1, workspace, need, codes, 2) == DPQ_ERROR_ARGUMENT, "mode");
    REQUIRE(dpq_assign(assigner, &rows, 0, 1, workspace, need, codes, 1) == DPQ_ERROR_ARGUMENT, "code stride");
    REQUIRE(dpq_assign(assigner, &narrow, 0, 1, workspace, need, codes, 2) == DPQ_ERROR_ARGUMENT, "dimension");
    REQUIRE(dpq_assign(assigner, &overlapping, 0, 1, workspace, need, codes, 2) == DPQ_ERROR_ARGUMENT, "stride");
    REQUIRE(dpq_assign(assigner, &unknown, 0, 1, workspace, need, codes, 2) == DPQ_ERROR_ARGUMENT, "type");
    REQUIRE(dpq_assign(assigner, &rows, 0, 1, workspace, need, codes, 2) == DPQ_OK, "good call");
    free(memory);
    free(workspace);
    return 0;
}

int check_combination(char *message, size_t message_bytes) {
    uint64_t seed = 21;
    enum { ROWS = 50, COUNT = 40 };
    static const size_t widths[] = {1, 7, 16, 64, 127, 128, 129, 300};
    for (size_t t = 0; t < sizeof widths / sizeof *widths; t++) {
        const size_t columns = widths[t];
        float *rows = malloc(ROWS * columns * 4), *out[3];
        for (size_t i = 0; i < ROWS * columns; i++) rows[i] = random_value(&seed);
        int64_t offsets[COUNT + 1] = {3};
        for (size_t i = 0; i < COUNT; i++) offsets[i + 1] = offsets[i] + (int64_t)random_below(&seed, 9);
        const size_t entries = (size_t)offsets[COUNT];
        int32_t *ids = malloc((entries + 1) * 4);
        float *weights = malloc((entries + 1) * 4);
        for (size_t e = 0; e < entries; e++) {
            ids[e] = (int32_t)random_below(&seed, ROWS);
            weights[e] = random_value(&seed);
        }
        for (int threads = 1; threads <= 2; threads++) {
            out[threads] = malloc(COUNT * columns * 4);
            memset(out[threads], 0x5a, COUNT * columns * 4);
            REQUIRE(dpq_combine_rows(rows, ROWS, columns, offsets, ids, weights, COUNT, threads, out[threads]) ==
                        DPQ_OK,
                    "failed");
        }
        REQUIRE(memcmp(out[1], out[2], COUNT * columns * 4) == 0, "two threads give other bytes");
        for (size_t i = 0; i < COUNT; i++)
            for (size_t c = 0; c < columns; c++) {
                double want = 0;
                for (int64_t e = offsets[i]; e < offsets[i + 1]; e++)
                    want += (double)weights[e] * (double)rows[(size_t)ids[e] * columns + c];
                REQUIRE(fabs((double)out[1][i * columns + c] - want) <= 1e-5, "width %zu: row %zu, %zu", columns, i, c);
            }
        ids[entries - 1] = ROWS;
        REQUIRE(dpq_combine_rows(rows, ROWS, columns, offsets, ids, weights, COUNT, 1, out[1]) == DPQ_ERROR_ARGUMENT,
                "an id outside the rows was accepted");
        free(rows), free(ids), free(weights), free(out[1]), free(out[2]);
    }
    return 0;
}
