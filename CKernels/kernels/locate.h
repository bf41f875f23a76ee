/* The place of a row in its tier: a count at the start of its block of rows, and the rows of its tier since then. */

/* The field of a row in a map. */
static inline size_t tier_field(const dpqi_tier_map *m, size_t row) {
    const size_t bit = row * m->bits, at = bit / 8;
    size_t window = m->packed[at];
    if (bit % 8 + m->bits > 8) window |= (size_t)m->packed[at + 1] << 8;
    return window >> bit % 8 & (((size_t)1 << m->bits) - 1);
}

/* How many of the `count` rows from `first` on, a multiple of 8, have `value` in their field. */
static __attribute__((noinline)) size_t count_fields(const dpqi_tier_map *m, size_t first, size_t count, size_t value) {
    const uint64_t wanted = m->lowest * value;
    size_t found = 0;
    DPQI_ROLLED for (size_t at = first / 8 * m->bits; count > 0; at += m->fields / 8 * m->bits) {
        const uint64_t different = load_word(m->packed + at, m->packed_bytes - at) ^ wanted;
        uint64_t any = different;
        DPQI_ROLLED for (size_t k = 1; k < m->bits; k++) any |= different >> k;
        uint64_t equal = ~any & m->lowest;
        if (count < m->fields) {
            equal &= ((uint64_t)1 << count * m->bits) - 1;
            count = m->fields;
        }
        found += (size_t)__builtin_popcountll(equal);
        count -= m->fields;
    }
    return found;
}

static inline size_t tier_of_field(const dpqi_tier_map *m, size_t field) {
    return field < m->tiers && m->rows[field] > 0 ? field : m->spare;
}

/* A damaged count or map may lead outside the tier. */
static inline int64_t place_within(const dpqi_tier_map *m, size_t tier, uint64_t place) {
    return (int64_t)(place < m->rows[tier] ? place : m->rows[tier] - 1);
}

static void DPQI_NAME(locate)(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count,
                              uint8_t *out_tier, int64_t *out_row) {
    if (ids) {
        for (size_t i = 0; i < count; i++) {
            const size_t row = (size_t)ids[i], block = row / DPQI_RANK_BLOCK, start = block * DPQI_RANK_BLOCK;
            const size_t tier = tier_of_field(m, tier_field(m, row));
            const uint64_t before = m->rank[block * m->tiers + tier];
            out_tier[i] = (uint8_t)tier;
            out_row[i] = place_within(m, tier, before + count_fields(m, start, row - start, tier));
        }
        return;
    }
    /* Rows in a run are counted as they come, afresh in each block. */
    uint64_t counts[256];
    for (size_t i = 0; i < count; i++) {
        const size_t row = (size_t)first + i, block = row / DPQI_RANK_BLOCK, start = block * DPQI_RANK_BLOCK;
        if (i == 0 || row == start)
            for (size_t t = 0; t < m->tiers; t++)
                counts[t] = m->rank[block * m->tiers + t] + count_fields(m, start, row - start, t);
        const size_t field = tier_field(m, row), tier = tier_of_field(m, field);
        out_tier[i] = (uint8_t)tier;
        out_row[i] = place_within(m, tier, counts[tier]);
        if (field < m->tiers) counts[field]++;
    }
}
