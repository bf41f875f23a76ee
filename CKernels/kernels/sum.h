/* Weighted sums of rows from their codes. A codeword is a vector, or several, and as many groups as there are registers
 * are summed over all rows before the next groups: no row is written anywhere. */

/* Rows whose codes are held at a time, and groups that are summed at once. */
#define SUM_ROWS 64
#define SUM_GROUPS 8

/* Sums SUM_GROUPS codewords of `rows` rows each, each a vector; the sums lie `step` values apart in `out`. */
#define SUM_ARGUMENTS                                                                                                  \
    const float *codebook, size_t stride, size_t pitch, const uint8_t *const *codes, size_t start,                     \
        const float *factors, size_t rows, float *out, size_t step
typedef void summer(SUM_ARGUMENTS);
#define SUM(vector, set1, load, fma, store)                                                                            \
    vector sum[SUM_GROUPS];                                                                                            \
    for (size_t g = 0; g < SUM_GROUPS; g++) sum[g] = set1(0);                                                          \
    for (size_t r = 0; r < rows; r++) {                                                                                \
        const vector factor = set1(factors[r]);                                                                        \
        const uint8_t *row = codes[r] + start;                                                                         \
        const float *group = codebook;                                                                                 \
        for (size_t g = 0; g < SUM_GROUPS; g++, group += stride)                                                       \
            sum[g] = fma(factor, load(group + row[g] * pitch), sum[g]);                                                \
    }                                                                                                                  \
    for (size_t g = 0; g < SUM_GROUPS; g++) store(out + g * step, sum[g])
static void sum_4(SUM_ARGUMENTS) { SUM(v4, v4_set1, v4_load, v4_fma, v4_store); }
static void sum_8(SUM_ARGUMENTS) { SUM(v8, v8_set1, v8_load, v8_fma, v8_store); }
static void sum_16(SUM_ARGUMENTS) { SUM(v16, v16_set1, v16_load, v16_fma, v16_store); }
#undef SUM
#undef SUM_ARGUMENTS

/* Values of the vectors that a codeword is read by. */
static inline size_t summed_lanes(const dpqi_decoder *d) { return d->width > 8 ? 16 : d->width > 4 ? 8 : 4; }

/* How many leading groups may be read in such vectors. */
static inline size_t summed_groups(const dpqi_decoder *d) {
    const size_t last = (d->codes - 1) * d->pitch + (d->width > 16 ? d->width : summed_lanes(d));
    size_t groups = d->groups;
    if (last > d->readable) return 0;
    if (d->codebook_stride && (d->readable - last) / d->codebook_stride + 1 < groups)
        groups = (d->readable - last) / d->codebook_stride + 1;
    return groups < SUM_GROUPS ? 0 : groups;
}

static __attribute__((noinline)) void add_values(float *restrict out, const float *values, float factor, size_t count) {
    size_t c = 0;
    for (; c + LANES <= count; c += LANES)
        vf_store(out + c, vf_fma(vf_set1(factor), vf_load(values + c), vf_load(out + c)));
    DPQI_ROLLED for (; c < count; c++) out[c] += factor * values[c];
}

/* Adds groups [start, start + count) of a run's rows, each at most 16 values wide or by 16 values of it after others:
 * the last vector overlaps the one before. */
static __attribute__((noinline)) void add_groups(const dpqi_decoder *d, size_t run, size_t start,
                                                 const uint8_t *const *codes, const float *factors, size_t rows,
                                                 size_t new_groups, float *restrict out) {
    const size_t lanes = summed_lanes(d), at_once = d->width < 16 ? d->width : 16;
    const float *codebook = d->codebook + (run + start) * d->codebook_stride;
    summer *const sum = lanes == 4 ? sum_4 : lanes == 8 ? sum_8 : sum_16;
    float sums[SUM_GROUPS * 16 + 16];
    for (size_t column = 0; column < d->width; column += at_once) {
        const size_t from = column + at_once <= d->width ? column : d->width - at_once;
        sum(codebook + from, d->codebook_stride, d->pitch, codes, start, factors, rows, sums, at_once);
        /* Narrow codewords lie beside one another, wide ones apart. */
        const size_t pieces = d->width <= 16 ? 1 : new_groups;
        for (size_t g = SUM_GROUPS - new_groups; g < SUM_GROUPS - new_groups + pieces; g++) {
            const size_t place = (run + start + g) * d->width + column, skipped = column - from;
            const size_t wanted = d->width <= 16 ? new_groups * d->width : at_once - skipped;
            if (place < d->dimension)
                add_values(out + place, sums + g * at_once + skipped, 1,
                           d->dimension - place < wanted ? d->dimension - place : wanted);
        }
    }
}

/* Rows one after another: where codewords are added already, and where codes take more than a byte. */
static __attribute__((noinline)) void add_rows_apart(const dpqi_decoder *d, const int64_t *ids, const float *weights,
                                                     size_t count, float *restrict out) {
    float row[ROW_BUFFER + COPIED_EXCESS];
    const row_way way = way_of(d, d->dimension + COPIED_EXCESS);
    DPQI_ROLLED for (size_t i = 0; i < count; i++) {
        prefetch_codes(d, ids, i, count);
        decode_row(&way, (size_t)ids[i], row);
        add_values(out, row, weights ? weights[i] : 1.0f, d->dimension);
    }
}

#if LANES == 16 /* looking up in 16 or 32 entries is an instruction */
static __attribute__((noinline)) void add_sums(const vf *waiting, float *out) {
    vf_store(out, vf_add(vf_load(out), vf_sums(waiting)));
}

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
        vf words[SUM_ROWS / LANES][LANES + 1];
        for (size_t v = 0; v < vectors; v++) {
            turn_codes(rows + v * LANES, at, d->row_bytes - at, words[v]);
            words[v][LANES] = vf_set1(0);
        }
        for (size_t bit = 0; bit < groups * d->bits && done < d->dimension; bit += d->bits) {
            vi index[SUM_ROWS / LANES];
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
#endif

/* out[dimension] += the sum of rows `ids`[count], each times its weight where weights is not NULL. */
static void DPQI_NAME(decode_sum)(const dpqi_decoder *d, const int64_t *ids, const float *weights, size_t count,
                                  float *restrict out) {
    if ((d->adds || d->bits > 8) && d->dimension <= ROW_BUFFER) {
        add_rows_apart(d, ids, weights, count, out);
        return;
    }
    code_run scratch[SUM_ROWS];
    const uint8_t *codes[SUM_ROWS];
    float factors[SUM_ROWS];
    const size_t summed = d->adds || d->bits > 8 ? 0 : summed_groups(d);
    for (size_t first = 0; first < count; first += SUM_ROWS) {
        const size_t rows = count - first < SUM_ROWS ? count - first : SUM_ROWS;
        DPQI_ROLLED for (size_t r = 0; r < rows; r++) {
            const size_t id = (size_t)ids[first + r];
            __builtin_prefetch(d->packed + id * d->row_bytes, 0, 3);
            factors[r] = norm_of(d, id) * (weights ? weights[first + r] : 1.0f);
        }
#if LANES == 16
        if (d->columns && rows >= LANES / 2) {
            /* Lanes without a row repeat one. */
            const size_t filled = (rows + LANES - 1) / LANES * LANES;
            for (size_t r = rows; r < filled; r++) factors[r] = 0;
            DPQI_ROLLED for (size_t r = 0; r < filled; r++) codes[r] =
                d->packed + (size_t)ids[first + (r < rows ? r : 0)] * d->row_bytes;
            sum_lookups(d, codes, factors, rows, out);
            continue;
        }
#endif
        DPQI_ROLLED for (size_t run = 0; run < d->groups; run += DPQI_CODE_RUN) {
            const size_t groups = d->groups - run < DPQI_CODE_RUN ? d->groups - run : DPQI_CODE_RUN;
            DPQI_ROLLED for (size_t r = 0; r < rows; r++) codes[r] = codes_of(
                d->packed + (size_t)ids[first + r] * d->row_bytes, run, groups, d->bits, d->codes, &scratch[r]);
            size_t done = summed <= run ? 0 : summed - run < groups ? summed - run : groups;
            if (done < SUM_GROUPS) done = 0;
            for (size_t g = 0; g < done; g += SUM_GROUPS) {
                const size_t start = g + SUM_GROUPS <= done ? g : done - SUM_GROUPS;
                add_groups(d, run, start, codes, factors, rows, start + SUM_GROUPS - g, out);
            }
            for (size_t g = done; g < groups; g++) {
                const size_t column = d->adds ? 0 : (run + g) * d->width, rest = d->dimension - column;
                DPQI_ROLLED for (size_t r = 0; r < rows; r++) add_values(
                    out + column,
                    d->codebook + (run + g) * d->codebook_stride + code_at(codes[r], d->bits > 8, g) * d->pitch,
                    factors[r], rest < d->width ? rest : d->width);
            }
        }
    }
}
