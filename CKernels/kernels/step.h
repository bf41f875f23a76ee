/* The step of a DPQ layer (Chen, Li, Sun 2020, sections 2-3) for one tile of rows and one group.
 *
 * All buffers hold rows in lanes: a tile is [width][DPQI_TILE], responses and their gradients are [codes][DPQI_TILE]. The
 * softmax and the argmax over codes are then vertical. `rows` says how many of the tile's rows are real; sums count
 * only those. */

/* Responses: q . key, or -||q - key||^2 computed from differences, which loses no digits. keys [codes][width]. */
static void DPQI_NAME(responses)(const float *tile, size_t width, const float *keys, size_t codes, int squared_distance,
                                 float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES)
        for (size_t k = 0; k < codes; k++) {
            vf sum[ROWS_AT_ONCE];
            for (int v = 0; v < ROWS_AT_ONCE; v++) sum[v] = vf_set1(0);
            for (size_t c = 0; c < width; c++) {
                const vf key = vf_set1(keys[k * width + c]);
                for (int v = 0; v < ROWS_AT_ONCE; v++) {
                    const vf x = vf_load(tile + c * DPQI_TILE + r + v * LANES);
                    const vf difference = vf_sub(x, key);
                    sum[v] = squared_distance ? vf_fma(difference, difference, sum[v]) : vf_fma(x, key, sum[v]);
                }
            }
            for (int v = 0; v < ROWS_AT_ONCE; v++) {
                const vf value = squared_distance ? vf_sub(vf_set1(0), sum[v]) : sum[v];
                vf_store(out + k * DPQI_TILE + r + v * LANES, value);
            }
        }
}

/* sums[k] = sum over rows of a; products[k] = sum over rows of (a - shift[k]) * (b - shift[k]). b NULL: a itself; shift
 * NULL: 0. The outputs are overwritten; either may be NULL. */
static void DPQI_NAME(row_sums)(const float *a, const float *b, const double *shift, size_t codes, size_t rows,
                                double *sums, double *products) {
    for (size_t k = 0; k < codes; k++) {
        const float *x = a + k * DPQI_TILE, *y = (b ? b : a) + k * DPQI_TILE;
        const float center = shift ? (float)shift[k] : 0;
        double sum = 0, product = 0;
        size_t r = 0;
        if (rows == DPQI_TILE) {
            vf s = vf_set1(0), p = vf_set1(0);
            for (; r < DPQI_TILE; r += LANES) {
                const vf u = vf_load(x + r), w = vf_load(y + r);
                s = vf_add(s, u);
                p = vf_fma(vf_sub(u, vf_set1(center)), vf_sub(w, vf_set1(center)), p);
            }
            sum = vf_sum(s);
            product = vf_sum(p);
        }
        for (; r < rows; r++) {
            sum += x[r];
            product += (double)(x[r] - center) * (double)(y[r] - center);
        }
        if (sums) sums[k] = sum;
        if (products) products[k] = product;
    }
}

/* values = (values - mean[k]) * factor[k], in place. */
static void DPQI_NAME(normalise)(float *values, size_t codes, const float *mean, const float *factor) {
    for (size_t k = 0; k < codes; k++)
        for (size_t r = 0; r < DPQI_TILE; r += LANES) {
            float *p = values + k * DPQI_TILE + r;
            vf_store(p, vf_mul(vf_sub(vf_load(p), vf_set1(mean[k])), vf_set1(factor[k])));
        }
}

/* out_code[row] = argmax over codes, ties to the lowest. */
static void DPQI_NAME(argmax)(const float *values, size_t codes, int32_t *out_code) {
    for (size_t r = 0; r < DPQI_TILE; r += LANES) {
        vf best = vf_set1(-INFINITY);
        vi code = vi_set1(0);
        for (size_t k = 0; k < codes; k++) {
            const vf value = vf_load(values + k * DPQI_TILE + r);
            code = vi_select(vf_gt(value, best), vi_set1((int32_t)k), code);
            best = vf_max(value, best);
        }
        vi_store(out_code + r, code);
    }
}

/* e^x for x <= 0 to 2 ULP; 0 below -87. 2^n * e^f with f in [-ln 2 / 2, ln 2 / 2], e^f by its Taylor series. */
static inline vf exponential(vf x) {
    const vm vanishes = vf_gt(vf_set1(-87.0f), x);
    x = vf_max(x, vf_set1(-87.0f));
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
 * scratch [codes][DPQI_TILE] receives the probabilities. */
static void DPQI_NAME(softmax_backward)(const float *logits, size_t codes, float inverse_temperature, float *scratch,
                                        float *gradient) {
    const vf scale = vf_set1(inverse_temperature);
    for (size_t r = 0; r < DPQI_TILE; r += LANES) {
        vf largest = vf_set1(-INFINITY);
        for (size_t k = 0; k < codes; k++) largest = vf_max(vf_load(logits + k * DPQI_TILE + r), largest);
        vf total = vf_set1(0), mean = vf_set1(0);
        for (size_t k = 0; k < codes; k++) {
            const vf logit = vf_sub(vf_load(logits + k * DPQI_TILE + r), largest);
            const vf p = exponential(vf_mul(logit, scale));
            vf_store(scratch + k * DPQI_TILE + r, p);
            total = vf_add(total, p);
            mean = vf_fma(p, vf_load(gradient + k * DPQI_TILE + r), mean);
        }
        const vf inverse = vf_div(vf_set1(1), total);
        mean = vf_mul(mean, inverse);
        for (size_t k = 0; k < codes; k++) {
            const vf p = vf_mul(vf_load(scratch + k * DPQI_TILE + r), inverse);
            const vf g = vf_sub(vf_load(gradient + k * DPQI_TILE + r), mean);
            vf_store(gradient + k * DPQI_TILE + r, vf_mul(vf_mul(p, g), scale));
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

/* out[width][DPQI_TILE] = sum over codes of gradient[k] * keys[k][width]. */
static void DPQI_NAME(multiply_keys)(const float *gradient, size_t codes, const float *keys, size_t width, float *out) {
    for (size_t c = 0; c < width; c++)
        for (size_t r = 0; r < DPQI_TILE; r += ROWS_AT_ONCE * LANES) {
            vf sum[ROWS_AT_ONCE];
            for (int v = 0; v < ROWS_AT_ONCE; v++) sum[v] = vf_set1(0);
            for (size_t k = 0; k < codes; k++) {
                const vf key = vf_set1(keys[k * width + c]);
                for (int v = 0; v < ROWS_AT_ONCE; v++)
                    sum[v] = vf_fma(vf_load(gradient + k * DPQI_TILE + r + v * LANES), key, sum[v]);
            }
            for (int v = 0; v < ROWS_AT_ONCE; v++) vf_store(out + c * DPQI_TILE + r + v * LANES, sum[v]);
        }
}

/* out[codes][width] += sum over rows of gradient[k][row] * tile[c][row]; rows that are not real must be 0 in one. */
static void DPQI_NAME(add_outer)(const float *gradient, size_t codes, const float *tile, size_t width, double *out) {
    for (size_t k = 0; k < codes; k++)
        for (size_t c = 0; c < width; c++) {
            vf sum = vf_set1(0);
            for (size_t r = 0; r < DPQI_TILE; r += LANES)
                sum = vf_fma(vf_load(gradient + k * DPQI_TILE + r), vf_load(tile + c * DPQI_TILE + r), sum);
            out[k * width + c] += vf_sum(sum);
        }
}
