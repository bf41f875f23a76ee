/* Apart from the others: these alone need a BLAS. */
#include "support.h"

#ifndef CHECKS_WITHOUT_BLAS
int check_products(char *message, size_t message_bytes) {
    uint64_t seed = 9;
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {300, 600, 17}, {257, 513, 64}, {2, 1030, 300}};
    for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++) {
        const size_t m = sizes[t][0], n = sizes[t][1], k = sizes[t][2], lda = k + 3, ldb = k + 1, ldc = n + 2;
        float *a = malloc(m * lda * 4), *b = malloc(n * ldb * 4), *c[3];
        for (size_t i = 0; i < m * lda; i++) a[i] = random_value(&seed);
        for (size_t i = 0; i < n * ldb; i++) b[i] = random_value(&seed);
        for (int threads = 1; threads <= 2; threads++) {
            c[threads] = malloc(m * ldc * 4);
            memset(c[threads], 0x5a, m * ldc * 4);
            REQUIRE(dpq_matrix_multiply(m, n, k, a, lda, b, ldb, c[threads], ldc, threads) == DPQ_OK, "failed");
        }
        REQUIRE(memcmp(c[1], c[2], m * ldc * 4) == 0, "two threads give other bytes");
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                double want = 0;
                for (size_t l = 0; l < k; l++) want += (double)a[i * lda + l] * (double)b[j * ldb + l];
                REQUIRE(fabs((double)c[1][i * ldc + j] - want) <= 1e-5 * (1 + sqrt((double)k)), "%zu %zu", i, j);
            }
        free(a), free(b), free(c[1]), free(c[2]);
    }
    return 0;
}
#else
typedef int no_products;
#endif
