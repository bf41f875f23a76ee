#include "runtime/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sums.h"
#include "runtime/error.h"
#include "simd/convert.h"

#define FLOATS (1u << DPQI_F32 | 1u << DPQI_F16)

/* Keeps every product of sizes below far from overflow, also where nothing in the file bounds them (a shared codebook
 * over no rows). */
enum { MAXIMUM_DIMENSION = 1 << 24, MAXIMUM_CODES = 65536, MAXIMUM_BITS = 65536, MAXIMUM_TIERS = 256 };
#define MAXIMUM_ROWS ((uint64_t)1 << 40)

#define CORRUPT(...) dpqi_fail(error, DPQ_ERROR_CORRUPT, __VA_ARGS__)

/* ---- metadata and tensors by name ---- */

static dpq_status need_text(const dpq_table *table, const char *key, const char **out, dpq_error *error) {
    const dpqi_metadata *entry = dpqi_container_metadata(&table->container, key);
    if (!entry) return CORRUPT("the metadata key \"%s\" is missing", key);
    *out = entry->value;
    return DPQ_OK;
}

static dpq_status need_count(const dpq_table *table, const char *key, uint64_t minimum, uint64_t maximum, uint64_t *out,
                             dpq_error *error) {
    const char *text = NULL;
    dpq_status status = need_text(table, key, &text, error);
    if (status) return status;
    if (!dpqi_parse_count(text, strlen(text), out) || *out < minimum || *out > maximum)
        return CORRUPT("the metadata key \"%s\" is \"%.40s\", not a count from %llu to %llu", key, text,
                       (unsigned long long)minimum, (unsigned long long)maximum);
    return DPQ_OK;
}

/* The tensor `name`, whose shape must be shape[rank] and whose type one of the bits 1 << type. */
static dpq_status need_tensor(const dpq_table *table, const char *name, unsigned types, uint32_t rank,
                              const uint64_t *shape, const dpqi_tensor **out, dpq_error *error) {
    const dpqi_tensor *tensor = dpqi_container_tensor(&table->container, name);
    if (!tensor) return CORRUPT("the tensor %s is missing", name);
    if (!(types >> tensor->type & 1))
        return CORRUPT("the tensor %s has type %s, which it cannot have", name, dpqi_type_name(tensor->type));
    int fits = tensor->rank == rank;
    for (uint32_t i = 0; fits && i < rank; i++) fits = tensor->shape[i] == shape[i];
    if (!fits) return CORRUPT("the tensor %s does not have the shape that the metadata say", name);
    *out = tensor;
    return DPQ_OK;
}

/* ---- parts of a table ---- */

static dpq_status read_identity(dpq_table *table, dpq_error *error) {
    const dpqi_metadata *format = dpqi_container_metadata(&table->container, "format");
    if (!format || strcmp(format->value, "dpq") != 0)
        return dpqi_fail(error, DPQ_ERROR_FORMAT, "not a dpq file: a safetensors file without format=dpq");
    const char *text = NULL;
    dpq_status status = need_text(table, "format_version", &text, error);
    if (status) return status;
    if (strcmp(text, "1") != 0)
        return dpqi_fail(error, DPQ_ERROR_VERSION, "format version %.40s is not known here: use a newer dpq", text);
    if ((status = need_count(table, "rows", 0, MAXIMUM_ROWS, &table->rows, error))) return status;
    if ((status = need_count(table, "dimension", 1, MAXIMUM_DIMENSION, &table->dimension, error))) return status;

    if ((status = need_text(table, "metric", &text, error))) return status;
    if (strcmp(text, "l2") == 0)
        table->metric = DPQ_METRIC_L2;
    else if (strcmp(text, "cosine") == 0)
        table->metric = DPQ_METRIC_COSINE;
    else
        return CORRUPT("the metric \"%.40s\" is neither l2 nor cosine", text);

    if ((status = need_text(table, "assignment", &text, error))) return status;
    if (strcmp(text, "nearest") == 0)
        table->assignment = DPQ_ASSIGNMENT_NEAREST;
    else if (strcmp(text, "response") == 0)
        table->assignment = DPQ_ASSIGNMENT_RESPONSE;
    else
        return CORRUPT("the assignment \"%.40s\" is neither nearest nor response", text);

    uint64_t tiers = 0;
    if ((status = need_count(table, "tiers", 1, MAXIMUM_TIERS, &tiers, error))) return status;
    table->tiers = calloc((size_t)tiers, sizeof *table->tiers);
    table->tier_rows = calloc((size_t)tiers, sizeof *table->tier_rows);
    table->decoders = calloc((size_t)tiers, sizeof *table->decoders);
    if (!table->tiers || !table->tier_rows || !table->decoders)
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for the tiers");
    for (size_t t = 0; t < tiers; t++) table->decoders[t] = &table->tiers[t].decoder;
    table->tier_count = (uint32_t)tiers;
    return DPQ_OK;
}

/* The values of `tensor` as float32: where they stand, or widened to memory that the tier owns, from `at` on. */
static const float *floats_of(const dpqi_tensor *tensor, float *widened) {
    if (tensor->type == DPQI_F32) return (const float *)(const void *)tensor->data;
    const uint16_t *stored = (const uint16_t *)(const void *)tensor->data;
    for (size_t i = 0; i < (size_t)tensor->count; i++) widened[i] = dpqi_f16_to_f32(stored[i]);
    return widened;
}

/* Room for the values of a tier as float32 where the file has float16. */
static dpq_status make_room(dpqi_tier *tier, const dpqi_tensor *tensor, size_t more, dpq_error *error) {
    tier->codebook_type = tensor->type == DPQI_F32 ? DPQ_CODEBOOK_F32 : DPQ_CODEBOOK_F16;
    if (tensor->type == DPQI_F32) return DPQ_OK;
    tier->widened = calloc((size_t)tensor->count + more, sizeof(float));
    if (tier->widened) return DPQ_OK;
    return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for a codebook of %zu values", (size_t)tensor->count);
}

/* The codebook of `tensor` as float32, as the decoder reads it. */
static dpq_status read_codebook(dpqi_tier *tier, const dpqi_tensor *tensor, dpq_error *error) {
    dpq_status status = make_room(tier, tensor, 0, error);
    if (status) return status;
    tier->codewords = floats_of(tensor, tier->widened);
    tier->decoder.codebook = tier->codewords;
    tier->decoder.pitch = tier->decoder.width;
    tier->decoder.readable = (size_t)tensor->count;
    return dpqi_tier_lay_out(tier) ? DPQ_OK : dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for a codebook");
}

/* Basis and bias of a binary tier, and their sums. */
static dpq_status read_basis(dpqi_tier *tier, const dpqi_tensor *basis, const dpqi_tensor *bias, dpq_error *error) {
    dpqi_decoder *d = &tier->decoder;
    dpq_status status = make_room(tier, basis, d->dimension, error);
    if (status) return status;
    tier->codewords = floats_of(basis, tier->widened);
    const float *start = floats_of(bias, tier->widened ? tier->widened + basis->count : NULL);
    tier->laid_out = calloc(dpqi_sums_count(d), sizeof(float));
    if (!tier->laid_out) return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for the sums of a basis");
    dpqi_sums_make(d, (size_t)tier->groups, tier->codewords, start, tier->laid_out);
    d->codebook = tier->laid_out;
    return DPQ_OK;
}

static dpq_status read_concat(dpq_table *table, unsigned index, dpqi_tier *tier, uint64_t codes, uint64_t bits,
                              dpq_error *error) {
    char name[48];
    const dpqi_tensor *tensor = NULL;
    dpqi_decoder *d = &tier->decoder;
    const uint64_t groups = tier->groups, width = (table->dimension + groups - 1) / groups;
    if ((groups - 1) * width >= table->dimension)
        return CORRUPT("dimension %llu cannot be cut into %llu groups", (unsigned long long)table->dimension,
                       (unsigned long long)groups);
    if (codes > (uint64_t)1 << bits || codes <= (uint64_t)1 << (bits - 1))
        return CORRUPT("%llu codes do not take %llu bits", (unsigned long long)codes, (unsigned long long)bits);
    d->groups = (size_t)groups;
    d->codes = (size_t)codes;
    d->width = (size_t)width;
    d->bits = (size_t)bits;
    snprintf(name, sizeof name, "tier.%u.codebook", index);
    const dpqi_tensor *codebook = dpqi_container_tensor(&table->container, name);
    int shared = codebook && codebook->rank == 3 && codebook->shape[0] == 1 && groups > 1;
    const uint64_t shape[] = {shared ? 1 : groups, codes, width};
    dpq_status status = need_tensor(table, name, FLOATS, 3, shape, &tensor, error);
    if (status) return status;
    d->codebook_stride = shared ? 0 : (size_t)(codes * width);
    return read_codebook(tier, tensor, error);
}

static dpq_status read_binary(dpq_table *table, unsigned index, dpqi_tier *tier, uint64_t codes, uint64_t bits,
                              dpq_error *error) {
    char name[48];
    const dpqi_tensor *basis = NULL, *bias = NULL;
    dpqi_decoder *d = &tier->decoder;
    if (codes != 2 || bits != 1) return CORRUPT("tier %u is binary and has other codes than two of one bit", index);
    dpqi_sums_layout((size_t)tier->groups, (size_t)table->dimension, d);
    const uint64_t shape[] = {tier->groups, table->dimension};
    snprintf(name, sizeof name, "tier.%u.basis", index);
    dpq_status status = need_tensor(table, name, FLOATS, 2, shape, &basis, error);
    if (status) return status;
    snprintf(name, sizeof name, "tier.%u.bias", index);
    if ((status = need_tensor(table, name, 1u << basis->type, 1, shape + 1, &bias, error))) return status;
    return read_basis(tier, basis, bias, error);
}

static dpq_status read_tier(dpq_table *table, unsigned index, dpqi_tier *tier, dpq_error *error) {
    char name[48];
    const char *kind = NULL;
    const dpqi_tensor *tensor = NULL;
    uint64_t codes = 0, bits = 0;
    dpq_status status;
#define NAME(part) (snprintf(name, sizeof name, "tier.%u." part, index), name)
    if ((status = need_text(table, NAME("kind"), &kind, error))) return status;
    const int binary = strcmp(kind, "binary") == 0;
    if (!binary && strcmp(kind, "concat") != 0) return CORRUPT("tier %u is of an unknown kind \"%.40s\"", index, kind);
    tier->kind = binary ? DPQ_TIER_BINARY : DPQ_TIER_CONCAT;
    const uint64_t most = binary ? MAXIMUM_BITS : table->dimension;
    if ((status = need_count(table, NAME("groups"), 1, most, &tier->groups, error))) return status;
    if ((status = need_count(table, NAME("codes"), 2, MAXIMUM_CODES, &codes, error))) return status;
    if ((status = need_count(table, NAME("bits"), 1, 16, &bits, error))) return status;
    if ((status = need_count(table, NAME("rows"), 0, MAXIMUM_ROWS, &tier->rows, error))) return status;
    const uint64_t shape[] = {tier->rows, (tier->groups * bits + 7) / 8};
    tier->decoder.dimension = (size_t)table->dimension;
    status = binary ? read_binary(table, index, tier, codes, bits, error)
                    : read_concat(table, index, tier, codes, bits, error);
    if (!status) status = need_tensor(table, NAME("codes"), 1u << DPQI_U8, 2, shape, &tensor, error);
    if (status) return status;
    tier->decoder.row_bytes = (size_t)shape[1];
    tier->decoder.packed = tensor->data;
    table->tier_rows[index] = tier->rows;
    return DPQ_OK;
#undef NAME
}

/* Makes the stretches of a map that is to have them. */
static dpq_status index_map(dpqi_tier_map *m, uint64_t rows, dpq_error *error) {
    if (m->tiers > DPQI_STRETCH_TIERS || rows > UINT32_MAX) return DPQ_OK;
    const size_t count = (size_t)((rows + m->fields - 1) / m->fields), words = dpqi_stretch_words(m->tiers);
    m->stretches = malloc((count ? count : 1) * words * sizeof *m->stretches);
    if (!m->stretches) return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for a tier map");
    dpqi_active()->index_map(m, count);
    return DPQ_OK;
}

/* All tiers, ascending by bits a row, and the map where there are several. */
static dpq_status read_tiers(dpq_table *table, dpq_error *error) {
    uint64_t rows = 0, bits_before = 0;
    dpqi_tier_map *m = &table->map;
    for (unsigned t = 0; t < table->tier_count; t++) {
        dpqi_tier *tier = &table->tiers[t];
        dpq_status status = read_tier(table, t, tier, error);
        if (status) return status;
        const uint64_t bits = tier->decoder.adds ? tier->groups : tier->groups * tier->decoder.bits;
        if (bits < bits_before) return CORRUPT("tier %u has fewer bits a row than the one before it", t);
        bits_before = bits;
        rows += tier->rows;
        if (tier->rows) m->spare = (uint8_t)t;
    }
    if (rows != table->rows)
        return CORRUPT("%s the rows of the table",
                       table->tier_count > 1 ? "the tiers do not hold" : "tier 0 does not hold");
    if (table->tier_count == 1) return DPQ_OK;
    m->tiers = table->tier_count;
    while ((size_t)1 << m->bits < m->tiers) m->bits++;
    m->fields = 64 / m->bits & ~(size_t)7;
    for (size_t i = 0; i < m->fields; i++) m->lowest |= (uint64_t)1 << i * m->bits;
    m->packed_bytes = (size_t)((rows * m->bits + 7) / 8);
    m->rows = table->tier_rows;
    const dpqi_tensor *packed = NULL, *rank = NULL;
    const uint64_t shape[] = {m->packed_bytes},
                   rank_shape[] = {(rows + DPQI_RANK_BLOCK - 1) / DPQI_RANK_BLOCK, m->tiers};
    dpq_status status = need_tensor(table, "tier.map", 1u << DPQI_U8, 1, shape, &packed, error);
    if (!status) status = need_tensor(table, "tier.rank", 1u << DPQI_U64, 2, rank_shape, &rank, error);
    if (status) return status;
    m->packed = packed->data;
    m->rank = (const uint64_t *)(const void *)rank->data;
    return index_map(m, rows, error);
}

static dpq_status read_norms(dpq_table *table, dpq_error *error) {
    if (table->metric != DPQ_METRIC_COSINE) return DPQ_OK;
    const dpqi_tensor *codes = NULL, *codebook = NULL;
    const uint64_t entries = 256;
    dpq_status status = need_tensor(table, "norm.codes", 1u << DPQI_U8, 1, &table->rows, &codes, error);
    if (!status) status = need_tensor(table, "norm.codebook", 1u << DPQI_F32, 1, &entries, &codebook, error);
    if (status) return status;
    table->norm_codes = codes->data;
    table->norm_codebook = (const float *)(const void *)codebook->data;
    if (table->tier_count > 1) return DPQ_OK;
    table->tiers[0].decoder.norm_codes = table->norm_codes;
    table->tiers[0].decoder.norm_codebook = table->norm_codebook;
    return DPQ_OK;
}

static dpq_status read_vocabulary(dpq_table *table, dpq_error *error) {
    const dpqi_container *c = &table->container;
    const dpqi_tensor *bytes = dpqi_container_tensor(c, "vocabulary.bytes"), *offsets, *order;
    if (!bytes && !dpqi_container_tensor(c, "vocabulary.offsets") && !dpqi_container_tensor(c, "vocabulary.order"))
        return DPQ_OK;
    const uint64_t length = bytes ? bytes->count : 0, boundaries = table->rows + 1;
    dpq_status status = need_tensor(table, "vocabulary.bytes", 1u << DPQI_U8, 1, &length, &bytes, error);
    if (!status) status = need_tensor(table, "vocabulary.offsets", 1u << DPQI_U64, 1, &boundaries, &offsets, error);
    if (!status) status = need_tensor(table, "vocabulary.order", 1u << DPQI_U64, 1, &table->rows, &order, error);
    if (status) return status;
    table->word_bytes = bytes->data;
    table->word_bytes_count = bytes->bytes;
    table->word_offsets = (const uint64_t *)(const void *)offsets->data;
    table->word_order = (const uint64_t *)(const void *)order->data;
    return DPQ_OK;
}

static int is_one_of(const char *name, const char *const *known) {
    for (; *known; known++)
        if (strcmp(name, *known) == 0) return 1;
    return 0;
}

static int starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* The tier T of a name "tier.T.part" and the part, or NULL where there is no such tier. */
static const dpqi_tier *tier_of_name(const dpq_table *table, const char *name, const char **out_part) {
    uint64_t index;
    const char *number = name + strlen("tier."), *dot = strchr(number, '.');
    if (!starts_with(name, "tier.") || !dot || !dpqi_parse_count(number, (size_t)(dot - number), &index) ||
        index >= table->tier_count)
        return NULL;
    *out_part = dot + 1;
    return &table->tiers[index];
}

static int is_tier_tensor(const dpq_table *table, const char *name) {
    static const char *const concat[] = {"codes", "codebook", "encoder.keys", "encoder.mean", "encoder.variance", NULL};
    static const char *const binary[] = {"codes", "basis", "bias", "encoder.keys", "encoder.mean", "encoder.variance",
                                         NULL};
    if (table->tier_count > 1 && (strcmp(name, "tier.map") == 0 || strcmp(name, "tier.rank") == 0)) return 1;
    const char *part = NULL;
    const dpqi_tier *tier = tier_of_name(table, name, &part);
    return tier && is_one_of(part, tier->kind == DPQ_TIER_BINARY ? binary : concat);
}

static int is_tier_key(const dpq_table *table, const char *key) {
    static const char *const parts[] = {"kind", "groups", "codes", "bits", "rows", "encoder", NULL};
    const char *part = NULL;
    return tier_of_name(table, key, &part) && is_one_of(part, parts);
}

/* Names in the spaces this format reserves must be known, each tensor must have a checksum and the header too: what a
 * reader passes over silently could be altered unnoticed. Other names are left to those who put them there. */
static dpq_status check_names(const dpq_table *table, dpq_error *error) {
    static const char *const tensors[] = {"norm.codes",         "norm.codebook",    "vocabulary.bytes",
                                          "vocabulary.offsets", "vocabulary.order", NULL};
    static const char checksum[] = "checksum.";
    const dpqi_container *c = &table->container;
    for (size_t i = 0; i < c->tensor_count; i++) {
        const char *name = c->tensors[i].name;
        if (strcmp(name, "header") == 0)
            return CORRUPT("a tensor is called header, whose checksum is the header's own");
        int reserved = starts_with(name, "tier.") || starts_with(name, "norm.") || starts_with(name, "vocabulary.");
        if (reserved && !is_one_of(name, tensors) && !is_tier_tensor(table, name))
            return CORRUPT("the tensor %.100s has no place here", name);
        if (starts_with(name, "norm.") && table->metric != DPQ_METRIC_COSINE)
            return CORRUPT("the tensor %.100s has no place in a table of metric l2", name);
        int found = 0;
        for (size_t j = 0; j < c->metadata_count && !found; j++)
            found = starts_with(c->metadata[j].key, checksum) &&
                    strcmp(c->metadata[j].key + sizeof checksum - 1, name) == 0;
        if (!found) return CORRUPT("the tensor %.100s has no checksum", name);
    }
    int header = 0;
    for (size_t i = 0; i < c->metadata_count; i++) {
        const char *key = c->metadata[i].key, *value = c->metadata[i].value;
        if (starts_with(key, "tier.") && !is_tier_key(table, key))
            return CORRUPT("the metadata key \"%.100s\" has no place here", key);
        if (!starts_with(key, checksum)) continue;
        const char *name = key + sizeof checksum - 1;
        if (strspn(value, "0123456789abcdef") != 16 || strlen(value) != 16 || c->metadata[i].value_raw != 16)
            return CORRUPT("the checksum of %.100s is not 16 hexadecimal digits", name);
        if (strcmp(name, "header") == 0)
            header = 1;
        else if (!dpqi_container_tensor(c, name))
            return CORRUPT("a checksum of the tensor %.100s, which is missing", name);
    }
    if (!header) return CORRUPT("the metadata key \"checksum.header\" is missing");
    return DPQ_OK;
}

/* ---- open and close ---- */

static dpq_status open_table(dpqi_file file, dpq_table **out_table, dpq_error *error) {
    dpq_table *table = calloc(1, sizeof *table);
    if (!table) {
        dpqi_file_close(&file);
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for a table");
    }
    table->file = file;
    dpq_status status = dpqi_container_open(file.data, file.bytes, &table->container, error);
    if (!status) status = read_identity(table, error);
    if (!status) status = read_tiers(table, error);
    if (!status) status = read_norms(table, error);
    if (!status) status = read_vocabulary(table, error);
    if (!status) status = check_names(table, error);
    if (status) {
        dpq_table_close(table);
        return status;
    }
    *out_table = table;
    return dpqi_succeed(error);
}

dpq_status dpq_table_open(const char *path, const dpq_open_options *options, dpq_table **out_table, dpq_error *error) {
    if (!out_table) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_open: out_table is NULL");
    *out_table = NULL;
    if (!path) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_open: path is NULL");
    uint32_t flags = DPQ_OPEN_MAP;
    if (options) {
        if (options->struct_size < offsetof(dpq_open_options, flags) + sizeof options->flags)
            return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_open: options.struct_size is not set");
        flags = options->flags;
    }
    if (flags & ~(uint32_t)(DPQ_OPEN_READ | DPQ_OPEN_LARGE_PAGES))
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_open: unknown flags");
    dpqi_file file = {NULL, 0, DPQI_FILE_BORROWED};
    dpq_status status = dpqi_file_open(path, flags, &file, error);
    return status ? status : open_table(file, out_table, error);
}

dpq_status dpq_table_open_memory(const void *data, size_t bytes, dpq_table **out_table, dpq_error *error) {
    if (!out_table) return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "dpq_table_open_memory: out_table is NULL");
    *out_table = NULL;
    if (!data || (uintptr_t)data % 8)
        return dpqi_fail(error, DPQ_ERROR_ARGUMENT,
                         "dpq_table_open_memory: the data is NULL or not aligned to 8 bytes");
    return open_table((dpqi_file){data, bytes, DPQI_FILE_BORROWED}, out_table, error);
}

void dpq_table_close(dpq_table *table) {
    if (!table) return;
    for (uint32_t t = 0; t < table->tier_count; t++) {
        free(table->tiers[t].widened);
        free(table->tiers[t].laid_out);
    }
    free(table->tiers);
    free(table->tier_rows);
    free(table->map.stretches);
    free(table->decoders);
    dpqi_container_close(&table->container);
    dpqi_file_close(&table->file);
    free(table);
}

/* ---- what the table is ---- */

uint32_t dpq_version(void) { return DPQ_VERSION_MAJOR * 1000000 + DPQ_VERSION_MINOR * 1000 + DPQ_VERSION_PATCH; }

/* Copies as much of `from` as the caller's struct holds; both start with their size. */
static dpq_status hand_out(void *out, const void *from, size_t bytes) {
    size_t size = *(const size_t *)out;
    if (size < sizeof(size_t)) return DPQ_ERROR_ARGUMENT;
    memcpy(out, from, size < bytes ? size : bytes);
    *(size_t *)out = size;
    return DPQ_OK;
}

dpq_status dpq_table_describe(const dpq_table *table, dpq_description *out) {
    if (!table || !out) return DPQ_ERROR_ARGUMENT;
    dpq_description description = {.struct_size = sizeof description,
                                   .rows = table->rows,
                                   .dimension = table->dimension,
                                   .file_bytes = table->file.bytes,
                                   .header_bytes = 8 + table->container.header_bytes,
                                   .metric = table->metric,
                                   .assignment = table->assignment,
                                   .tiers = table->tier_count,
                                   .has_vocabulary = table->word_offsets != NULL};
    return hand_out(out, &description, sizeof description);
}

dpq_status dpq_table_describe_tier(const dpq_table *table, uint32_t tier, dpq_tier_description *out) {
    if (!table || !out || tier >= table->tier_count) return DPQ_ERROR_ARGUMENT;
    const dpqi_tier *t = &table->tiers[tier];
    const dpqi_decoder *d = &t->decoder;
    dpq_tier_description description = {.struct_size = sizeof description,
                                        .rows = t->rows,
                                        .groups = t->groups,
                                        .codes = d->adds ? 2 : d->codes,
                                        .width = d->adds ? d->dimension : d->width,
                                        .row_bytes = d->row_bytes,
                                        .bits = d->adds ? 1 : (uint32_t)d->bits,
                                        .kind = t->kind,
                                        .codebook_type = t->codebook_type,
                                        .shared = d->codebook_stride == 0};
    return hand_out(out, &description, sizeof description);
}

const char *dpq_table_metadata(const dpq_table *table, const char *key) {
    if (!table || !key) return NULL;
    const dpqi_metadata *entry = dpqi_container_metadata(&table->container, key);
    return entry ? entry->value : NULL;
}

size_t dpq_table_section_count(const dpq_table *table) { return table ? table->container.tensor_count : 0; }

static dpq_status hand_out_section(const dpqi_tensor *tensor, dpq_section *out) {
    dpq_section section = {.struct_size = sizeof section,
                           .name = tensor->name,
                           .type = dpqi_type_name(tensor->type),
                           .data = tensor->data,
                           .bytes = tensor->bytes,
                           .rank = tensor->rank};
    memcpy(section.shape, tensor->shape, sizeof section.shape);
    return hand_out(out, &section, sizeof section);
}

dpq_status dpq_table_section_at(const dpq_table *table, size_t index, dpq_section *out) {
    if (!table || !out || index >= table->container.tensor_count) return DPQ_ERROR_ARGUMENT;
    return hand_out_section(&table->container.tensors[index], out);
}

dpq_status dpq_table_section_named(const dpq_table *table, const char *name, dpq_section *out) {
    if (!table || !name || !out) return DPQ_ERROR_ARGUMENT;
    const dpqi_tensor *tensor = dpqi_container_tensor(&table->container, name);
    return tensor ? hand_out_section(tensor, out) : DPQ_ERROR_NOT_FOUND;
}

const float *dpq_table_codebook(const dpq_table *table, uint32_t tier) {
    return table && tier < table->tier_count ? table->tiers[tier].codewords : NULL;
}
