#include "support.h"

const kernel_check *kernel_checks(size_t *out_count) {
    static const kernel_check checks[] = {
        {"assignment", check_assignment},
        {"hard to round", check_hard_to_round},
        {"ties", check_ties},
        {"far from origin", check_far_from_origin},
        {"non-finite rows", check_non_finite_rows},
        {"more than 2^31 elements", check_large_table},
        {"sweep", check_sweep},
        {"layer step", check_step},
        {"layer step against finite differences", check_step_differences},
        {"LSTM cells", check_activations},
        {"cross-entropy and column sums", check_cross_entropy},
        {"dropout", check_dropout},
        {"rows", check_rows},
        {"combinations of rows", check_combination},
        {"half floats", check_half_floats},
#ifndef CHECKS_WITHOUT_BLAS
        {"products", check_products},
#endif
        {"codes", check_codes},
        {"reconstruction", check_reconstruction},
        {"bits", check_binary},
        {"arguments", check_arguments},
    };
    *out_count = sizeof checks / sizeof *checks;
    return checks;
}
