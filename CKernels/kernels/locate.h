#if LANES != 16 /* AVX-512 has no more to offer here than AVX2 */
/* The place of a row in its tier: a count at the start of its block of rows, and the rows of its tier since then, or the
 * count at the start of the next block less the rows of its tier from there on, whichever is nearer. */

/* The field of a row in a map. */
static inline size_t tier_field(const dpqi_tier_map *m, size_t row) {
    const size_t bit = row * m->bits, at = bit / 8;
    size_t window = m->packed[at];
    if (bit % 8 + m->bits > 8) window |= (size_t)m->packed[at + 1] << 8;
    return window >> bit % 8 & (((size_t)1 << m->bits) - 1);
}

/* The lowest bit of every field of a word that holds `wanted`, a value repeated in all of them. */
static inline __attribute__((always_inline)) uint64_t equal_fields(uint64_t word, uint64_t wanted, uint64_t lowest,
                                                                   size_t bits) {
    const uint64_t different = word ^ wanted;
    uint64_t any = different;
    DPQI_ROLLED for (size_t k = 1; k < bits; k++) any |= different >> k;
    return ~any & lowest;
}

#if LANES == 1
/* How many of the `count` rows from `first` on, a multiple of 8, have `value` in their field. */
static __attribute__((noinline)) size_t count_fields(const dpqi_tier_map *m, size_t first, size_t count, size_t value) {
    const uint64_t wanted = m->lowest * value;
    size_t found = 0;
    DPQI_ROLLED for (size_t at = first / 8 * m->bits; count > 0; at += m->fields / 8 * m->bits) {
        uint64_t equal = equal_fields(load_word(m->packed + at, m->packed_bytes - at), wanted, m->lowest, m->bits);
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

static inline size_t tier_of_field(const dpqi_tier_map *m, size_t field) {
    return field < m->tiers && m->rows[field] > 0 ? field : m->spare;
}

/* A damaged count or map may lead outside the tier. */
static inline int64_t place_within(const dpqi_tier_map *m, size_t tier, uint64_t place) {
    return (int64_t)(place < m->rows[tier] ? place : m->rows[tier] - 1);
}

/* Half a block is counted, always, so that nothing has to be foreseen: of its fields those before that of the row, or the
 * others where the end of the block is nearer. The map goes on behind the block, by a word at least. */
enum { HALF_BLOCK = DPQI_RANK_BLOCK / 2 };
static inline __attribute__((always_inline)) void locate_row(const dpqi_tier_map *m, size_t row, size_t bits,
                                                             uint8_t *out_tier, int64_t *out_row) {
    const size_t fields = 64 / bits & ~(size_t)7, bytes = fields / 8 * bits;
    const size_t in_half = row % HALF_BLOCK, own = in_half / fields, upper = row / HALF_BLOCK % 2;
    const uint8_t *half = m->packed + row / HALF_BLOCK * (HALF_BLOCK / 8 * bits);
    const uint64_t lowest = m->lowest, negative = (uint64_t)0 - upper;
    uint64_t word, found = 0;
    memcpy(&word, half + own * bytes, sizeof word);
    const size_t bit = in_half % fields * bits, tier = tier_of_field(m, word >> bit & (((size_t)1 << bits) - 1));
    for (size_t w = 0; w < HALF_BLOCK / fields; w++) {
        const uint64_t before = w == own ? ((uint64_t)1 << bit) - 1 : (uint64_t)0 - (w < own);
        memcpy(&word, half + w * bytes, sizeof word);
        found += (uint64_t)__builtin_popcountll(equal_fields(word, lowest * tier, lowest, bits) & (before ^ negative));
    }
    const uint64_t base = m->rank[(row + HALF_BLOCK) / DPQI_RANK_BLOCK * m->tiers + tier];
    *out_tier = (uint8_t)tier;
    *out_row = place_within(m, tier, base + ((found ^ negative) - negative));
}

static __attribute__((noinline)) void locate_any(const dpqi_tier_map *m, size_t row, uint8_t *out_tier,
                                                 int64_t *out_row) {
    locate_row(m, row, m->bits, out_tier, out_row);
}

/* The same of rows of the last blocks. They are few: one level finds them for all. */
static __attribute__((noinline)) void locate_last(const dpqi_tier_map *m, size_t row, uint8_t *out_tier,
                                                  int64_t *out_row) {
#if LANES > 1
    const int64_t id = (int64_t)row;
    dpqi_locate_scalar(m, &id, 0, 1, out_tier, out_row);
#else
    const size_t block = row / DPQI_RANK_BLOCK, start = block * DPQI_RANK_BLOCK;
    const size_t tier = tier_of_field(m, tier_field(m, row));
    *out_tier = (uint8_t)tier;
    *out_row = place_within(m, tier, m->rank[block * m->tiers + tier] + count_fields(m, start, row - start, tier));
#endif
}

static inline void fetch_rank(const dpqi_tier_map *m, size_t half_bytes, size_t row) {
    const uint8_t *counted = m->packed + row / HALF_BLOCK * half_bytes;
    __builtin_prefetch(counted, 0, 3);
    __builtin_prefetch(counted + half_bytes - 1, 0, 3);
    /* The count of the last block is the nearest to its end as well. */
    __builtin_prefetch(m->rank + (row + HALF_BLOCK) / DPQI_RANK_BLOCK * m->tiers, 0, 3);
}

#if LANES == 8
/* The same of three to eight tiers, `bits` of them to a field, with all that can be found beforehand. */
static inline __attribute__((always_inline)) void locate_narrow(const dpqi_tier_map *m, const int64_t *ids,
                                                                size_t count, size_t last, uint8_t *restrict out_tier,
                                                                int64_t *restrict out_row, size_t bits) {
    const size_t half_bytes = HALF_BLOCK / 8 * bits, tier_count = m->tiers;
    const uint8_t *const packed = m->packed;
    vi wanted[8];
    uint64_t top[8], tiers = 0;
    DPQI_ROLLED for (size_t field = 0; field < (size_t)1 << bits; field++) {
        const size_t tier = tier_of_field(m, field);
        tiers |= (uint64_t)tier << 8 * field;
        wanted[tier] = vi_set1((int32_t)((bits == 2 ? 0x55555555u : 0x249249u) * (uint32_t)tier));
        top[tier] = m->rows[tier] - 1;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t row = (size_t)ids[i], half = row / HALF_BLOCK;
        fetch_rank(m, half_bytes, (size_t)ids[i + DPQI_ROWS_AHEAD < count ? i + DPQI_ROWS_AHEAD : i]);
        if (row >= last) {
            locate_last(m, row, out_tier + i, out_row + i);
            continue;
        }
        uint16_t window;
        memcpy(&window, packed + row * bits / 8, sizeof window);
        const size_t field = (size_t)window >> row * bits % 8 & (((size_t)1 << bits) - 1);
        const size_t tier = tiers >> 8 * field & 255;
        const uint64_t found =
            count_equal_fields(packed + half * half_bytes, wanted[tier], row % HALF_BLOCK, half % 2, bits);
        const uint64_t base = m->rank[(row + HALF_BLOCK) / DPQI_RANK_BLOCK * tier_count + tier];
        const uint64_t at = half % 2 ? base - found : base + found;
        out_tier[i] = (uint8_t)tier;
        out_row[i] = (int64_t)(at < top[tier] ? at : top[tier]);
    }
}
static __attribute__((noinline)) void locate_pairs(const dpqi_tier_map *m, const int64_t *ids, size_t count,
                                                   size_t last, uint8_t *restrict out_tier, int64_t *restrict out_row) {
    locate_narrow(m, ids, count, last, out_tier, out_row, 2);
}
static __attribute__((noinline)) void locate_triples(const dpqi_tier_map *m, const int64_t *ids, size_t count,
                                                     size_t last, uint8_t *restrict out_tier,
                                                     int64_t *restrict out_row) {
    locate_narrow(m, ids, count, last, out_tier, out_row, 3);
}
#endif

void DPQI_NAME(locate)(const dpqi_tier_map *m, const int64_t *ids, uint64_t first, size_t count, uint8_t *out_tier,
                       int64_t *out_row) {
    if (ids) {
        /* The first row behind whose block the map does not go on. */
        const size_t word = sizeof(uint64_t), bytes = m->packed_bytes < word ? 0 : m->packed_bytes - word;
        const size_t last = bytes / (DPQI_RANK_BLOCK / 8 * m->bits) * DPQI_RANK_BLOCK;
#if LANES == 8
        if (m->bits == 2 || m->bits == 3) {
            (m->bits == 2 ? locate_pairs : locate_triples)(m, ids, count, last, out_tier, out_row);
            return;
        }
#endif
        const size_t half_bytes = HALF_BLOCK / 8 * m->bits;
        for (size_t i = 0; i < count; i++) {
            const size_t row = (size_t)ids[i];
            if (i + DPQI_ROWS_AHEAD < count) fetch_rank(m, half_bytes, (size_t)ids[i + DPQI_ROWS_AHEAD]);
            if (row >= last)
                locate_last(m, row, out_tier + i, out_row + i);
            else if (LANES < 8 && m->bits == 2) /* three tiers or four */
                locate_row(m, row, 2, out_tier + i, out_row + i);
            else
                locate_any(m, row, out_tier + i, out_row + i);
        }
        return;
    }
#if LANES > 1
    /* Reading on takes no vectors: one level has it for all. */
    dpqi_locate_scalar(m, NULL, first, count, out_tier, out_row);
#else
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
#endif
}
#endif
