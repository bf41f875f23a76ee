/* Bits of binary tiers: x is about m + sum_j h_j b_j with h_j = +-1/2. */

/* Flips bits in turn while that brings the row nearer, in at most `passes` passes: with c_j = b_j . (x - m - sum h b),
 * flipping h_j changes the squared error by 4 h_j c_j + |b_j|^2. gram[bits][bits] holds b_i . b_j, `diagonal` |b_j|^2;
 * c follows every flip.
 *
 * The first passes flip what gains much and leave what others may yet put right: fewer flips, and rows end nearer. Which
 * of 64 bits may gain is asked at once, so that the processor fetches rows of `gram` before it knows what is flipped. */
static void DPQI_NAME(settle_bits)(size_t bits, const float *gram, const float *diagonal, int passes, float *restrict c,
                                   float *restrict h) {
    static const float leasts[] = {3, 2, 1.5f};
    enum { CHOOSY = sizeof leasts / sizeof *leasts };
    for (int pass = 0, moved = 1; (moved || pass <= CHOOSY) && pass < passes; pass++) {
        const float least = pass < CHOOSY ? leasts[pass] : 1;
        moved = 0;
        for (size_t j = 0; j < bits; j += 64) {
            const size_t end = bits - j < 64 ? bits : j + 64;
            uint64_t gains = 0;
            size_t k = j;
            for (; k + LANES <= end; k += LANES) {
                const vf gain = vf_mul(vf_set1(-4), vf_mul(vf_load(h + k), vf_load(c + k)));
                const vm more = vf_gt(gain, vf_mul(vf_set1(least), vf_load(diagonal + k)));
                gains |= (uint64_t)vm_bits(more) << (k - j);
            }
            for (; k < end; k++) gains |= (uint64_t)(-4 * h[k] * c[k] > least * diagonal[k]) << (k - j);
            for (; gains; gains &= gains - 1) {
                const size_t bit = j + (size_t)__builtin_ctzll(gains);
                if (!(-4 * h[bit] * c[bit] > least * diagonal[bit])) continue;
                const float step = 2 * h[bit];
                const float *row = gram + bit * bits;
                for (k = 0; k + LANES <= bits; k += LANES)
                    vf_store(c + k, vf_fma(vf_set1(step), vf_load(row + k), vf_load(c + k)));
                for (; k < bits; k++) c[k] += step * row[k];
                h[bit] = -h[bit];
                moved = 1;
            }
        }
    }
}
