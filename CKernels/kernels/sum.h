/* Weighted sums of rows from their codes. The rows of several bags are summed a word of groups at a time: their codewords
 * stay in the near caches while the rows of all bags pass, and no row is written anywhere. */

/* Groups whose codes are brought together, and the groups of a word of them. */
#define SUM_GROUPS 64
#define WORD_GROUPS 8

/* Values of the vectors that a codeword is read by: up to 16, where they are vectors. */
#define MAX_SUMMED (LANES < 4 ? 4 : 16)

static __attribute__((noinline)) void add_values(float *restrict out, const float *values, float factor, size_t count) {
    size_t c = 0;
    for (; c + LANES <= count; c += LANES)
        vf_store(out + c, vf_fma(vf_set1(factor), vf_load(values + c), vf_load(out + c)));
    DPQI_ROLLED for (; c < count; c++) out[c] += factor * values[c];
}

/* Adds `count` values of a vector: all of them, or those that its first and last half cover. */
#define ADD_VECTOR(set1, load, fma, store, half, half_set1, half_load, half_fma, half_store)                           \
    enum { HALF = sizeof(half) / sizeof(float) };                                                                      \
    if (count == 2 * HALF) {                                                                                           \
        store(out, fma(set1(1), values, load(out)));                                                                   \
        return;                                                                                                        \
    }                                                                                                                  \
    float stored[2 * HALF];                                                                                            \
    store(stored, values);                                                                                             \
    const half first = half_fma(half_set1(1), half_load(stored), half_load(out));                                      \
    const half last = half_fma(half_set1(1), half_load(stored + count - HALF), half_load(out + count - HALF));         \
    half_store(out, first);                                                                                            \
    half_store(out + count - HALF, last)
static inline void add_4(float *out, v4 values, size_t count) {
    float stored[4];
    if (count == 4) {
        v4_store(out, v4_fma(v4_set1(1), values, v4_load(out)));
        return;
    }
    v4_store(stored, values);
    DPQI_ROLLED for (size_t c = 0; c < count; c++) out[c] += stored[c];
}
#if LANES >= 4
static inline void add_8(float *out, v8 values, size_t count) {
    ADD_VECTOR(v8_set1, v8_load, v8_fma, v8_store, v4, v4_set1, v4_load, v4_fma, v4_store);
}
static inline void add_16(float *out, v16 values, size_t count) {
    ADD_VECTOR(v16_set1, v16_load, v16_fma, v16_store, v8, v8_set1, v8_load, v8_fma, v8_store);
}
#endif
#undef ADD_VECTOR

/* Adds to the row of each bag, from `column` on, `count` values of the weighted sums of codewords, which are read as whole
 * vectors: those of one group, or of the groups of a word, whose sums lie d->width values apart. Row r has its codes at
 * codes + WORD_GROUPS * r. A group has four sums: one would wait for each addition to finish. */
#define SUM_ARGUMENTS                                                                                                  \
    const dpqi_decoder *d, const float *codebook, const uint8_t *codes, const float *factors, const dpqi_bag *bags,    \
        size_t bag_count, size_t column, size_t count
typedef void summer(SUM_ARGUMENTS);
#define CODEWORD(row, group) codebook + (group)*d->codebook_stride + codes[WORD_GROUPS * (row) + (group)] * d->pitch
#define SUM_GROUP(vector, set1, load, fma, add)                                                                        \
    size_t r = 0;                                                                                                      \
    for (const dpqi_bag *bag = bags; bag < bags + bag_count; bag++) {                                                  \
        vector sum[4] = {set1(0), set1(0), set1(0), set1(0)};                                                          \
        for (; r + 4 <= bag->end; r += 4)                                                                              \
            for (size_t k = 0; k < 4; k++) sum[k] = fma(set1(factors[r + k]), load(CODEWORD(r + k, 0)), sum[k]);       \
        DPQI_ROLLED for (; r < bag->end; r++) sum[0] = fma(set1(factors[r]), load(CODEWORD(r, 0)), sum[0]);            \
        add(bag->out + column, fma(set1(1), fma(set1(1), sum[0], sum[1]), fma(set1(1), sum[2], sum[3])), count);       \
    }
#define SUM_WORD(vector, set1, load, fma, store)                                                                       \
    size_t r = 0;                                                                                                      \
    for (const dpqi_bag *bag = bags; bag < bags + bag_count; bag++) {                                                  \
        vector sum[WORD_GROUPS];                                                                                       \
        float sums[WORD_GROUPS * 16];                                                                                  \
        for (size_t g = 0; g < WORD_GROUPS; g++) sum[g] = set1(0);                                                     \
        for (; r < bag->end; r++)                                                                                      \
            for (size_t g = 0; g < WORD_GROUPS; g++) sum[g] = fma(set1(factors[r]), load(CODEWORD(r, g)), sum[g]);     \
        for (size_t g = 0; g < WORD_GROUPS; g++) store(sums + g * d->width, sum[g]);                                   \
        add_values(bag->out + column, sums, 1, count);                                                                 \
    }
static void sum_group_4(SUM_ARGUMENTS) { SUM_GROUP(v4, v4_set1, v4_load, v4_fma, add_4) }
#if LANES >= 4
static void sum_group_8(SUM_ARGUMENTS) { SUM_GROUP(v8, v8_set1, v8_load, v8_fma, add_8) }
static void sum_group_16(SUM_ARGUMENTS) { SUM_GROUP(v16, v16_set1, v16_load, v16_fma, add_16) }
static void sum_word_8(SUM_ARGUMENTS) { SUM_WORD(v8, v8_set1, v8_load, v8_fma, v8_store) }
static void sum_word_16(SUM_ARGUMENTS) { SUM_WORD(v16, v16_set1, v16_load, v16_fma, v16_store) }
static summer *const group_summers[] = {sum_group_4, sum_group_8, sum_group_16};
#else
static summer *const group_summers[] = {sum_group_4};
#endif
#undef SUM_WORD
#undef SUM_GROUP
#undef CODEWORD
#undef SUM_ARGUMENTS

/* Values of the vectors that `count` values are read by: 4, 8 or 16. */
static inline size_t summed_lanes(size_t count) { return count > 8 ? 16 : count > 4 ? 8 : 4; }

/* Whether vectors may be read from value `first` of all codewords of a group on. */
static inline int may_read(const dpqi_decoder *d, size_t group, size_t first, size_t lanes) {
    return group * d->codebook_stride + (d->codes - 1) * d->pitch + first + lanes <= d->readable;
}

/* Adds the codewords of one group. */
static __attribute__((noinline)) void add_group(const dpqi_decoder *d, size_t group, const uint8_t *codes,
                                                const float *factors, const dpqi_bag *bags, size_t bag_count) {
    const size_t rest = d->dimension - group * d->width, width = rest < d->width ? rest : d->width;
    for (size_t first = 0; first < width; first += MAX_SUMMED) {
        const size_t count = width - first < MAX_SUMMED ? width - first : MAX_SUMMED, lanes = summed_lanes(count);
        const size_t column = group * d->width + first;
        const float *codebook = d->codebook + group * d->codebook_stride + first;
        if (may_read(d, group, first, lanes)) {
            group_summers[lanes / 8](d, codebook, codes, factors, bags, bag_count, column, count);
            continue;
        }
        size_t r = 0;
        for (size_t b = 0; b < bag_count; b++)
            DPQI_ROLLED for (; r < bags[b].end; r++)
                add_values(bags[b].out + column, codebook + codes[WORD_GROUPS * r] * d->pitch, factors[r], count);
    }
}

/* Codes of at most a byte: those of some groups are brought together first, WORD_GROUPS of a row beside one another. */
static __attribute__((noinline)) void sum_groups(const dpqi_decoder *d, const int64_t *ids, const float *factors,
                                                 const dpqi_bag *bags, size_t bag_count) {
    uint8_t words[SUM_GROUPS / WORD_GROUPS][WORD_GROUPS * DPQI_SUM_ROWS];
    const size_t rows = bags[bag_count - 1].end;
    for (size_t start = 0; start < d->groups; start += SUM_GROUPS) {
        const size_t groups = d->groups - start < SUM_GROUPS ? d->groups - start : SUM_GROUPS;
        for (size_t r = 0; r < rows; r++) {
            code_run scratch;
            const uint8_t *codes =
                codes_of(d->packed + (size_t)ids[r] * d->row_bytes, start, groups, d->bits, d->codes, &scratch);
            size_t g = 0;
            DPQI_ROLLED for (; g + WORD_GROUPS <= groups; g += WORD_GROUPS)
                memcpy(words[g / WORD_GROUPS] + WORD_GROUPS * r, codes + g, WORD_GROUPS);
            DPQI_ROLLED for (; g < groups; g++) words[g / WORD_GROUPS][WORD_GROUPS * r + g % WORD_GROUPS] = codes[g];
        }
        size_t g = 0;
#if LANES >= 4
        const size_t lanes = d->width > 8 ? 16 : 8, values = WORD_GROUPS * d->width;
        const size_t whole = d->width <= MAX_SUMMED ? groups / WORD_GROUPS * WORD_GROUPS : 0;
        for (; g < whole && may_read(d, start + g + WORD_GROUPS - 1, 0, lanes); g += WORD_GROUPS) {
            const size_t column = (start + g) * d->width, rest = d->dimension - column;
            (lanes == 8 ? sum_word_8 : sum_word_16)(d, d->codebook + (start + g) * d->codebook_stride,
                                                    words[g / WORD_GROUPS], factors, bags, bag_count, column,
                                                    rest < values ? rest : values);
        }
#endif
        for (; g < groups; g++)
            add_group(d, start + g, words[g / WORD_GROUPS] + g % WORD_GROUPS, factors, bags, bag_count);
    }
}

/* Rows one after another: where codewords are added already, and where codes take more than a byte. */
static __attribute__((noinline)) void add_rows_apart(const dpqi_decoder *d, const int64_t *ids, const float *factors,
                                                     size_t count, float *restrict out) {
    float row[ROW_BUFFER + COPIED_EXCESS];
    dpqi_decoder plain = *d;
    plain.norm_codes = NULL;
    const row_way way = way_of(&plain, d->dimension + COPIED_EXCESS);
    DPQI_ROLLED for (size_t r = 0; r < count; r++) {
        decode_row_any(&way, (size_t)ids[r], row);
        add_values(out, row, factors[r], d->dimension);
    }
}

#if LANES == 1
/* The same of rows longer than the buffer: rare enough that one level has it for all. */
static __attribute__((noinline)) void add_codewords_apart(const dpqi_decoder *d, const int64_t *ids,
                                                          const float *factors, size_t count, float *restrict out) {
    for (size_t r = 0; r < count; r++) {
        const uint8_t *row = d->packed + (size_t)ids[r] * d->row_bytes;
        DPQI_ROLLED for (size_t run = 0; run < d->groups; run += DPQI_CODE_RUN) {
            code_run scratch;
            const size_t groups = d->groups - run < DPQI_CODE_RUN ? d->groups - run : DPQI_CODE_RUN;
            const void *codes = codes_of(row, run, groups, d->bits, d->codes, &scratch);
            DPQI_ROLLED for (size_t g = 0; g < groups; g++) {
                const size_t column = d->adds ? 0 : (run + g) * d->width, rest = d->dimension - column;
                add_values(out + column,
                           d->codebook + (run + g) * d->codebook_stride + code_at(codes, d->bits > 8, g) * d->pitch,
                           factors[r], rest < d->width ? rest : d->width);
            }
        }
    }
}
#endif

#if LANES == 16 /* looking up in 16 or 32 entries is an instruction */
static __attribute__((noinline)) void add_sums(const vf *waiting, float *out) {
    vf_store(out, vf_add(vf_load(out), vf_sums(waiting)));
}

/* Most rows that are looked up together. */
#define LOOKED_UP_ROWS 64

/* Few codes: a value of all codewords of a group is a vector or two, and LANES rows are looked up at once. The codes of
 * a block of groups are cut from words of the rows' packed codes. */
static inline __attribute__((always_inline)) void sum_looked_up(const dpqi_decoder *d, const uint8_t *const *rows,
                                                                const float *factors, size_t count, size_t entries,
                                                                float *restrict out) {
    const size_t vectors = (count + LANES - 1) / LANES, groups = 32 * LANES / d->bits & ~(size_t)7;
    const float *table = d->columns;
    vf waiting[LANES];
    size_t done = 0;
    DPQI_ROLLED for (size_t at = 0; at < d->row_bytes; at += groups / 8 * d->bits) {
        vf words[LOOKED_UP_ROWS / LANES][LANES + 1];
        for (size_t v = 0; v < vectors; v++) {
            turn_codes(rows + v * LANES, at, d->row_bytes - at, words[v]);
            words[v][LANES] = vf_set1(0);
        }
        for (size_t bit = 0; bit < groups * d->bits && done < d->dimension; bit += d->bits) {
            vi index[LOOKED_UP_ROWS / LANES];
            const size_t w = bit / 32, from = bit % 32;
            for (size_t v = 0; v < vectors; v++) {
                index[v] = vi_down(vi_of_bits(words[v][w]), from);
                if (from + d->bits > 32) index[v] = vi_or(index[v], vi_up(vi_of_bits(words[v][w + 1]), 32 - from));
            }
            if (!d->codebook_stride) table = d->columns;
            for (size_t c = 0; c < d->width && done < d->dimension; c++, table += entries) {
#define LOOKED_UP(v) (entries == 16 ? vf_lookup16(table, index[v]) : vf_lookup32(table, index[v]))
                vf sum = vf_mul(vf_load(factors), LOOKED_UP(0));
                for (size_t v = 1; v < vectors; v++) sum = vf_fma(vf_load(factors + v * LANES), LOOKED_UP(v), sum);
#undef LOOKED_UP
                waiting[done++ % LANES] = sum;
                if (done % LANES == 0) add_sums(waiting, out + done - LANES);
            }
        }
    }
    if (done % LANES == 0) return;
    float last[LANES] = {0};
    for (size_t i = done % LANES; i < LANES; i++) waiting[i] = vf_set1(0);
    add_sums(waiting, last);
    add_values(out + done / LANES * LANES, last, 1, done % LANES);
}

static __attribute__((noinline)) void sum_lookups(const dpqi_decoder *d, const uint8_t *const *rows,
                                                  const float *factors, size_t count, float *out) {
    if (d->bits <= 4)
        sum_looked_up(d, rows, factors, count, 16, out);
    else
        sum_looked_up(d, rows, factors, count, 32, out);
}

static __attribute__((noinline)) void add_lookups(const dpqi_decoder *d, const int64_t *ids, const float *factors,
                                                  size_t count, float *out) {
    const uint8_t *rows[LOOKED_UP_ROWS];
    float filled[LOOKED_UP_ROWS];
    for (size_t first = 0; first < count; first += LOOKED_UP_ROWS) {
        const size_t block = count - first < LOOKED_UP_ROWS ? count - first : LOOKED_UP_ROWS;
        /* Lanes without a row repeat one, times nothing. */
        DPQI_ROLLED for (size_t r = 0; r < (block + LANES - 1) / LANES * LANES; r++) {
            rows[r] = d->packed + (size_t)ids[first + (r < block ? r : 0)] * d->row_bytes;
            filled[r] = r < block ? factors[first + r] : 0;
        }
        sum_lookups(d, rows, filled, block, out);
    }
}
#endif

/* Adds to each bag's row the sum of its rows, each times its factor. */
static void DPQI_NAME(decode_sums)(const dpqi_decoder *d, const int64_t *ids, const float *factors,
                                   const dpqi_bag *bags, size_t bag_count) {
    if (!d->adds && d->bits <= 8) {
#if LANES == 16
        if (d->columns) {
            size_t r = 0;
            for (size_t b = 0; b < bag_count; r = bags[b++].end) {
                const dpqi_bag alone = {bags[b].out, bags[b].end - r};
                if (alone.end >= LANES / 2)
                    add_lookups(d, ids + r, factors + r, alone.end, alone.out);
                else
                    sum_groups(d, ids + r, factors + r, &alone, 1);
            }
            return;
        }
#endif
        sum_groups(d, ids, factors, bags, bag_count);
        return;
    }
#if LANES > 1
    if (d->dimension > ROW_BUFFER) {
        dpqi_kernels_scalar.decode_sums(d, ids, factors, bags, bag_count);
        return;
    }
#endif
    size_t r = 0;
    for (size_t b = 0; b < bag_count; r = bags[b++].end) {
        const size_t rows = bags[b].end - r;
#if LANES == 1
        if (d->dimension > ROW_BUFFER)
            add_codewords_apart(d, ids + r, factors + r, rows, bags[b].out);
        else
#endif
            add_rows_apart(d, ids + r, factors + r, rows, bags[b].out);
    }
}
