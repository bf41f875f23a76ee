/* Float32 to the 2-byte types, rounded to nearest even. */

static void DPQI_NAME(narrow)(const float *values, size_t count, dpq_scalar type, uint16_t *out) {
    if (type == DPQ_BF16) {
        for (size_t i = 0; i < count; i++) out[i] = dpqi_f32_to_bf16(values[i]); /* vectors by the compiler */
        return;
    }
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) vf_store_f16(out + i, vf_load(values + i));
    if (i < count) {
        float rest[LANES] = {0};
        uint16_t narrowed[LANES];
        memcpy(rest, values + i, (count - i) * sizeof *rest);
        vf_store_f16(narrowed, vf_load(rest));
        memcpy(out + i, narrowed, (count - i) * sizeof *out);
    }
}
