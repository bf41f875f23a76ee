/* Names of what is instantiated at the level DPQI_LEVEL. */
#define DPQI_JOIN2(a, b) a##_##b
#define DPQI_JOIN(a, b) DPQI_JOIN2(a, b)
#define DPQI_NAME(operation) DPQI_JOIN(dpqi_##operation, DPQI_LEVEL)
#define DPQI_STRING2(a) #a
#define DPQI_STRING(a) DPQI_STRING2(a)
