/* What one machine can do at most, so that figures of kernels can be read as shares of it.
 *
 *   limits THREADS    prints one JSON object: fma_gflops (float32 fused multiply-adds of the widest vectors, two
 * operations each), read_gbytes and write_gbytes (of memory far larger than the caches; stores that bypass them)
 *
 * Each figure is the best of many short tries of all threads together, by the wall clock: a limit is what was reached
 * when nothing else ran. Build: cc -O3 -march=native -pthread limits.c -o limits
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES = VECTOR_BYTES / 4, MAX_THREADS = 256, TRIES = 60 };
static const size_t MEMORY = (size_t)128 << 20; /* bytes a thread */
static const long STEPS = 400000;

typedef struct worker {
    vector *memory;
    float sink;
} worker;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve independent chains: more than latency times issue width of any current core. They have names, so that they
 * stay in registers, and the empty assembly keeps every step in the loop. */
#if defined(__AVX512F__)
#define FUSED(a, b, c) (vector) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#elif defined(__FMA__)
#define FUSED(a, b, c) (vector) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#else
#define FUSED(a, b, c) ((a) * (b) + (c))
#endif
#if defined(__x86_64__)
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#else
#define KEEP(v) __asm__ volatile("" : "+w"(v))
#endif
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define START(i) vector chain##i = factor;
#define STEP(i)                                                                                                        \
    chain##i = FUSED(chain##i, factor, term);                                                                          \
    KEEP(chain##i);
#define ADD(i) self->sink += chain##i[0];

static void *multiply_add(void *argument) {
    worker *self = argument;
    vector factor, term;
    for (int lane = 0; lane < LANES; lane++) {
        factor[lane] = 0.9999999f;
        term[lane] = 1e-7f;
    }
    TWELVE(START)
    for (long step = 0; step < STEPS; step++) {
        TWELVE(STEP)
    }
    TWELVE(ADD)
    return NULL;
}

static void *read_memory(void *argument) {
    worker *self = argument;
    vector sum[4];
    memset(sum, 0, sizeof sum);
    for (size_t i = 0; i < MEMORY / VECTOR_BYTES; i += 4)
        for (int j = 0; j < 4; j++) sum[j] += self->memory[i + j];
    for (int j = 0; j < 4; j++) self->sink += sum[j][0];
    return NULL;
}

static void *write_memory(void *argument) {
    worker *self = argument;
    vector value;
    for (int lane = 0; lane < LANES; lane++) value[lane] = 1.0f;
    for (size_t i = 0; i < MEMORY / VECTOR_BYTES; i++) {
#if defined(__AVX512F__)
        _mm512_stream_ps((float *)(self->memory + i), (__m512)value);
#elif defined(__AVX__)
        _mm256_stream_ps((float *)(self->memory + i), (__m256)value);
#else
        self->memory[i] = value;
        __asm__ volatile("" ::: "memory");
#endif
    }
#if defined(__x86_64__)
    _mm_sfence();
#endif
    return NULL;
}

static double best_seconds(void *(*body)(void *), worker *workers, int threads) {
    double best = 1e30;
    for (int try = 0; try < TRIES; try++) {
        pthread_t running[MAX_THREADS];
        double start = now();
        for (int i = 1; i < threads; i++)
            if (pthread_create(&running[i], NULL, body, &workers[i]) != 0) exit(1);
        body(&workers[0]);
        for (int i = 1; i < threads; i++) pthread_join(running[i], NULL);
        double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    return best;
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: limits THREADS (1 to %d)\n", MAX_THREADS);
        return 64;
    }
    static worker workers[MAX_THREADS];
    for (int i = 0; i < threads; i++) {
        void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return 1;
#if defined(MADV_HUGEPAGE)
        madvise(memory, MEMORY, MADV_HUGEPAGE);
#endif
        memset(memory, 0, MEMORY);
        workers[i].memory = memory;
    }
    double operations = 2.0 * 12 * LANES * (double)STEPS * threads, bytes = (double)MEMORY * threads;
    double fma = operations / best_seconds(multiply_add, workers, threads) * 1e-9;
    double read = bytes / best_seconds(read_memory, workers, threads) * 1e-9;
    double write = bytes / best_seconds(write_memory, workers, threads) * 1e-9;
    float sink = 0;
    for (int i = 0; i < threads; i++) sink += workers[i].sink;
    printf(
        "{\"threads\": %d, \"vector_bits\": %d, \"fma_gflops\": %.1f, \"read_gbytes\": %.1f, \"write_gbytes\": %.1f}\n",
        threads, 8 * VECTOR_BYTES, fma, read, write);
    return sink != sink;
}
