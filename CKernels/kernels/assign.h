/* Nearest-code assignment: argmax over k of score[k] = bias[k] + x . c[k], the accumulator starting at the bias.
 *
 * Many rows: rows in lanes. CODES_AT_ONCE codewords times up to ROWS_AT_ONCE vectors of rows are scored in registers. With
 * few codes each score is compared with the best so far; codes are visited in ascending order and replace the best only
 * when strictly greater, so ties fall to the lowest code. With many, only the largest score of a block of
 * DPQI_CODE_BLOCK codes is, and the block that wins is scored once more, codes in lanes, to find the code: by the same
 * operations, so the same score comes out, and the lowest code that has it is taken.
 *
 * Few rows: codes in lanes, one row at a time; each lane keeps the best of its codes, the last step picks among
 * lanes. */

#define CODES_AT_ONCE 4

/* What the checked form needs to know; NULL in the unchecked one, which then compiles to less. */
struct DPQI_NAME(doubt) {
    float slope, constant;
    uint64_t rows; /* out: bit r for row r */
};

/* The scores of CODES_AT_ONCE codes from `k` on. */
static inline __attribute__((always_inline)) void score_block(const float *tile, int vectors, size_t width,
                                                              const float *codewords, const float *bias, size_t k,
                                                              vf score[CODES_AT_ONCE][ROWS_AT_ONCE]) {
    const float *c = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * width + k % DPQI_CODE_BLOCK;
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
}

/* How far apart the best two scores of each row must be. */
static inline vf certain_gap(const float *tile, size_t width, const struct DPQI_NAME(doubt) * doubt) {
    return vf_fma(squared_norm(tile, width), vf_set1(doubt->slope), vf_set1(doubt->constant));
}

static inline uint64_t rows_of(vm lanes, size_t row) { return (uint64_t)vm_bits(lanes) << row; }

static inline __attribute__((always_inline)) void assign_vectors(const float *tile, int vectors, size_t width,
                                                                 const float *codewords, const float *bias,
                                                                 size_t codes, size_t row, int32_t *out_code,
                                                                 struct DPQI_NAME(doubt) * doubt) {
    vf best[ROWS_AT_ONCE], second[ROWS_AT_ONCE];
    vi code[ROWS_AT_ONCE];
    for (int v = 0; v < vectors; v++) {
        best[v] = second[v] = vf_set1(-INFINITY);
        code[v] = vi_set1(0);
    }
    for (size_t k = 0; k < codes; k += CODES_AT_ONCE) {
        vf score[CODES_AT_ONCE][ROWS_AT_ONCE];
        score_block(tile, vectors, width, codewords, bias, k, score);
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
        if (doubt) {
            const vm clear = vf_gt(vf_sub(best[v], second[v]), certain_gap(tile + v * LANES, width, doubt));
            doubt->rows &= ~rows_of(clear, row + (size_t)v * LANES);
        }
    }
}

/* Rows whose block is scored again together: one alone would wait for each multiply-add. */
#define ROWS_RESCORED (LANES < 4 ? LANES : 4)

/* Replaces the number of the first code of a block by the lowest in it that reaches the score. Where gaps are given,
 * returns which rows have another code in the block that is not farther behind than its gap. */
static inline __attribute__((always_inline)) uint64_t find_codes(const float *tile, size_t width,
                                                                 const float *codewords, const float *bias,
                                                                 const float *scores, const float *gaps,
                                                                 int32_t *codes) {
    enum { ALL = (1 << DPQI_CODE_BLOCK) - 1 };
    uint32_t candidates[ROWS_RESCORED] = {0};
    for (size_t i = 0; i < DPQI_CODE_BLOCK; i += LANES) {
        vf score[ROWS_RESCORED];
        const float *c[ROWS_RESCORED];
        for (int r = 0; r < ROWS_RESCORED; r++) {
            score[r] = vf_load(bias + codes[r] + i);
            c[r] = codewords + (size_t)codes[r] * width + i;
        }
        for (size_t j = 0; j < width; j++)
            for (int r = 0; r < ROWS_RESCORED; r++)
                score[r] =
                    vf_fma(vf_set1(tile[j * DPQI_TILE + (size_t)r]), vf_load(c[r] + j * DPQI_CODE_BLOCK), score[r]);
        for (int r = 0; r < ROWS_RESCORED; r++) {
            const vf best = vf_set1(scores[r]);
            const vm lanes = gaps ? vf_gt(vf_sub(best, score[r]), vf_set1(gaps[r])) : vf_ge(score[r], best);
            candidates[r] |= vm_bits(lanes) << i;
        }
    }
    uint64_t unsure = 0;
    for (int r = 0; r < ROWS_RESCORED; r++) {
        if (gaps) {
            candidates[r] ^= ALL; /* those not clearly behind the best: itself, and what makes a doubt */
            unsure |= (uint64_t)((candidates[r] & (candidates[r] - 1)) != 0) << r;
        }
        /* Where the row is not a number no code reaches the score. */
        codes[r] += __builtin_ctz(candidates[r] | 1 << DPQI_CODE_BLOCK) % DPQI_CODE_BLOCK;
    }
    return unsure;
}

/* The same for many codes. */
static inline __attribute__((always_inline)) void assign_by_blocks(const float *tile, int vectors, size_t width,
                                                                   const float *codewords, const float *bias,
                                                                   size_t codes, size_t row, int32_t *out_code,
                                                                   struct DPQI_NAME(doubt) * doubt) {
    vf best[ROWS_AT_ONCE], second[ROWS_AT_ONCE];
    vi block[ROWS_AT_ONCE];
    for (int v = 0; v < vectors; v++) {
        best[v] = second[v] = vf_set1(-INFINITY);
        block[v] = vi_set1(0);
    }
    for (size_t first = 0; first < codes; first += DPQI_CODE_BLOCK) {
        vf largest[ROWS_AT_ONCE];
        for (int v = 0; v < vectors; v++) largest[v] = vf_set1(-INFINITY);
        for (size_t k = first; k < first + DPQI_CODE_BLOCK && k < codes; k += CODES_AT_ONCE) {
            vf score[CODES_AT_ONCE][ROWS_AT_ONCE];
            score_block(tile, vectors, width, codewords, bias, k, score);
            for (int i = 0; i < CODES_AT_ONCE; i++)
                for (int v = 0; v < vectors; v++) largest[v] = vf_max(score[i][v], largest[v]);
        }
        const vi this_block = vi_set1((int32_t)first);
        for (int v = 0; v < vectors; v++) {
            const vm better = vf_gt(largest[v], best[v]);
            if (doubt) second[v] = vf_max(vf_min(largest[v], best[v]), second[v]);
            best[v] = vf_max(largest[v], best[v]);
            block[v] = vi_select(better, this_block, block[v]);
        }
    }
    float scores[ROWS_AT_ONCE * LANES], gaps[ROWS_AT_ONCE * LANES];
    for (int v = 0; v < vectors; v++) {
        vi_store(out_code + v * LANES, block[v]);
        vf_store(scores + v * LANES, best[v]);
        if (doubt) {
            const vf gap = certain_gap(tile + v * LANES, width, doubt);
            vf_store(gaps + v * LANES, gap);
            doubt->rows &= ~rows_of(vf_gt(vf_sub(best[v], second[v]), gap), row + (size_t)v * LANES);
        }
    }
    uint64_t unsure = 0;
    for (size_t r = 0; r < (size_t)vectors * LANES; r += ROWS_RESCORED)
        unsure |= find_codes(tile + r, width, codewords, bias, scores + r, doubt ? gaps + r : NULL, out_code + r) << r;
    if (doubt) doubt->rows |= unsure << row;
}

/* The best codes of one row so far, codes in lanes. */
struct DPQI_NAME(lanes_best) {
    vf best, second;
    vi block;
};

static inline struct DPQI_NAME(lanes_best) no_best(void) {
    return (struct DPQI_NAME(lanes_best)){vf_set1(-INFINITY), vf_set1(-INFINITY), vi_set1(0)};
}

/* Scores LANES codes from `k` on. */
static inline __attribute__((always_inline)) void score_lanes(const float *tile, size_t width, const float *codewords,
                                                              const float *bias, size_t k, int checked,
                                                              struct DPQI_NAME(lanes_best) * so_far) {
    const float *c = codewords + k / DPQI_CODE_BLOCK * DPQI_CODE_BLOCK * width + k % DPQI_CODE_BLOCK;
    vf score = vf_load(bias + k);
    for (size_t j = 0; j < width; j++)
        score = vf_fma(vf_set1(tile[j * DPQI_TILE]), vf_load(c + j * DPQI_CODE_BLOCK), score);
    const vm better = vf_gt(score, so_far->best);
    if (checked) so_far->second = vf_max(vf_min(score, so_far->best), so_far->second);
    so_far->best = vf_max(score, so_far->best);
    so_far->block = vi_select(better, vi_set1((int32_t)k), so_far->block);
}

/* The best of the lanes. */
static inline void pick_lane(const float *tile, size_t width, const struct DPQI_NAME(lanes_best) * lanes, size_t row,
                             int32_t *out_code, struct DPQI_NAME(doubt) * doubt) {
    float lane_best[LANES], lane_second[LANES], best_score = -INFINITY, second_score = -INFINITY;
    int32_t lane_block[LANES], code = 0;
    vf_store(lane_best, lanes->best);
    vf_store(lane_second, lanes->second);
    vi_store(lane_block, lanes->block);
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
    if (doubt) {
        float square = 0;
        for (size_t j = 0; j < width; j++) square += tile[j * DPQI_TILE] * tile[j * DPQI_TILE];
        if (!(best_score - second_score > square * doubt->slope + doubt->constant)) doubt->rows |= (uint64_t)1 << row;
    }
}

/* One row, codes in lanes. */
static inline __attribute__((always_inline)) void assign_row(const float *tile, size_t width, const float *codewords,
                                                             const float *bias, size_t codes, size_t row,
                                                             int32_t *out_code, struct DPQI_NAME(doubt) * doubt) {
    struct DPQI_NAME(lanes_best) lanes = no_best();
    for (size_t k = 0; k < codes; k += LANES) score_lanes(tile, width, codewords, bias, k, doubt != NULL, &lanes);
    pick_lane(tile, width, &lanes, row, out_code, doubt);
}

/* Whether rows are better taken one at a time: a vector of rows would be mostly empty, and finding the best of the lanes
 * at the end costs about what this many multiply-adds do. */
#define LANES_SEARCH 128
static inline int has_few_rows(size_t rows, size_t codes, size_t width) {
    const size_t step = width + 3, vectors = (codes + LANES - 1) / LANES;
    return rows <= LANES / 4 && rows * (vectors * step + LANES_SEARCH) <= 2 * codes * step;
}

/* From here on the comparisons that blocks save are more than what scoring one of them again costs. */
static inline int has_many_codes(size_t codes, size_t width, int checked) {
    return codes >= 64 && codes >= (checked ? 8 : 24) * width;
}

static inline __attribute__((always_inline)) void assign_some(const float *tile, int vectors, size_t width,
                                                              const float *codewords, const float *bias, size_t codes,
                                                              size_t row, int32_t *out_code,
                                                              struct DPQI_NAME(doubt) * doubt) {
    if (has_many_codes(codes, width, doubt != NULL))
        assign_by_blocks(tile + row, vectors, width, codewords, bias, codes, row, out_code + row, doubt);
    else
        assign_vectors(tile + row, vectors, width, codewords, bias, codes, row, out_code + row, doubt);
}

static inline __attribute__((always_inline)) void assign_rows(const float *tile, size_t rows, size_t width,
                                                              const float *codewords, const float *bias, size_t codes,
                                                              int32_t *out_code, struct DPQI_NAME(doubt) * doubt) {
    if (has_few_rows(rows, codes, width)) {
        for (size_t r = 0; r < rows; r++) assign_row(tile + r, width, codewords, bias, codes, r, out_code + r, doubt);
        return;
    }
    if (doubt) doubt->rows = ~(uint64_t)0; /* until found clear */
    size_t r = 0;
    for (; r + (ROWS_AT_ONCE - 1) * LANES < rows; r += ROWS_AT_ONCE * LANES)
        assign_some(tile, ROWS_AT_ONCE, width, codewords, bias, codes, r, out_code, doubt);
    for (; r < rows; r += LANES) assign_some(tile, 1, width, codewords, bias, codes, r, out_code, doubt);
}

static void DPQI_NAME(assign_tile)(const float *tile, size_t rows, size_t width, const float *codewords,
                                   const float *bias, size_t codes, int32_t *out_code) {
    assign_rows(tile, rows, width, codewords, bias, codes, out_code, NULL);
}

static void DPQI_NAME(assign_tile_checked)(const float *tile, size_t rows, size_t width, const float *codewords,
                                           const float *bias, size_t codes, float slope, float constant,
                                           int32_t *out_code, uint64_t *out_doubtful) {
    struct DPQI_NAME(doubt) doubt = {slope, constant, 0};
    assign_rows(tile, rows, width, codewords, bias, codes, out_code, &doubt);
    *out_doubtful = doubt.rows;
}

/* Four neighbouring groups' codes of 1 byte, or two of 2 bytes, as one word for each row of a tile. */
static inline void join_codes(const int32_t *codes, size_t code_bytes, uint32_t words[DPQI_TILE]) {
    if (code_bytes == 1)
        for (size_t r = 0; r < DPQI_TILE; r++)
            words[r] = (uint32_t)codes[r] | (uint32_t)codes[DPQI_TILE + r] << 8 |
                       (uint32_t)codes[2 * DPQI_TILE + r] << 16 | (uint32_t)codes[3 * DPQI_TILE + r] << 24;
    else
        for (size_t r = 0; r < DPQI_TILE; r++) words[r] = (uint32_t)codes[r] | (uint32_t)codes[DPQI_TILE + r] << 16;
}

/* Writes codes[groups][DPQI_TILE] of the first `rows` rows as bytes (code_bytes 1) or 16-bit numbers (2), row after row,
 * out_stride codes apart. Four words of neighbouring codes are turned on their side together and stored at once. */
static void DPQI_NAME(store_codes)(const int32_t *codes, size_t groups, size_t rows, size_t code_bytes, void *out,
                                   size_t out_stride) {
    enum { WORDS = 4 };
    const size_t in_word = 4 / code_bytes, pitch = out_stride * code_bytes;
    uint32_t words[WORDS][DPQI_TILE];
    size_t group = 0;
    while (group + in_word <= groups) {
        const size_t left = (groups - group) / in_word, count = left < WORDS ? left : WORDS;
        char *place = (char *)out + group * code_bytes;
        for (size_t w = 0; w < count; w++) join_codes(codes + (group + w * in_word) * DPQI_TILE, code_bytes, words[w]);
        group += count * in_word;
        size_t r = 0;
        for (; count == WORDS && r + 4 <= rows; r += 4) {
            v4 row[WORDS];
            for (size_t w = 0; w < WORDS; w++) row[w] = v4_load((const float *)(const void *)(words[w] + r));
            v4_transpose(row);
            for (size_t i = 0; i < 4; i++) {
                float line[WORDS];
                v4_store(line, row[i]);
                memcpy(place + (r + i) * pitch, line, sizeof line);
            }
        }
        DPQI_ROLLED for (; r < rows; r++) {
            DPQI_ROLLED for (size_t w = 0; w < count; w++) memcpy(place + r * pitch + 4 * w, &words[w][r], 4);
        }
    }
    for (; group < groups; group++) {
        DPQI_ROLLED for (size_t r = 0; r < rows; r++) {
            const uint16_t code = (uint16_t)codes[group * DPQI_TILE + r];
            if (code_bytes == 1)
                ((uint8_t *)out)[r * out_stride + group] = (uint8_t)code;
            else
                memcpy((char *)out + (r * out_stride + group) * 2, &code, 2);
        }
    }
}
