/* Codes of any width between 1 and 16 bits, packed least significant bit first. */

/* Eight codes of b bits are b bytes: they are read as one or two words and spread by halves, each step moving the upper
 * half of every field to where its twice as wide field begins. */
typedef struct code_spread {
    unsigned shift[3];
    uint64_t low[3]; /* the lower halves; the upper ones lie beside them, as far as a field is wide */
} code_spread;

static inline code_spread spread_of(size_t bits) {
    const uint64_t one = ((uint64_t)1 << bits) - 1, two = ((uint64_t)1 << 2 * bits) - 1;
    if (bits > 8)
        return (code_spread){{(unsigned)(32 - 2 * bits), (unsigned)(16 - bits), 0}, {two, one | one << 32, 0}};
    const uint64_t four = ((uint64_t)1 << 4 * bits) - 1;
    return (code_spread){{(unsigned)(32 - 4 * bits), (unsigned)(16 - 2 * bits), (unsigned)(8 - bits)},
                         {four, two | two << 32, one * 0x0001000100010001u}};
}

static inline uint64_t spread_bytes(code_spread s, uint64_t word) {
    word = (word & s.low[0]) | (word << s.shift[0] & s.low[0] << 32);
    word = (word & s.low[1]) | (word << s.shift[1] & s.low[1] << 16);
    return (word & s.low[2]) | (word << s.shift[2] & s.low[2] << 8);
}

static inline uint64_t spread_pairs(code_spread s, uint64_t word) {
    word = (word & s.low[0]) | (word << s.shift[0] & s.low[0] << 32);
    return (word & s.low[1]) | (word << s.shift[1] & s.low[1] << 16);
}

/* The first `bytes` >= 1 bytes, at most 8, zeros after them. */
static inline uint64_t load_word(const uint8_t *packed, size_t bytes) {
    uint64_t word;
    if (bytes >= 8) {
        memcpy(&word, packed, 8);
        return word;
    }
    /* Parts that may overlap, where they say the same. */
    if (bytes < 4)
        return packed[0] | (uint64_t)packed[bytes / 2] << 8 * (bytes / 2) |
               (uint64_t)packed[bytes - 1] << 8 * (bytes - 1);
    uint32_t low, high;
    memcpy(&low, packed, 4);
    memcpy(&high, packed + bytes - 4, 4);
    return low | (uint64_t)high << 8 * (bytes - 4);
}

/* The `count` codes of at most 8 bits packed from `packed` on, a byte each. Touches ceil(count * bits / 8) bytes of
 * `packed` and `count` of `out`, no more. */
static void unpack_bytes(const uint8_t *packed, size_t count, size_t bits, size_t codes, uint8_t *restrict out) {
    if (bits == 8) {
        memcpy(out, packed, count);
    } else if (bits == 4) {
        size_t i = 0;
        for (; i + 16 <= count; i += 16) split_nibbles(out + i, packed + i / 2);
        for (; i + 2 <= count; i += 2) {
            out[i] = packed[i / 2] & 15;
            out[i + 1] = packed[i / 2] >> 4;
        }
        if (i < count) out[i] = packed[i / 2] & 15;
    } else {
        const code_spread spread = spread_of(bits);
        const uint8_t *end = packed + (count * bits + 7) / 8;
        size_t i = 0;
        for (; i + 8 <= count; i += 8, packed += bits) {
            const uint64_t word = spread_bytes(spread, load_word(packed, (size_t)(end - packed)));
            memcpy(out + i, &word, 8);
        }
        if (i < count) {
            const uint64_t word = spread_bytes(spread, load_word(packed, (size_t)(end - packed)));
            for (size_t k = i; k < count; k++) out[k] = (uint8_t)(word >> 8 * (k - i));
        }
    }
    if (codes != (size_t)1 << bits)
        for (size_t i = 0; i < count; i++) out[i] = out[i] < codes ? out[i] : (uint8_t)(codes - 1);
}

/* The same of codes of 9 to 16 bits, two bytes each. */
static void unpack_pairs(const uint8_t *packed, size_t count, size_t bits, size_t codes, uint16_t *restrict out) {
    const code_spread spread = spread_of(bits);
    const uint8_t *end = packed + (count * bits + 7) / 8;
    /* Four codes end at half a byte where `bits` is odd. */
    for (size_t i = 0; i < count; i += 4) {
        const size_t bit = i * bits, at = bit / 8;
        const uint64_t word = spread_pairs(spread, load_word(packed + at, (size_t)(end - packed) - at) >> bit % 8);
        if (i + 4 <= count)
            memcpy(out + i, &word, 8);
        else
            for (size_t k = i; k < count; k++) out[k] = (uint16_t)(word >> 16 * (k - i));
    }
    if (codes != (size_t)1 << bits)
        for (size_t i = 0; i < count; i++) out[i] = out[i] < codes ? out[i] : (uint16_t)(codes - 1);
}

/* Codes of a row are looked at in runs of this many: a multiple of 8, so that every run starts at a whole byte. */
#define DPQI_CODE_RUN 128

typedef union code_run {
    uint8_t bytes[DPQI_CODE_RUN];
    uint16_t pairs[DPQI_CODE_RUN];
} code_run;

/* The codes of groups [start, start + count) of a row, clamped to those that there are: bytes up to 8 bits, else
 * pairs of bytes; start is a multiple of DPQI_CODE_RUN. Where the row has them as they are, they are not copied. */
static inline const void *codes_of(const uint8_t *row, size_t start, size_t count, size_t bits, size_t codes,
                                   code_run *scratch) {
    const uint8_t *packed = row + start / 8 * bits;
    if (codes == 256) return packed;
    if (bits <= 8)
        unpack_bytes(packed, count, bits, codes, scratch->bytes);
    else
        unpack_pairs(packed, count, bits, codes, scratch->pairs);
    return scratch;
}
