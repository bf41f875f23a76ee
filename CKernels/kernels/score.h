/* Scores of rows against a query without decoding them: what a codeword contributes is looked up and added. */

/* out[groups][codes]: the product of a group's part of the query with each codeword, or where `distance` is set their
 * squared distance. A query of NULL is all zeros: squared norms. */
static void DPQI_NAME(score_tables)(const dpqi_decoder *d, const float *query, int distance, float *out) {
    static const float zeros[1] = {0};
    for (size_t g = 0; g < d->groups; g++) {
        const size_t column = g * d->width;
        const size_t rest = d->dimension - column < d->width ? d->dimension - column : d->width;
        const float *part = query ? query + column : zeros;
        const size_t step = query ? 1 : 0;
        const float *codebook = d->codebook + g * d->codebook_stride;
        for (size_t k = 0; k < d->codes; k++) {
            const float *codeword = codebook + k * d->width;
            float sum = 0;
            if (distance) {
                for (size_t c = 0; c < rest; c++) {
                    const float difference = codeword[c] - part[c * step];
                    sum += difference * difference;
                }
            } else {
                for (size_t c = 0; c < rest; c++) sum += codeword[c] * part[c * step];
            }
            out[g * d->codes + k] = sum;
        }
    }
}

/* out[i] = sum over groups of tables[group][code of the row], for rows `ids`[count], or [first, first + count) where
 * ids is NULL. Norms are not applied. */
static void DPQI_NAME(score_rows)(const dpqi_decoder *d, const float *tables, const int64_t *ids, uint64_t first,
                                  size_t count, float *out) {
    uint16_t codes[DPQI_CODE_RUN];
    const size_t stride = d->codes;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = d->packed + row_of(ids, first, i) * d->row_bytes;
        /* Four sums: one would wait for each addition to finish. */
        float sum[4] = {0, 0, 0, 0};
        prefetch_codes(d, ids, i, count);
        for (size_t start = 0; start < d->groups; start += DPQI_CODE_RUN) {
            const size_t run = d->groups - start < DPQI_CODE_RUN ? d->groups - start : DPQI_CODE_RUN;
            const float *table = tables + start * stride;
            row_codes(row, start, run, d->bits, d->codes, codes);
            size_t g = 0;
            for (; g + 4 <= run; g += 4, table += 4 * stride) {
                sum[0] += table[codes[g]];
                sum[1] += table[stride + codes[g + 1]];
                sum[2] += table[2 * stride + codes[g + 2]];
                sum[3] += table[3 * stride + codes[g + 3]];
            }
            for (; g < run; g++, table += stride) sum[g & 3] += table[codes[g]];
        }
        out[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}
