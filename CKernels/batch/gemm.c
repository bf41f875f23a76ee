/* Every BLAS call of the project. OpenBLAS has threads of its own, and its results change with their number; so
 * products are cut into tiles that depend on the shape alone, each one call on one of our threads. */
#include "batch/parallel.h"
#include "dpq_kernels.h"

#include <cblas.h>

/* Rows of `a` a tile covers: with 512 columns of `b` a tile of the result stays in the second-level cache. */
#define TILE_ROWS 256
#define TILE_COLUMNS 512

void dpq_blas_single_thread(void) { openblas_set_num_threads(1); }

typedef struct multiply_task {
    size_t m, n, k;
    const float *a, *b;
    float *c;
    size_t lda, ldb, ldc;
} multiply_task;

static void multiply_tiles(void *context, size_t begin, size_t end, int worker) {
    const multiply_task *task = context;
    const size_t across = (task->n + TILE_COLUMNS - 1) / TILE_COLUMNS;
    (void)worker;
    for (size_t tile = begin; tile < end; tile++) {
        const size_t i = tile / across * TILE_ROWS, j = tile % across * TILE_COLUMNS;
        const size_t rows = task->m - i < TILE_ROWS ? task->m - i : TILE_ROWS;
        const size_t columns = task->n - j < TILE_COLUMNS ? task->n - j : TILE_COLUMNS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)columns, (blasint)task->k, 1,
                    task->a + i * task->lda, (blasint)task->lda, task->b + j * task->ldb, (blasint)task->ldb, 0,
                    task->c + i * task->ldc + j, (blasint)task->ldc);
    }
}

dpq_status dpq_matrix_multiply(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                               float *c, size_t ldc, int threads) {
    if (!a || !b || !c || lda < k || ldb < k || ldc < n || k == 0 || k > INT32_MAX || lda > INT32_MAX ||
        ldb > INT32_MAX || ldc > INT32_MAX)
        return m && n ? DPQ_ERROR_ARGUMENT : DPQ_OK;
    multiply_task task = {m, n, k, a, b, c, lda, ldb, ldc};
    const size_t tiles = (m + TILE_ROWS - 1) / TILE_ROWS * ((n + TILE_COLUMNS - 1) / TILE_COLUMNS);
    dpqi_parallel(dpqi_workers(threads, (double)m * (double)n * (double)k / 8), tiles, 1, multiply_tiles, &task);
    return DPQ_OK;
}
