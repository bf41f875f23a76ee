/* Tiles: DPQI_TILE rows turned on their side, [column][row], as float32. */

/* LANES neighbouring elements of a row, converted. */
static inline vf elements(const char *row, dpq_scalar type, size_t column) {
    float values[LANES];
    switch (type) {
    case DPQ_F32: return vf_load((const float *)(const void *)(row + 4 * column));
    case DPQ_F16: return vf_load_f16((const uint16_t *)(const void *)(row + 2 * column));
    case DPQ_BF16: return vf_load_bf16((const uint16_t *)(const void *)(row + 2 * column));
    default:
        for (size_t i = 0; i < LANES; i++) values[i] = dpqi_element(row, type, column + i);
        return vf_load(values);
    }
}

/* The columns of LANES rows, of which `present` are there; the others are zeros once the centre is subtracted. The
 * compiler makes one of these for all rows: a question for each would cost as much as its load. */
static inline __attribute__((always_inline)) void turn_lanes(const char *rows, size_t pitch, dpq_scalar type,
                                                             size_t dimension, size_t present, const float *scale,
                                                             const float *center, float *out) {
    for (size_t c = 0;;) {
        vf block[LANES];
        for (size_t i = 0; i < LANES; i++)
            block[i] = i < present ? elements(rows + i * pitch, type, c) : center ? vf_load(center + c) : vf_set1(0);
        if (scale)
            for (size_t i = 0; i < present; i++) block[i] = vf_mul(block[i], vf_set1(scale[i]));
        vf_transpose(block);
        float *column = out + c * DPQI_TILE;
        if (center)
            for (size_t i = 0; i < LANES; i++)
                vf_store(column + i * DPQI_TILE, vf_sub(block[i], vf_set1(center[c + i])));
        else
            for (size_t i = 0; i < LANES; i++) vf_store(column + i * DPQI_TILE, block[i]);
        if (c + LANES == dimension) return;
        /* The last block overlaps the one before rather than fall back to single elements. */
        c = c + 2 * LANES <= dimension ? c + LANES : dimension - LANES;
    }
}

/* The compiler makes one of these for each constant type. */
static inline __attribute__((always_inline)) void turn_rows(const dpq_rows *rows, dpq_scalar type, size_t first,
                                                            size_t count, const float *center, float *out) {
    const size_t pitch = rows->stride * dpqi_element_bytes(type), dimension = rows->dimension;
    const char *data = (const char *)rows->data + first * pitch;
    const float *scale = rows->scale ? rows->scale + first : NULL;
    for (size_t r = 0; r < DPQI_TILE; r += LANES) {
        const size_t present = r >= count ? 0 : count - r < LANES ? count - r : LANES;
        const float *factors = scale ? scale + r : NULL;
        if (present == 0) {
            for (size_t c = 0; c < dimension; c++) vf_store(out + c * DPQI_TILE + r, vf_set1(0));
        } else if (present == LANES && dimension >= LANES) {
            turn_lanes(data + r * pitch, pitch, type, dimension, LANES, factors, center, out + r);
        } else if (dimension >= LANES) {
            turn_lanes(data + r * pitch, pitch, type, dimension, present, factors, center, out + r);
        } else {
            for (size_t c = 0; c < dimension; c++)
                for (size_t i = 0; i < LANES; i++) {
                    float value = 0;
                    if (i < present) {
                        value = dpqi_element(data + (r + i) * pitch, type, c);
                        if (scale) value *= factors[i];
                        if (center) value -= center[c];
                    }
                    out[c * DPQI_TILE + r + i] = value;
                }
        }
    }
}

static void DPQI_NAME(load_tile)(const dpq_rows *rows, size_t first, size_t count, const float *center, float *out) {
    switch (rows->type) {
    case DPQ_F32: turn_rows(rows, DPQ_F32, first, count, center, out); break;
    case DPQ_F16: turn_rows(rows, DPQ_F16, first, count, center, out); break;
    case DPQ_BF16: turn_rows(rows, DPQ_BF16, first, count, center, out); break;
    default: turn_rows(rows, rows->type, first, count, center, out); break;
    }
}

/* Where rows are written a stretch each, the first store to a line waits for it, and the stores behind it do too: at
 * AVX-512 lines are fetched a row or two before. (On AMD's Zen 3, which stops at AVX2, lookups are slower that way.) */
#define ROWS_AHEAD 2
static inline __attribute__((always_inline)) void fetch_to_write(const float *row, size_t values) {
    enum { LINE_VALUES = 16 };
    if (LANES < 16) return;
    DPQI_ROLLED for (size_t c = 0; c < values; c += LINE_VALUES) __builtin_prefetch(row + c, 1, 3);
}

/* The inverse of load_tile for float32 rows: out[row][column], rows out_stride apart, of the first `count` rows. */
static void DPQI_NAME(store_tile)(const float *tile, size_t count, size_t columns, float *out, size_t out_stride) {
    for (size_t r = 0; r < count; r += LANES) {
        const size_t present = count - r < LANES ? count - r : LANES;
        size_t c = 0;
        for (size_t i = 0; i < present; i++) fetch_to_write(out + (r + i) * out_stride, columns);
        for (; c + LANES <= columns; c += LANES) {
            vf block[LANES];
            for (size_t i = 0; i < LANES; i++) block[i] = vf_load(tile + (c + i) * DPQI_TILE + r);
            vf_transpose(block);
            for (size_t i = 0; i < present; i++) vf_store(out + (r + i) * out_stride + c, block[i]);
        }
        for (; c < columns; c++)
            for (size_t i = 0; i < present; i++) out[(r + i) * out_stride + c] = tile[c * DPQI_TILE + r + i];
    }
}

/* Squared norms of the LANES rows whose first column is at `tile`. */
static inline vf squared_norm(const float *tile, size_t width) {
    vf sum = vf_set1(0);
    for (size_t c = 0; c < width; c++) {
        const vf x = vf_load(tile + c * DPQI_TILE);
        sum = vf_fma(x, x, sum);
    }
    return sum;
}

static void DPQI_NAME(tile_squared_norms)(const float *tile, size_t width, float *out) {
    for (size_t r = 0; r < DPQI_TILE; r += LANES) vf_store(out + r, squared_norm(tile + r, width));
}

static size_t DPQI_NAME(find_non_finite)(const dpq_rows *rows, size_t first, size_t end) {
    const size_t pitch = rows->stride * dpqi_element_bytes(rows->type), dimension = rows->dimension;
    for (size_t r = first; r < end; r++) {
        const char *row = (const char *)rows->data + r * pitch;
        size_t c = 0;
        int bad = 0;
        for (; c + LANES <= dimension; c += LANES) bad |= vm_bits(vf_not_finite(elements(row, rows->type, c))) != 0;
        for (; c < dimension; c++) {
            const float value = dpqi_element(row, rows->type, c);
            bad |= !(value - value == 0);
        }
        if (bad) return r;
    }
    return end;
}
