/* Apart from the others: these alone need a BLAS. */
#include "support.h"

#ifndef CHECKS_WITHOUT_BLAS
/* Both transpositions, accumulation and bias, against float64. */
static int check_product(uint64_t *seed, dpq_product p, int with_bias, char *message, size_t message_bytes) {
    p.lda = (p.transpose_a ? p.m : p.k) + 3;
    p.ldb = (p.transpose_b ? p.k : p.n) + 1;
    p.ldc = p.n + 2;
    const size_t a_count = (p.transpose_a ? p.k : p.m) * p.lda, b_count = (p.transpose_b ? p.n : p.k) * p.ldb;
    float *a = malloc(a_count * 4), *b = malloc(b_count * 4), *bias = malloc(p.n * 4), *start = malloc(p.m * p.ldc * 4);
    float *c[3];
    for (size_t i = 0; i < a_count; i++) a[i] = random_value(seed);
    for (size_t i = 0; i < b_count; i++) b[i] = random_value(seed);
    for (size_t i = 0; i < p.n; i++) bias[i] = random_value(seed);
    for (size_t i = 0; i < p.m * p.ldc; i++) start[i] = random_value(seed);
    for (int threads = 1; threads <= 2; threads++) {
        c[threads] = malloc(p.m * p.ldc * 4);
        memcpy(c[threads], start, p.m * p.ldc * 4);
        REQUIRE(dpq_matrix_multiply(&p, a, b, with_bias ? bias : NULL, c[threads], threads) == DPQ_OK, "failed");
    }
    REQUIRE(memcmp(c[1], c[2], p.m * p.ldc * 4) == 0, "two threads give other bytes");
    for (size_t i = 0; i < p.m; i++) {
        for (size_t j = 0; j < p.n; j++) {
            double want = with_bias ? (double)bias[j] : p.accumulate ? (double)start[i * p.ldc + j] : 0;
            for (size_t l = 0; l < p.k; l++)
                want += (double)a[p.transpose_a ? l * p.lda + i : i * p.lda + l] *
                        (double)b[p.transpose_b ? j * p.ldb + l : l * p.ldb + j];
            REQUIRE(fabs((double)c[1][i * p.ldc + j] - want) <= 1e-5 * (1 + sqrt((double)p.k)), "%zu %zu", i, j);
        }
        REQUIRE(c[1][i * p.ldc + p.n] == start[i * p.ldc + p.n], "the gap behind row %zu was written", i);
    }
    free(a), free(b), free(bias), free(start), free(c[1]), free(c[2]);
    return 0;
}

int check_products(char *message, size_t message_bytes) {
    uint64_t seed = 9;
    static const size_t sizes[][3] = {{1, 1, 1},      {3, 5, 7},      {300, 600, 17},
                                      {257, 513, 64}, {2, 1030, 300}, {530, 4100, 5}};
    for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++)
        for (int form = 0; form < 16; form++) {
            const dpq_product p = {.m = sizes[t][0],
                                   .n = sizes[t][1],
                                   .k = sizes[t][2],
                                   .transpose_a = form & 1,
                                   .transpose_b = form >> 1 & 1,
                                   .accumulate = form >> 2 & 1};
            if (check_product(&seed, p, form >> 3 & 1, message, message_bytes)) return 1;
        }
    return 0;
}
#else
typedef int no_products;
#endif
