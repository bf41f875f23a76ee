#if LANES != 16 /* AVX-512 has no more to offer here than AVX2 */
/* The place of a row in its tier: a count of the rows of the tier at the start of a stretch or of a block, and those since. */

/* The field of a row in a map. */
static inline size_t tier_field(const dpqi_tier_map *m, size_t row) {
    const size_t bit = row * m->bits, at = bit / 8;
    size_t window = m->packed[at];
    if (bit % 8 + m->bits > 8) window |= (size_t)m->packed[at + 1] << 8;
    return window >> bit % 8 & (((size_t)1 << m->bits) - 1);
}

static inline size_t tier_of_field(const dpqi_tier_map *m, size_t field) {
    return field < m->tiers && m->rows[field] > 0 ? field : m->spare;
}

/* A damaged count or map may lead outside the tier. */
static inline int64_t place_within(const dpqi_tier_map *m, size_t tier, uint64_t place) {
    return (int64_t)(place < m->rows[tier] ? place : m->rows[tier] - 1);
}

/* Rows of maps that have stretches, `bits` of them to a field, with all that can be found beforehand. */
static inline __attribute__((always_inline)) void locate_in_stretches(const dpqi_tier_map *m, const int64_t *ids,
                                                                      uint64_t first, size_t count,
                                                                      uint8_t *restrict out_tier,
                                                                      int64_t *restrict out_row, size_t bits) {
    const size_t fields = 64 / bits & ~(size_t)7, words = dpqi_stretch_words(m->tiers);
    const uint64_t *const stretches = m->stretches, lowest = m->lowest;
    uint64_t wanted[DPQI_STRETCH_TIERS], top[DPQI_STRETCH_TIERS], tiers = 0;
    DPQI_ROLLED for (size_t field = 0; field < (size_t)1 << bits; field++) {
        const size_t tier = tier_of_field(m, field);
        tiers |= (uint64_t)tier << 8 * field;
        wanted[tier] = lowest * tier;
        top[tier] = m->rows[tier] - 1;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t row = row_of(ids, first, i);
        const size_t ahead = row_of(ids, first, i + DPQI_ROWS_AHEAD < count ? i + DPQI_ROWS_AHEAD : i);
        const uint64_t *stretch = stretches + row / fields * words;
        __builtin_prefetch(stretches + ahead / fields * words, 0, 3);
        const uint64_t word = stretch[0];
        const size_t bit = row % fields * bits;
        const size_t tier = tiers >> 8 * (word >> bit & (((size_t)1 << bits) - 1)) & 255;
        const uint64_t before = dpqi_equal_fields(word, wanted[tier], lowest, bits) & (((uint64_t)1 << bit) - 1);
        const uint64_t at =
            ((const uint32_t *)(const void *)(stretch + 1))[tier] + (uint64_t)__builtin_popcountll(before);
        out_tier[i] = (uint8_t)tier;
        out_row[i] = (int64_t)(at < top[tier] ? at : top[tier]);
    }
}
static __attribute__((noinline)) void locate_1(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count,
                                               uint8_t *restrict out_tier, int64_t *restrict out_row) {
    locate_in_stretches(m, ids, first, count, out_tier, out_row, 1);
}
static __attribute__((noinline)) void locate_2(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count,
                                               uint8_t *restrict out_tier, int64_t *restrict out_row) {
    locate_in_stretches(m, ids, first, count, out_tier, out_row, 2);
}
static __attribute__((noinline)) void locate_3(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count,
                                               uint8_t *restrict out_tier, int64_t *restrict out_row) {
    locate_in_stretches(m, ids, first, count, out_tier, out_row, 3);
}

void DPQI_NAME(index_map)(const dpqi_tier_map *m, size_t count) {
    const size_t words = dpqi_stretch_words(m->tiers), bytes = m->fields / 8 * m->bits;
    uint64_t *stretch = m->stretches;
    uint32_t before[DPQI_STRETCH_TIERS] = {0};
    for (size_t i = 0; i < count; i++, stretch += words) {
        const uint64_t word = load_word(m->packed + i * bytes, m->packed_bytes - i * bytes);
        stretch[0] = word;
        memcpy(stretch + 1, before, (words - 1) * sizeof *stretch);
        DPQI_ROLLED for (size_t t = 0; t < m->tiers; t++) before[t] +=
            (uint32_t)__builtin_popcountll(dpqi_equal_fields(word, m->lowest * t, m->lowest, m->bits));
    }
}

#if LANES == 1
/* How many of the `count` rows from `first` on, a multiple of 8, have `value` in their field. */
static __attribute__((noinline)) size_t count_fields(const dpqi_tier_map *m, size_t first, size_t count, size_t value) {
    const uint64_t wanted = m->lowest * value;
    size_t found = 0;
    DPQI_ROLLED for (size_t at = first / 8 * m->bits; count > 0; at += m->fields / 8 * m->bits) {
        uint64_t equal = dpqi_equal_fields(load_word(m->packed + at, m->packed_bytes - at), wanted, m->lowest, m->bits);
        if (count < m->fields) {
            equal &= ((uint64_t)1 << count * m->bits) - 1;
            count = m->fields;
        }
        found += (size_t)__builtin_popcountll(equal);
        count -= m->fields;
    }
    return found;
}
#endif

void DPQI_NAME(locate)(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count, uint8_t *out_tier,
                       int64_t *out_row) {
    if (m->stretches) {
        (m->bits == 1 ? locate_1 : m->bits == 2 ? locate_2 : locate_3)(m, ids, first, count, out_tier, out_row);
        return;
    }
#if LANES > 1
    /* One level has the rest for all. */
    dpqi_locate_scalar(m, ids, first, count, out_tier, out_row);
#else
    /* Rows in a run are counted as they come, afresh in each block. */
    uint64_t counts[256];
    for (size_t i = 0; i < count; i++) {
        const size_t row = ids ? (size_t)ids[i] : (size_t)first + i, block = row / DPQI_RANK_BLOCK;
        const size_t start = block * DPQI_RANK_BLOCK, field = tier_field(m, row), tier = tier_of_field(m, field);
        if (ids)
            counts[tier] = m->rank[block * m->tiers + tier] + count_fields(m, start, row - start, tier);
        else if (i == 0 || row == start)
            for (size_t t = 0; t < m->tiers; t++)
                counts[t] = m->rank[block * m->tiers + t] + count_fields(m, start, row - start, t);
        out_tier[i] = (uint8_t)tier;
        out_row[i] = place_within(m, tier, counts[tier]);
        if (field < m->tiers) counts[field]++;
    }
#endif
}
#endif
