/* A first pass of assignment over whole numbers of 16 bits: two products an instruction and lane, where float32 has one.
 *
 * score[k] = bias[k] + x . c[k] of the rounded row and codewords, exact in 32 bits. It differs from the true score, times
 * the unit of the codebook, by half of |x|_1 + |c|_1 at most (both rounded, so in whole numbers), so a code that leads
 * by more than their sum, and by what float32 might get wrong, is the one that float32 finds, and float64. Where none
 * does, about one row in eighty, float32 decides among the blocks with a code that is not farther behind.
 *
 * Rows lie in lanes, as in assign.h: of each block of DPQI_CODE_BLOCK codes the largest score remains, then the block that
 * won is scored once more, codes in lanes. */
#ifdef MULTIPLIES_PAIRS

/* Two neighbouring columns of LANES rows as pairs of whole numbers. */
static inline vi round_pair(const float *tile, size_t column, size_t width, vf scale, vf *sum, vm *beyond) {
    const vf most = vf_set1(DPQI_ROUNDED_MOST);
    vf x[2];
    for (size_t i = 0; i < 2; i++) {
        x[i] = column + i < width ? vf_mul(vf_load(tile + (column + i) * DPQI_TILE), scale) : vf_set1(0);
        const vf size = vf_abs(x[i]);
        *beyond = vm_or(*beyond, vf_not_below(size, most));
        *sum = vf_add(*sum, size);
    }
    return vi_pairs(x[0], x[1]);
}

#define ROWS_ROUNDED (ROWS_AT_ONCE * LANES)
/* Rows that are scored once more together: one alone would wait for each product. */
#define ROWS_FOUND 4
/* Replaces the first code of the block that won by the lowest that reaches `least`, for ROWS_ROUNDED rows; returns the rows
 * that have several such codes or none, whose code is then undefined. */
static inline uint64_t find_rounded(const int32_t *rounded, size_t pairs, const dpqi_rounded *book,
                                    const int32_t *least, int32_t *codes) {
    int32_t candidates[ROWS_ROUNDED];
    for (size_t first = 0; first < ROWS_ROUNDED; first += ROWS_FOUND) {
        uint32_t found[ROWS_FOUND] = {0};
        for (size_t i = 0; i < DPQI_CODE_BLOCK; i += LANES) {
            vi score[ROWS_FOUND];
            const int32_t *c[ROWS_FOUND];
            for (size_t r = 0; r < ROWS_FOUND; r++) {
                score[r] = vi_load(book->bias + codes[first + r] + i);
                c[r] = book->pairs + (size_t)codes[first + r] * pairs + i;
            }
            for (size_t p = 0; p < pairs; p++)
                for (size_t r = 0; r < ROWS_FOUND; r++)
                    score[r] = vi_add_pairs(score[r], vi_load(c[r] + p * DPQI_CODE_BLOCK),
                                            vi_set1(rounded[p * DPQI_TILE + first + r]));
            for (size_t r = 0; r < ROWS_FOUND; r++)
                found[r] |= vm_bits(vi_gt(score[r], vi_set1(least[first + r]))) << i;
        }
        for (size_t r = 0; r < ROWS_FOUND; r++) candidates[first + r] = (int32_t)found[r];
    }
    uint64_t unsure = 0;
    for (size_t r = 0; r < ROWS_ROUNDED; r += LANES) {
        const vi all = vi_load(candidates + r), lowest = vi_lowest_bit(all);
        unsure |= rows_of(vi_gt(all, lowest), r) | rows_of(vi_gt(vi_set1(1), all), r);
        vi_store(codes + r, vi_add(vi_load(codes + r), vi_bit_number(lowest)));
    }
    return unsure;
}

/* Codes of ROWS_ROUNDED rows; returns those that have no clear one. `gaps`: how far the best must lead; out: the largest
 * score of each block, and what a score must exceed to be among the best. */
static inline uint64_t assign_rounded_vectors(const int32_t *rounded, size_t pairs, const dpqi_rounded *book,
                                              size_t codes, const int32_t *gaps, int32_t (*out_largest)[DPQI_TILE],
                                              int32_t *out_least, int32_t *out_code) {
    vi best[ROWS_AT_ONCE], second[ROWS_AT_ONCE], block[ROWS_AT_ONCE];
    for (int v = 0; v < ROWS_AT_ONCE; v++) {
        best[v] = second[v] = vi_set1(INT32_MIN);
        block[v] = vi_set1(0);
    }
    for (size_t first = 0; first < codes; first += DPQI_CODE_BLOCK) {
        vi largest[ROWS_AT_ONCE];
        for (int v = 0; v < ROWS_AT_ONCE; v++) largest[v] = vi_set1(INT32_MIN);
        DPQI_ROLLED for (size_t k = first; k < first + DPQI_CODE_BLOCK; k += CODES_AT_ONCE) {
            const int32_t *c = book->pairs + first * pairs + k % DPQI_CODE_BLOCK;
            vi score[CODES_AT_ONCE][ROWS_AT_ONCE];
            for (int i = 0; i < CODES_AT_ONCE; i++)
                for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vi_set1(book->bias[k + (size_t)i]);
            for (size_t p = 0; p < pairs; p++) {
                vi x[ROWS_AT_ONCE];
                for (int v = 0; v < ROWS_AT_ONCE; v++) x[v] = vi_load(rounded + p * DPQI_TILE + v * LANES);
                for (int i = 0; i < CODES_AT_ONCE; i++) {
                    const vi pair = vi_set1(c[p * DPQI_CODE_BLOCK + (size_t)i]);
                    for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vi_add_pairs(score[i][v], x[v], pair);
                }
            }
            for (int i = 0; i < CODES_AT_ONCE; i++)
                for (int v = 0; v < ROWS_AT_ONCE; v++) largest[v] = vi_max(score[i][v], largest[v]);
        }
        const vi this_block = vi_set1((int32_t)first);
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            const vm better = vi_gt(largest[v], best[v]);
            vi_store(out_largest[first / DPQI_CODE_BLOCK] + v * LANES, largest[v]);
            second[v] = vi_max(vi_min(largest[v], best[v]), second[v]);
            best[v] = vi_max(largest[v], best[v]);
            block[v] = vi_select(better, this_block, block[v]);
        }
    }
    uint64_t unsure = 0;
    for (int v = 0; v < ROWS_AT_ONCE; v++) {
        const vi lead = vi_sub(best[v], vi_load(gaps + v * LANES));
        vi_store(out_code + v * LANES, block[v]);
        vi_store(out_least + v * LANES, lead);
        unsure |= rows_of(vi_gt(second[v], lead), (size_t)v * LANES);
    }
    return unsure | find_rounded(rounded, pairs, book, out_least, out_code);
}

/* Rounds a tile; `gaps`: how far the best score must lead. Returns the rows that are beyond the numbers. */
static inline uint64_t round_tile(const float *tile, size_t rows, size_t width, const dpqi_rounded *book, float slope,
                                  float constant, int32_t *rounded, int32_t *gaps) {
    const vf scale = vf_set1(book->scale), reach = vf_set1(book->reach + (float)width);
    const size_t end = (rows + ROWS_ROUNDED - 1) / ROWS_ROUNDED * ROWS_ROUNDED;
    uint64_t beyond_rows = 0;
    for (size_t r = 0; r < end; r += LANES) {
        const vf square = squared_norm(tile + r, width);
        vf sum = reach;
        vm beyond = vf_gt(square, vf_set1(book->squared_norm));
        for (size_t p = 0; 2 * p < width; p++)
            vi_store(rounded + p * DPQI_TILE + r, round_pair(tile + r, 2 * p, width, scale, &sum, &beyond));
        const vf float_gap = vf_fma(square, vf_set1(slope), vf_set1(constant));
        /* A little more than the sum: it is rounded itself. */
        const vf gap = vf_fma(float_gap, vf_set1(book->unit), vf_mul(sum, vf_set1(1.001f)));
        beyond = vm_or(beyond, vf_not_below(gap, vf_set1(0x1p24f)));
        vi_store(gaps + r, vi_round(gap));
        beyond_rows |= rows_of(beyond, r);
    }
    return beyond_rows;
}

/* Bit b where block b has a code whose score is larger than `least`. */
static inline uint64_t blocks_beyond(int32_t (*largest)[DPQI_TILE], size_t codes, size_t row, int32_t least) {
    uint64_t blocks = 0;
    for (size_t block = 0; block * DPQI_CODE_BLOCK < codes; block++)
        blocks |= (uint64_t)(largest[block][row] > least) << block;
    return blocks;
}

/* The float32 codewords are seldom looked at, so they are in no near cache when they are. */
static inline void fetch_blocks(const float *codewords, const float *bias, size_t width, uint64_t blocks) {
    for (; blocks; blocks &= blocks - 1) {
        const size_t k = (size_t)__builtin_ctzll(blocks) * DPQI_CODE_BLOCK;
        __builtin_prefetch(bias + k, 0, 3);
        for (size_t c = 0; c < width; c++) __builtin_prefetch(codewords + k * width + c * DPQI_CODE_BLOCK, 0, 3);
    }
}

_Static_assert(DPQI_ROUNDED_CODES <= 64 * DPQI_CODE_BLOCK, "a bit for each block");

static void DPQI_NAME(assign_rounded)(const float *tile, size_t rows, size_t width, const float *codewords,
                                      const float *bias, const dpqi_rounded *book, size_t codes, float slope,
                                      float constant, int32_t *out_code, uint64_t *out_left, uint64_t *out_doubtful) {
    _Alignas(DPQ_ALIGNMENT) int32_t rounded[DPQI_ROUNDED_WIDTH / 2 * DPQI_TILE];
    int32_t gaps[DPQI_TILE], least[DPQI_TILE], largest[DPQI_ROUNDED_CODES / DPQI_CODE_BLOCK][DPQI_TILE];
    uint64_t candidates[DPQI_TILE], unsure = 0;
    const uint64_t left = round_tile(tile, rows, width, book, slope, constant, rounded, gaps);
    for (size_t first = 0; first < rows; first += ROWS_ROUNDED) {
        uint64_t some =
            assign_rounded_vectors(rounded + first, (width + 1) / 2, book, codes, gaps + first,
                                   (int32_t(*)[DPQI_TILE])(largest[0] + first), least + first, out_code + first);
        some = some << first & ~left;
        unsure |= some;
        for (; some; some &= some - 1) {
            const size_t row = (size_t)__builtin_ctzll(some);
            candidates[row] = blocks_beyond(largest, codes, row, least[row]);
            fetch_blocks(codewords, bias, width, candidates[row]);
        }
    }
    struct DPQI_NAME(doubt) doubt = {slope, constant, 0};
    for (; unsure; unsure &= unsure - 1) {
        const size_t row = (size_t)__builtin_ctzll(unsure);
        struct DPQI_NAME(lanes_best) lanes = no_best();
        for (uint64_t blocks = candidates[row]; blocks; blocks &= blocks - 1)
            for (size_t i = 0, k = (size_t)__builtin_ctzll(blocks) * DPQI_CODE_BLOCK; i < DPQI_CODE_BLOCK; i += LANES)
                score_lanes(tile + row, width, codewords, bias, k + i, 1, &lanes);
        pick_lane(tile + row, width, &lanes, row, out_code + row, &doubt);
    }
    *out_left = left;
    *out_doubtful = doubt.rows;
}
#endif
