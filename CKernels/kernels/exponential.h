/* Exponentials of numbers that are not above 0. */

/* e^x for x <= 0 to 2 ULP; 0 below -87; NaN for NaN. 2^n * e^f with f in [-ln 2 / 2, ln 2 / 2], e^f by its Taylor series. */
static inline vf exponential(vf x) {
    const vm vanishes = vf_gt(vf_set1(-87.0f), x);
    x = vf_max(vf_set1(-87.0f), x);
    const vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    /* ln 2 in two parts, the first short enough that its product with n is exact. */
    vf f = vf_fma(n, vf_set1(-0.693359375f), x);
    f = vf_fma(n, vf_set1(2.12194440e-4f), f);
    vf sum = vf_set1(1.0f / 5040);
    sum = vf_fma(sum, f, vf_set1(1.0f / 720));
    sum = vf_fma(sum, f, vf_set1(1.0f / 120));
    sum = vf_fma(sum, f, vf_set1(1.0f / 24));
    sum = vf_fma(sum, f, vf_set1(1.0f / 6));
    sum = vf_fma(sum, f, vf_set1(0.5f));
    sum = vf_fma(sum, f, vf_set1(1.0f));
    sum = vf_fma(sum, f, vf_set1(1.0f));
    return vf_select(vanishes, vf_set1(0), vf_scale2(sum, n));
}

/* 2^x for x <= 0 to 2 ULP, below -64 as at -64: next to the largest share, which is 1, such shares are
 * nothing; NaN for NaN.
 * 2^n * 2^f with f in [-1/2, 1/2], 2^f by the polynomial of least relative error. */
static inline vf power_of_two(vf x) {
    x = vf_max(vf_set1(-64), x);
    const vf n = vf_round(x);
    const vf f = vf_sub(x, n);
    vf sum = vf_set1(1.32764713e-3f);
    sum = vf_fma(sum, f, vf_set1(9.67554096e-3f));
    sum = vf_fma(sum, f, vf_set1(5.55071309e-2f));
    sum = vf_fma(sum, f, vf_set1(2.40221202e-1f));
    sum = vf_fma(sum, f, vf_set1(6.93146944e-1f));
    sum = vf_fma(sum, f, vf_set1(1.00000012f));
    return vf_scale2(sum, n);
}
