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
    add(&t, ",\"metric\":\"%s\",\"assignment\":\"nearest\",\"tiers\":\"1\",\"tier.0.kind\":\"concat\"",
        l->cosine ? "cosine" : "l2");
    add(&t, ",\"tier.0.groups\":\"%zu\",\"tier.0.codes\":\"%zu\",\"tier.0.bits\":\"%zu\",\"tier.0.rows\":\"%zu\"",
        l->groups, l->codes, f->bits, l->rows);
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

fixture fixture_make(layout l, uint64_t seed) {
    fixture f = {.layout = l};
    f.width = (l.dimension + l.groups - 1) / l.groups;
    while ((size_t)1 << f.bits < l.codes) f.bits++;
    f.row_bytes = (l.groups * f.bits + 7) / 8;
    f.books = l.shared ? 1 : l.groups;

    const size_t values = f.books * l.codes * f.width, padding = l.groups * f.width - l.dimension;
    f.codebook = calloc(values, sizeof *f.codebook);
    uint16_t *halves = calloc(values, sizeof *halves);
    for (size_t i = 0; i < values; i++) {
        const int pads = !l.shared && i / f.width / l.codes == l.groups - 1 && i % f.width >= f.width - padding;
        halves[i] = pads ? 0 : (uint16_t)(random_bits(&seed) % 0x3C00 | (random_bits(&seed) & 0x8000));
        f.codebook[i] = pads ? 0 : l.f16 ? value_of_half(halves[i]) : random_unit(&seed);
    }

    f.codes = calloc(l.rows * l.groups + 1, sizeof *f.codes);
    uint8_t *packed = calloc(l.rows * f.row_bytes + 1, 1);
    for (size_t r = 0; r < l.rows; r++) {
        for (size_t g = 0; g < l.groups; g++) {
            uint32_t code = (uint32_t)(random_bits(&seed) % l.codes);
            if (r % 7 == 5) code = f.codes[(r - 3) * l.groups + g]; /* equal rows: ties for the search */
            if (l.wild_codes && r % 3 == 1) code = (uint32_t)((1u << f.bits) - 1 - g % 2);
            f.codes[r * l.groups + g] = code;
            for (size_t b = 0; b < f.bits; b++)
                if (code >> b & 1)
                    packed[r * f.row_bytes + (g * f.bits + b) / 8] |= (uint8_t)(1 << (g * f.bits + b) % 8);
        }
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

    part parts[8];
    size_t count = 0;
    if (l.words) {
        parts[count++] = (part){"vocabulary.offsets", "U64", 1, {l.rows + 1}, offsets, 8 * (l.rows + 1)};
        parts[count++] = (part){"vocabulary.order", "U64", 1, {l.rows}, order, 8 * l.rows};
    }
    if (l.cosine) parts[count++] = (part){"norm.codebook", "F32", 1, {256}, f.norm_codebook, 1024};
    if (l.f16)
        parts[count++] = (part){"tier.0.codebook", "F16", 3, {f.books, l.codes, f.width}, halves, 2 * values};
    else
        parts[count++] = (part){"tier.0.codebook", "F32", 3, {f.books, l.codes, f.width}, f.codebook, 4 * values};
    if (l.cosine) parts[count++] = (part){"norm.codes", "U8", 1, {l.rows}, f.norm_codes, l.rows};
    parts[count++] = (part){"tier.0.codes", "U8", 2, {l.rows, f.row_bytes}, packed, l.rows * f.row_bytes};
    if (l.words) parts[count++] = (part){"vocabulary.bytes", "U8", 1, {offsets[l.rows]}, letters, offsets[l.rows]};
    write_file(&f, parts, count);
    free(halves);
    free(packed);
    free(offsets);
    free(order);
    free(letters);
    return f;
}

void fixture_free(fixture *f) {
    for (size_t r = 0; r < f->layout.rows; r++) free(f->words[r]);
    free(f->words);
    free(f->codes);
    free(f->codebook);
    free(f->norm_codes);
    free(f->file);
}

void fixture_row(const fixture *f, size_t id, double *out) {
    const layout *l = &f->layout;
    for (size_t c = 0; c < l->dimension; c++) {
        size_t g = c / f->width, code = f->codes[id * l->groups + g];
        if (code >= l->codes) code = l->codes - 1;
        double value = f->codebook[((l->shared ? 0 : g) * l->codes + code) * f->width + c % f->width];
        out[c] = l->cosine ? value * f->norm_codebook[f->norm_codes[id]] : value;
    }
}
