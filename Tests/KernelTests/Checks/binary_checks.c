#include "support.h"

/* Squared length of x - m - sum_j h_j basis[j], and its product with each basis vector, in float64. */
static double residual(size_t bits, size_t dimension, const float *basis, const float *target, const float *halves,
                       double *rest, double *products) {
    double sum = 0;
    for (size_t c = 0; c < dimension; c++) {
        rest[c] = (double)target[c];
        for (size_t j = 0; j < bits; j++) rest[c] -= (double)halves[j] * (double)basis[j * dimension + c];
        sum += rest[c] * rest[c];
    }
    for (size_t j = 0; j < bits; j++) {
        products[j] = 0;
        for (size_t c = 0; c < dimension; c++) products[j] += rest[c] * (double)basis[j * dimension + c];
    }
    return sum;
}

/* Bits of `rows` rows from their start to packed bytes and back. */
static int check_bits(size_t bits, size_t dimension, size_t rows, uint64_t seed, char *message, size_t message_bytes) {
    const size_t stride = bits + 2, row_bytes = (bits + 7) / 8;
    float *basis = malloc(bits * dimension * 4), *targets = malloc(rows * dimension * 4);
    float *gram = malloc(bits * bits * 4), *diagonal = malloc(bits * 4), *start = malloc(rows * bits * 4);
    float *correlations[2], *halves[2], *first = malloc(rows * stride * 4), *again[2];
    uint8_t *packed[2];
    double *rest = malloc(dimension * sizeof *rest), *products = malloc(bits * sizeof *products);
    for (size_t i = 0; i < bits * dimension; i++) basis[i] = random_value(&seed);
    for (size_t i = 0; i < rows * dimension; i++) targets[i] = 2 * random_value(&seed);
    for (size_t i = 0; i < bits; i++) {
        for (size_t j = 0; j < bits; j++) {
            double sum = 0;
            for (size_t c = 0; c < dimension; c++)
                sum += (double)basis[i * dimension + c] * (double)basis[j * dimension + c];
            gram[i * bits + j] = (float)sum;
        }
        diagonal[i] = gram[i * bits + i];
    }
    const float *nothing = calloc(bits, sizeof *nothing);
    for (size_t r = 0; r < rows; r++) {
        residual(bits, dimension, basis, targets + r * dimension, nothing, rest, products);
        for (size_t j = 0; j < bits; j++) start[r * bits + j] = (float)products[j];
    }
    for (size_t i = 0; i < rows * stride; i++) first[i] = 9;
    dpq_bits_start(rows, bits, start, first, stride);

    for (int k = 0; k < 2; k++) {
        correlations[k] = malloc(rows * bits * 4);
        halves[k] = malloc(rows * stride * 4);
        packed[k] = malloc(rows * row_bytes);
        again[k] = malloc(rows * stride * 4);
        memcpy(halves[k], first, rows * stride * 4);
        for (size_t r = 0; r < rows; r++) {
            residual(bits, dimension, basis, targets + r * dimension, first + r * stride, rest, products);
            for (size_t j = 0; j < bits; j++) correlations[k][r * bits + j] = (float)products[j];
        }
        REQUIRE(dpq_bits_settle(rows, bits, gram, diagonal, 1000, k + 1, correlations[k], halves[k], stride) == DPQ_OK,
                "settling failed");
        REQUIRE(dpq_bits_pack(rows, bits, halves[k], stride, k + 1, packed[k]) == DPQ_OK, "packing failed");
        memcpy(again[k], first, rows * stride * 4);
        REQUIRE(dpq_bits_unpack(rows, bits, packed[k], k + 1, again[k], stride) == DPQ_OK, "unpacking failed");
        REQUIRE(memcmp(halves[k], again[k], rows * stride * 4) == 0, "bits unpacked differ from those packed");
    }
    REQUIRE(memcmp(halves[0], halves[1], rows * stride * 4) == 0 && memcmp(packed[0], packed[1], rows * row_bytes) == 0,
            "two threads give other bytes");

    for (size_t r = 0; r < rows; r++) {
        const float *target = targets + r * dimension, *h = halves[0] + r * stride, *h0 = first + r * stride;
        for (size_t j = 0; j < bits; j++) {
            REQUIRE(h0[j] == (start[r * bits + j] > 0 ? 0.5f : -0.5f), "row %zu starts bit %zu at %g", r, j,
                    (double)h0[j]);
            REQUIRE(h[j] == 0.5f || h[j] == -0.5f, "row %zu, bit %zu is %g", r, j, (double)h[j]);
            REQUIRE((packed[0][r * row_bytes + j / 8] >> j % 8 & 1) == (h[j] > 0), "row %zu, bit %zu", r, j);
        }
        REQUIRE(h[bits] == 9 && h[bits + 1] == 9, "written behind the bits of row %zu", r);
        const double before = residual(bits, dimension, basis, target, h0, rest, products);
        const double after = residual(bits, dimension, basis, target, h, rest, products);
        REQUIRE(after <= before * (1 + 1e-5), "row %zu: %g became %g", r, before, after);
        for (size_t j = 0; j < bits; j++) {
            const double tolerance = 1e-5 * (double)bits * (1 + (double)diagonal[j]);
            REQUIRE(fabs((double)correlations[0][r * bits + j] - products[j]) <= tolerance,
                    "row %zu: the product with vector %zu is %g, not %g", r, j, (double)correlations[0][r * bits + j],
                    products[j]);
            /* No single flip brings the row nearer. */
            REQUIRE(4 * (double)h[j] * products[j] + (double)diagonal[j] >= -4 * tolerance, "row %zu gains by bit %zu",
                    r, j);
        }
    }
    for (int k = 0; k < 2; k++) free(correlations[k]), free(halves[k]), free(packed[k]), free(again[k]);
    free(basis), free(targets), free(gram), free(diagonal), free(start), free(first), free(rest);
    free(products), free((void *)(uintptr_t)nothing);
    return 0;
}

int check_binary(char *message, size_t message_bytes) {
    static const size_t shapes[][3] = {{1, 1, 3},    {3, 5, 1},    {8, 7, 20},   {15, 33, 70},
                                       {16, 16, 65}, {17, 64, 40}, {37, 50, 30}, {64, 129, 9},
                                       {70, 20, 12}, {131, 40, 7}, {5, 3, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (check_bits(shapes[i][0], shapes[i][1], shapes[i][2], 31 + i, message, message_bytes)) return 1;
    float halves = 0;
    uint8_t packed = 0;
    REQUIRE(dpq_bits_unpack(1, 2, &packed, 1, &halves, 1) == DPQ_ERROR_ARGUMENT, "a stride below the bits");
    return 0;
}
