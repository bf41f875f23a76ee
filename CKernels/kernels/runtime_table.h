/* Instantiates the reading kernels at the level of the vocabulary included before, as dpqi_kernels_<level>. */
#include <math.h>
#include <string.h>

#include "kernels/names.h"

#include "kernels/bitpack.h"
#include "kernels/reconstruct.h"
#include "kernels/locate.h"
#include "kernels/turn.h"
#include "kernels/sum.h"
#include "kernels/score.h"
#include "kernels/narrow.h"

const dpqi_kernels DPQI_NAME(kernels) = {
#if LANES == 16 /* what has no vectors */
    .locate = dpqi_locate_avx2,
    .index_map = dpqi_index_map_avx2,
    .score_tables = dpqi_score_tables_avx2,
#else
    .locate = DPQI_NAME(locate),
    .index_map = DPQI_NAME(index_map),
    .score_tables = DPQI_NAME(score_tables),
#endif
    .decode_rows = DPQI_NAME(decode_rows),
#if LANES >= 8
    .stream_tiers = DPQI_NAME(stream_tiers),
#endif
    .decode_sums = DPQI_NAME(decode_sums),
    .narrow = DPQI_NAME(narrow),
    .score_rows = DPQI_NAME(score_rows),
};
