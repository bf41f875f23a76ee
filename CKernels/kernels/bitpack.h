/* Codes of any width between 1 and 16 bits, packed least significant bit first. */

/* Codes are unpacked in runs of this many: a multiple of 8, so that every run starts at a whole byte. */
#define DPQI_CODE_RUN 64

/* The `count` codes packed from `packed` on. Touches ceil(count * bits / 8) bytes and no more. */
static inline void unpack_run(const uint8_t *packed, size_t count, size_t bits, uint16_t *restrict out) {
    if (bits == 8) {
        for (size_t i = 0; i < count; i++) out[i] = packed[i];
    } else if (bits == 4) {
        const size_t pairs = count / 2;
        for (size_t i = 0; i < pairs; i++) {
            out[2 * i] = packed[i] & 15;
            out[2 * i + 1] = packed[i] >> 4;
        }
        if (count & 1) out[count - 1] = packed[pairs] & 15;
    } else {
        const uint32_t mask = (1u << bits) - 1;
        uint32_t window = 0;
        size_t held = 0;
        for (size_t i = 0; i < count; i++) {
            while (held < bits) {
                window |= (uint32_t)*packed++ << held;
                held += 8;
            }
            out[i] = (uint16_t)(window & mask);
            window >>= bits;
            held -= bits;
        }
    }
}

/* Brings stored codes that no codeword answers to down to the last one. */
static inline void clamp_run(uint16_t *values, size_t count, size_t codes) {
    const uint16_t last = (uint16_t)(codes - 1);
    for (size_t i = 0; i < count; i++) values[i] = values[i] < last ? values[i] : last;
}

/* The codes of groups [start, start + count) of a row, clamped; start is a multiple of DPQI_CODE_RUN. */
static inline void row_codes(const uint8_t *row, size_t start, size_t count, size_t bits, size_t codes, uint16_t *out) {
    unpack_run(row + start / 8 * bits, count, bits, out);
    if (codes != (size_t)1 << bits) clamp_run(out, count, codes);
}

static void DPQI_NAME(unpack)(size_t groups, size_t bits, size_t codes, const uint8_t *packed, size_t rows, void *out) {
    const size_t row_bytes = (groups * bits + 7) / 8;
    uint16_t run[DPQI_CODE_RUN];
    for (size_t r = 0; r < rows; r++) {
        for (size_t start = 0; start < groups; start += DPQI_CODE_RUN) {
            const size_t count = groups - start < DPQI_CODE_RUN ? groups - start : DPQI_CODE_RUN;
            row_codes(packed + r * row_bytes, start, count, bits, codes, run);
            if (bits > 8) {
                memcpy((uint16_t *)out + r * groups + start, run, count * sizeof *run);
            } else {
                uint8_t *target = (uint8_t *)out + r * groups + start;
                for (size_t i = 0; i < count; i++) target[i] = (uint8_t)run[i];
            }
        }
    }
}

static void DPQI_NAME(pack)(size_t groups, size_t bits, const void *values, size_t rows, uint8_t *out) {
    for (size_t r = 0; r < rows; r++) {
        uint32_t window = 0;
        size_t held = 0;
        for (size_t g = 0; g < groups; g++) {
            const size_t i = r * groups + g;
            const uint32_t value = bits > 8 ? ((const uint16_t *)values)[i] : ((const uint8_t *)values)[i];
            window |= value << held;
            for (held += bits; held >= 8; held -= 8, window >>= 8) *out++ = (uint8_t)window;
        }
        if (held) *out++ = (uint8_t)window;
    }
}
