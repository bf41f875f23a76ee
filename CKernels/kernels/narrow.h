/* Float32 to the 2-byte types. Plain loops: integer arithmetic that compilers turn into vectors of the level. */

static void DPQI_NAME(narrow)(const float *values, size_t count, dpq_scalar type, uint16_t *out) {
    if (type == DPQ_BF16)
        for (size_t i = 0; i < count; i++) out[i] = dpqi_f32_to_bf16(values[i]);
    else
        for (size_t i = 0; i < count; i++) out[i] = dpqi_f32_to_f16(values[i]);
}
