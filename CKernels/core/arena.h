/* Carves typed arrays out of memory the caller gave, or, with base NULL, only counts the bytes that would take. */
#ifndef DPQI_ARENA_H
#define DPQI_ARENA_H

#include "dpq_kernels.h"

typedef struct dpqi_arena {
    char *base;
    size_t used; /* SIZE_MAX once a count overflowed */
} dpqi_arena;

/* `count` elements of `size` bytes, aligned to DPQ_ALIGNMENT. */
static inline void *dpqi_take(dpqi_arena *arena, size_t count, size_t size) {
    void *taken = arena->base ? arena->base + arena->used : NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, DPQ_ALIGNMENT - 1, &bytes) ||
        __builtin_add_overflow(arena->used, bytes & ~(size_t)(DPQ_ALIGNMENT - 1), &arena->used))
        arena->used = SIZE_MAX;
    return taken;
}

#define DPQI_TAKE(arena, type, count) ((type *)dpqi_take(arena, count, sizeof(type)))

#endif
