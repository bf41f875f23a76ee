/* Float32 to the 2-byte types, rounded to nearest even. */

static __attribute__((noinline)) void narrow_lanes(const float *values, dpq_scalar type, uint16_t *out) {
    if (type == DPQ_F16)
        vf_store_f16(out, vf_load(values));
    else
        DPQI_ROLLED for (size_t i = 0; i < LANES; i++) out[i] = dpqi_f32_to_bf16(values[i]);
}

static void DPQI_NAME(narrow)(const float *values, size_t count, dpq_scalar type, uint16_t *out) {
    size_t i = 0;
    DPQI_ROLLED for (; i + LANES <= count; i += LANES) narrow_lanes(values + i, type, out + i);
    if (i < count) {
        float rest[LANES] = {0};
        uint16_t narrowed[LANES];
        memcpy(rest, values + i, (count - i) * sizeof *rest);
        narrow_lanes(rest, type, narrowed);
        memcpy(out + i, narrowed, (count - i) * sizeof *out);
    }
}
