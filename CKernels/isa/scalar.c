#include "core/dispatch.h"

#define DPQI_LEVEL scalar
#include "simd/scalar.h"
#include "kernels/table.h"
