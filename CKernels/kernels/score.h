/* Scores of rows against a query without decoding them: what a codeword contributes is looked up and added. */

#if LANES != 16 /* AVX-512 has no more to offer here than AVX2 */
/* out[groups][1 << bits]: the product of a group's part of the query with each codeword, or where `distance` is set
 * their squared distance. A query of NULL is all zeros: squared norms. Codes that no codeword answers to have the last
 * one's entry. */
void DPQI_NAME(score_tables)(const dpqi_decoder *d, const float *query, int distance, float *out) {
    static const float zeros[1] = {0};
    for (size_t g = 0; g < d->groups; g++) {
        const size_t column = d->adds ? 0 : g * d->width;
        const size_t rest = d->dimension - column < d->width ? d->dimension - column : d->width;
        const float *part = query ? query + column : zeros;
        const size_t step = query ? 1 : 0;
        const float *codebook = d->codebook + g * d->codebook_stride;
        float *table = out + (g << d->bits);
        DPQI_ROLLED for (size_t k = 0; k < d->codes; k++) {
            const float *codeword = codebook + k * d->pitch;
            float sum = 0;
            if (distance) {
                DPQI_ROLLED for (size_t c = 0; c < rest; c++) {
                    const float difference = codeword[c] - part[c * step];
                    sum += difference * difference;
                }
            } else {
                DPQI_ROLLED for (size_t c = 0; c < rest; c++) sum += codeword[c] * part[c * step];
            }
            table[k] = sum;
        }
        for (size_t k = d->codes; k < (size_t)1 << d->bits; k++) table[k] = table[d->codes - 1];
    }
}
#endif

/* Codes of 4 bits: a table is a register or a few, and LANES rows are looked up at once. Their codes are turned on
 * their side by words of eight. */
static void score_nibbles(const dpqi_decoder *d, const float *tables, const int64_t *ids, uint64_t first, size_t count,
                          float *out) {
    enum { BLOCK = LANES * 4, CODES_A_WORD = 8 };
    for (size_t i = 0; i < count; i += LANES) {
        const size_t rows = count - i < LANES ? count - i : LANES;
        const uint8_t *codes[LANES];
        for (size_t r = 0; r < LANES; r++) {
            /* Lanes without a row repeat one. */
            const size_t row = i + (r < rows ? r : 0);
            codes[r] = d->packed + row_of(ids, first, row) * d->row_bytes;
            prefetch_codes(d, ids, row, count);
        }
        /* Four sums: one would wait for each addition to finish. */
        vf sum[4] = {vf_set1(0), vf_set1(0), vf_set1(0), vf_set1(0)};
        const float *table = tables;
        size_t groups = d->groups;
        for (size_t at = 0; at < d->row_bytes; at += BLOCK) {
            vf block[LANES];
            turn_codes(codes, at, d->row_bytes - at, block);
            for (size_t w = 0; w < LANES && groups > 0; w++) {
                vi index = vi_of_bits(block[w]);
                if (groups >= CODES_A_WORD) {
                    DPQI_ROLLED for (size_t half = 0; half < 2;
                                     half++, table += 16 * CODES_A_WORD / 2) for (size_t g = 0; g < 4;
                                                                                  g++, index = vi_shift4(index))
                        sum[g] = vf_add(sum[g], vf_lookup16(table + 16 * g, index));
                    groups -= CODES_A_WORD;
                    continue;
                }
                DPQI_ROLLED for (; groups > 0; groups--, table += 16, index = vi_shift4(index)) sum[0] =
                    vf_add(sum[0], vf_lookup16(table, index));
            }
        }
        const vf total = vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]));
        if (rows == LANES) {
            vf_store(out + i, total);
        } else {
            float last[LANES];
            vf_store(last, total);
            memcpy(out + i, last, rows * sizeof *out);
        }
    }
}

static inline __attribute__((always_inline)) float sum_entries(const float *table, size_t stride, const void *codes,
                                                               int wide, size_t count) {
#define ENTRY(i) table[(i)*stride + (wide ? ((const uint16_t *)codes)[g + (i)] : ((const uint8_t *)codes)[g + (i)])]
    float sum[4] = {0, 0, 0, 0};
    size_t g = 0;
    for (; g + 4 <= count; g += 4, table += 4 * stride)
        for (size_t k = 0; k < 4; k++) sum[k] += ENTRY(k);
    DPQI_ROLLED for (; g < count; g++, table += stride) sum[g & 3] += ENTRY(0);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
#undef ENTRY
}

/* out[i] = sum over groups of tables[group][code of the row], for rows `ids`[count], or [first, first + count) where
 * ids is NULL. Norms are not applied. */
static void DPQI_NAME(score_rows)(const dpqi_decoder *d, const float *tables, const int64_t *ids, uint64_t first,
                                  size_t count, float *out) {
    if (d->bits == 4) {
        score_nibbles(d, tables, ids, first, count, out);
        return;
    }
    const size_t stride = (size_t)1 << d->bits;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = d->packed + row_of(ids, first, i) * d->row_bytes;
        code_run scratch;
        float sum = 0;
        prefetch_codes(d, ids, i, count);
        for (size_t start = 0; start < d->groups; start += DPQI_CODE_RUN) {
            const size_t run = d->groups - start < DPQI_CODE_RUN ? d->groups - start : DPQI_CODE_RUN;
            const float *table = tables + start * stride;
            /* The tables answer to every code of these bits: no need to clamp. */
            const void *codes = codes_of(row, start, run, d->bits, stride, &scratch);
            sum += d->bits > 8 ? sum_entries(table, stride, codes, 1, run) : sum_entries(table, stride, codes, 0, run);
        }
        out[i] = sum;
    }
}
