/* Instantiates the kernels that train and encode at the level of the vocabulary included before, as
 * dpqi_batch_kernels_<level>. */
#include <math.h>
#include <string.h>

#include "kernels/names.h"

#include "kernels/bitpack.h"
#include "kernels/pack.h"
#include "kernels/tile.h"
#include "kernels/assign.h"
#include "kernels/rounded.h"
#include "kernels/accumulate.h"
#include "kernels/exponential.h"
#include "kernels/step.h"
#include "kernels/network.h"
#include "kernels/binary.h"

const dpqi_batch_kernels DPQI_NAME(batch_kernels) = {
    .lanes = LANES,
    .pack = DPQI_NAME(pack),
    .unpack = DPQI_NAME(unpack),
    .load_tile = DPQI_NAME(load_tile),
    .store_tile = DPQI_NAME(store_tile),
    .tile_squared_norms = DPQI_NAME(tile_squared_norms),
    .find_non_finite = DPQI_NAME(find_non_finite),
    .assign_tile = DPQI_NAME(assign_tile),
    .assign_tile_checked = DPQI_NAME(assign_tile_checked),
#ifdef MULTIPLIES_PAIRS
    .assign_rounded = DPQI_NAME(assign_rounded),
#endif
    .store_codes = DPQI_NAME(store_codes),
    .accumulate = DPQI_NAME(accumulate),
    .copy_codewords = DPQI_NAME(copy_codewords),
    .combine = DPQI_NAME(combine),
    .softmax = DPQI_NAME(softmax),
    .multiply_keys = DPQI_NAME(multiply_keys),
    .add_outer = DPQI_NAME(add_outer),
    .add_squares = DPQI_NAME(add_squares),
    .scale_tile = DPQI_NAME(scale_tile),
    .subtract_product = DPQI_NAME(subtract_product),
    .add_by_code = DPQI_NAME(add_by_code),
    .replace_rows = DPQI_NAME(replace_rows),
    .pull_to_codes = DPQI_NAME(pull_to_codes),
    .settle_bits = DPQI_NAME(settle_bits),
    .column_sums = DPQI_NAME(column_sums),
    .cross_entropy = DPQI_NAME(cross_entropy),
    .lstm_forward = DPQI_NAME(lstm_forward),
    .lstm_backward = DPQI_NAME(lstm_backward),
    .dropout = DPQI_NAME(dropout),
};
