/* Codes of any width between 1 and 16 bits, packed least significant bit first. */

/* The first `bytes` bytes of `packed`, at most 8. */
static inline uint64_t load_word(const uint8_t *packed, size_t bytes) {
    if (bytes >= 8) {
        uint64_t word;
        memcpy(&word, packed, 8);
        return word;
    }
    if (bytes >= 4) {
        uint32_t low, high;
        memcpy(&low, packed, 4);
        memcpy(&high, packed + bytes - 4, 4);
        return low | (uint64_t)high << 8 * (bytes - 4);
    }
    if (bytes == 0) return 0;
    const size_t middle = bytes / 2, last = bytes - 1;
    return packed[0] | (uint64_t)packed[middle] << 8 * middle | (uint64_t)packed[last] << 8 * last;
}

#if LANES == 8
/* The first 16 bytes of those that there are. */
static inline bytes16 load_bytes(const uint8_t *packed, size_t bytes) {
    if (bytes >= 16) return bytes16_load(packed);
    return bytes16_of(load_word(packed, bytes), bytes > 8 ? load_word(packed + 8, bytes - 8) : 0);
}
#endif

/* Codes of a row are looked at in runs of this many: a multiple of 8, so that every run starts at a whole byte. */
#define DPQI_CODE_RUN 128

typedef union code_run {
    uint8_t bytes[DPQI_CODE_RUN];
    uint16_t pairs[DPQI_CODE_RUN];
} code_run;

/* The `count` codes of at most 8 bits packed from `packed` on, a byte each, at most `top`. Touches
 * ceil(count * bits / 8) bytes of `packed`; `out` has room for a multiple of 16 codes, and what is beyond `count` is
 * zero or undefined. */
static __attribute__((noinline)) void unpack_bytes(const uint8_t *packed, size_t count, size_t bits, size_t top,
                                                   code_run *restrict out_run) {
    uint8_t *restrict out = out_run->bytes;
    const uint8_t *end = packed + (count * bits + 7) / 8;
    size_t i = 0;
    if (bits == 8) {
        memcpy(out, packed, count);
        i = count;
    }
#if LANES == 8 /* AVX-512 has an instruction for eight codes; the other levels go by words */
    if (bits == 4) {
        DPQI_ROLLED for (; i < count; i += 32, packed += 16)
            spread_nibbles(load_bytes(packed, (size_t)(end - packed)), out + i);
    } else if (i < count) {
        const code_window window = window_of(bits);
        DPQI_ROLLED for (; i < count; i += 16, packed += 2 * bits)
            spread_window(&window, load_bytes(packed, (size_t)(end - packed)), out + i);
    }
#else
    if (bits == 4) DPQI_ROLLED for (; i + 32 <= count; i += 32, packed += 16) spread_nibbles(packed, out + i);
    const code_spread spread = spread_of(bits);
    DPQI_ROLLED for (; i < count; i += 8, packed += bits) {
        const uint64_t word = spread_bytes(spread, load_word(packed, (size_t)(end - packed)));
        memcpy(out + i, &word, 8);
    }
#endif
    if (top + 1 != (size_t)1 << bits)
        DPQI_ROLLED for (i = 0; i < count; i += 16) for (size_t k = 0; k < 16; k++) out[i + k] =
            out[i + k] < top ? out[i + k] : (uint8_t)top;
}

/* The same of codes of 9 to 16 bits, two bytes each. */
static __attribute__((noinline)) void unpack_pairs(const uint8_t *packed, size_t count, size_t bits, size_t top,
                                                   code_run *restrict out_run) {
    uint16_t *restrict out = out_run->pairs;
    const code_spread spread = spread_of(bits);
    const uint8_t *end = packed + (count * bits + 7) / 8;
    size_t i = 0;
    /* Four codes end at half a byte where `bits` is odd. */
    DPQI_ROLLED for (; i < (count + 7) / 8 * 8; i += 4) {
        const size_t bit = i * bits, at = bit / 8, bytes = (size_t)(end - packed);
        const uint64_t word = at < bytes ? load_word(packed + at, bytes - at) >> bit % 8 : 0;
        const uint64_t pairs = spread_pairs(spread, word);
        memcpy(out + i, &pairs, 8);
    }
    if (top + 1 != (size_t)1 << bits)
        DPQI_ROLLED for (i = 0; i < count; i += 8) for (size_t k = 0; k < 8; k++) out[i + k] =
            out[i + k] < top ? out[i + k] : (uint16_t)top;
}

/* The codes of groups [start, start + count) of a row, clamped to those that there are: bytes up to 8 bits, else
 * pairs of bytes; start is a multiple of DPQI_CODE_RUN. Where the row has them as they are, they are not copied. */
static inline const void *codes_of(const uint8_t *row, size_t start, size_t count, size_t bits, size_t codes,
                                   code_run *scratch) {
    const uint8_t *packed = row + start / 8 * bits;
    if (codes == 256) return packed;
    (bits <= 8 ? unpack_bytes : unpack_pairs)(packed, count, bits, codes - 1, scratch);
    return scratch;
}
