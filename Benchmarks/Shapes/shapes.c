/* Looks for shapes at which assignment falls off a cliff: those slower than 60 % of their well-shaped neighbour.
 *
 *   shapes [LEVEL]    codes a group from 2 to 1024 and values a codeword from 1 to 40, both odd and even, then row counts
 *
 * The well-shaped neighbour of s values and K codes has the nearest multiple of 4 (or 1, 2) values and K rounded up to
 * the 4 codes that are scored together; rates count those K too. Row counts are compared with the next multiple of 16:
 * a part of a tile must not cost more than the whole. One thread, the processor's time, the best of rounds that go over
 * all shapes in turn. Benchmarks/Shapes/run builds this. */
#define _GNU_SOURCE
#include "dpq_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_WIDTH = 40, MOST_CODES = 1024, ROUNDS = 7 };
static const size_t CODES[] = {2,   3,   4,   5,   7,   8,    9,  12,  15,  16,  17,  20,  24,
                               31,  32,  33,  48,  63,  64,   65, 100, 127, 128, 129, 192, 255,
                               256, 257, 511, 512, 513, 1000, 36, 68,  132, 260, 516, 1024};
static const size_t ROWS[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 127, 128};
static const double LEAST = 0.6;
#define COUNT(a) (sizeof(a) / sizeof *(a))

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *memory(size_t bytes) {
    void *p = aligned_alloc(DPQ_ALIGNMENT, (bytes + DPQ_ALIGNMENT) / DPQ_ALIGNMENT * DPQ_ALIGNMENT);
    if (!p) exit(1);
    memset(p, 0, bytes);
    return p;
}

static void fill(float *values, size_t count) {
    static uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        values[i] = (float)(state >> 40) * 0x1p-23f - 1;
    }
}

/* Seconds of one run over `rows` rows, the best of a few of at least half a millisecond. */
static double seconds(size_t groups, size_t width, size_t codes, size_t rows) {
    const dpq_layout layout = {.dimension = groups * width, .groups = groups, .codes = codes};
    const dpq_assigner *assigner;
    float *values = memory(rows * layout.dimension * sizeof(float));
    float *codebook = memory(dpq_layout_codebook_count(&layout) * sizeof(float));
    fill(values, rows * layout.dimension);
    fill(codebook, dpq_layout_codebook_count(&layout));
    void *prepared = memory(dpq_assigner_bytes(&layout));
    if (dpq_assigner_init(&layout, codebook, DPQ_NEAREST, prepared, dpq_assigner_bytes(&layout), &assigner)) exit(1);
    const size_t bytes = dpq_assign_workspace_bytes(assigner, 1);
    void *workspace = memory(bytes), *out = memory(rows * groups * dpq_code_bytes(codes));
    const dpq_rows view = {values, DPQ_F32, rows, layout.dimension, layout.dimension, NULL};
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        long runs = 0;
        const double start = now();
        double spent;
        do {
            if (dpq_assign(assigner, &view, DPQ_ASSIGN_FAST, 1, workspace, bytes, out, groups)) exit(1);
            runs++;
            spent = now() - start;
        } while (spent < 5e-4);
        if (spent / (double)runs < best) best = spent / (double)runs;
    }
    free(values), free(codebook), free(prepared), free(workspace), free(out);
    return best;
}

static size_t rounded(size_t value, size_t to) { return (value + to - 1) / to * to; }

static size_t nice_width(size_t width) { return width < 3 ? width : width < 6 ? 4 : (width + 2) / 4 * 4; }

static size_t groups_of(size_t width) { return width < 64 ? 64 / width : 1; }

static double best[MOST_WIDTH + 1][MOST_CODES + 1], best_rows[3][129];

/* GFLOP/s, counting codes as rounded. */
static double rate(size_t width, size_t codes) {
    return 2e-9 * 512 * (double)(groups_of(width) * width * rounded(codes, 4)) / best[width][codes];
}

int main(int count, char **arguments) {
    if (count > 1 && dpq_isa_select(arguments[1]) != DPQ_OK) {
        fprintf(stderr, "no level %s on this machine\n", arguments[1]);
        return 64;
    }
    static const size_t shapes[3][3] = {{50, 6, 256}, {128, 4, 16}, {43, 7, 17}};
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t width = 1; width <= MOST_WIDTH; width++)
            for (size_t k = 0; k < COUNT(CODES); k++) {
                double *place = &best[width][CODES[k]];
                const double spent = seconds(groups_of(width), width, CODES[k], 512);
                if (round == 0 || spent < *place) *place = spent;
            }
        for (size_t s = 0; s < 3; s++)
            for (size_t i = 0; i < COUNT(ROWS); i++) {
                double *place = &best_rows[s][ROWS[i]];
                const double spent = seconds(shapes[s][0], shapes[s][1], shapes[s][2], ROWS[i]);
                if (round == 0 || spent < *place) *place = spent;
            }
    }
    size_t below = 0, all = 0;
    double worst = 10;
    for (size_t width = 1; width <= MOST_WIDTH; width++)
        for (size_t k = 0; k < COUNT(CODES); k++) {
            const double here = rate(width, CODES[k]);
            const double share = here / rate(nice_width(width), rounded(CODES[k], 4));
            all++;
            if (share < worst) worst = share;
            if (share >= LEAST) continue;
            below++;
            printf("%2zu values, %4zu codes: %6.1f GFLOP/s, %.0f %% of %zu values, %zu codes\n", width, CODES[k], here,
                   100 * share, nice_width(width), rounded(CODES[k], 4));
        }
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < COUNT(ROWS); i++) {
            const double share = best_rows[s][rounded(ROWS[i], 16)] / best_rows[s][ROWS[i]];
            all++;
            if (share < worst) worst = share;
            if (share >= LEAST) continue;
            below++;
            printf("%zu rows of %zu x %zu: %.2f times the time of %zu rows\n", ROWS[i], shapes[s][0], shapes[s][2],
                   1 / share, rounded(ROWS[i], 16));
        }
    printf("%s: %zu of %zu shapes below %.0f %% of their neighbour; the worst at %.0f %%\n", dpq_isa_name(), below, all,
           100 * LEAST, 100 * worst);
    for (size_t width = 1; width <= 8; width++) {
        printf("%zu values:", width);
        for (size_t codes = 4; codes <= MOST_CODES; codes *= 4)
            printf("  K %zu: %.0f GFLOP/s", codes, rate(width, codes));
        printf("\n");
    }
    return below != 0;
}
