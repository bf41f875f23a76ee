/* What bounds looking rows up in batches of 1 024: writing rows alone (one codeword again and again), reading codewords
 * alone (one output row again and again), and both. Million rows a second, the best of 9 runs.
 *
 *     cc -O3 -march=native rows_limits.c -o rows_limits && ./rows_limits */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TABLE_ROWS = 400000, IDS = 131072, BATCH = 1024, CODES = 256, AHEAD = 16 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Codewords of `width` values, `pitch` apart. Where `reads` or `writes` is 0 every row is the first. */
static inline __attribute__((always_inline)) void copy(const uint8_t *codes, const int64_t *ids, const float *codebook,
                                                       size_t groups, size_t width, size_t pitch, int reads, int writes,
                                                       float *out) {
    for (size_t i = 0; i < BATCH; i++) {
        const uint8_t *row = codes + (reads ? (size_t)ids[i] * groups : 0);
        const float *book = codebook;
        if (reads && i + AHEAD < BATCH) {
            const uint8_t *ahead = codes + (size_t)ids[i + AHEAD] * groups;
            __builtin_prefetch(ahead, 0, 3);
            __builtin_prefetch(ahead + groups - 1, 0, 3);
        }
        float *to = out + (writes ? i * groups * width : 0), *end = to + groups * width;
        for (float *line = to; line < end; line += 16) __builtin_prefetch(line, 1, 3);
        /* The excess of a slot lands where the next codeword goes, and after the last row in spare memory. */
        for (size_t g = 0; g < groups; g++, book += CODES * pitch, to += width)
            memcpy(to, book + row[g] * pitch, pitch * sizeof *to);
    }
}

#define SHAPE(name, groups, width, pitch)                                                                              \
    static __attribute__((noinline)) void name(const uint8_t *codes, const int64_t *ids, const float *codebook,        \
                                               int reads, int writes, float *out) {                                    \
        if (reads && writes)                                                                                           \
            copy(codes, ids, codebook, groups, width, pitch, 1, 1, out);                                               \
        else if (reads)                                                                                                \
            copy(codes, ids, codebook, groups, width, pitch, 1, 0, out);                                               \
        else                                                                                                           \
            copy(codes, ids, codebook, groups, width, pitch, 0, 1, out);                                               \
    }
SHAPE(copy_300, 50, 6, 8)
SHAPE(copy_768, 96, 8, 8)
SHAPE(copy_128, 16, 8, 8)
SHAPE(copy_512, 32, 16, 16)

static void *lines(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!memory) abort();
    memset(memory, 1, bytes);
    return memory;
}

int main(void) {
    static const struct {
        const char *name;
        void (*copy)(const uint8_t *, const int64_t *, const float *, int, int, float *);
        size_t groups, width, pitch;
    } shapes[] = {{"300, 50x256", copy_300, 50, 6, 8},
                  {"768, 96x256", copy_768, 96, 8, 8},
                  {"128, 16x256", copy_128, 16, 8, 8},
                  {"512, 32x256", copy_512, 32, 16, 16}};
    static const char *const ways[] = {"writing", "reading", "both"};
    uint64_t seed = 1;
    int64_t *ids = lines(IDS * sizeof *ids);
    for (size_t i = 0; i < IDS; i++) { /* about Zipf: each power of two of ranks as likely as another */
        const uint64_t rank = random_bits(&seed) % ((uint64_t)1 << random_bits(&seed) % 19);
        ids[i] = (int64_t)(rank * 2654435761u % TABLE_ROWS);
    }
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t groups = shapes[s].groups, row = groups * shapes[s].width;
        uint8_t *codes = lines(TABLE_ROWS * groups);
        float *codebook = lines(groups * CODES * shapes[s].pitch * sizeof *codebook);
        float *out = lines((BATCH * row + 16) * sizeof *out);
        for (size_t i = 0; i < TABLE_ROWS * groups; i++) codes[i] = (uint8_t)random_bits(&seed);
        printf("%s:", shapes[s].name);
        for (int way = 0; way < 3; way++) {
            double best = 1e9;
            for (int run = 0; run < 9; run++) {
                const double start = now();
                for (size_t first = 0; first < IDS; first += BATCH)
                    shapes[s].copy(codes, ids + first, codebook, way != 0, way != 1, out);
                if (now() - start < best) best = now() - start;
            }
            printf("  %s %.1f", ways[way], IDS / best * 1e-6);
        }
        printf("  (rows of %zu KB in all)\n", BATCH * row * sizeof *out >> 10);
        free(codes), free(codebook), free(out);
    }
    free(ids);
}
