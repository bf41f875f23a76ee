/* What networks need beside matrix products: activations, softmax with cross-entropy, LSTM cells, dropout.
 *
 * Rows of any length lie in the lanes of vectors; the last, partial vector is read with zeros after its values. */

static inline vf load_part(const float *p, size_t count) {
    return count >= LANES ? vf_load(p) : vf_load_bytes((const uint8_t *)p, count * sizeof *p);
}

static inline void store_part(float *p, vf a, size_t count) {
    if (count >= LANES) {
        vf_store(p, a);
        return;
    }
    float values[LANES];
    vf_store(values, a);
    memcpy(p, values, count * sizeof *p);
}

static inline vf absolute(vf x) { return vf_max(x, vf_sub(vf_set1(0), x)); }

/* 1 / (1 + e^-x) to 4 ULP. Both sides are computed from e^-|x|, so small values keep their digits. */
static inline vf sigmoid(vf x) {
    const vf e = exponential(vf_sub(vf_set1(0), absolute(x)));
    const vf numerator = vf_select(vf_gt(vf_set1(0), x), e, vf_set1(1));
    return vf_div(numerator, vf_add(vf_set1(1), e));
}

/* tanh x to 4 ULP: near 0 its Taylor series, corrected for the interval (Cephes, tanhf), else from e^-2|x|. */
static inline vf hyperbolic_tangent(vf x) {
    const vf magnitude = absolute(x), square = vf_mul(x, x);
    vf series = vf_set1(-5.70498872745e-3f);
    series = vf_fma(series, square, vf_set1(2.06390887954e-2f));
    series = vf_fma(series, square, vf_set1(-5.37397155531e-2f));
    series = vf_fma(series, square, vf_set1(1.33314422036e-1f));
    series = vf_fma(series, square, vf_set1(-3.33332819422e-1f));
    series = vf_fma(vf_mul(series, square), x, x);
    const vf e = exponential(vf_mul(vf_set1(-2), magnitude));
    const vf far = vf_div(vf_sub(vf_set1(1), e), vf_add(vf_set1(1), e));
    const vf signed_far = vf_select(vf_gt(vf_set1(0), x), vf_sub(vf_set1(0), far), far);
    return vf_select(vf_gt(vf_set1(0.625f), magnitude), series, signed_far);
}

/* out[columns] = sum of rows `stride` apart, each column in the order of its rows. */
static void DPQI_NAME(column_sums)(const float *values, size_t rows, size_t columns, size_t stride, float *out) {
    enum { AT_ONCE = 8 };
    size_t c = 0;
    for (; c + AT_ONCE * LANES <= columns; c += AT_ONCE * LANES) {
        vf sum[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) sum[i] = vf_set1(0);
        for (size_t r = 0; r < rows; r++)
            for (int i = 0; i < AT_ONCE; i++) sum[i] = vf_add(sum[i], vf_load(values + r * stride + c + i * LANES));
        for (int i = 0; i < AT_ONCE; i++) vf_store(out + c + i * LANES, sum[i]);
    }
    for (; c < columns; c += LANES) {
        vf sum = vf_set1(0);
        for (size_t r = 0; r < rows; r++) sum = vf_add(sum, load_part(values + r * stride + c, columns - c));
        store_part(out + c, sum, columns - c);
    }
}

/* Cross-entropy of one row in nats. With scale != 0 the logits become scale * (softmax - onehot(label)). */
static double DPQI_NAME(cross_entropy)(float *logits, size_t classes, size_t label, float scale) {
    enum { AT_ONCE = 4, BLOCK = 64 };
    const size_t whole = classes / (AT_ONCE * LANES) * (AT_ONCE * LANES);
    float lanes[LANES];
    vf largest[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) largest[i] = vf_set1(-INFINITY);
    for (size_t c = 0; c < whole; c += AT_ONCE * LANES)
        for (int i = 0; i < AT_ONCE; i++) largest[i] = vf_max(vf_load(logits + c + i * LANES), largest[i]);
    for (int i = 1; i < AT_ONCE; i++) largest[0] = vf_max(largest[i], largest[0]);
    vf_store(lanes, largest[0]);
    float top = lanes[0];
    for (size_t i = 1; i < LANES; i++) top = lanes[i] > top ? lanes[i] : top;
    for (size_t c = whole; c < classes; c++) top = logits[c] > top ? logits[c] : top;

    /* Sums of a few thousand terms in float32, those sums in float64. */
    const float target = logits[label];
    const vf shift = vf_set1(top);
    double total = 0;
    for (size_t begin = 0; begin < whole; begin += BLOCK * AT_ONCE * LANES) {
        const size_t end = whole - begin < BLOCK * AT_ONCE * LANES ? whole : begin + BLOCK * AT_ONCE * LANES;
        vf sum[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) sum[i] = vf_set1(0);
        for (size_t c = begin; c < end; c += AT_ONCE * LANES)
            for (int i = 0; i < AT_ONCE; i++) {
                const vf e = exponential(vf_sub(vf_load(logits + c + i * LANES), shift));
                if (scale != 0) vf_store(logits + c + i * LANES, e);
                sum[i] = vf_add(sum[i], e);
            }
        total += vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
    }
    for (size_t c = whole; c < classes; c += LANES) {
        const size_t count = classes - c < LANES ? classes - c : LANES;
        vf_store(lanes, exponential(vf_sub(load_part(logits + c, count), shift)));
        for (size_t i = 0; i < count; i++) total += (double)lanes[i];
        if (scale != 0) memcpy(logits + c, lanes, count * sizeof *lanes);
    }
    if (scale != 0) {
        const vf factor = vf_set1((float)((double)scale / total));
        for (size_t c = 0; c < classes; c += LANES)
            store_part(logits + c, vf_mul(load_part(logits + c, classes - c), factor), classes - c);
        logits[label] -= scale;
    }
    return log(total) - ((double)target - (double)top);
}

/* One row of LSTM cells; the gates lie one after the other: input, forget, cell, output. */
static void DPQI_NAME(lstm_forward)(size_t width, float *gates, const float *cell, float *out_cell, float *out_squashed,
                                    float *out_hidden) {
    for (size_t c = 0; c < width; c += LANES) {
        const size_t count = width - c;
        const vf i = sigmoid(load_part(gates + c, count));
        const vf f = sigmoid(load_part(gates + width + c, count));
        const vf g = hyperbolic_tangent(load_part(gates + 2 * width + c, count));
        const vf o = sigmoid(load_part(gates + 3 * width + c, count));
        const vf state = vf_fma(f, load_part(cell + c, count), vf_mul(i, g));
        const vf squashed = hyperbolic_tangent(state);
        store_part(gates + c, i, count);
        store_part(gates + width + c, f, count);
        store_part(gates + 2 * width + c, g, count);
        store_part(gates + 3 * width + c, o, count);
        store_part(out_cell + c, state, count);
        store_part(out_squashed + c, squashed, count);
        store_part(out_hidden + c, vf_mul(o, squashed), count);
    }
}

/* x * (1 - x), the derivative of the sigmoid by its value, and 1 - x^2, that of tanh. */
static inline vf sigmoid_slope(vf x) { return vf_sub(x, vf_mul(x, x)); }
static inline vf tangent_slope(vf x) { return vf_sub(vf_set1(1), vf_mul(x, x)); }

static void DPQI_NAME(lstm_backward)(size_t width, float *gates, const float *cell, const float *squashed,
                                     const float *hidden_gradient, float *cell_gradient) {
    for (size_t c = 0; c < width; c += LANES) {
        const size_t count = width - c;
        const vf i = load_part(gates + c, count), f = load_part(gates + width + c, count);
        const vf g = load_part(gates + 2 * width + c, count), o = load_part(gates + 3 * width + c, count);
        const vf out = load_part(squashed + c, count), upstream = load_part(hidden_gradient + c, count);
        const vf through = vf_mul(vf_mul(upstream, o), tangent_slope(out));
        const vf state = vf_add(load_part(cell_gradient + c, count), through);
        const vf before = load_part(cell + c, count);
        store_part(gates + c, vf_mul(vf_mul(state, g), sigmoid_slope(i)), count);
        store_part(gates + width + c, vf_mul(vf_mul(state, before), sigmoid_slope(f)), count);
        store_part(gates + 2 * width + c, vf_mul(vf_mul(state, i), tangent_slope(g)), count);
        store_part(gates + 3 * width + c, vf_mul(vf_mul(upstream, out), sigmoid_slope(o)), count);
        store_part(cell_gradient + c, vf_mul(state, f), count);
    }
}

/* Every bit of the result depends on every bit of x (lowbias32, Wellons 2018). */
static inline uint32_t scramble(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352dU;
    x = (x ^ x >> 15) * 0x846ca68bU;
    return x ^ x >> 16;
}

/* out[i] = values[i] / keep or 0 for i in [first, first + count). Whole numbers only, so every level drops the same. */
static void DPQI_NAME(dropout)(const float *values, size_t first, size_t count, float keep, uint64_t seed, float *out) {
    const uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    const double bound = (double)keep * 0x1p32;
    const uint32_t last = bound >= 0x1p32 ? UINT32_MAX : (uint32_t)bound - (bound >= 1);
    const float factor = 1 / keep;
    for (size_t i = first; i < first + count; i++) {
        const uint32_t draw = scramble(scramble((uint32_t)i ^ low) + high);
        out[i] = draw <= last ? values[i] * factor : 0;
    }
}
