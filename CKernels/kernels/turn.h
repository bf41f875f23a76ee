/* Codes of several rows side by side. */

/* The next bytes of LANES rows' codes, `bytes` of them left, turned on their side: lane r of vector w is word w of row
 * r. */
static __attribute__((noinline)) void turn_codes(const uint8_t *const codes[LANES], size_t at, size_t bytes,
                                                 vf out[LANES]) {
    if (bytes >= 4 * LANES)
        for (size_t r = 0; r < LANES; r++) out[r] = vf_load((const float *)(const void *)(codes[r] + at));
    else
        for (size_t r = 0; r < LANES; r++) out[r] = vf_load_bytes(codes[r] + at, bytes);
    vf_transpose(out);
}
