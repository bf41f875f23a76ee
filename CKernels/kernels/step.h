/* The step of a DPQ layer (Chen, Li, Sun 2020, sections 2-3) for one tile of rows and one group.
 *
 * Rows lie in lanes: a tile is [width][DPQI_TILE], what there is for each code is [codes][DPQI_TILE]. The softmax over
 * codes is then vertical. Rows of a tile that are not real are zeros in queries and in the gradient from above, so their
 * gradients vanish without a test. */

#define VECTORS_A_TILE (DPQI_TILE / LANES)

/* Columns of a product that share the loads of its other factor. */
#define COLUMNS_AT_ONCE (LANES >= 16 ? 8 : 4)

static inline __attribute__((always_inline)) void score_codes(const float *tile, size_t width, const float *keys,
                                                              const float *bias, size_t count,
                                                              vf score[CODES_AT_ONCE][ROWS_AT_ONCE]) {
    for (size_t i = 0; i < count; i++)
        for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vf_set1(bias ? bias[i] : 0);
    for (size_t c = 0; c < width; c++) {
        vf x[ROWS_AT_ONCE];
        for (int v = 0; v < ROWS_AT_ONCE; v++) x[v] = vf_load(tile + c * DPQI_TILE + v * LANES);
        for (size_t i = 0; i < count; i++) {
            const vf key = vf_set1(keys[i * width + c]);
            for (int v = 0; v < ROWS_AT_ONCE; v++) score[i][v] = vf_fma(x[v], key, score[i][v]);
        }
    }
}

static inline __attribute__((always_inline)) void logits_of(const float *tile, size_t width, const float *keys,
                                                            const float *bias, size_t count, vf largest[ROWS_AT_ONCE],
                                                            float *out) {
    vf score[CODES_AT_ONCE][ROWS_AT_ONCE];
    score_codes(tile, width, keys, bias, count, score);
    for (size_t i = 0; i < count; i++)
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            largest[v] = vf_max(score[i][v], largest[v]);
            vf_store(out + i * DPQI_TILE + v * LANES, score[i][v]);
        }
}

static inline __attribute__((always_inline)) void rewards_of(const float *tile, size_t width, const float *values,
                                                             size_t count, float *rewards) {
    vf reward[CODES_AT_ONCE][ROWS_AT_ONCE];
    score_codes(tile, width, values, NULL, count, reward);
    for (size_t i = 0; i < count; i++)
        for (int v = 0; v < ROWS_AT_ONCE; v++) vf_store(rewards + i * DPQI_TILE + v * LANES, reward[i][v]);
}

/* The softmax of a tile and what the gradient from above says of it. With logit_k = bias[k] + query . keys[k] and
 * reward_k = upstream . values[k]:
 *   shares[k] = 2^(logit_k - largest logit),  rewards[k] = reward_k
 *   out_inverse[row] = 1 / sum of shares,  out_mean[row] = sum of share * reward / sum of shares
 * so that the gradient by the logits, but for a factor ln 2, is shares * (rewards - mean) * inverse. */
static void DPQI_NAME(softmax)(const float *query, const float *upstream, size_t width, const float *keys,
                               const float *bias, const float *values, size_t codes, float *shares, float *rewards,
                               float *out_inverse, float *out_mean) {
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
        vf largest[ROWS_AT_ONCE], total[ROWS_AT_ONCE], mean[ROWS_AT_ONCE];
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            largest[v] = vf_set1(-INFINITY);
            total[v] = mean[v] = vf_set1(0);
        }
        size_t k = 0;
        for (; k + CODES_AT_ONCE <= codes; k += CODES_AT_ONCE)
            logits_of(query + r, width, keys + k * width, bias + k, CODES_AT_ONCE, largest, shares + k * DPQI_TILE + r);
        if (k < codes)
            logits_of(query + r, width, keys + k * width, bias + k, codes - k, largest, shares + k * DPQI_TILE + r);
        for (k = 0; k + CODES_AT_ONCE <= codes; k += CODES_AT_ONCE)
            rewards_of(upstream + r, width, values + k * width, CODES_AT_ONCE, rewards + k * DPQI_TILE + r);
        if (k < codes) rewards_of(upstream + r, width, values + k * width, codes - k, rewards + k * DPQI_TILE + r);
        for (k = 0; k < codes; k++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) {
                const size_t at = k * DPQI_TILE + r + (size_t)v * LANES;
                const vf share = power_of_two(vf_sub(vf_load(shares + at), largest[v]));
                vf_store(shares + at, share);
                total[v] = vf_add(total[v], share);
                mean[v] = vf_fma(share, vf_load(rewards + at), mean[v]);
            }
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            const vf inverse = vf_div(vf_set1(1), total[v]);
            vf_store(out_inverse + r + v * LANES, inverse);
            vf_store(out_mean + r + v * LANES, vf_mul(mean[v], inverse));
        }
    }
}

/* Vectors of rows taken together in a product with codewords. */
#define PRODUCT_VECTORS 2

/* Where shares is given, gradient = shares * (gradient - mean) on the way. */
static inline __attribute__((always_inline)) void multiply_columns(const float *shares, const float *mean,
                                                                   float *gradient, size_t codes, const float *keys,
                                                                   size_t width, int count, const float *factor,
                                                                   float scale, float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += PRODUCT_VECTORS * LANES) {
        vf sum[COLUMNS_AT_ONCE][PRODUCT_VECTORS], middle[PRODUCT_VECTORS];
        for (int v = 0; v < PRODUCT_VECTORS; v++) {
            middle[v] = shares ? vf_load(mean + r + v * LANES) : vf_set1(0);
            for (int i = 0; i < count; i++) sum[i][v] = vf_set1(0);
        }
        for (size_t k = 0; k < codes; k++) {
            vf g[PRODUCT_VECTORS];
            for (int v = 0; v < PRODUCT_VECTORS; v++) {
                const size_t at = k * DPQI_TILE + r + (size_t)v * LANES;
                g[v] = vf_load(gradient + at);
                if (shares) {
                    g[v] = vf_mul(vf_load(shares + at), vf_sub(g[v], middle[v]));
                    vf_store(gradient + at, g[v]);
                }
            }
            for (int i = 0; i < count; i++) {
                const vf key = vf_set1(keys[k * width + (size_t)i]);
                for (int v = 0; v < PRODUCT_VECTORS; v++) sum[i][v] = vf_fma(g[v], key, sum[i][v]);
            }
        }
        for (int i = 0; i < count; i++)
            for (int v = 0; v < PRODUCT_VECTORS; v++) {
                const size_t at = r + (size_t)v * LANES;
                const vf f = vf_mul(vf_load(factor + at), vf_set1(scale));
                vf_store(out + (size_t)i * DPQI_TILE + at, vf_mul(sum[i][v], f));
            }
    }
}

/* Gradient by the logits, in place of the rewards: shares * (rewards - mean); and by the query:
 * out[width][DPQI_TILE] = scale * factor[row] * sum over codes of gradient[k] * keys[k][width]. */
static void DPQI_NAME(multiply_keys)(const float *shares, const float *mean, float *gradient, size_t codes,
                                     const float *keys, size_t width, const float *factor, float scale, float *out) {
    size_t c = 0;
    for (; c + COLUMNS_AT_ONCE <= width; c += COLUMNS_AT_ONCE)
        multiply_columns(c ? NULL : shares, mean, gradient, codes, keys + c, width, COLUMNS_AT_ONCE, factor, scale,
                         out + c * DPQI_TILE);
    if (c + 4 <= width) {
        multiply_columns(c ? NULL : shares, mean, gradient, codes, keys + c, width, 4, factor, scale,
                         out + c * DPQI_TILE);
        c += 4;
    }
    for (; c < width; c++)
        multiply_columns(c ? NULL : shares, mean, gradient, codes, keys + c, width, 1, factor, scale,
                         out + c * DPQI_TILE);
}

/* Vectors of codes whose gradients are summed together: they share the loads of the tile. */
#define OUTER_VECTORS 2

/* sums[c][vectors * LANES codes] += over rows of rows[vector][r][LANES codes] * tile[c][r]. */
static inline __attribute__((always_inline)) void outer_columns(const float *rows, const float *tile, int columns,
                                                                int vectors, double *sums, size_t pitch) {
    vf sum[OUTER_VECTORS][COLUMNS_AT_ONCE];
    for (int v = 0; v < vectors; v++)
        for (int c = 0; c < columns; c++) sum[v][c] = vf_set1(0);
    for (size_t r = 0; r < DPQI_TILE; r++) {
        vf gradient[OUTER_VECTORS];
        for (int v = 0; v < vectors; v++) gradient[v] = vf_load(rows + ((size_t)v * DPQI_TILE + r) * LANES);
        for (int c = 0; c < columns; c++) {
            const vf x = vf_set1(tile[(size_t)c * DPQI_TILE + r]);
            for (int v = 0; v < vectors; v++) sum[v][c] = vf_fma(gradient[v], x, sum[v][c]);
        }
    }
    for (int c = 0; c < columns; c++)
        for (int v = 0; v < vectors; v++) {
            float narrow[LANES];
            vf_store(narrow, sum[v][c]);
            double *out = sums + (size_t)c * pitch + (size_t)v * LANES;
            for (size_t i = 0; i < LANES; i++) out[i] += (double)narrow[i];
        }
}

static inline __attribute__((always_inline)) void outer_codes(const float *gradient, size_t codes, int vectors,
                                                              const float *tile, size_t width, double *out,
                                                              size_t pitch) {
    float rows[OUTER_VECTORS * DPQI_TILE * LANES];
    for (int v = 0; v < vectors; v++)
        for (size_t r = 0; r < DPQI_TILE; r += LANES) {
            vf block[LANES];
            for (size_t i = 0; i < LANES; i++) {
                const size_t k = (size_t)v * LANES + i;
                block[i] = k < codes ? vf_load(gradient + k * DPQI_TILE + r) : vf_set1(0);
            }
            vf_transpose(block);
            for (size_t i = 0; i < LANES; i++) vf_store(rows + ((size_t)v * DPQI_TILE + r + i) * LANES, block[i]);
        }
    size_t c = 0;
    for (; c + COLUMNS_AT_ONCE <= width; c += COLUMNS_AT_ONCE)
        outer_columns(rows, tile + c * DPQI_TILE, COLUMNS_AT_ONCE, vectors, out + c * pitch, pitch);
    for (; c + 4 <= width; c += 4) outer_columns(rows, tile + c * DPQI_TILE, 4, vectors, out + c * pitch, pitch);
    for (; c < width; c++) outer_columns(rows, tile + c * DPQI_TILE, 1, vectors, out + c * pitch, pitch);
}

/* out[width][pitch] += over rows of gradient[k][row] * tile[c][row], for codes k < codes; pitch is codes rounded up to a
 * multiple of DPQI_CODE_BLOCK. Codes are turned into lanes, so that sums over rows need no sums over lanes. */
static void DPQI_NAME(add_outer)(const float *gradient, size_t codes, const float *tile, size_t width, double *out,
                                 size_t pitch) {
    size_t k = 0;
    for (; k < codes && k + OUTER_VECTORS * LANES <= pitch; k += OUTER_VECTORS * LANES)
        outer_codes(gradient + k * DPQI_TILE, codes - k, OUTER_VECTORS, tile, width, out + k, pitch);
    for (; k < codes; k += LANES) outer_codes(gradient + k * DPQI_TILE, codes - k, 1, tile, width, out + k, pitch);
}

/* Sums of the lanes of LANES vectors: lane i is the sum of v[i]. */
static inline vf sum_lanes(vf v[LANES]) {
    vf_transpose(v);
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) v[i] = vf_add(v[i], v[i + n]);
    return v[0];
}

/* out[i][j] += sum over rows of tile[i][row] * tile[j][row] for j <= i: the lower triangle, row after row. LANES products
 * at a time, their lanes added up together. */
static void DPQI_NAME(add_squares)(const float *tile, size_t columns, double *out) {
    vf sum[LANES];
    size_t filled = 0;
    const size_t count = columns * (columns + 1) / 2;
    for (size_t i = 0, done = 0; i < columns; i++) {
        vf x[VECTORS_A_TILE];
        for (size_t v = 0; v < VECTORS_A_TILE; v++) x[v] = vf_load(tile + i * DPQI_TILE + v * LANES);
        for (size_t j = 0; j <= i; j++) {
            vf s = vf_mul(x[0], vf_load(tile + j * DPQI_TILE));
            for (size_t v = 1; v < VECTORS_A_TILE; v++) s = vf_fma(x[v], vf_load(tile + j * DPQI_TILE + v * LANES), s);
            sum[filled++] = s;
            if (filled < LANES && done + filled < count) continue;
            for (size_t n = filled; n < LANES; n++) sum[n] = vf_set1(0);
            float narrow[LANES];
            vf_store(narrow, sum_lanes(sum));
            for (size_t n = 0; n < filled; n++) out[done + n] += (double)narrow[n];
            done += filled;
            filled = 0;
        }
    }
}

/* out[columns][DPQI_TILE] = tile times factor[row]; out may be the tile. */
static void DPQI_NAME(scale_tile)(const float *tile, size_t columns, const float *factor, float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += LANES) {
        const vf f = vf_load(factor + r);
        for (size_t c = 0; c < columns; c++)
            vf_store(out + c * DPQI_TILE + r, vf_mul(vf_load(tile + c * DPQI_TILE + r), f));
    }
}

/* out[c][row] -= bias[c] + sum over i of tile[i][row] * matrix[i][c]: a tile times a square matrix. */
static void DPQI_NAME(subtract_product)(const float *tile, size_t width, const float *matrix, const float *bias,
                                        float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += LANES)
        for (size_t c = 0; c < width; c++) {
            vf sum = vf_set1(bias[c]);
            for (size_t i = 0; i < width; i++)
                sum = vf_fma(vf_load(tile + i * DPQI_TILE + r), vf_set1(matrix[i * width + c]), sum);
            float *place = out + c * DPQI_TILE + r;
            vf_store(place, vf_sub(vf_load(place), sum));
        }
}

/* The compiler unrolls these for each constant width; the short inner loops would cost more than the sums. */
static inline __attribute__((always_inline)) void add_cells(const float *rows, size_t stride, size_t count,
                                                            size_t groups, size_t width, const uint16_t *codes,
                                                            size_t code_stride, double *sums, double *counts,
                                                            size_t book) {
    for (size_t r = 0; r < count; r++)
        for (size_t j = 0; j < groups; j++) {
            const float *cell = rows + r * stride + j * width;
            const size_t code = codes[r * code_stride + j];
            double *sum = sums + (j * book + code) * width;
            if (counts) counts[j * book + code] += 1;
            for (size_t c = 0; c < width; c++) sum[c] += (double)cell[c];
        }
}

/* sums[j][codes[r][j]][c] += rows[r][j][c] and, where given, counts[j][codes[r][j]] += 1 for r < count, j < groups,
 * c < width. A row of codes is code_stride long; sums [groups][book][width], counts [groups][book]. */
static void DPQI_NAME(add_by_code)(const float *rows, size_t stride, size_t count, size_t groups, size_t width,
                                   const uint16_t *codes, size_t code_stride, double *sums, double *counts,
                                   size_t book) {
    switch (width) {
    case 2: add_cells(rows, stride, count, groups, 2, codes, code_stride, sums, counts, book); break;
    case 3: add_cells(rows, stride, count, groups, 3, codes, code_stride, sums, counts, book); break;
    case 4: add_cells(rows, stride, count, groups, 4, codes, code_stride, sums, counts, book); break;
    case 6: add_cells(rows, stride, count, groups, 6, codes, code_stride, sums, counts, book); break;
    case 8: add_cells(rows, stride, count, groups, 8, codes, code_stride, sums, counts, book); break;
    case 16: add_cells(rows, stride, count, groups, 16, codes, code_stride, sums, counts, book); break;
    default: add_cells(rows, stride, count, groups, width, codes, code_stride, sums, counts, book); break;
    }
}

/* Rows outside, groups inside: a row's cells lie side by side, and lines of rows some power of two apart would drive each
 * other from the cache if a group were done before the next. */
static inline __attribute__((always_inline)) void replace_cells(const float *keys, size_t book, const int32_t *codes,
                                                                size_t groups, size_t count, size_t width,
                                                                const float *rows, size_t stride, float *out,
                                                                double *sums) {
    enum { CHAINS = 8 }; /* of sums: one alone would wait for each addition */
    float parts[(DPQI_BLOCK_COLUMNS + 1) * CHAINS] = {0};
    for (size_t r = 0; r < count; r++) {
        if (out && r + ROWS_AHEAD < count) fetch_to_write(out + (r + ROWS_AHEAD) * stride, groups * width);
        for (size_t j = 0; j < groups; j++) {
            const float *key = keys + (j * book + (size_t)codes[j * DPQI_TILE + r]) * width;
            const size_t at = r * stride + j * width;
            float *part = parts + j * CHAINS;
            for (size_t c = 0; c < width; c++) {
                const float d = key[c] - rows[at + c];
                part[c % CHAINS] += d * d;
            }
            if (out) memcpy(out + at, key, width * sizeof *key);
        }
    }
    for (size_t j = 0; j < groups; j++)
        for (int c = 0; c < CHAINS; c++) sums[j] += (double)parts[j * CHAINS + (size_t)c];
}

/* For the groups of a block: out[r][j] = keys[j][codes[j][r]], where not NULL, and sums[j] += the sum over r of
 * ||keys[j][codes[j][r]] - rows[r][j]||^2, for r < count, at most a tile of rows; out and rows `stride` apart.
 * keys [groups][book][width], book 0 where groups share them; codes [groups][DPQI_TILE]. */
static void DPQI_NAME(replace_rows)(const float *keys, size_t book, const int32_t *codes, size_t groups, size_t count,
                                    size_t width, const float *rows, size_t stride, float *out, double *sums) {
    switch (width) {
    case 2: replace_cells(keys, book, codes, groups, count, 2, rows, stride, out, sums); break;
    case 4: replace_cells(keys, book, codes, groups, count, 4, rows, stride, out, sums); break;
    case 8: replace_cells(keys, book, codes, groups, count, 8, rows, stride, out, sums); break;
    case 16: replace_cells(keys, book, codes, groups, count, 16, rows, stride, out, sums); break;
    default: replace_cells(keys, book, codes, groups, count, width, rows, stride, out, sums); break;
    }
}

static inline __attribute__((always_inline)) void pull_cells(const float *rows, const float *upstream, size_t stride,
                                                             size_t count, size_t groups, size_t width,
                                                             const float *keys, size_t book, const uint16_t *codes,
                                                             size_t code_stride, float weight, float *out) {
    enum { AT_ONCE = 8 };
    for (size_t r = 0; r < count; r++) {
        if (r + ROWS_AHEAD < count) fetch_to_write(out + (r + ROWS_AHEAD) * stride, groups * width);
        for (size_t j = 0; j < groups; j++) {
            const float *key = keys + (j * book + codes[r * code_stride + j]) * width;
            const size_t at = r * stride + j * width;
            for (size_t first = 0; first < width; first += AT_ONCE) {
                /* The compiler does not know that `out` is none of the inputs. */
                float values[AT_ONCE];
                const size_t count_here = width - first < AT_ONCE ? width - first : AT_ONCE;
                for (size_t c = 0; c < count_here; c++) {
                    const size_t i = first + c;
                    values[c] = upstream[at + i] + weight * (rows[at + i] - key[i]);
                }
                memcpy(out + at + first, values, count_here * sizeof *values);
            }
        }
    }
}

/* out[r][j] = upstream[r][j] + weight * (rows[r][j] - keys[j][codes[r][j]]); keys [groups][book][width], book 0
 * where groups share them. */
static void DPQI_NAME(pull_to_codes)(const float *rows, const float *upstream, size_t stride, size_t count,
                                     size_t groups, size_t width, const float *keys, size_t book, const uint16_t *codes,
                                     size_t code_stride, float weight, float *out) {
    switch (width) {
    case 4: pull_cells(rows, upstream, stride, count, groups, 4, keys, book, codes, code_stride, weight, out); break;
    case 8: pull_cells(rows, upstream, stride, count, groups, 8, keys, book, codes, code_stride, weight, out); break;
    default:
        pull_cells(rows, upstream, stride, count, groups, width, keys, book, codes, code_stride, weight, out);
        break;
    }
}
