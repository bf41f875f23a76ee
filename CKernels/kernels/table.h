/* Instantiates every kernel at the level of the vocabulary included before, as the table dpqi_kernels_<level>. */
#include <math.h>
#include <string.h>

#define DPQI_JOIN2(a, b) a##_##b
#define DPQI_JOIN(a, b) DPQI_JOIN2(a, b)
#define DPQI_NAME(operation) DPQI_JOIN(dpqi_##operation, DPQI_LEVEL)
#define DPQI_STRING2(a) #a
#define DPQI_STRING(a) DPQI_STRING2(a)

/* libdpq only reads: it is built with DPQ_RUNTIME_ONLY, without what trains and encodes. */
#ifndef DPQ_RUNTIME_ONLY
#include "kernels/tile.h"
#include "kernels/assign.h"
#include "kernels/accumulate.h"
#include "kernels/step.h"
#endif
#include "kernels/bitpack.h"
#include "kernels/reconstruct.h"
#include "kernels/score.h"
#include "kernels/narrow.h"

const dpqi_kernels DPQI_JOIN(dpqi_kernels, DPQI_LEVEL) = {
    .name = DPQI_STRING(DPQI_LEVEL),
    .lanes = LANES,
    .pack = DPQI_NAME(pack),
    .unpack = DPQI_NAME(unpack),
    .decode_rows = DPQI_NAME(decode_rows),
    .decode_sum = DPQI_NAME(decode_sum),
    .narrow = DPQI_NAME(narrow),
    .score_tables = DPQI_NAME(score_tables),
    .score_rows = DPQI_NAME(score_rows),
#ifndef DPQ_RUNTIME_ONLY
    .load_tile = DPQI_NAME(load_tile),
    .store_tile = DPQI_NAME(store_tile),
    .tile_squared_norms = DPQI_NAME(tile_squared_norms),
    .find_non_finite = DPQI_NAME(find_non_finite),
    .assign_tile = DPQI_NAME(assign_tile),
    .store_codes = DPQI_NAME(store_codes),
    .accumulate = DPQI_NAME(accumulate),
    .copy_codewords = DPQI_NAME(copy_codewords),
    .assign_tile_checked = DPQI_NAME(assign_tile_checked),
    .responses = DPQI_NAME(responses),
    .add_moments = DPQI_NAME(add_moments),
    .argmax = DPQI_NAME(argmax),
    .softmax_backward = DPQI_NAME(softmax_backward),
    .normalise_backward = DPQI_NAME(normalise_backward),
    .multiply_keys = DPQI_NAME(multiply_keys),
    .add_outer = DPQI_NAME(add_outer),
#endif
};
