/* Rows from their packed codes: a codeword a group, one after another. */

/* Rows whose codes are fetched ahead when rows are asked for in any order: enough to hide a miss in memory. */
#define DPQI_ROWS_AHEAD 16

/* Values of a cache line. */
#define LINE 16

/* Values that are gathered on the stack, two rows at least of those that are streamed. */
#define ROW_BUFFER (2 * DPQI_STREAMED_DIMENSION)

/* Codewords are copied in whole vectors of this many values: the excess lands in the slot of the next group, which is
 * written afterwards. A width of 1, 2 or 4 is a vector of its own. */
static inline size_t copied_width(size_t width) { return width <= 2 ? width : width <= 4 ? 4 : (width + 7) / 8 * 8; }

/* Most values copied beyond a codeword. */
#define COPIED_EXCESS 7

static inline size_t code_at(const void *codes, int wide, size_t i) {
    return wide ? ((const uint16_t *)codes)[i] : ((const uint8_t *)codes)[i];
}

/* Copies `copied` values, as copied_width counts them. */
static inline __attribute__((always_inline)) void copy_values(float *to, const float *from, size_t copied) {
    size_t c = 0;
    if (copied <= 4) {
        if (__builtin_constant_p(copied))
            memcpy(to, from, copied * sizeof *to);
        else
            DPQI_ROLLED for (; c < copied; c++) to[c] = from[c];
        return;
    }
    DPQI_ROLLED for (; c + 16 <= copied; c += 16) v16_store(to + c, v16_load(from + c));
    if (copied & 8) v8_store(to + c, v8_load(from + c));
}

/* Copies exactly `count` values. */
static inline void copy_exactly(float *to, const float *from, size_t count) {
    if (count >= 8) {
        for (size_t c = 0; c + 8 <= count; c += 8) v8_store(to + c, v8_load(from + c));
        v8_store(to + count - 8, v8_load(from + count - 8));
    } else if (count >= 4) {
        v4_store(to, v4_load(from));
        v4_store(to + count - 4, v4_load(from + count - 4));
    } else {
        DPQI_ROLLED for (size_t c = 0; c < count; c++) to[c] = from[c];
    }
}

/* How many leading groups may be copied in whole vectors: those that end, excess included, within `room` values of the
 * row's start and inside the memory they read. Where `room` is the dimension that is never the last group unless it
 * fits exactly: an overlapping copy there would write into the row after it, which another thread may own. */
static __attribute__((noinline)) size_t whole_groups(const dpqi_decoder *d, size_t room) {
    const size_t copied = copied_width(d->width);
    if (copied > room) return 0;
    size_t whole = (room - copied) / d->width + 1;
    if (whole > d->groups) whole = d->groups;
    const size_t last_read = (whole - 1) * d->codebook_stride + (d->codes - 1) * d->pitch + copied;
    if (last_read <= d->readable) return whole;
    /* Nothing lies behind the last group: those before it read into the next. */
    return d->codebook_stride ? whole - 1 : 0;
}

static inline size_t row_of(const int64_t *ids, uint64_t first, size_t i) {
    return ids ? (size_t)ids[i] : (size_t)first + i;
}

/* The tier of the row whose codes are fetched at row i. */
static inline size_t tier_ahead(const uint8_t *tier, size_t i, size_t count) {
    return tier && i + DPQI_ROWS_AHEAD < count ? tier[i + DPQI_ROWS_AHEAD] : 0;
}

static inline void prefetch_codes(const dpqi_decoder *d, const int64_t *ids, size_t i, size_t count) {
    if (!ids || i + DPQI_ROWS_AHEAD >= count) return;
    const uint8_t *row = d->packed + (size_t)ids[i + DPQI_ROWS_AHEAD] * d->row_bytes;
    /* Most rows lie in one or two cache lines; the processor sees a longer one coming. */
    __builtin_prefetch(row, 0, 3);
    __builtin_prefetch(row + d->row_bytes - 1, 0, 3);
}

static inline float norm_of(const dpqi_decoder *d, size_t id) {
    return d->norm_codes ? d->norm_codebook[d->norm_codes[id]] : 1.0f;
}

static __attribute__((noinline)) void scale_row(const dpqi_decoder *d, size_t id, float *row) {
    const float norm = d->norm_codebook[d->norm_codes[id]];
    size_t c = 0;
    for (; c + LANES <= d->dimension; c += LANES) vf_store(row + c, vf_mul(vf_load(row + c), vf_set1(norm)));
    DPQI_ROLLED for (; c < d->dimension; c++) row[c] *= norm;
}

/* Copies `count` codewords one after another. What follows the arguments, where known at compile time, makes each copy a
 * few moves. */
#define COPIER_ARGUMENTS const dpqi_decoder *d, const float *codebook, const void *codes, size_t count, float *out
typedef void copier(COPIER_ARGUMENTS);
static inline __attribute__((always_inline)) void copy_codewords(COPIER_ARGUMENTS, size_t width, size_t pitch,
                                                                 size_t copied, int wide) {
    const size_t stride = d->codebook_stride;
    size_t i = 0;
    if (__builtin_constant_p(copied))
        DPQI_ROLLED for (; i + 4 <= count; i += 4) for (size_t k = 0; k < 4; k++, codebook += stride, out += width)
            copy_values(out, codebook + code_at(codes, wide, i + k) * pitch, copied);
    DPQI_ROLLED for (; i < count; i++, codebook += stride, out += width)
        copy_values(out, codebook + code_at(codes, wide, i) * pitch, copied);
}

#define COPY(width, pitch, copied, wide) copy_codewords(d, codebook, codes, count, out, width, pitch, copied, wide)
static void copy_1(COPIER_ARGUMENTS) { COPY(1, 1, 1, 0); }
static void copy_2(COPIER_ARGUMENTS) { COPY(2, 2, 2, 0); }
static void copy_3(COPIER_ARGUMENTS) { COPY(3, 3, 4, 0); }
static void copy_4(COPIER_ARGUMENTS) { COPY(4, 4, 4, 0); }
static void copy_6(COPIER_ARGUMENTS) { COPY(6, 8, 8, 0); }
static void copy_8(COPIER_ARGUMENTS) { COPY(8, 8, 8, 0); }
static void copy_16(COPIER_ARGUMENTS) { COPY(16, 16, 16, 0); }
static void copy_to_8(COPIER_ARGUMENTS) { COPY(d->width, d->pitch, 8, 0); }
static void copy_to_16(COPIER_ARGUMENTS) { COPY(d->width, d->pitch, 16, 0); }
static void copy_any(COPIER_ARGUMENTS) { COPY(d->width, d->pitch, copied_width(d->width), 0); }
static void copy_wide(COPIER_ARGUMENTS) { COPY(d->width, d->pitch, copied_width(d->width), 1); }
#undef COPY
#undef COPIER_ARGUMENTS

/* The way of copying, chosen once for all rows. */
static __attribute__((noinline)) copier *copier_of(const dpqi_decoder *d) {
    if (d->bits > 8) return copy_wide;
    switch (d->width) {
    case 1: return copy_1;
    case 2: return copy_2;
    case 3: return copy_3;
    case 4: return copy_4;
    case 6: return d->pitch == 8 ? copy_6 : copy_to_8;
    case 8: return copy_8;
    case 16: return copy_16;
    default: return d->width < 8 ? copy_to_8 : d->width < 16 ? copy_to_16 : copy_any;
    }
}

/* The sum of the codewords that the codes of a row name, `count` vectors from `column` on. */
static inline __attribute__((always_inline)) void sum_codewords(const dpqi_decoder *d, const uint8_t *row,
                                                                size_t column, size_t count, float *out) {
    vf sum[4];
    const float *from = d->codebook + (row[0] & 15) * d->width + column;
    for (size_t v = 0; v < count; v++) sum[v] = vf_load(from + v * LANES);
    DPQI_ROLLED for (size_t g = 1; g < d->groups; g++) {
        from = d->codebook + (g * 16 + (row[g / 2] >> g % 2 * 4 & 15)) * d->width + column;
        for (size_t v = 0; v < count; v++) sum[v] = vf_add(sum[v], vf_load(from + v * LANES));
    }
    for (size_t v = 0; v < count; v++) vf_store(out + v * LANES, sum[v]);
}

/* A row whose codewords are added. */
static __attribute__((noinline)) void add_codewords(const dpqi_decoder *d, const uint8_t *row, float *out) {
    size_t c = 0;
    for (; c + 4 * LANES <= d->dimension; c += 4 * LANES) sum_codewords(d, row, c, 4, out + c);
    for (; c + LANES <= d->dimension; c += LANES) sum_codewords(d, row, c, 1, out + c);
    if (c < d->dimension) {
        float last[LANES];
        sum_codewords(d, row, c, 1, last);
        memcpy(out + c, last, (d->dimension - c) * sizeof *out);
    }
}

/* Codes that need not be put apart. */
static inline int has_byte_codes(const dpqi_decoder *d) { return d->codes == 256; }

/* No codeword is cut off, scaled or added to others. */
static inline int has_whole_codewords(const dpqi_decoder *d) {
    return !d->norm_codes && d->dimension == d->groups * d->width;
}

/* How the rows of a tier are decoded: found once for all of them. */
typedef struct row_way {
    const dpqi_decoder *decoder;
    copier *copy;
    size_t whole;   /* leading groups that may be copied in whole vectors */
    int plain;      /* whole codewords of a byte a code, of which at most the last is copied exactly */
    size_t fetched; /* values of a row whose lines come from afar while its first codewords are copied */
} row_way;

/* `room` values may be written from the start of a row. */
static __attribute__((noinline)) row_way way_of(const dpqi_decoder *d, size_t room) {
    const size_t whole = whole_groups(d, room);
    return (row_way){d, copier_of(d), whole, has_byte_codes(d) && has_whole_codewords(d) && whole + 1 >= d->groups, 0};
}

static __attribute__((noinline)) void decode_row_any(const row_way *way, size_t id, float *out) {
    const dpqi_decoder *d = way->decoder;
    const size_t whole = way->whole;
    const uint8_t *row = d->packed + id * d->row_bytes;
    const size_t groups = d->adds ? 0 : d->groups, at_once = has_byte_codes(d) ? groups : DPQI_CODE_RUN;
    if (d->adds) add_codewords(d, row, out);
    DPQI_ROLLED for (size_t start = 0; start < groups; start += at_once) {
        code_run scratch;
        const size_t run = groups - start < at_once ? groups - start : at_once;
        const size_t copied = whole <= start ? 0 : whole - start < run ? whole - start : run;
        const void *codes = codes_of(row, start, run, d->bits, d->codes, &scratch);
        const float *codebook = d->codebook + start * d->codebook_stride;
        way->copy(d, codebook, codes, copied, out + start * d->width);
        DPQI_ROLLED for (size_t g = copied; g < run; g++) {
            const size_t column = (start + g) * d->width, rest = d->dimension - column;
            copy_exactly(out + column, codebook + g * d->codebook_stride + code_at(codes, d->bits > 8, g) * d->pitch,
                         rest < d->width ? rest : d->width);
        }
    }
    if (d->norm_codes) scale_row(d, id, out);
}

static inline __attribute__((always_inline)) void decode_row_here(const row_way *way, size_t id, float *out) {
    const dpqi_decoder *d = way->decoder;
    if (LANES >= 16) {
        DPQI_ROLLED for (size_t c = 0; c < way->fetched; c += LINE) __builtin_prefetch(out + c, 1, 3);
    }
    if (!way->plain) {
        decode_row_any(way, id, out);
        return;
    }
    const uint8_t *codes = d->packed + id * d->row_bytes;
    const size_t whole = way->whole;
    way->copy(d, d->codebook, codes, whole, out);
    if (whole < d->groups)
        copy_exactly(out + whole * d->width, d->codebook + whole * d->codebook_stride + codes[whole] * d->pitch,
                     d->width);
}

static __attribute__((noinline)) void decode_row(const row_way *way, size_t id, float *out) {
    decode_row_here(way, id, out);
}

#if LANES >= 8 /* the levels that can store past the caches */

/* Processors of the AVX2 level stream better apart from other work; those of AVX-512 that were measured do so from the registers
 * alone. */
#define STREAMED_APART (LANES == 8)

/* Streams the whole lines of buffer[line, end) to *out, of which values before `begin` of the first line are not there.
 * Returns where it stopped. */
static inline __attribute__((always_inline)) size_t stream_buffer(const float *buffer, size_t line, size_t end,
                                                                  size_t *begin, float **out) {
    if (*begin && line + LINE <= end) {
        DPQI_ROLLED for (; *begin < LINE; ++*begin) * (*out)++ = buffer[*begin];
        *begin = 0;
        line += LINE;
    }
    DPQI_ROLLED for (; line + LINE <= end; line += LINE, *out += LINE) for (size_t c = 0; c < LINE; c += LANES)
        vf_stream(*out + c, vf_load(buffer + line + c));
    return line;
}

/* Rows without gaps past the caches, through a buffer that lies as the output lies in its cache lines. Where that helps a
 * row leaves it once the next one is in it: a load of what was only just stored, in other pieces, waits until the stores
 * are in the cache, and those wait for the lines streamed before them. */
static __attribute__((noinline)) void stream_rows(const row_way *ways, const uint8_t *tier, const int64_t *ids,
                                                  uint64_t first, size_t count, float *out) {
    _Alignas(64) float buffer[ROW_BUFFER + 2 * LINE];
    const size_t dimension = ways->decoder->dimension;
    size_t begin = (uintptr_t)out / sizeof *out % LINE, end = begin, line = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t before = end;
        prefetch_codes(ways[tier_ahead(tier, i, count)].decoder, ids, i, count);
        decode_row(ways + (tier ? tier[i] : 0), row_of(ids, first, i), buffer + end);
        end += dimension;
        const int full = i + 1 == count || end + dimension > ROW_BUFFER;
        line = stream_buffer(buffer, line, full || !STREAMED_APART ? end : before, &begin, &out);
        if (!full) continue;
        v16_store(buffer, v16_load(buffer + line));
        end -= line;
        line = 0;
    }
    DPQI_ROLLED for (size_t c = begin; c < end; c++) *out++ = buffer[c];
}

/* Rows are whole lines long, of codewords of half a line or one, a byte a code. */
static inline int has_lines(const dpqi_decoder *d) {
    return has_byte_codes(d) && has_whole_codewords(d) && d->dimension % LINE == 0 &&
           (d->width == LINE || (d->width == 8 && d->pitch == 8));
}

#if LANES == LINE
/* The same of such rows: from the registers. */
static __attribute__((noinline)) void stream_lines(const dpqi_decoder *d, const int64_t *ids, uint64_t first,
                                                   size_t count, float *out) {
    const size_t skipped = (uintptr_t)out / sizeof *out % LINE, stride = d->codebook_stride;
    vf before = vf_set1(0);
    float *line = out - skipped;
#define PUT(vector)                                                                                                    \
    do {                                                                                                               \
        const vf now = vector;                                                                                         \
        vf_stream(line, vf_splice(before, now, skipped));                                                              \
        before = now, line += LINE;                                                                                    \
    } while (0)
    for (size_t i = 0; i < count; i++) {
        const uint8_t *codes = d->packed + row_of(ids, first, i) * d->row_bytes, *end = codes + d->row_bytes;
        const float *codebook = d->codebook;
        prefetch_codes(d, ids, i, count);
        if (i == 0) {
            /* The first line begins before the output, and the last may end beyond it: they are stored where they lie. */
            before = d->width == LINE ? vf_load(codebook + codes[0] * LINE)
                                      : vf_join(codebook + codes[0] * 8, codebook + stride + codes[1] * 8);
            vf_store(out, before);
            line += LINE, codes += LINE / d->width, codebook += LINE / d->width * stride;
        }
        if (d->width == LINE)
            DPQI_ROLLED for (; codes < end; codes++, codebook += stride) PUT(vf_load(codebook + codes[0] * LINE));
        else
            DPQI_ROLLED for (; codes < end; codes += 2, codebook += 2 * stride)
                PUT(vf_join(codebook + codes[0] * 8, codebook + stride + codes[1] * 8));
    }
#undef PUT
    vf_store(out + count * d->dimension - LINE, before);
}
#endif

/* The same of codewords of 4, 8, 12 ... values to where quarters of a line begin: from the registers, a quarter at a time,
 * or where `at_once` codewords are a line, all its quarters. Halves would have to be put together of two codewords wherever
 * rows do not begin at one. */
static inline __attribute__((always_inline)) void stream_codewords(const dpqi_decoder *d, const uint8_t *codes,
                                                                   size_t count, float *out, size_t width, size_t pitch,
                                                                   size_t at_once) {
    const size_t stride = d->codebook_stride;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *const end = codes + d->groups;
        const float *codebook = d->codebook;
        if (width == 6) DPQI_ROLLED for (; codes < end; codes += 2, codebook += 2 * stride, out += 12) {
                const float *one = codebook + codes[0] * 8, *two = codebook + stride + codes[1] * 8;
                v4_stream(out, v4_load(one));
                v4_stream(out + 4, v4_join(one + 4, two));
                v4_stream(out + 8, v4_load(two + 2));
            }
        if (at_once > 0) /* The quarters of a line leave together: 5 to 40 % faster than one by one. */
            DPQI_ROLLED for (; codes + at_once <= end; codes += at_once, codebook += at_once * stride, out += LINE) {
                const float *codeword[4];
                v4 quarter[4];
                for (size_t k = 0; k < at_once; k++) codeword[k] = codebook + k * stride + codes[k] * pitch;
                for (size_t q = 0; q < 4; q++) quarter[q] = v4_load(codeword[q * 4 / width] + q * 4 % width);
                for (size_t q = 0; q < 4; q++) v4_stream(out + 4 * q, quarter[q]);
            }
        if (width != 6 && width != 16) DPQI_ROLLED for (; codes < end; codes++, codebook += stride, out += width) {
                const float *codeword = codebook + codes[0] * pitch;
                DPQI_ROLLED for (size_t c = 0; c < width; c += 4) v4_stream(out + c, v4_load(codeword + c));
            }
    }
}

/* Streams rows whose codes are bytes, one row after the other. */
#define STREAMER_ARGUMENTS const dpqi_decoder *d, const uint8_t *codes, size_t count, float *out
typedef void streamer(STREAMER_ARGUMENTS);
/* Four codewords of 3 values at a time. */
static void stream_3(STREAMER_ARGUMENTS) {
    const size_t stride = d->codebook_stride;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *const end = codes + d->groups;
        const float *one = d->codebook;
        DPQI_ROLLED for (; codes < end; codes += 4, one += 4 * stride, out += 12) {
            const float *two = one + stride + codes[1] * 3, *three = one + 2 * stride + codes[2] * 3;
            v4_stream(out, v4_set_last(v4_load(one + codes[0] * 3), two));
            v4_stream(out + 4, v4_join(two + 1, three));
            v4_stream(out + 8, v4_set_first(v4_load(one + 3 * stride + codes[3] * 3 - 1), three + 2));
        }
    }
}
static void stream_4(STREAMER_ARGUMENTS) { stream_codewords(d, codes, count, out, 4, 4, 4); }
static void stream_6(STREAMER_ARGUMENTS) { stream_codewords(d, codes, count, out, 6, 8, 0); }
#if LANES < LINE
static void stream_8(STREAMER_ARGUMENTS) { stream_codewords(d, codes, count, out, 8, 8, 2); }
static void stream_16(STREAMER_ARGUMENTS) { stream_codewords(d, codes, count, out, 16, 16, 1); }
static void stream_fours(STREAMER_ARGUMENTS) { stream_codewords(d, codes, count, out, d->width, d->pitch, 0); }
#endif

#undef STREAMER_ARGUMENTS

/* What streams from the registers, codes of fewer than 8 bits once they are put apart, or NULL where rows must go through a
 * buffer. Chosen once: to branch on the width of every row's tier cost a tenth. */
static __attribute__((noinline)) streamer *streamer_of(const dpqi_decoder *d, const float *out) {
    if (!has_whole_codewords(d) || (uintptr_t)out % (4 * sizeof *out)) return NULL;
    if (d->codes != 256 && (d->bits > 8 || d->groups > DPQI_CODE_RUN)) return NULL;
    switch (d->width) {
    case 3: return d->codebook_stride && d->groups % 4 == 0 ? stream_3 : NULL;
    case 4: return stream_4;
    case 6: return d->pitch == 8 && d->groups % 2 == 0 ? stream_6 : NULL;
#if LANES < LINE /* at AVX-512 as fast through the buffer, or up to 15 % faster */
    case 8: return stream_8;
    case 16: return stream_16;
    default: return d->width % 4 == 0 ? stream_fours : NULL;
#else
    default: return NULL;
#endif
    }
}

/* Rows without gaps past the caches, the way that suits them. */
static __attribute__((noinline)) void stream_any(const dpqi_decoder *d, const int64_t *ids, uint64_t first,
                                                 size_t count, float *out) {
#if LANES == LINE
    if (has_lines(d)) {
        stream_lines(d, ids, first, count, out);
        return;
    }
#endif
    streamer *const stream = ids ? NULL : streamer_of(d, out);
    if (stream) {
        const size_t at_once = has_byte_codes(d) ? count : 1;
        const uint8_t *row = d->packed + first * d->row_bytes;
        DPQI_ROLLED for (size_t i = 0; i < count; i += at_once, row += d->row_bytes, out += d->dimension) {
            code_run scratch;
            stream(d, codes_of(row, 0, d->groups, d->bits, d->codes, &scratch), at_once, out);
        }
        return;
    }
    const row_way way = way_of(d, d->dimension + COPIED_EXCESS);
    stream_rows(&way, NULL, ids, first, count, out);
}

/* Copies exactly `count` bytes. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t count) {
    if (count >= 16) {
        DPQI_ROLLED for (size_t c = 0; c + 16 <= count; c += 16) memcpy(to + c, from + c, 16);
        memcpy(to + count - 16, from + count - 16, 16);
    } else {
        DPQI_ROLLED for (size_t c = 0; c < count; c++) to[c] = from[c];
    }
}

/* Rows in any order past the caches. The codes of a block of rows are brought together before the first of them is
 * decoded: lines that are fetched from here and there hold up those that are streamed, where the two alternate. */
static __attribute__((noinline)) void stream_scattered(const dpqi_decoder *d, const int64_t *ids, size_t count,
                                                       float *out) {
    enum { ROWS = 128, BYTES = 16384 };
    uint8_t codes[BYTES], norms[ROWS];
    size_t rows = BYTES / d->row_bytes;
    if (rows > ROWS) rows = ROWS;
    dpqi_decoder block = *d;
    block.packed = codes;
    if (d->norm_codes) block.norm_codes = norms;
    for (size_t start = 0; start < count; start += rows) {
        if (rows > count - start) rows = count - start;
        for (size_t i = 0; i < rows; i++) {
            const size_t id = (size_t)ids[start + i];
            prefetch_codes(d, ids, start + i, count);
            copy_bytes(codes + i * d->row_bytes, d->packed + id * d->row_bytes, d->row_bytes);
            if (d->norm_codes) norms[i] = d->norm_codes[id];
        }
        stream_any(&block, NULL, 0, rows, out + start * d->dimension);
    }
}

#endif /* LANES >= 8 */

/* Rows `ids`[count], or [first, first + count) where ids is NULL, to out[count][stride], or out[places[i]]. */
static void DPQI_NAME(decode_rows)(const dpqi_decoder *d, const int64_t *ids, uint64_t first, const uint16_t *places,
                                   size_t count, float *out, size_t stride) {
#if LANES >= 8
    if (!places && dpqi_streams(d->dimension, stride, count)) {
        if (ids && d->row_bytes <= 512 && (STREAMED_APART || streamer_of(d, out)))
            stream_scattered(d, ids, count, out);
        else
            stream_any(d, ids, first, count, out);
        stream_end();
        return;
    }
#endif
    row_way way = way_of(d, d->dimension);
    if (LANES >= 16 && d->width > 4) way.fetched = d->dimension;
    for (size_t i = 0; i < count; i++) {
        prefetch_codes(d, ids, i, count);
        const size_t id = row_of(ids, first, i);
        float *row = out + (places ? places[i] : i) * stride;
        if (LANES == 8) /* where it was measured: without the call rows of 128 values are 1.1 times as fast */
            decode_row_here(&way, id, row);
        else
            decode_row(&way, id, row);
    }
}

#if LANES >= 8
/* Row rows[i] of tier tier[i] to row i without gaps past the caches. */
static void DPQI_NAME(stream_tiers)(const dpqi_decoder *const *decoders, size_t tiers, const uint8_t *tier,
                                    const int64_t *rows, size_t count, float *out) {
    row_way ways[256];
#if STREAMED_APART /* others are faster through the buffer, but for codes of fewer than 8 bits in all tiers */
    streamer *stream[256];
    size_t streamed = 0;
    while (streamed < tiers && (stream[streamed] = streamer_of(decoders[streamed], out))) streamed++;
    if (streamed == tiers) {
        for (size_t i = 0; i < count; i++, out += decoders[0]->dimension) {
            const dpqi_decoder *d = decoders[tier[i]];
            const uint8_t *row = d->packed + (size_t)rows[i] * d->row_bytes;
            code_run scratch;
            prefetch_codes(decoders[tier_ahead(tier, i, count)], rows, i, count);
            stream[tier[i]](d, codes_of(row, 0, d->groups, d->bits, d->codes, &scratch), 1, out);
        }
        stream_end();
        return;
    }
#endif
    for (size_t t = 0; t < tiers; t++) ways[t] = way_of(decoders[t], decoders[t]->dimension + COPIED_EXCESS);
    stream_rows(ways, tier, rows, 0, count, out);
    stream_end();
}
#endif
