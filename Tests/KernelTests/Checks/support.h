#ifndef CHECK_SUPPORT_H
#define CHECK_SUPPORT_H

#include "dpq_kernels.h"
#include "kernel_checks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the check with a message where `condition` does not hold. */
#define REQUIRE(condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            snprintf(message, message_bytes, __VA_ARGS__);                                                             \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* SplitMix64: small, seeded, the same everywhere. */
static inline uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline size_t random_below(uint64_t *state, size_t bound) { return (size_t)(random_bits(state) % bound); }
/* In [-1, 1). */
static inline float random_value(uint64_t *state) { return (float)((double)(random_bits(state) >> 11) * 0x1p-52 - 1); }

static inline void *aligned(size_t bytes) {
    void *memory = aligned_alloc(DPQ_ALIGNMENT, (bytes / DPQ_ALIGNMENT + 1) * DPQ_ALIGNMENT);
    if (!memory) abort();
    memset(memory, 0xa5, bytes); /* kernels must not rely on zeros */
    return memory;
}

int check_assignment(char *message, size_t message_bytes);
int check_hard_to_round(char *message, size_t message_bytes);
int check_ties(char *message, size_t message_bytes);
int check_far_from_origin(char *message, size_t message_bytes);
int check_non_finite_rows(char *message, size_t message_bytes);
int check_large_table(char *message, size_t message_bytes);
int check_sweep(char *message, size_t message_bytes);
int check_step(char *message, size_t message_bytes);
int check_step_differences(char *message, size_t message_bytes);
int check_combination(char *message, size_t message_bytes);
int check_rows(char *message, size_t message_bytes);
int check_half_floats(char *message, size_t message_bytes);
int check_activations(char *message, size_t message_bytes);
int check_cross_entropy(char *message, size_t message_bytes);
int check_dropout(char *message, size_t message_bytes);
int check_products(char *message, size_t message_bytes);
int check_codes(char *message, size_t message_bytes);
int check_binary(char *message, size_t message_bytes);
int check_reconstruction(char *message, size_t message_bytes);
int check_arguments(char *message, size_t message_bytes);

#endif
