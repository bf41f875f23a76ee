/* Fields of some bits, packed without gaps, put apart into bytes or pairs of bytes: where the level has no instruction
 * for it, in steps. */

/* Each step moves the upper half of every field to where its twice as wide field begins. */
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
