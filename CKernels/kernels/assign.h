/* Nearest-code assignment: argmax over k of score[k] = bias[k] + x . c[k], the accumulator starting at the bias.
 *
 * Many rows: rows in lanes. A block is CODES_AT_ONCE codewords times up to ROWS_AT_ONCE vectors of rows, held in
 * registers with the best score and code of each row. Codes are visited in ascending order and replace the best only
 * when strictly greater, so ties fall to the lowest code.
 *
 * Few rows: codes in lanes, one row at a time; each lane keeps the best of its codes, the last step picks among
 * lanes. */

#define CODES_AT_ONCE 4

/* What the checked form needs to know; NULL in the unchecked one, which then compiles to less. */
struct DPQI_NAME(doubt) {
    float slope, constant;
    uint64_t rows; /* out: bit r for row r */
};

static inline __attribute__((always_inline)) void assign_vectors(const float *tile, int vectors, size_t width,
                                                                 const float *codewords, const float *bias,
                                                                 size_t codes, size_t row, int32_t *out_code,
                                                                 float *out_score, struct DPQI_NAME(doubt) * doubt) {
    vf best[ROWS_AT_ONCE], second[ROWS_AT_ONCE];
    vi code[ROWS_AT_ONCE];
    for (int v = 0; v < vectors; v++) {
        best[v] = second[v] = vf_set1(-INFINITY);
        code[v] = vi_set1(0);
    }
    for (size_t k = 0; k < codes; k += CODES_AT_ONCE) {
        const float *c = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * width + k % DPQI_CODE_BLOCK;
        vf score[CODES_AT_ONCE][ROWS_AT_ONCE];
        for (int i = 0; i < CODES_AT_ONCE; i++)
            for (int v = 0; v < vectors; v++) score[i][v] = vf_set1(bias[k + (size_t)i]);
        for (size_t j = 0; j < width; j++) {
            vf x[ROWS_AT_ONCE];
            for (int v = 0; v < vectors; v++) x[v] = vf_load(tile + j * DPQI_TILE + v * LANES);
            for (int i = 0; i < CODES_AT_ONCE; i++) {
                const vf coordinate = vf_set1(c[j * DPQI_CODE_BLOCK + (size_t)i]);
                for (int v = 0; v < vectors; v++) score[i][v] = vf_fma(x[v], coordinate, score[i][v]);
            }
        }
        for (int i = 0; i < CODES_AT_ONCE; i++) {
            const vi this_code = vi_set1((int32_t)k + i);
            for (int v = 0; v < vectors; v++) {
                const vm better = vf_gt(score[i][v], best[v]);
                if (doubt) second[v] = vf_max(vf_min(score[i][v], best[v]), second[v]);
                best[v] = vf_max(score[i][v], best[v]);
                code[v] = vi_select(better, this_code, code[v]);
            }
        }
    }
    for (int v = 0; v < vectors; v++) {
        vi_store(out_code + v * LANES, code[v]);
        if (out_score) vf_store(out_score + v * LANES, best[v]);
        if (doubt) {
            const vf square = squared_norm(tile + v * LANES, width);
            const vm clear =
                vf_gt(vf_sub(best[v], second[v]), vf_fma(square, vf_set1(doubt->slope), vf_set1(doubt->constant)));
            const uint64_t lanes = ((uint64_t)1 << LANES) - 1;
            doubt->rows |= (~(uint64_t)vm_bits(clear) & lanes) << (row + (size_t)v * LANES);
        }
    }
}

/* One row, codes in lanes. */
static inline __attribute__((always_inline)) void assign_row(const float *tile, size_t width, const float *codewords,
                                                             const float *bias, size_t codes, size_t row,
                                                             int32_t *out_code, float *out_score,
                                                             struct DPQI_NAME(doubt) * doubt) {
    vf best = vf_set1(-INFINITY), second = best;
    vi block = vi_set1(0);
    for (size_t k = 0; k < codes; k += LANES) {
        const float *c = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * width + k % DPQI_CODE_BLOCK;
        vf score = vf_load(bias + k);
        for (size_t j = 0; j < width; j++)
            score = vf_fma(vf_set1(tile[j * DPQI_TILE]), vf_load(c + j * DPQI_CODE_BLOCK), score);
        const vm better = vf_gt(score, best);
        if (doubt) second = vf_max(vf_min(score, best), second);
        best = vf_max(score, best);
        block = vi_select(better, vi_set1((int32_t)k), block);
    }
    float lane_best[LANES], lane_second[LANES], best_score = -INFINITY, second_score = -INFINITY;
    int32_t lane_block[LANES], code = 0;
    vf_store(lane_best, best);
    vf_store(lane_second, second);
    vi_store(lane_block, block);
    for (int i = 0; i < LANES; i++) {
        const int32_t lane_code = lane_block[i] + i;
        const float high = lane_best[i];
        if (high > best_score || (high == best_score && lane_code < code)) {
            second_score = best_score > second_score ? best_score : second_score;
            best_score = high;
            code = lane_code;
        } else if (high > second_score) {
            second_score = high;
        }
        if (doubt && lane_second[i] > second_score) second_score = lane_second[i];
    }
    out_code[0] = best_score > -INFINITY ? code : 0;
    if (out_score) out_score[0] = best_score;
    if (doubt) {
        float square = 0;
        for (size_t j = 0; j < width; j++) square += tile[j * DPQI_TILE] * tile[j * DPQI_TILE];
        if (!(best_score - second_score > square * doubt->slope + doubt->constant)) doubt->rows |= (uint64_t)1 << row;
    }
}

/* Below this many rows a vector of rows would be mostly empty. */
#define FEW_ROWS (LANES / 4)

static inline __attribute__((always_inline)) void assign_rows(const float *tile, size_t rows, size_t width,
                                                              const float *codewords, const float *bias, size_t codes,
                                                              int32_t *out_code, float *out_score,
                                                              struct DPQI_NAME(doubt) * doubt) {
    if (rows <= FEW_ROWS) {
        for (size_t r = 0; r < rows; r++)
            assign_row(tile + r, width, codewords, bias, codes, r, out_code + r, out_score ? out_score + r : NULL,
                       doubt);
        return;
    }
    size_t r = 0;
    for (; r + (ROWS_AT_ONCE - 1) * LANES < rows; r += ROWS_AT_ONCE * LANES)
        assign_vectors(tile + r, ROWS_AT_ONCE, width, codewords, bias, codes, r, out_code + r,
                       out_score ? out_score + r : NULL, doubt);
    for (; r < rows; r += LANES)
        assign_vectors(tile + r, 1, width, codewords, bias, codes, r, out_code + r, out_score ? out_score + r : NULL,
                       doubt);
}

static void DPQI_NAME(assign_tile)(const float *tile, size_t rows, size_t width, const float *codewords,
                                   const float *bias, size_t codes, int32_t *out_code, float *out_score) {
    assign_rows(tile, rows, width, codewords, bias, codes, out_code, out_score, NULL);
}

static void DPQI_NAME(assign_tile_checked)(const float *tile, size_t rows, size_t width, const float *codewords,
                                           const float *bias, size_t codes, float slope, float constant,
                                           int32_t *out_code, uint64_t *out_doubtful) {
    struct DPQI_NAME(doubt) doubt = {slope, constant, 0};
    assign_rows(tile, rows, width, codewords, bias, codes, out_code, NULL, &doubt);
    *out_doubtful = doubt.rows;
}

/* Writes codes[groups][DPQI_TILE] of the first `rows` rows as bytes (code_bytes 1) or 16-bit numbers (2), row after
 * row,
 * out_stride codes apart. Whole words of neighbouring codes are put together in vectors, then stored at once. */
static void DPQI_NAME(store_codes)(const int32_t *codes, size_t groups, size_t rows, size_t code_bytes, void *out,
                                   size_t out_stride) {
    const size_t at_once = 4 / code_bytes;
    size_t group = 0;
    for (; group + at_once <= groups; group += at_once) {
        const int32_t *c = codes + group * DPQI_TILE;
        uint32_t words[DPQI_TILE];
        if (code_bytes == 1)
            for (size_t r = 0; r < DPQI_TILE; r++)
                words[r] = (uint32_t)c[r] | (uint32_t)c[DPQI_TILE + r] << 8 | (uint32_t)c[2 * DPQI_TILE + r] << 16 |
                           (uint32_t)c[3 * DPQI_TILE + r] << 24;
        else
            for (size_t r = 0; r < DPQI_TILE; r++) words[r] = (uint32_t)c[r] | (uint32_t)c[DPQI_TILE + r] << 16;
        char *place = (char *)out + group * code_bytes;
        for (size_t r = 0; r < rows; r++) memcpy(place + r * out_stride * code_bytes, &words[r], 4);
    }
    for (; group < groups; group++)
        for (size_t r = 0; r < rows; r++) {
            const uint16_t code = (uint16_t)codes[group * DPQI_TILE + r];
            memcpy((char *)out + (r * out_stride + group) * code_bytes, &code, code_bytes);
        }
}
