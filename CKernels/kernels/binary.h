/* Bits of binary tiers: x is about m + sum_j h_j b_j with h_j = +-1/2. */

/* Flips bits in turn while that brings the row nearer, in at most `passes` passes: with c_j = b_j . (x - m - sum h b),
 * flipping h_j changes the squared error by 4 h_j c_j + |b_j|^2. gram[bits][bits] holds b_i . b_j, `diagonal` |b_j|^2;
 * c follows every flip. */
static void DPQI_NAME(settle_bits)(size_t bits, const float *gram, const float *diagonal, int passes, float *restrict c,
                                   float *restrict h) {
    const vf minus_four = vf_set1(-4);
    for (int pass = 0, moved = 1; moved && pass < passes; pass++) {
        moved = 0;
        for (size_t j = 0; j < bits;) {
            /* The first of the next bits that gains. */
            if (j + LANES <= bits) {
                const vf gain = vf_mul(minus_four, vf_mul(vf_load(h + j), vf_load(c + j)));
                const uint32_t gains = vm_bits(vf_gt(gain, vf_load(diagonal + j)));
                if (!gains) {
                    j += LANES;
                    continue;
                }
                j += (size_t)__builtin_ctz(gains);
            } else if (!(-4 * h[j] * c[j] > diagonal[j])) {
                j++;
                continue;
            }
            const float step = 2 * h[j];
            const float *row = gram + j * bits;
            size_t k = 0;
            for (; k + LANES <= bits; k += LANES)
                vf_store(c + k, vf_fma(vf_set1(step), vf_load(row + k), vf_load(c + k)));
            for (; k < bits; k++) c[k] += step * row[k];
            h[j] = -h[j];
            moved = 1;
            j++;
        }
    }
}
