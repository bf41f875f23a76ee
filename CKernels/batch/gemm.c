/* Every BLAS call of the project. OpenBLAS has threads of its own, and its results change with their number; so
 * products are cut into tiles that depend on the shape alone, each one call on one of our threads. */
#define _POSIX_C_SOURCE 200809L /* setenv */

#include "batch/parallel.h"
#include "dpq_kernels.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

/* Most rows and columns of a tile: as much of the result as stays in the second-level cache. Taller tiles copy `b` less
 * often (a tenth faster), where that leaves enough of them to share. */
#define TILE_ROWS 256
#define TALL_TILE_ROWS 512
#define TILE_COLUMNS 512
#define ENOUGH_TILES 8

/* Not in cblas.h; the last two are missing where OpenBLAS was built for one processor. */
char *openblas_get_corename(void);
void gotoblas_dynamic_quit(void) __attribute__((weak));
void gotoblas_dynamic_init(void) __attribute__((weak));

/* A processor younger than the library is taken for one of 2004 and gets its kernels, at a fifth of the speed. */
static void choose_kernels(void) {
    if (strcmp(openblas_get_corename(), "Prescott") != 0 || !gotoblas_dynamic_quit || !gotoblas_dynamic_init) return;
    const char *level = dpq_isa_available()[0];
    const char *core = strncmp(level, "avx512", 6) == 0 ? "SkylakeX" : strcmp(level, "avx2") == 0 ? "Haswell" : NULL;
    if (!core || setenv("OPENBLAS_CORETYPE", core, 0) != 0) return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
}

void dpq_blas_prepare(void) {
    choose_kernels();
    openblas_set_num_threads(1);
}

typedef struct multiply_task {
    dpq_product product;
    size_t tile_rows, tile_columns;
    const float *a, *b, *bias;
    float *c;
} multiply_task;

static void multiply_tiles(void *context, size_t begin, size_t end, int worker) {
    const multiply_task *task = context;
    const dpq_product *p = &task->product;
    const size_t across = (p->n + task->tile_columns - 1) / task->tile_columns;
    (void)worker;
    for (size_t tile = begin; tile < end; tile++) {
        const size_t i = tile / across * task->tile_rows, j = tile % across * task->tile_columns;
        const size_t rows = p->m - i < task->tile_rows ? p->m - i : task->tile_rows;
        const size_t columns = p->n - j < task->tile_columns ? p->n - j : task->tile_columns;
        float *c = task->c + i * p->ldc + j;
        if (task->bias)
            for (size_t r = 0; r < rows; r++) memcpy(c + r * p->ldc, task->bias + j, columns * sizeof *c);
        cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                    p->transpose_b ? CblasTrans : CblasNoTrans, (blasint)rows, (blasint)columns, (blasint)p->k, 1,
                    task->a + (p->transpose_a ? i : i * p->lda), (blasint)p->lda,
                    task->b + (p->transpose_b ? j * p->ldb : j), (blasint)p->ldb, task->bias || p->accumulate ? 1 : 0,
                    c, (blasint)p->ldc);
    }
}

/* Tiles of equal size, none larger than `most`. */
static size_t tile_size(size_t count, size_t most) {
    const size_t tiles = (count + most - 1) / most;
    return ((count + tiles - 1) / tiles + 15) / 16 * 16;
}

dpq_status dpq_matrix_multiply(const dpq_product *product, const float *a, const float *b, const float *bias, float *c,
                               int threads) {
    if (!product) return DPQ_ERROR_ARGUMENT;
    const dpq_product p = *product;
    if (p.m == 0 || p.n == 0) return DPQ_OK;
    if (!a || !b || !c || p.k == 0 || p.k > INT32_MAX || p.lda > INT32_MAX || p.ldb > INT32_MAX || p.ldc > INT32_MAX ||
        p.lda < (p.transpose_a ? p.m : p.k) || p.ldb < (p.transpose_b ? p.k : p.n) || p.ldc < p.n)
        return DPQ_ERROR_ARGUMENT;
    const size_t columns = tile_size(p.n, TILE_COLUMNS), across = (p.n + columns - 1) / columns;
    const size_t rows = tile_size(p.m, across >= ENOUGH_TILES ? TALL_TILE_ROWS : TILE_ROWS);
    const size_t down = (p.m + rows - 1) / rows;
    multiply_task task = {p, rows, columns, a, b, bias, c};
    dpqi_parallel(dpqi_workers(threads, (double)p.m * (double)p.n * (double)p.k / 8), down * across, 1, multiply_tiles,
                  &task);
    return DPQ_OK;
}
