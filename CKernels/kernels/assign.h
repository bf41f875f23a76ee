/* Nearest-code assignment, rows in lanes.
 *
 * score[k] = bias[k] + x . c[k], the accumulator starting at the bias; argmax over k. A block is DPQI_CODE_BLOCK codewords
 * times ROWS_AT_ONCE vectors of rows, held in registers with the best score and code of each row. Codes are visited in
 * ascending order and replace the best only when strictly greater, so ties fall to the lowest code. */

static inline __attribute__((always_inline)) void assign_rows(const float *tile, size_t width, const float *codewords,
                                                              const float *bias, size_t codes, int32_t *out_code,
                                                              float *out_score, float slope, float constant,
                                                              uint64_t *out_doubtful) {
    const vf lowest = vf_set1(-INFINITY);
    uint64_t doubtful = 0;
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
        vf best[ROWS_AT_ONCE], second[ROWS_AT_ONCE];
        vi code[ROWS_AT_ONCE];
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            best[v] = second[v] = lowest;
            code[v] = vi_set1(0);
        }
        const float *c = codewords;
        for (size_t k = 0; k < codes; k += DPQI_CODE_BLOCK, c += DPQI_CODE_BLOCK * width) {
            vf score[DPQI_CODE_BLOCK][ROWS_AT_ONCE];
            for (int i = 0; i < DPQI_CODE_BLOCK; i++)
                for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vf_set1(bias[k + i]);
            for (size_t j = 0; j < width; j++) {
                vf x[ROWS_AT_ONCE];
                for (int v = 0; v < ROWS_AT_ONCE; v++) x[v] = vf_load(tile + j * DPQI_TILE + r + v * LANES);
                for (int i = 0; i < DPQI_CODE_BLOCK; i++) {
                    const vf coordinate = vf_set1(c[j * DPQI_CODE_BLOCK + i]);
                    for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vf_fma(x[v], coordinate, score[i][v]);
                }
            }
            for (int i = 0; i < DPQI_CODE_BLOCK; i++) {
                const vi this_code = vi_set1((int32_t)(k + i));
                for (int v = 0; v < ROWS_AT_ONCE; v++) {
                    const vm better = vf_gt(score[i][v], best[v]);
                    if (out_doubtful) second[v] = vf_max(vf_min(score[i][v], best[v]), second[v]);
                    best[v] = vf_max(score[i][v], best[v]);
                    code[v] = vi_select(better, this_code, code[v]);
                }
            }
        }
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            vi_store(out_code + r + v * LANES, code[v]);
            if (out_score) vf_store(out_score + r + v * LANES, best[v]);
            if (out_doubtful) {
                const vf square = squared_norm(tile + r + v * LANES, width);
                const vm clear = vf_gt(vf_sub(best[v], second[v]), vf_fma(square, vf_set1(slope), vf_set1(constant)));
                const uint64_t lanes = LANES == 64 ? ~(uint64_t)0 : ((uint64_t)1 << LANES) - 1;
                doubtful |= (~(uint64_t)vm_bits(clear) & lanes) << (r + v * LANES);
            }
        }
    }
    if (out_doubtful) *out_doubtful = doubtful;
}

static void DPQI_NAME(assign_tile)(const float *tile, size_t width, const float *codewords, const float *bias,
                                   size_t codes, int32_t *out_code, float *out_score) {
    assign_rows(tile, width, codewords, bias, codes, out_code, out_score, 0, 0, NULL);
}

static void DPQI_NAME(assign_tile_checked)(const float *tile, size_t width, const float *codewords, const float *bias,
                                           size_t codes, float slope, float constant, int32_t *out_code,
                                           uint64_t *out_doubtful) {
    assign_rows(tile, width, codewords, bias, codes, out_code, NULL, slope, constant, out_doubtful);
}
