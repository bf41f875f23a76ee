#include "fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

float random_unit(uint64_t *state) { return (float)(random_bits(state) >> 40) / (float)(1 << 23) - 1; }

/* ---- float16, by its definition ---- */

static float value_of_half(uint16_t half) {
    int exponent = half >> 10 & 31;
    float fraction = (float)(half & 1023) / 1024;
    float value = exponent ? 1 + fraction : fraction;
    for (int e = exponent ? exponent : 1; e < 15; e++) value /= 2;
    for (int e = exponent; e > 15; e--) value *= 2;
    return half & 0x8000 ? -value : value;
}

/* ---- header text ---- */

typedef struct text {
    char *start;
    size_t length, capacity;
} text;

static void add(text *t, const char *format, ...) {
    char piece[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    while (t->length + (size_t)length + 1 > t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 4096;
        t->start = realloc(t->start, t->capacity);
    }
    memcpy(t->start + t->length, piece, (size_t)length + 1);
    t->length += (size_t)length;
}

uint8_t *file_of(const char *header, const uint8_t *data, size_t data_bytes, size_t *out_bytes) {
    size_t length = strlen(header), padded = (8 + length + 63) / 64 * 64 - 8;
    uint8_t *file = malloc(8 + padded + data_bytes);
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    memset(file + 8, ' ', padded);
    memcpy(file + 8, header, length);
    if (data_bytes) memcpy(file + 8 + padded, data, data_bytes);
    *out_bytes = 8 + padded + data_bytes;
    return file;
}

char *header_of(const uint8_t *file) {
    size_t length = 0;
    for (int i = 0; i < 8; i++) length |= (size_t)file[i] << 8 * i;
    char *header = malloc(length + 1);
    memcpy(header, file + 8, length);
    header[length] = 0;
    return header;
}

/* ---- tensors ---- */

typedef struct part {
    const char *name, *type;
    size_t rank, shape[3];
    const void *data;
    size_t bytes;
} part;

static void write_file(fixture *f, const part *parts, size_t count) {
    const layout *l = &f->layout;
    text t = {0};
    add(&t, "{\"__metadata__\":{\"format\":\"dpq\",\"format_version\":\"1\",\"rows\":\"%zu\",\"dimension\":\"%zu\"",
        l->rows, l->dimension);
    add(&t, ",\"metric\":\"%s\",\"assignment\":\"nearest\",\"tiers\":\"%zu\"", l->cosine ? "cosine" : "l2",
        f->tier_count);
    for (size_t i = 0; i < f->tier_count; i++) {
        const fixture_tier *tier = &f->tiers[i];
        add(&t, ",\"tier.%zu.kind\":\"%s\"", i, tier->layout.binary ? "binary" : "concat");
        add(&t, ",\"tier.%zu.groups\":\"%zu\",\"tier.%zu.codes\":\"%zu\"", i, tier->layout.groups, i,
            tier->layout.codes);
        add(&t, ",\"tier.%zu.bits\":\"%zu\",\"tier.%zu.rows\":\"%zu\"", i, tier->bits, i, tier->rows);
    }
    add(&t, ",\"recipe\":\"{\\\"method\\\":\\\"kmeans\\\",\\\"note\\\":\\\"\\u00e9\\ud83d\\ude00\\\"}\"");
    for (size_t i = 0; i < count; i++)
        add(&t, ",\"checksum.%s\":\"%016llx\"", parts[i].name,
            (unsigned long long)XXH3_64bits(parts[i].data, parts[i].bytes));
    add(&t, ",\"checksum.header\":\"0000000000000000\"}");
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        add(&t, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", parts[i].name, parts[i].type);
        for (size_t r = 0; r < parts[i].rank; r++) add(&t, "%s%zu", r ? "," : "", parts[i].shape[r]);
        add(&t, "],\"data_offsets\":[%zu,%zu]}", offset, offset + parts[i].bytes);
        offset += parts[i].bytes;
    }
    add(&t, "}");
    uint8_t *data = malloc(offset + 1);
    offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].bytes) memcpy(data + offset, parts[i].data, parts[i].bytes);
        offset += parts[i].bytes;
    }
    f->file = file_of(t.start, data, offset, &f->bytes);
    char digits[17];
    size_t header_bytes = f->bytes - 8 - offset;
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)XXH3_64bits(f->file + 8, header_bytes));
    char *own = strstr((char *)f->file + 8, "checksum.header\":\"");
    memcpy(own + strlen("checksum.header\":\""), digits, 16);
    free(data);
    free(t.start);
}

static char **sorting_words;

static int by_word(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    int order = strcmp(sorting_words[left], sorting_words[right]);
    return order ? order : left < right ? -1 : left > right;
}

static char *make_word(size_t id) {
    static const char *const start[] = {"",         "a",     "ab", "Zebra", "\xC3\xA9t\xC3\xA9", "\xF0\x9F\x98\x80",
                                        "new york", "\"q\\", "cat"};
    char text[64];
    if (id < sizeof start / sizeof *start)
        snprintf(text, sizeof text, "%s", start[id]);
    else if (id % 13 == 12)
        snprintf(text, sizeof text, "w%zu", id - 1); /* a word that stands twice */
    else
        snprintf(text, sizeof text, "w%zu", id);
    char *word = malloc(strlen(text) + 1);
    strcpy(word, text);
    return word;
}

/* Values and what they are read as. */
static void fill(const fixture *f, fixture_tier *t, uint64_t *seed) {
    const layout *l = &f->layout;
    const size_t count = t->books * t->layout.codes * t->width, padding = t->layout.groups * t->width - l->dimension;
    const size_t values = t->layout.binary ? (t->layout.groups + 1) * l->dimension : count;
    t->codebook = calloc(values, sizeof *t->codebook);
    t->halves = calloc(values, sizeof *t->halves);
    for (size_t i = 0; i < values; i++) {
        const int pads = !t->layout.binary && !t->layout.shared &&
                         i / t->width / t->layout.codes == t->layout.groups - 1 && i % t->width >= t->width - padding;
        t->halves[i] = pads ? 0 : (uint16_t)(random_bits(seed) % 0x3C00 | (random_bits(seed) & 0x8000));
        t->codebook[i] = pads ? 0 : l->f16 ? value_of_half(t->halves[i]) : random_unit(seed);
    }
}

/* Writes the codes of row `r` as the next of its tier. */
static void pack(const fixture *f, fixture_tier *t, size_t r) {
    uint8_t *packed = t->packed + t->rows++ * t->row_bytes;
    for (size_t g = 0; g < t->layout.groups; g++)
        for (size_t b = 0; b < t->bits; b++)
            if (f->codes[r * f->most_groups + g] >> b & 1)
                packed[(g * t->bits + b) / 8] |= (uint8_t)(1 << (g * t->bits + b) % 8);
}

/* The tier of each row, the codes, and the map with its counts. */
static void make_codes(fixture *f, uint64_t *seed, uint8_t *map, size_t map_bits, uint64_t *rank) {
    const layout *l = &f->layout;
    for (size_t r = 0; r < l->rows; r++) {
        size_t tier = f->tier_count > 1 ? random_bits(seed) % f->tier_count : 0;
        if (tier + 1 == l->empty) tier = (tier + 1) % f->tier_count;
        if (r % 7 == 5) tier = f->tier[r - 3]; /* equal rows: ties for the search */
        fixture_tier *t = &f->tiers[tier];
        f->tier[r] = (uint8_t)tier;
        for (size_t g = 0; g < t->layout.groups; g++) {
            uint32_t code = (uint32_t)(random_bits(seed) % t->layout.codes);
            if (r % 7 == 5) code = f->codes[(r - 3) * f->most_groups + g];
            if (l->wild_codes && r % 3 == 1) code = (uint32_t)((1u << t->bits) - 1 - g % 2);
            f->codes[r * f->most_groups + g] = code;
        }
        for (size_t i = 0; r % 512 == 0 && i < f->tier_count; i++) rank[r / 512 * f->tier_count + i] = f->tiers[i].rows;
        for (size_t b = 0; b < map_bits; b++)
            if (tier >> b & 1) map[(r * map_bits + b) / 8] |= (uint8_t)(1 << (r * map_bits + b) % 8);
        pack(f, t, r);
    }
}

fixture fixture_make(layout l, uint64_t seed) {
    fixture f = {.layout = l, .tier_count = l.tier_count ? l.tier_count : 1};
    for (size_t i = 0; i < f.tier_count; i++) {
        fixture_tier *t = &f.tiers[i];
        t->layout = l.tier_count ? l.tiers[i] : (tier_layout){l.groups, l.codes, l.shared, 0};
        if (t->layout.binary) t->layout.codes = 2;
        t->width = t->layout.binary ? l.dimension : (l.dimension + t->layout.groups - 1) / t->layout.groups;
        while ((size_t)1 << t->bits < t->layout.codes) t->bits++;
        t->row_bytes = (t->layout.groups * t->bits + 7) / 8;
        t->books = t->layout.shared ? 1 : t->layout.groups;
        t->packed = calloc(l.rows * t->row_bytes + 1, 1);
        fill(&f, t, &seed);
        if (t->layout.groups > f.most_groups) f.most_groups = t->layout.groups;
    }
    size_t map_bits = 0;
    while ((size_t)1 << map_bits < f.tier_count) map_bits++;
    const size_t map_bytes = (l.rows * map_bits + 7) / 8, blocks = (l.rows + 511) / 512;
    uint8_t *map = calloc(map_bytes + 1, 1);
    uint64_t *rank = calloc(blocks * f.tier_count + 1, sizeof *rank);
    f.tier = calloc(l.rows + 1, 1);
    f.codes = calloc(l.rows * f.most_groups + 1, sizeof *f.codes);
    make_codes(&f, &seed, map, map_bits, rank);
    switch (l.damage) {
    case DAMAGE_TIER: map[1] |= 0xC0; break;                                 /* no such tier */
    case DAMAGE_PLACE: map[0] ^= 1; break;                                   /* another than the counts say */
    case DAMAGE_RANK: rank[f.tier_count] += 1; break;                        /* of the second block */
    case DAMAGE_RANK_FAR: rank[f.tier_count + 2] = (uint64_t)1 << 40; break; /* beyond the tier and the file */
    case DAMAGE_RANK_AROUND: rank[f.tier_count + 2] = UINT64_MAX - 3; break;
    case DAMAGE_ONE_TIER: /* the map puts all rows in the last tier, which has few */
        for (size_t b = 0; b < l.rows * map_bits; b++)
            map[b / 8] = (uint8_t)((map[b / 8] & ~(1u << b % 8)) | ((f.tier_count - 1) >> b % map_bits & 1) << b % 8);
        break;
    case DAMAGE_SPARE: map[map_bytes - 1] |= 0x80; break;
    default: break;
    }

    f.norm_codes = calloc(l.rows + 1, 1);
    for (size_t i = 1; i < 256; i++) f.norm_codebook[i] = (float)i / 16;
    for (size_t r = 0; r < l.rows; r++)
        f.norm_codes[r] = r % 7 == 5 ? f.norm_codes[r - 3] : (uint8_t)random_bits(&seed);
    if (l.rows > 3) f.norm_codes[3] = 0; /* a row of zeros */

    uint64_t *offsets = calloc(l.rows + 1, sizeof *offsets), *order = calloc(l.rows + 1, sizeof *order);
    char *letters = calloc(l.rows * 32 + 1, 1);
    f.words = calloc(l.rows + 1, sizeof *f.words);
    for (size_t r = 0; r < l.rows; r++) {
        f.words[r] = make_word(r);
        memcpy(letters + offsets[r], f.words[r], strlen(f.words[r]));
        offsets[r + 1] = offsets[r] + strlen(f.words[r]);
        order[r] = r;
    }
    sorting_words = f.words;
    qsort(order, l.rows, sizeof *order, by_word);

    part parts[6 + 3 * MOST_TIERS];
    static char names[MOST_TIERS][4][40];
    size_t count = 0;
    if (f.tier_count > 1)
        parts[count++] = (part){"tier.rank", "U64", 2, {blocks, f.tier_count}, rank, 8 * blocks * f.tier_count};
    if (l.words) {
        parts[count++] = (part){"vocabulary.offsets", "U64", 1, {l.rows + 1}, offsets, 8 * (l.rows + 1)};
        parts[count++] = (part){"vocabulary.order", "U64", 1, {l.rows}, order, 8 * l.rows};
    }
    if (l.cosine) parts[count++] = (part){"norm.codebook", "F32", 1, {256}, f.norm_codebook, 1024};
    const size_t size = l.f16 ? 2 : 4;
    for (size_t i = 0; i < f.tier_count; i++) {
        const fixture_tier *t = &f.tiers[i];
        static const char *const kinds[] = {"basis", "bias", "codebook", "codes"};
        for (size_t k = 0; k < 4; k++) snprintf(names[i][k], sizeof names[i][k], "tier.%zu.%s", i, kinds[k]);
        const void *values = l.f16 ? (const void *)t->halves : (const void *)t->codebook;
        const char *type = l.f16 ? "F16" : "F32";
        const size_t groups = t->layout.groups, d = l.dimension;
        if (t->layout.binary) {
            parts[count++] = (part){names[i][0], type, 2, {groups, d}, values, size * groups * d};
            parts[count++] = (part){names[i][1], type, 1, {d}, (const char *)values + size * groups * d, size * d};
        } else {
            const size_t codewords = t->books * t->layout.codes * t->width;
            parts[count++] =
                (part){names[i][2], type, 3, {t->books, t->layout.codes, t->width}, values, size * codewords};
        }
    }
    if (l.cosine) parts[count++] = (part){"norm.codes", "U8", 1, {l.rows}, f.norm_codes, l.rows};
    for (size_t i = 0; i < f.tier_count; i++) {
        const fixture_tier *t = &f.tiers[i];
        parts[count++] = (part){names[i][3], "U8", 2, {t->rows, t->row_bytes}, t->packed, t->rows * t->row_bytes};
    }
    if (f.tier_count > 1) parts[count++] = (part){"tier.map", "U8", 1, {map_bytes}, map, map_bytes};
    if (l.words) parts[count++] = (part){"vocabulary.bytes", "U8", 1, {offsets[l.rows]}, letters, offsets[l.rows]};
    write_file(&f, parts, count);
    free(map);
    free(rank);
    free(offsets);
    free(order);
    free(letters);
    return f;
}

void fixture_free(fixture *f) {
    for (size_t r = 0; r < f->layout.rows; r++) free(f->words[r]);
    free(f->words);
    for (size_t i = 0; i < f->tier_count; i++) {
        free(f->tiers[i].codebook);
        free(f->tiers[i].halves);
        free(f->tiers[i].packed);
    }
    free(f->tier);
    free(f->codes);
    free(f->norm_codes);
    free(f->file);
}

double fixture_row(const fixture *f, size_t id, double *out) {
    const layout *l = &f->layout;
    const fixture_tier *t = &f->tiers[f->tier[id]];
    const uint32_t *codes = f->codes + id * f->most_groups;
    const double norm = l->cosine ? f->norm_codebook[f->norm_codes[id]] : 1;
    for (size_t c = 0; c < l->dimension; c++) {
        if (t->layout.binary) {
            out[c] = t->codebook[t->layout.groups * l->dimension + c];
            for (size_t j = 0; j < t->layout.groups; j++)
                out[c] += codes[j] * (double)t->codebook[j * l->dimension + c];
        } else {
            size_t g = c / t->width, code = codes[g];
            if (code >= t->layout.codes) code = t->layout.codes - 1;
            out[c] = t->codebook[((t->layout.shared ? 0 : g) * t->layout.codes + code) * t->width + c % t->width];
        }
        out[c] *= norm;
    }
    /* Copies are exact, sums are not. */
    return t->layout.binary ? 1e-6 * (double)t->layout.groups * norm : 0;
}
