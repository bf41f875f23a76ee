#include "batch/dispatch.h"

#include "simd/scalar.h"

#include "kernels/batch_table.h"

#include "simd/end.h"
