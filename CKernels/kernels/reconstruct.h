/* Rows from their packed codes: a codeword a group, one after another. */

/* Rows whose codes are fetched ahead when rows are asked for in any order: enough to hide a miss in memory. */
#define DPQI_ROWS_AHEAD 16

/* Codewords are copied in whole vectors of this many values: the excess lands in the slot of the next group, which is
 * written afterwards. A width of 1, 2 or 4 is a vector of its own. */
static inline size_t copied_width(size_t width) { return width <= 2 ? width : width <= 4 ? 4 : (width + 7) / 8 * 8; }

/* Copies `count` codewords; `copied`, where known at compile time, makes each copy a few moves. */
static inline __attribute__((always_inline)) void copy_codewords(const float *codebook, size_t stride, size_t width,
                                                                 size_t copied, const uint16_t *codes, size_t count,
                                                                 float *out) {
    for (size_t i = 0; i < count; i++) {
        const float *from = codebook + i * stride + codes[i] * width;
        float *to = out + i * width;
        if (copied <= 8) {
            memcpy(to, from, copied * sizeof *to);
        } else {
            for (size_t c = 0; c < copied; c += 8) memcpy(to + c, from + c, 8 * sizeof *to);
        }
    }
}

static void copy_run(const float *codebook, size_t stride, size_t width, const uint16_t *codes, size_t count,
                     float *out) {
    switch (copied_width(width)) {
    case 1:
        copy_codewords(codebook, stride, 1, 1, codes, count, out);
        break;
    case 2:
        copy_codewords(codebook, stride, 2, 2, codes, count, out);
        break;
    case 4:
        copy_codewords(codebook, stride, width, 4, codes, count, out);
        break;
    case 8:
        copy_codewords(codebook, stride, width, 8, codes, count, out);
        break;
    case 16:
        copy_codewords(codebook, stride, width, 16, codes, count, out);
        break;
    case 24:
        copy_codewords(codebook, stride, width, 24, codes, count, out);
        break;
    default:
        copy_codewords(codebook, stride, width, copied_width(width), codes, count, out);
        break;
    }
}

/* How many leading groups may be copied in whole vectors: those that end, excess included, inside the row they write
 * and inside the memory they read. Never the last group unless it fits exactly: an overlapping copy there would write
 * into the row after it, which another thread may own. */
static inline size_t whole_groups(const dpqi_decoder *d) {
    const size_t copied = copied_width(d->width);
    if (copied > d->dimension) return 0;
    size_t whole = (d->dimension - copied) / d->width + 1;
    if (whole > d->groups) whole = d->groups;
    const size_t last_read = (whole - 1) * d->codebook_stride + (d->codes - 1) * d->width + copied;
    return last_read <= d->readable ? whole : 0;
}

static inline size_t row_of(const int64_t *ids, uint64_t first, size_t i) {
    return ids ? (size_t)ids[i] : (size_t)first + i;
}

static inline void prefetch_codes(const dpqi_decoder *d, const int64_t *ids, size_t i, size_t count) {
    if (!ids || i + DPQI_ROWS_AHEAD >= count) return;
    const uint8_t *row = d->packed + (size_t)ids[i + DPQI_ROWS_AHEAD] * d->row_bytes;
    for (size_t b = 0; b < d->row_bytes && b < 256; b += 64) __builtin_prefetch(row + b, 0, 3);
    __builtin_prefetch(row + d->row_bytes - 1, 0, 3);
}

static inline float norm_of(const dpqi_decoder *d, size_t id) {
    return d->norm_codes ? d->norm_codebook[d->norm_codes[id]] : 1.0f;
}

/* Rows `ids`[count], or [first, first + count) where ids is NULL, to out[count][stride]. */
static void DPQI_NAME(decode_rows)(const dpqi_decoder *d, const int64_t *ids, uint64_t first, size_t count, float *out,
                                   size_t stride) {
    const size_t whole = whole_groups(d), width = d->width, dimension = d->dimension;
    uint16_t codes[DPQI_CODE_RUN];
    for (size_t i = 0; i < count; i++) {
        const size_t id = row_of(ids, first, i);
        const uint8_t *row = d->packed + id * d->row_bytes;
        float *target = out + i * stride;
        prefetch_codes(d, ids, i, count);
        for (size_t start = 0; start < d->groups; start += DPQI_CODE_RUN) {
            const size_t run = d->groups - start < DPQI_CODE_RUN ? d->groups - start : DPQI_CODE_RUN;
            row_codes(row, start, run, d->bits, d->codes, codes);
            const size_t copied = whole <= start ? 0 : whole - start < run ? whole - start : run;
            const float *codebook = d->codebook + start * d->codebook_stride;
            copy_run(codebook, d->codebook_stride, width, codes, copied, target + start * width);
            for (size_t g = copied; g < run; g++) {
                const size_t column = (start + g) * width;
                const size_t rest = dimension - column < width ? dimension - column : width;
                const float *from = codebook + g * d->codebook_stride + codes[g] * width;
                for (size_t c = 0; c < rest; c++) target[column + c] = from[c];
            }
        }
        if (d->norm_codes) {
            const float norm = norm_of(d, id);
            for (size_t c = 0; c < dimension; c++) target[c] *= norm;
        }
    }
}

/* out[dimension] += the sum of rows `ids`[count], each times its weight where weights is not NULL. */
static void DPQI_NAME(decode_sum)(const dpqi_decoder *d, const int64_t *ids, const float *weights, size_t count,
                                  float *restrict out) {
    uint16_t codes[DPQI_CODE_RUN];
    for (size_t i = 0; i < count; i++) {
        const size_t id = (size_t)ids[i];
        const uint8_t *row = d->packed + id * d->row_bytes;
        const float weight = norm_of(d, id) * (weights ? weights[i] : 1.0f);
        prefetch_codes(d, ids, i, count);
        for (size_t start = 0; start < d->groups; start += DPQI_CODE_RUN) {
            const size_t run = d->groups - start < DPQI_CODE_RUN ? d->groups - start : DPQI_CODE_RUN;
            row_codes(row, start, run, d->bits, d->codes, codes);
            for (size_t g = 0; g < run; g++) {
                const size_t column = (start + g) * d->width;
                const size_t rest = d->dimension - column < d->width ? d->dimension - column : d->width;
                const float *from = d->codebook + (start + g) * d->codebook_stride + codes[g] * d->width;
                for (size_t c = 0; c < rest; c++) out[column + c] += weight * from[c];
            }
        }
    }
}
