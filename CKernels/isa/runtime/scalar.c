#include "core/dispatch.h"

#include "simd/scalar.h"

#include "kernels/runtime_table.h"

#include "simd/end.h"
