#ifndef DPQI_ASSIGNER_H
#define DPQI_ASSIGNER_H

#include "batch/dispatch.h"
#include "batch/layout.h"
#include "batch/walk.h"
#include "core/arena.h"

/* A codebook made ready for assignment. A slot is a codebook as one or more groups see it: one a group; or, when
 * shared, one for all, and a second one for a padded last group that uses only the leading coordinates. */
struct dpq_assigner {
    dpq_layout layout;
    dpq_similarity similarity;
    size_t width;
    size_t slots;
    size_t padded_codes;   /* codes rounded up to DPQI_CODE_BLOCK */
    float *codewords;      /* [slots][padded_codes / DPQI_CODE_BLOCK][width][DPQI_CODE_BLOCK], centred */
    float *bias;           /* [slots][padded_codes]: -||c||^2 / 2, or 0 for DPQ_LARGEST; -inf for padding */
    float *squared_norm;   /* [slots]: largest squared norm of a centred codeword */
    float *center;         /* [groups][width]: what is subtracted from rows; 0 in padding columns */
    float *raw;            /* the codebook as given */
    dpqi_rounded *rounded; /* [slots], or NULL: of no use at this shape */
    int32_t *pairs;        /* [slots]: what `rounded` points to */
    int32_t *rounded_bias;
};

/* Whether a first pass over rounded numbers is worth its while. */
int dpqi_is_rounded(const dpq_layout *layout);

/* The nearest codes of one group of a tile. With `checked` returns the rows that float64 has to decide. `wait`: groups to
 * come for which the first pass is not tried, as it left too many rows before; it changes no result. */
uint64_t dpqi_nearest_codes(const dpq_assigner *assigner, const dpqi_batch_kernels *kernels, size_t slot,
                            const float *tile, size_t count, int checked, int *wait, int32_t *codes);

static inline size_t dpqi_slot(const dpq_assigner *assigner, size_t group) {
    if (!assigner->layout.shared) return group;
    return assigner->slots == 2 && group == assigner->layout.groups - 1;
}

static inline const float *dpqi_slot_codewords(const dpq_assigner *assigner, size_t slot) {
    return assigner->codewords + slot * assigner->padded_codes * assigner->width;
}

static inline const float *dpqi_slot_bias(const dpq_assigner *assigner, size_t slot) {
    return assigner->bias + slot * assigner->padded_codes;
}

/* The codebook as given that serves `group`, [codes][width]. */
static inline const float *dpqi_raw_codebook(const dpq_assigner *assigner, size_t group) {
    return assigner->raw + (assigner->layout.shared ? 0 : group) * assigner->layout.codes * assigner->width;
}

#endif
