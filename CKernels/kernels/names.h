/* Names of what is instantiated at the level DPQI_LEVEL. */
#define DPQI_JOIN2(a, b) a##_##b
#define DPQI_JOIN(a, b) DPQI_JOIN2(a, b)
#define DPQI_NAME(operation) DPQI_JOIN(dpqi_##operation, DPQI_LEVEL)

/* Before a loop that is short or rare: unrolled it would be many times as large, and no faster where it counts. */
#if defined(__clang__)
#define DPQI_ROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")
#else
#define DPQI_ROLLED _Pragma("GCC unroll 1")
#endif
