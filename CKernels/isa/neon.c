#include "core/dispatch.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define DPQI_LEVEL neon
#include "simd/neon.h"
#include "kernels/table.h"
#else
typedef int dpqi_level_absent; /* this level does not exist on this architecture */
#endif
