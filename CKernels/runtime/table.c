#include "runtime/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "simd/convert.h"

/* Keeps every product of sizes below far from overflow, also where nothing in the file bounds them (a shared codebook
 * over no rows). */
enum { MAXIMUM_DIMENSION = 1 << 24, MAXIMUM_CODES = 65536 };
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
    if ((status = need_count(table, "tiers", 1, 256, &tiers, error))) return status;
    if (tiers != 1)
        return dpqi_fail(error, DPQ_ERROR_VERSION, "the file has %llu tiers, this version reads one: use a newer dpq",
                         (unsigned long long)tiers);
    table->tier_count = (uint32_t)tiers;
    return DPQ_OK;
}

/* The codebook of `tensor` as float32, with room to read past its end where that costs nothing. */
static dpq_status read_codebook(const dpq_table *table, dpqi_tier *tier, const dpqi_tensor *tensor, dpq_error *error) {
    dpqi_decoder *d = &tier->decoder;
    size_t count = (size_t)tensor->count;
    if (tensor->type == DPQI_F32) {
        tier->codebook_type = DPQ_CODEBOOK_F32;
        d->codebook = (const float *)(const void *)tensor->data;
        d->readable = (size_t)(table->file.data + table->file.bytes - tensor->data) / sizeof(float);
        return DPQ_OK;
    }
    enum { SLACK = 16 };
    tier->codebook_type = DPQ_CODEBOOK_F16;
    tier->widened = calloc(count + SLACK, sizeof(float));
    if (!tier->widened) return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for a codebook of %zu values", count);
    const uint16_t *stored = (const uint16_t *)(const void *)tensor->data;
    for (size_t i = 0; i < count; i++) tier->widened[i] = dpqi_f16_to_f32(stored[i]);
    d->codebook = tier->widened;
    d->readable = count + SLACK;
    return DPQ_OK;
}

static dpq_status read_tier(dpq_table *table, unsigned index, dpqi_tier *tier, dpq_error *error) {
    char name[48];
    const char *kind = NULL;
    uint64_t groups = 0, codes = 0, bits = 0;
    dpq_status status;
#define NAME(part) (snprintf(name, sizeof name, "tier.%u." part, index), name)
    if ((status = need_text(table, NAME("kind"), &kind, error))) return status;
    if (strcmp(kind, "binary") == 0)
        return dpqi_fail(error, DPQ_ERROR_VERSION,
                         "tier %u is binary, which this version does not read: use a newer dpq", index);
    if (strcmp(kind, "concat") != 0) return CORRUPT("tier %u is of an unknown kind \"%.40s\"", index, kind);
    if ((status = need_count(table, NAME("groups"), 1, table->dimension, &groups, error))) return status;
    if ((status = need_count(table, NAME("codes"), 2, MAXIMUM_CODES, &codes, error))) return status;
    if ((status = need_count(table, NAME("bits"), 1, 16, &bits, error))) return status;
    if ((status = need_count(table, NAME("rows"), 0, MAXIMUM_ROWS, &tier->rows, error))) return status;
    if (tier->rows != table->rows) return CORRUPT("tier %u does not hold the rows of the table", index);
    uint64_t width = (table->dimension + groups - 1) / groups;
    if ((groups - 1) * width >= table->dimension)
        return CORRUPT("dimension %llu cannot be cut into %llu groups", (unsigned long long)table->dimension,
                       (unsigned long long)groups);
    if (codes > (uint64_t)1 << bits || codes <= (uint64_t)1 << (bits - 1))
        return CORRUPT("%llu codes do not take %llu bits", (unsigned long long)codes, (unsigned long long)bits);

    dpqi_decoder *d = &tier->decoder;
    d->dimension = (size_t)table->dimension;
    d->groups = (size_t)groups;
    d->codes = (size_t)codes;
    d->width = (size_t)width;
    d->bits = (size_t)bits;
    d->row_bytes = (size_t)((groups * bits + 7) / 8);
    tier->kind = DPQ_TIER_CONCAT;

    const dpqi_tensor *tensor = NULL;
    const uint64_t code_shape[] = {table->rows, d->row_bytes};
    if ((status = need_tensor(table, NAME("codes"), 1u << DPQI_U8, 2, code_shape, &tensor, error))) return status;
    d->packed = tensor->data;

    const dpqi_tensor *codebook = dpqi_container_tensor(&table->container, NAME("codebook"));
    int shared = codebook && codebook->rank == 3 && codebook->shape[0] == 1 && groups > 1;
    const uint64_t codebook_shape[] = {shared ? 1 : groups, codes, width};
    status = need_tensor(table, name, 1u << DPQI_F32 | 1u << DPQI_F16, 3, codebook_shape, &tensor, error);
    if (status) return status;
    d->codebook_stride = shared ? 0 : (size_t)(codes * width);
    return read_codebook(table, tier, tensor, error);
#undef NAME
}

static dpq_status read_norms(dpq_table *table, dpq_error *error) {
    if (table->metric != DPQ_METRIC_COSINE) return DPQ_OK;
    const dpqi_tensor *codes = NULL, *codebook = NULL;
    const uint64_t entries = 256;
    dpq_status status = need_tensor(table, "norm.codes", 1u << DPQI_U8, 1, &table->rows, &codes, error);
    if (!status) status = need_tensor(table, "norm.codebook", 1u << DPQI_F32, 1, &entries, &codebook, error);
    if (status) return status;
    table->tier.decoder.norm_codes = codes->data;
    table->tier.decoder.norm_codebook = (const float *)(const void *)codebook->data;
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

/* Names in the spaces this format reserves must be known, each tensor must have a checksum and the header too: what a
 * reader passes over silently could be altered unnoticed. Other names are left to those who put them there. */
static dpq_status check_names(const dpq_table *table, dpq_error *error) {
    static const char *const tensors[] = {"tier.0.codes",
                                          "tier.0.codebook",
                                          "tier.0.encoder.keys",
                                          "tier.0.encoder.mean",
                                          "tier.0.encoder.variance",
                                          "norm.codes",
                                          "norm.codebook",
                                          "vocabulary.bytes",
                                          "vocabulary.offsets",
                                          "vocabulary.order",
                                          NULL};
    static const char *const keys[] = {"tier.0.kind", "tier.0.groups", "tier.0.codes",
                                       "tier.0.bits", "tier.0.rows",   NULL};
    static const char checksum[] = "checksum.";
    const dpqi_container *c = &table->container;
    for (size_t i = 0; i < c->tensor_count; i++) {
        const char *name = c->tensors[i].name;
        if (strcmp(name, "header") == 0)
            return CORRUPT("a tensor is called header, whose checksum is the header's own");
        int reserved = starts_with(name, "tier.") || starts_with(name, "norm.") || starts_with(name, "vocabulary.");
        if (reserved && !is_one_of(name, tensors)) return CORRUPT("the tensor %.100s has no place here", name);
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
        if (starts_with(key, "tier.") && !is_one_of(key, keys))
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
    if (!status) status = read_tier(table, 0, &table->tier, error);
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
    free(table->tier.widened);
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
    const dpqi_decoder *d = &table->tier.decoder;
    dpq_tier_description description = {.struct_size = sizeof description,
                                        .rows = table->tier.rows,
                                        .groups = d->groups,
                                        .codes = d->codes,
                                        .width = d->width,
                                        .row_bytes = d->row_bytes,
                                        .bits = (uint32_t)d->bits,
                                        .kind = table->tier.kind,
                                        .codebook_type = table->tier.codebook_type,
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
    return table && tier < table->tier_count ? table->tier.decoder.codebook : NULL;
}
