#include "runtime/container.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "runtime/error.h"

/* Real headers have some 60 tokens a tier. The bound keeps the parser's worst case, quadratic in nesting, in
 * milliseconds. */
enum { MAXIMUM_TOKENS = 8192, MAXIMUM_HEADER_BYTES = 100000000, SNIFFED_BYTES = 65536 };

const char *dpqi_type_name(dpqi_type type) {
    static const char *const names[] = {"U8", "F16", "F32", "U64"};
    return names[type];
}

size_t dpqi_type_bytes(dpqi_type type) {
    static const uint8_t bytes[] = {1, 2, 4, 8};
    return bytes[type];
}

int dpqi_parse_count(const char *text, size_t length, uint64_t *out) {
    uint64_t value = 0;
    if (length == 0 || (length > 1 && text[0] == '0')) return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* ---- the header's tokens ---- */

typedef struct parser {
    dpqi_container *container;
    const uint8_t *data; /* where tensors start */
    uint64_t data_bytes;
    jsmntok_t *tokens;
    int count;
    char *next; /* free part of container->strings; it cannot overflow: unescaped text is never longer than escaped */
    dpq_error *error;
} parser;

static size_t token_length(const jsmntok_t *token) { return (size_t)(token->end - token->start); }

static int token_is(const parser *p, const jsmntok_t *token, const char *text) {
    size_t length = strlen(text);
    return token->type == JSMN_STRING && token_length(token) == length &&
           memcmp(p->container->header + token->start, text, length) == 0;
}

static int hexadecimal(const char *text, unsigned *out) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned digit = c >= '0' && c <= '9'   ? c - (unsigned)'0'
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10u
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10u
                                                : 16u;
        if (digit > 15) return 0;
        value = value * 16 + digit;
    }
    *out = value;
    return 1;
}

static char *put_utf8(char *out, unsigned scalar) {
    if (scalar < 0x80) {
        *out++ = (char)scalar;
    } else if (scalar < 0x800) {
        *out++ = (char)(0xC0 | scalar >> 6);
        *out++ = (char)(0x80 | (scalar & 63));
    } else if (scalar < 0x10000) {
        *out++ = (char)(0xE0 | scalar >> 12);
        *out++ = (char)(0x80 | (scalar >> 6 & 63));
        *out++ = (char)(0x80 | (scalar & 63));
    } else {
        *out++ = (char)(0xF0 | scalar >> 18);
        *out++ = (char)(0x80 | (scalar >> 12 & 63));
        *out++ = (char)(0x80 | (scalar >> 6 & 63));
        *out++ = (char)(0x80 | (scalar & 63));
    }
    return out;
}

/* Copies a string token with its escapes resolved and a terminator. NULL where it holds a control character (NUL, most
 * of all) or half of a surrogate pair. */
static const char *unescape(parser *p, const jsmntok_t *token) {
    const char *text = p->container->header + token->start;
    const char *end = p->container->header + token->end;
    char *start = p->next, *out = start;
    while (text < end) {
        unsigned char c = (unsigned char)*text++;
        if (c < 32) return NULL;
        if (c != '\\') {
            *out++ = (char)c;
            continue;
        }
        if (text == end) return NULL;
        switch (*text++) {
        case '"': *out++ = '"'; break;
        case '\\': *out++ = '\\'; break;
        case '/': *out++ = '/'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            unsigned scalar, low;
            if (end - text < 4 || !hexadecimal(text, &scalar) || scalar == 0) return NULL;
            text += 4;
            if (scalar >= 0xDC00 && scalar < 0xE000) return NULL;
            if (scalar >= 0xD800 && scalar < 0xDC00) {
                if (end - text < 6 || text[0] != '\\' || text[1] != 'u' || !hexadecimal(text + 2, &low)) return NULL;
                if (low < 0xDC00 || low >= 0xE000) return NULL;
                text += 6;
                scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00);
            }
            out = put_utf8(out, scalar);
            break;
        }
        default: return NULL;
        }
    }
    *out++ = 0;
    p->next = out;
    return start;
}

/* First token after `index` and all it contains. */
static int skip(const parser *p, int index) {
    int end = p->tokens[index].end;
    int next = index + 1;
    while (next < p->count && p->tokens[next].start < end) next++;
    return next;
}

#define CORRUPT(p, ...) dpqi_fail((p)->error, DPQ_ERROR_CORRUPT, __VA_ARGS__)

/* ---- metadata ---- */

static dpq_status read_metadata(parser *p, int object) {
    dpqi_container *c = p->container;
    if (p->tokens[object].type != JSMN_OBJECT) return CORRUPT(p, "__metadata__ is no object of strings");
    int end = skip(p, object);
    for (int key = object + 1; key < end; key += 2) {
        const jsmntok_t *k = &p->tokens[key], *v = k + 1;
        if (k->type != JSMN_STRING || k->size != 1 || k->parent != object || key + 1 >= end || v->type != JSMN_STRING ||
            v->size != 0)
            return CORRUPT(p, "__metadata__ holds something other than strings");
        dpqi_metadata *entry = &c->metadata[c->metadata_count];
        entry->key = unescape(p, k);
        entry->value = unescape(p, v);
        if (!entry->key || !entry->value)
            return CORRUPT(p, "a metadata string holds a control character or bad escape");
        entry->value_at = (size_t)v->start;
        entry->value_raw = token_length(v);
        if (dpqi_container_metadata(c, entry->key))
            return CORRUPT(p, "the metadata key \"%.100s\" stands twice", entry->key);
        c->metadata_count++;
    }
    return DPQ_OK;
}

/* ---- tensors ---- */

static dpq_status read_type(parser *p, const jsmntok_t *token, dpqi_tensor *tensor) {
    for (int type = DPQI_U8; type <= DPQI_U64; type++) {
        if (token_is(p, token, dpqi_type_name((dpqi_type)type))) {
            tensor->type = (dpqi_type)type;
            return DPQ_OK;
        }
    }
    return CORRUPT(p, "tensor %.100s: its type is none of U8, F16, F32, U64", tensor->name);
}

/* A JSON array of at most `limit` counts. Returns their number, or -1. */
static int read_counts(const parser *p, int array, int limit, uint64_t *out) {
    const jsmntok_t *tokens = p->tokens;
    if (tokens[array].type != JSMN_ARRAY || tokens[array].size > limit) return -1;
    int end = skip(p, array);
    if (end - array - 1 != tokens[array].size) return -1;
    for (int i = array + 1; i < end; i++) {
        if (tokens[i].type != JSMN_PRIMITIVE) return -1;
        if (!dpqi_parse_count(p->container->header + tokens[i].start, token_length(&tokens[i]), &out[i - array - 1]))
            return -1;
    }
    return tokens[array].size;
}

static dpq_status read_tensor(parser *p, const jsmntok_t *name, int object) {
    dpqi_container *c = p->container;
    dpqi_tensor *tensor = &c->tensors[c->tensor_count];
    tensor->name = unescape(p, name);
    if (!tensor->name) return CORRUPT(p, "the name of a tensor holds a control character or bad escape");
    if (dpqi_container_tensor(c, tensor->name)) return CORRUPT(p, "the tensor %.100s stands twice", tensor->name);
    if (p->tokens[object].type != JSMN_OBJECT) return CORRUPT(p, "tensor %.100s: no object", tensor->name);

    int seen_type = 0, seen_shape = 0, seen_offsets = 0;
    uint64_t offsets[2] = {0, 0};
    int end = skip(p, object);
    for (int key = object + 1; key < end; key = skip(p, key + 1)) {
        const jsmntok_t *k = &p->tokens[key];
        if (k->type != JSMN_STRING || k->size != 1 || k->parent != object || key + 1 >= end)
            return CORRUPT(p, "tensor %.100s: a damaged description", tensor->name);
        if (token_is(p, k, "dtype") && !seen_type++) {
            dpq_status status = read_type(p, k + 1, tensor);
            if (status) return status;
        } else if (token_is(p, k, "shape") && !seen_shape++) {
            int rank = read_counts(p, key + 1, DPQI_MAXIMUM_RANK, tensor->shape);
            if (rank < 0) return CORRUPT(p, "tensor %.100s: its shape is not up to 4 counts", tensor->name);
            tensor->rank = (uint32_t)rank;
        } else if (token_is(p, k, "data_offsets") && !seen_offsets++) {
            if (read_counts(p, key + 1, 2, offsets) != 2)
                return CORRUPT(p, "tensor %.100s: its data_offsets are not two counts", tensor->name);
        } else {
            return CORRUPT(p, "tensor %.100s: a key that is unknown or stands twice", tensor->name);
        }
    }
    if (!seen_type || !seen_shape || !seen_offsets)
        return CORRUPT(p, "tensor %.100s: dtype, shape or data_offsets is missing", tensor->name);

    tensor->count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] != 0 && tensor->count > UINT64_MAX / 8 / tensor->shape[i])
            return CORRUPT(p, "tensor %.100s: its shape overflows", tensor->name);
        tensor->count *= tensor->shape[i];
    }
    size_t element = dpqi_type_bytes(tensor->type);
    if (offsets[0] > offsets[1] || offsets[1] > p->data_bytes)
        return CORRUPT(p, "tensor %.100s: lies outside the file (is the file cut off?)", tensor->name);
    tensor->bytes = offsets[1] - offsets[0];
    if (tensor->count * element != tensor->bytes)
        return CORRUPT(p, "tensor %.100s: its shape and its bytes do not agree", tensor->name);
    tensor->data = p->data + offsets[0];
    if ((uintptr_t)tensor->data % element != 0)
        return CORRUPT(p, "tensor %.100s: not aligned to its element", tensor->name);
    c->tensor_count++;
    return DPQ_OK;
}

static int by_position(const void *left, const void *right) {
    const dpqi_tensor *a = left, *b = right;
    if (a->data != b->data) return a->data < b->data ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static dpq_status check_cover(parser *p) {
    dpqi_container *c = p->container;
    if (c->tensor_count) qsort(c->tensors, c->tensor_count, sizeof *c->tensors, by_position);
    const uint8_t *end = p->data;
    for (size_t i = 0; i < c->tensor_count; i++) {
        if (c->tensors[i].data != end)
            return CORRUPT(p, "tensor %.100s: a gap before it, or it overlaps another", c->tensors[i].name);
        end += c->tensors[i].bytes;
    }
    if (end != p->data + p->data_bytes) return CORRUPT(p, "the file is longer than its tensors");
    return DPQ_OK;
}

/* ---- the whole ---- */

static dpq_status read_tokens(parser *p) {
    dpqi_container *c = p->container;
    const jsmntok_t *root = &p->tokens[0];
    if (p->count < 1 || root->type != JSMN_OBJECT || root->start != 0)
        return CORRUPT(p, "the header is no JSON object");
    for (size_t i = (size_t)root->end; i < c->header_bytes; i++)
        if (c->header[i] != ' ') return CORRUPT(p, "something follows the JSON object of the header");
    int seen_metadata = 0;
    for (int key = 1; key < p->count; key = skip(p, key + 1)) {
        const jsmntok_t *k = &p->tokens[key];
        if (k->type != JSMN_STRING || k->size != 1 || k->parent != 0 || key + 1 >= p->count)
            return CORRUPT(p, "the header is damaged JSON near byte %d", 8 + k->start);
        dpq_status status;
        if (!token_is(p, k, "__metadata__"))
            status = read_tensor(p, k, key + 1);
        else if (seen_metadata++)
            status = CORRUPT(p, "__metadata__ stands twice");
        else
            status = read_metadata(p, key + 1);
        if (status) return status;
    }
    return check_cover(p);
}

static dpq_status parse(parser *p) {
    dpqi_container *c = p->container;
    jsmn_parser state;
    jsmn_init(&state);
    p->tokens = malloc(MAXIMUM_TOKENS * sizeof *p->tokens);
    if (!p->tokens) return dpqi_fail(p->error, DPQ_ERROR_MEMORY, "no memory to read the header");
    p->count = jsmn_parse(&state, c->header, c->header_bytes, p->tokens, MAXIMUM_TOKENS);
    if (p->count == JSMN_ERROR_NOMEM) return CORRUPT(p, "the header has more parts than any dpq file");
    if (p->count < 0) return CORRUPT(p, "the header is damaged JSON near byte %u", 8 + state.pos);
    size_t limit = (size_t)p->count + 1;
    c->tensors = calloc(limit, sizeof *c->tensors);
    c->metadata = calloc(limit, sizeof *c->metadata);
    c->strings = malloc(c->header_bytes + limit);
    if (!c->tensors || !c->metadata || !c->strings)
        return dpqi_fail(p->error, DPQ_ERROR_MEMORY, "no memory for the header of %zu bytes", c->header_bytes);
    p->next = c->strings;
    return read_tokens(p);
}

/* Whether the text claims to be ours, damaged or not: decides between "not a dpq file" and "a damaged one". */
static int claims_format(const char *text, size_t length) {
    static const char mark[] = "\"format\":\"dpq\"";
    size_t size = sizeof mark - 1;
    for (size_t i = 0; i + size <= length; i++)
        if (memcmp(text + i, mark, size) == 0) return 1;
    return 0;
}

dpq_status dpqi_container_open(const uint8_t *file, size_t bytes, dpqi_container *out, dpq_error *error) {
    memset(out, 0, sizeof *out);
    uint64_t header_bytes = 0;
    if (bytes < 8) return dpqi_fail(error, DPQ_ERROR_FORMAT, "not a dpq file: only %zu bytes", bytes);
    for (int i = 7; i >= 0; i--) header_bytes = header_bytes << 8 | file[i];
    const char *header = (const char *)file + 8;
    /* A wrong length must not hide the claim, nor a foreign file be read far beyond its header. */
    size_t near = header_bytes < 512 ? 512 : header_bytes > SNIFFED_BYTES ? SNIFFED_BYTES : (size_t)header_bytes;
    int claimed = claims_format(header, near < bytes - 8 ? near : bytes - 8);
    dpq_status unlike = claimed ? DPQ_ERROR_CORRUPT : DPQ_ERROR_FORMAT;
    const char *what = claimed ? "a damaged dpq file" : "not a dpq file";
    if (header_bytes > bytes - 8)
        return dpqi_fail(error, unlike, "%s: its header would be longer than the file (is it cut off?)", what);
    if (header_bytes < 2 || header_bytes > MAXIMUM_HEADER_BYTES || header[0] != '{')
        return dpqi_fail(error, unlike, "%s: it does not start with a header", what);
    if (memchr(header, 0, (size_t)header_bytes)) return dpqi_fail(error, unlike, "%s: a zero byte in the header", what);

    parser p = {
        .container = out, .data = file + 8 + header_bytes, .data_bytes = bytes - 8 - header_bytes, .error = error};
    out->header = header;
    out->header_bytes = (size_t)header_bytes;
    dpq_status status = parse(&p);
    free(p.tokens);
    if (status) dpqi_container_close(out);
    if (status == DPQ_ERROR_CORRUPT && !claimed) {
        status = DPQ_ERROR_FORMAT;
        if (error) error->status = status;
    }
    return status;
}

void dpqi_container_close(dpqi_container *container) {
    free(container->tensors);
    free(container->metadata);
    free(container->strings);
    memset(container, 0, sizeof *container);
}

const dpqi_tensor *dpqi_container_tensor(const dpqi_container *container, const char *name) {
    for (size_t i = 0; i < container->tensor_count; i++)
        if (strcmp(container->tensors[i].name, name) == 0) return &container->tensors[i];
    return NULL;
}

const dpqi_metadata *dpqi_container_metadata(const dpqi_container *container, const char *key) {
    for (size_t i = 0; i < container->metadata_count; i++)
        if (strcmp(container->metadata[i].key, key) == 0) return &container->metadata[i];
    return NULL;
}
