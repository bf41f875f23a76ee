/* Rows and codes: sums of rows by their code (the second half of a k-means sweep), and copies of codewords by code. */

/* The compiler makes one of these for each constant number of columns, without weights; the short inner loops would cost
 * more than the sums. What is added to a codeword lies together, in whole vectors: with six columns that is one cache
 * line, touched by two additions. */
static inline __attribute__((always_inline)) void add_rows(const float *rows, size_t stride, size_t count,
                                                           size_t columns, const int32_t *codes, const float *weights,
                                                           const float *norms, double *sums, size_t pitch) {
    static const float nothing[2] = {0};
    float heads[DPQI_TILE][DPQI_SUM_HEAD];
    for (size_t r = 0; r < DPQI_TILE; r++) {
        heads[r][0] = 1;
        heads[r][1] = norms[r];
    }
    for (size_t r = 0; r < count; r++) {
        const float *row = rows + r * stride;
        const double weight = weights ? (double)weights[r] : 1;
        double *sum = sums + (size_t)codes[r] * pitch;
        size_t c = 0;
        if (columns >= 2) {
            v4_add_to(sum, v4_join(heads[r], row), weight);
            for (c = 2; c + 4 <= columns; c += 4) v4_add_to(sum + DPQI_SUM_HEAD + c, v4_load(row + c), weight);
        } else {
            for (size_t i = 0; i < DPQI_SUM_HEAD; i++) sum[i] += weight * (double)heads[r][i];
        }
        if (c + 2 <= columns) {
            v4_add_to(sum + DPQI_SUM_HEAD + c, v4_join(row + c, nothing), weight);
            c += 2;
        }
        for (; c < columns; c++) sum[DPQI_SUM_HEAD + c] += weight * (double)row[c];
    }
}

/* For r < count: (1, norms[r], rows[r][columns]) times weights[r], or 1 where weights is NULL, are added to the places of
 * sums[codes[r]]; sums [][dpqi_sum_pitch(columns at least)]. */
static void DPQI_NAME(accumulate)(const float *rows, size_t stride, size_t count, size_t columns, const int32_t *codes,
                                  const float *weights, const float *norms, double *sums, size_t pitch) {
    switch (weights ? 0 : columns) {
    case 1: add_rows(rows, stride, count, 1, codes, NULL, norms, sums, pitch); break;
    case 2: add_rows(rows, stride, count, 2, codes, NULL, norms, sums, pitch); break;
    case 3: add_rows(rows, stride, count, 3, codes, NULL, norms, sums, pitch); break;
    case 4: add_rows(rows, stride, count, 4, codes, NULL, norms, sums, pitch); break;
    case 5: add_rows(rows, stride, count, 5, codes, NULL, norms, sums, pitch); break;
    case 6: add_rows(rows, stride, count, 6, codes, NULL, norms, sums, pitch); break;
    case 8: add_rows(rows, stride, count, 8, codes, NULL, norms, sums, pitch); break;
    case 16: add_rows(rows, stride, count, 16, codes, NULL, norms, sums, pitch); break;
    default: add_rows(rows, stride, count, columns, codes, weights, norms, sums, pitch); break;
    }
}

static inline __attribute__((always_inline)) void copy_words(const float *values, size_t book, const int32_t *codes,
                                                             size_t groups, size_t count, size_t width, float *out,
                                                             size_t stride) {
    for (size_t r = 0; r < count; r++) {
        if (r + ROWS_AHEAD < count) fetch_to_write(out + (r + ROWS_AHEAD) * stride, groups * width);
        for (size_t j = 0; j < groups; j++)
            memcpy(out + r * stride + j * width, values + (j * book + (size_t)codes[j * DPQI_TILE + r]) * width,
                   width * sizeof *values);
    }
}

/* out[r][j][width] = values[j][codes[j][r]] for r < count, j < groups; rows of out `stride` apart; values
 * [groups][book][width], book 0 where groups share them; codes [groups][DPQI_TILE]. */
static void DPQI_NAME(copy_codewords)(const float *values, size_t book, const int32_t *codes, size_t groups,
                                      size_t count, size_t width, float *out, size_t stride) {
    switch (width) {
    case 1: copy_words(values, book, codes, groups, count, 1, out, stride); break;
    case 2: copy_words(values, book, codes, groups, count, 2, out, stride); break;
    case 3: copy_words(values, book, codes, groups, count, 3, out, stride); break;
    case 4: copy_words(values, book, codes, groups, count, 4, out, stride); break;
    case 6: copy_words(values, book, codes, groups, count, 6, out, stride); break;
    case 8: copy_words(values, book, codes, groups, count, 8, out, stride); break;
    case 16: copy_words(values, book, codes, groups, count, 16, out, stride); break;
    default: copy_words(values, book, codes, groups, count, width, out, stride); break;
    }
}

/* out[columns] = sum over e < count of weights[e] * rows[ids[e]], in the order of e; rows `columns` long. */
static void DPQI_NAME(combine)(const float *rows, size_t columns, const int32_t *ids, const float *weights,
                               size_t count, float *out) {
    enum { AT_ONCE = 8 };
    size_t c = 0;
    for (; c + AT_ONCE * LANES <= columns; c += AT_ONCE * LANES) {
        vf sum[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) sum[i] = vf_set1(0);
        for (size_t e = 0; e < count; e++) {
            const float *row = rows + (size_t)ids[e] * columns + c;
            const vf weight = vf_set1(weights[e]);
            for (int i = 0; i < AT_ONCE; i++) sum[i] = vf_fma(weight, vf_load(row + i * LANES), sum[i]);
        }
        for (int i = 0; i < AT_ONCE; i++) vf_store(out + c + i * LANES, sum[i]);
    }
    if (c == columns) return;
    memset(out + c, 0, (columns - c) * sizeof *out);
    for (size_t e = 0; e < count; e++) {
        const float *row = rows + (size_t)ids[e] * columns;
        const float weight = weights[e];
        for (size_t i = c; i < columns; i++) out[i] += weight * row[i];
    }
}
