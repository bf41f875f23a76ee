/* Codes of many rows from and to packed rows. */

static void DPQI_NAME(unpack)(size_t groups, size_t bits, size_t codes, const uint8_t *packed, size_t rows, void *out) {
    const size_t row_bytes = (groups * bits + 7) / 8, code_bytes = bits <= 8 ? 1 : 2;
    char *to = out;
    for (size_t r = 0; r < rows; r++)
        for (size_t start = 0; start < groups; start += DPQI_CODE_RUN) {
            const size_t count = groups - start < DPQI_CODE_RUN ? groups - start : DPQI_CODE_RUN;
            code_run scratch;
            memcpy(to, codes_of(packed + r * row_bytes, start, count, bits, codes, &scratch), count * code_bytes);
            to += count * code_bytes;
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
