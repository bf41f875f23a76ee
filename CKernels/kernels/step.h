/* The step of a DPQ layer (Chen, Li, Sun 2020, sections 2-3) for one tile of rows and one group.
 *
 * All buffers hold rows in lanes: a tile is [width][DPQI_TILE], responses and their gradients are [codes][DPQI_TILE].
 * The softmax and the argmax over codes are then vertical. `rows` says how many of the tile's rows are real; sums count
 * only those. `mean` and `factor` are those of the response normalisation, (response - mean[k]) * factor[k]; NULL
 * without. */

#define VECTORS_A_TILE (DPQI_TILE / LANES)

/* Sums of the lanes of LANES vectors: lane i is the sum of v[i]. */
static inline vf sum_lanes(vf v[LANES]) {
    vf_transpose(v);
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) v[i] = vf_add(v[i], v[i + n]);
    return v[0];
}

/* Adds LANES float32 values to float64 ones. */
static inline void add_wide(double *out, vf values, size_t count) {
    float narrow[LANES];
    vf_store(narrow, values);
    for (size_t i = 0; i < count; i++) out[i] += (double)narrow[i];
}

/* One response: q . key, or -||q - key||^2 from differences, which lose no digits; AT_ONCE codes for all rows of some
 * vectors. */
static inline __attribute__((always_inline)) void respond(const float *tile, size_t width, const float *keys,
                                                          size_t count, int squared_distance, const float *mean,
                                                          const float *factor, float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
        vf sum[CODES_AT_ONCE][ROWS_AT_ONCE];
        for (size_t i = 0; i < count; i++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) sum[i][v] = vf_set1(0);
        for (size_t c = 0; c < width; c++) {
            vf x[ROWS_AT_ONCE];
            for (int v = 0; v < ROWS_AT_ONCE; v++) x[v] = vf_load(tile + c * DPQI_TILE + r + v * LANES);
            for (size_t i = 0; i < count; i++) {
                const vf key = vf_set1(keys[i * width + c]);
                for (int v = 0; v < ROWS_AT_ONCE; v++) {
                    const vf d = vf_sub(x[v], key);
                    sum[i][v] = squared_distance ? vf_fma(d, d, sum[i][v]) : vf_fma(x[v], key, sum[i][v]);
                }
            }
        }
        for (size_t i = 0; i < count; i++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) {
                vf value = squared_distance ? vf_sub(vf_set1(0), sum[i][v]) : sum[i][v];
                if (mean) value = vf_mul(vf_sub(value, vf_set1(mean[i])), vf_set1(factor[i]));
                vf_store(out + i * DPQI_TILE + r + v * LANES, value);
            }
    }
}

/* out[codes][DPQI_TILE]: responses of a tile to keys [codes][width], normalised where mean and factor are given. */
static void DPQI_NAME(responses)(const float *tile, size_t width, const float *keys, size_t codes, int squared_distance,
                                 const float *mean, const float *factor, float *out) {
    for (size_t k = 0; k < codes; k += CODES_AT_ONCE) {
        const float *m = mean ? mean + k : NULL, *f = mean ? factor + k : NULL;
        const float *key = keys + k * width;
        float *place = out + k * DPQI_TILE;
        if (codes - k < CODES_AT_ONCE)
            respond(tile, width, key, codes - k, squared_distance, m, f, place);
        else if (squared_distance)
            respond(tile, width, key, CODES_AT_ONCE, 1, m, f, place);
        else
            respond(tile, width, key, CODES_AT_ONCE, 0, m, f, place);
    }
}

/* sums[k] += sum over rows of (a - shift[k]); products[k] += sum over rows of (a - shift[k]) * (b - shift[k]).
 * shift NULL: 0. */
static void DPQI_NAME(add_moments)(const float *a, const float *b, const float *shift, size_t codes, size_t rows,
                                   double *sums, double *products) {
    for (size_t k = 0; k < codes; k += LANES) {
        const size_t count = codes - k < LANES ? codes - k : LANES;
        vf sum[LANES], product[LANES];
        for (size_t i = 0; i < LANES; i++) {
            sum[i] = product[i] = vf_set1(0);
            if (i >= count) continue;
            const float *x = a + (k + i) * DPQI_TILE, *y = b + (k + i) * DPQI_TILE;
            const float center = shift ? shift[k + i] : 0;
            size_t r = 0;
            for (; r + LANES <= rows; r += LANES) {
                const vf u = vf_sub(vf_load(x + r), vf_set1(center));
                sum[i] = vf_add(sum[i], u);
                product[i] = vf_fma(u, vf_sub(vf_load(y + r), vf_set1(center)), product[i]);
            }
            for (; r < rows; r++) {
                sums[k + i] += (double)(x[r] - center);
                products[k + i] += (double)(x[r] - center) * (double)(y[r] - center);
            }
        }
        add_wide(sums + k, sum_lanes(sum), count);
        add_wide(products + k, sum_lanes(product), count);
    }
}

/* The largest (normalised) response of each row: its code, ties to the lowest, and the response as stored. */
static void DPQI_NAME(argmax)(const float *responses, size_t codes, const float *mean, const float *factor,
                              int32_t *out_code, float *out_response) {
    vf best[VECTORS_A_TILE], chosen[VECTORS_A_TILE];
    vi code[VECTORS_A_TILE];
    for (size_t first = 0; first < VECTORS_A_TILE; first += ROWS_AT_ONCE) {
        for (size_t v = first; v < first + ROWS_AT_ONCE; v++) {
            best[v] = vf_set1(-INFINITY);
            chosen[v] = vf_set1(0);
            code[v] = vi_set1(0);
        }
        for (size_t k = 0; k < codes; k++) {
            const vi this_code = vi_set1((int32_t)k);
            for (size_t v = first; v < first + ROWS_AT_ONCE; v++) {
                const vf response = vf_load(responses + k * DPQI_TILE + v * LANES);
                const vf value = mean ? vf_mul(vf_sub(response, vf_set1(mean[k])), vf_set1(factor[k])) : response;
                const vm better = vf_gt(value, best[v]);
                best[v] = vf_select(better, value, best[v]);
                chosen[v] = vf_select(better, response, chosen[v]);
                code[v] = vi_select(better, this_code, code[v]);
            }
        }
        for (size_t v = first; v < first + ROWS_AT_ONCE; v++) {
            vi_store(out_code + v * LANES, code[v]);
            vf_store(out_response + v * LANES, chosen[v]);
        }
    }
}

/* e^x for x <= 0 to 2 ULP; 0 below -87; NaN for NaN. 2^n * e^f with f in [-ln 2 / 2, ln 2 / 2], e^f by its Taylor series. */
static inline vf exponential(vf x) {
    const vm vanishes = vf_gt(vf_set1(-87.0f), x);
    x = vf_max(vf_set1(-87.0f), x);
    const vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    /* ln 2 in two parts, the first short enough that its product with n is exact. */
    vf f = vf_fma(n, vf_set1(-0.693359375f), x);
    f = vf_fma(n, vf_set1(2.12194440e-4f), f);
    vf sum = vf_set1(1.0f / 5040);
    sum = vf_fma(sum, f, vf_set1(1.0f / 720));
    sum = vf_fma(sum, f, vf_set1(1.0f / 120));
    sum = vf_fma(sum, f, vf_set1(1.0f / 24));
    sum = vf_fma(sum, f, vf_set1(1.0f / 6));
    sum = vf_fma(sum, f, vf_set1(0.5f));
    sum = vf_fma(sum, f, vf_set1(1.0f));
    sum = vf_fma(sum, f, vf_set1(1.0f));
    return vf_select(vanishes, vf_set1(0), vf_scale2(sum, n));
}

/* Gradient of the softmax: gradient (of the loss by the probabilities) becomes the gradient by the logits,
 * p * (gradient - sum p * gradient) * inverse_temperature with p = softmax(logits * inverse_temperature).
 * scratch [codes][DPQI_TILE] receives the numerators of the probabilities. */
static void DPQI_NAME(softmax_backward)(const float *logits, size_t codes, float inverse_temperature, float *scratch,
                                        float *gradient) {
    const vf scale = vf_set1(inverse_temperature);
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
        /* Several vectors of rows side by side hide the latency of the sums. */
        vf largest[ROWS_AT_ONCE], total[ROWS_AT_ONCE], mean[ROWS_AT_ONCE], factor[ROWS_AT_ONCE];
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            largest[v] = vf_set1(-INFINITY);
            total[v] = mean[v] = vf_set1(0);
        }
        for (size_t k = 0; k < codes; k++)
            for (int v = 0; v < ROWS_AT_ONCE; v++)
                largest[v] = vf_max(vf_load(logits + k * DPQI_TILE + r + v * LANES), largest[v]);
        for (size_t k = 0; k < codes; k++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) {
                const size_t at = k * DPQI_TILE + r + v * LANES;
                const vf p = exponential(vf_mul(vf_sub(vf_load(logits + at), largest[v]), scale));
                vf_store(scratch + at, p);
                total[v] = vf_add(total[v], p);
                mean[v] = vf_fma(p, vf_load(gradient + at), mean[v]);
            }
        for (int v = 0; v < ROWS_AT_ONCE; v++) {
            const vf inverse = vf_div(vf_set1(1), total[v]);
            mean[v] = vf_mul(mean[v], inverse);
            factor[v] = vf_mul(inverse, scale);
        }
        for (size_t k = 0; k < codes; k++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) {
                const size_t at = k * DPQI_TILE + r + v * LANES;
                const vf g = vf_sub(vf_load(gradient + at), mean[v]);
                vf_store(gradient + at, vf_mul(vf_mul(vf_load(scratch + at), factor[v]), g));
            }
    }
}

/* Gradient of the normalisation through its batch statistics, in place:
 * gradient = (gradient - mean_gradient[k] - normalised * mean_product[k]) * factor[k]. */
static void DPQI_NAME(normalise_backward)(float *gradient, const float *normalised, size_t codes,
                                          const float *mean_gradient, const float *mean_product, const float *factor) {
    for (size_t k = 0; k < codes; k++)
        for (size_t r = 0; r < DPQI_TILE; r += LANES) {
            float *p = gradient + k * DPQI_TILE + r;
            const vf pull = vf_mul(vf_load(normalised + k * DPQI_TILE + r), vf_set1(mean_product[k]));
            const vf g = vf_sub(vf_sub(vf_load(p), vf_set1(mean_gradient[k])), pull);
            vf_store(p, vf_mul(g, vf_set1(factor[k])));
        }
}

static inline __attribute__((always_inline)) void
multiply_columns(const float *gradient, size_t codes, const float *keys, size_t width, size_t count, float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
        vf sum[CODES_AT_ONCE][ROWS_AT_ONCE];
        for (size_t i = 0; i < count; i++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) sum[i][v] = vf_set1(0);
        for (size_t k = 0; k < codes; k++) {
            vf g[ROWS_AT_ONCE];
            for (int v = 0; v < ROWS_AT_ONCE; v++) g[v] = vf_load(gradient + k * DPQI_TILE + r + v * LANES);
            for (size_t i = 0; i < count; i++) {
                const vf key = vf_set1(keys[k * width + i]);
                for (int v = 0; v < ROWS_AT_ONCE; v++) sum[i][v] = vf_fma(g[v], key, sum[i][v]);
            }
        }
        for (size_t i = 0; i < count; i++)
            for (int v = 0; v < ROWS_AT_ONCE; v++) vf_store(out + i * DPQI_TILE + r + v * LANES, sum[i][v]);
    }
}

/* out[width][DPQI_TILE] = sum over codes of gradient[k] * keys[k][width]. */
static void DPQI_NAME(multiply_keys)(const float *gradient, size_t codes, const float *keys, size_t width, float *out) {
    size_t c = 0;
    for (; c + CODES_AT_ONCE <= width; c += CODES_AT_ONCE)
        multiply_columns(gradient, codes, keys + c, width, CODES_AT_ONCE, out + c * DPQI_TILE);
    for (; c < width; c++) multiply_columns(gradient, codes, keys + c, width, 1, out + c * DPQI_TILE);
}

/* out[codes][width] += sum over rows of gradient[k][row] * tile[c][row]; rows that are not real must be 0 in the tile.
 * LANES products at a time, their lanes added up together. */
static void DPQI_NAME(add_outer)(const float *gradient, size_t codes, const float *tile, size_t width, double *out) {
    vf sum[LANES];
    size_t filled = 0;
    double *place = out;
    for (size_t k = 0; k < codes; k++) {
        vf g[VECTORS_A_TILE];
        for (size_t v = 0; v < VECTORS_A_TILE; v++) g[v] = vf_load(gradient + k * DPQI_TILE + v * LANES);
        for (size_t c = 0; c < width; c++) {
            vf s = vf_mul(g[0], vf_load(tile + c * DPQI_TILE));
            for (size_t v = 1; v < VECTORS_A_TILE; v++) s = vf_fma(g[v], vf_load(tile + c * DPQI_TILE + v * LANES), s);
            sum[filled++] = s;
            if (filled == LANES) {
                add_wide(place, sum_lanes(sum), LANES);
                place += LANES;
                filled = 0;
            }
        }
    }
    if (filled) {
        for (size_t i = filled; i < LANES; i++) sum[i] = vf_set1(0);
        add_wide(place, sum_lanes(sum), filled);
    }
}
