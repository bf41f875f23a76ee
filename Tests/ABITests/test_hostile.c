/* Damaged and malicious files: a clean status, one line of explanation, no access outside the file, and nothing that
 * verify lets pass. Meant to run under address and undefined-behaviour sanitizers too. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dpq.h"
#include "fixture.h"

int failures;
const char *subject = "";

static void check_message(dpq_status status, const dpq_error *error) {
    CHECK(error->status == status, "status %d in the error, %d returned", error->status, status);
    CHECK((status == DPQ_OK) == (error->message[0] == 0), "message \"%s\" with status %d", error->message, status);
    CHECK(!strchr(error->message, '\n') && memchr(error->message, 0, sizeof error->message), "not one line");
}

/* Opens a copy that is exactly `bytes` long and uses everything. Returns what opening said, or verify where it opened.
 */
static dpq_status use(const uint8_t *file, size_t bytes, int *out_opened, char *out_message) {
    uint8_t *copy = malloc(bytes + 1);
    memcpy(copy, file, bytes);
    copy = realloc(copy, bytes ? bytes : 1);
    dpq_table *table = NULL;
    dpq_error error;
    dpq_status status = dpq_table_open_memory(copy, bytes, &table, &error);
    check_message(status, &error);
    CHECK((status == DPQ_OK) == (table != NULL), "a table with status %d", status);
    *out_opened = status == DPQ_OK;
    if (table) {
        dpq_description about = {.struct_size = sizeof about};
        dpq_table_describe(table, &about);
        status = dpq_table_verify(table, &error);
        check_message(status, &error);
        if (about.rows < 1000 && about.dimension < 1000) {
            const size_t d = (size_t)about.dimension, bytes_needed = dpq_table_neighbors_workspace_bytes(table, 3);
            float *row = calloc(d, sizeof *row), *all = calloc(about.rows * d + 1, sizeof *all), scores[3];
            void *workspace = malloc(bytes_needed);
            int64_t id = 0, ids[3];
            size_t count = 0;
            CHECK(dpq_table_read(table, 0, about.rows, all, d, NULL) == DPQ_OK, "the rows are not read");
            for (int64_t r = -1; r <= (int64_t)about.rows; r++) {
                const char *word = NULL;
                dpq_table_lookup(table, &r, 1, DPQ_OUTSIDE_LAST, row, d, NULL);
                /* However damaged: a row is the same whichever way it is asked for. */
                CHECK(r < 0 || r >= (int64_t)about.rows || memcmp(row, all + (size_t)r * d, d * sizeof *row) == 0,
                      "row %lld read in a run is another", (long long)r);
                if (dpq_table_word(table, r, &word, &count, NULL) == DPQ_OK)
                    dpq_table_find(table, word, count, &id, NULL);
            }
            dpq_table_find(table, "w9", 2, &id, NULL);
            for (size_t c = 0; c < d; c++) row[c] = (float)c;
            for (dpq_search s = DPQ_SEARCH_COSINE; s <= DPQ_SEARCH_L2; s++)
                dpq_table_neighbors(table, row, s, 3, -1, workspace, bytes_needed, ids, scores, &count, NULL);
            free(row);
            free(all);
            free(workspace);
        }
        dpq_table_close(table);
    }
    if (out_message) strcpy(out_message, error.message);
    free(copy);
    return status;
}

static const layout small[] = {
    {.name = "with words and norms", .rows = 9, .dimension = 10, .groups = 4, .codes = 5, .cosine = 1, .words = 1},
    {.name = "f16, shared, no words", .rows = 6, .dimension = 8, .groups = 4, .codes = 4, .shared = 1, .f16 = 1},
    {.name = "bits", .rows = 5, .dimension = 3, .tier_count = 1, .tiers = {{.groups = 6, .binary = 1}}},
    {.name = "three tiers",
     .rows = 11,
     .dimension = 4,
     .cosine = 1,
     .tier_count = 3,
     .tiers = {{.groups = 2, .codes = 3}, {.groups = 5, .binary = 1}, {.groups = 4, .codes = 4}}},
};

static void flip_every_byte(const fixture *f) {
    int opened;
    for (size_t i = 0; i < f->bytes; i++) {
        for (int bit = 0; bit < 9; bit++) {
            const uint8_t mask = bit < 8 ? (uint8_t)(1 << bit) : 0xFF;
            f->file[i] ^= mask;
            dpq_status status = use(f->file, f->bytes, &opened, NULL);
            CHECK(status != DPQ_OK, "byte %zu changed by %02x was not noticed", i, mask);
            f->file[i] ^= mask;
        }
    }
}

static void cut_at_every_byte(const fixture *f) {
    int opened;
    for (size_t bytes = 0; bytes < f->bytes; bytes++) {
        dpq_status status = use(f->file, bytes, &opened, NULL);
        CHECK(!opened && status != DPQ_OK, "opened at %zu of %zu bytes", bytes, f->bytes);
    }
    uint8_t *longer = calloc(f->bytes + 1, 1);
    memcpy(longer, f->file, f->bytes);
    CHECK(use(longer, f->bytes + 1, &opened, NULL) == DPQ_ERROR_CORRUPT, "a byte too many");
    free(longer);
}

/* One edit of the header of a sound file, and what opening must say. */
typedef struct edit {
    const char *from, *to;
    dpq_status expected;
    const char *named; /* in the message */
} edit;

#define METADATA "{\"__metadata__\":{"

static const edit edits[] = {
    /* what it is */
    {"\"format\":\"dpq\"", "\"format\":\"pt\"", DPQ_ERROR_FORMAT, "format=dpq"},
    {"\"format\":\"dpq\",", "", DPQ_ERROR_FORMAT, "format=dpq"},
    {"\"format_version\":\"1\"", "\"format_version\":\"2\"", DPQ_ERROR_VERSION, "version 2"},
    {"\"format_version\":\"1\",", "", DPQ_ERROR_CORRUPT, "format_version"},
    {"\"tiers\":\"1\"", "\"tiers\":\"2\"", DPQ_ERROR_CORRUPT, "tier.1.kind"},
    {"\"tiers\":\"1\"", "\"tiers\":\"0\"", DPQ_ERROR_CORRUPT, "tiers"},
    {"\"concat\"", "\"binary\"", DPQ_ERROR_CORRUPT, "binary"},
    {"\"concat\"", "\"concrete\"", DPQ_ERROR_CORRUPT, "concrete"},
    {"\"metric\":\"cosine\"", "\"metric\":\"l1\"", DPQ_ERROR_CORRUPT, "l1"},
    {"\"metric\":\"cosine\"", "\"metric\":\"l2\"", DPQ_ERROR_CORRUPT, "norm."},
    {"\"nearest\"", "\"farthest\"", DPQ_ERROR_CORRUPT, "farthest"},
    /* counts */
    {"\"rows\":\"9\"", "\"rows\":\"-9\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"09\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"9 \"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"0x9\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"10\"", DPQ_ERROR_CORRUPT, "tier 0"},
    {"\"rows\":\"9\"", "\"rows\":\"18446744073709551615\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":\"18446744073709551625\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"rows\":\"9\"", "\"rows\":9", DPQ_ERROR_CORRUPT, "strings"},
    {"\"rows\":\"9\"", "\"rows\":[\"9\"]", DPQ_ERROR_CORRUPT, "strings"},
    {"\"rows\":\"9\"", "\"rows\":null", DPQ_ERROR_CORRUPT, "strings"},
    {"\"rows\":\"9\"", "\"rows\":\"9\",\"rows\":\"9\"", DPQ_ERROR_CORRUPT, "twice"},
    {"\"rows\":\"9\"", "\"rows\":\"9\",\"r\\u006fws\":\"9\"", DPQ_ERROR_CORRUPT, "twice"},
    {"\"dimension\":\"10\"", "\"dimension\":\"0\"", DPQ_ERROR_CORRUPT, "dimension"},
    {"\"dimension\":\"10\"", "\"dimension\":\"4294967306\"", DPQ_ERROR_CORRUPT, "dimension"},
    {"\"dimension\":\"10\"", "\"dimension\":\"13\"", DPQ_ERROR_CORRUPT, "tier.0.codebook"},
    {"\"dimension\":\"10\"", "\"dimension\":\"9\"", DPQ_ERROR_CORRUPT, "groups"},
    {"\"tier.0.groups\":\"4\"", "\"tier.0.groups\":\"0\"", DPQ_ERROR_CORRUPT, "tier.0.groups"},
    {"\"tier.0.groups\":\"4\"", "\"tier.0.groups\":\"11\"", DPQ_ERROR_CORRUPT, "tier.0.groups"},
    {"\"tier.0.groups\":\"4\"", "\"tier.0.groups\":\"6\"", DPQ_ERROR_CORRUPT, "6 groups"},
    {"\"tier.0.codes\":\"5\"", "\"tier.0.codes\":\"1\"", DPQ_ERROR_CORRUPT, "tier.0.codes"},
    {"\"tier.0.codes\":\"5\"", "\"tier.0.codes\":\"65537\"", DPQ_ERROR_CORRUPT, "tier.0.codes"},
    {"\"tier.0.codes\":\"5\"", "\"tier.0.codes\":\"9\"", DPQ_ERROR_CORRUPT, "9 codes"},
    {"\"tier.0.codes\":\"5\"", "\"tier.0.codes\":\"6\"", DPQ_ERROR_CORRUPT, "tier.0.codebook"},
    {"\"tier.0.bits\":\"3\"", "\"tier.0.bits\":\"4\"", DPQ_ERROR_CORRUPT, "4 bits"},
    {"\"tier.0.bits\":\"3\"", "\"tier.0.bits\":\"64\"", DPQ_ERROR_CORRUPT, "tier.0.bits"},
    {"\"tier.0.rows\":\"9\"", "\"tier.0.rows\":\"8\"", DPQ_ERROR_CORRUPT, "tier.0.codes"},
    {"\"tier.0.rows\":\"9\"", "\"tier.0.rows\":\"9\",\"tier.1.rows\":\"9\"", DPQ_ERROR_CORRUPT, "tier.1.rows"},
    {"\"tier.0.rows\":\"9\"", "\"tier.0.rows\":\"9\",\"tier.0.rank\":\"9\"", DPQ_ERROR_CORRUPT, "tier.0.rank"},
    /* strings */
    {"\"metric\":\"cosine\"", "\"metric\":\"cos\\u0000ine\"", DPQ_ERROR_CORRUPT, "escape"},
    {"\"metric\":\"cosine\"", "\"metric\":\"cos\\ud800ine\"", DPQ_ERROR_CORRUPT, "escape"},
    {"\"metric\":\"cosine\"", "\"metric\":\"cos\\udc00ine\"", DPQ_ERROR_CORRUPT, "escape"},
    {"\"metric\":\"cosine\"", "\"metric\":\"cos\nine\"", DPQ_ERROR_CORRUPT, "control"},
    {"\"metric\":\"cosine\"", "\"metric\":\"c\\u006fsine\"", DPQ_OK, ""},
    {"\"metric\":\"cosine\"", "\"metric\":\"cos\\qine\"", DPQ_ERROR_CORRUPT, "JSON"},
    {"\"metric\":\"cosine\"", "\"metric\":\"cosine", DPQ_ERROR_CORRUPT, ""},
    {"\"metric\":\"cosine\"", "\"metric\" \"cosine\"", DPQ_ERROR_CORRUPT, ""},
    {"\"metric\":\"cosine\"", "\"metric\":", DPQ_ERROR_CORRUPT, ""},
    {"\"metric\":\"cosine\"", "\"metric\":\"cosine\":\"cosine\"", DPQ_ERROR_CORRUPT, ""},
    {METADATA,
     "{\"__metadata__\":{},"
     "\"__metadata__\":{",
     DPQ_ERROR_CORRUPT, "twice"},
    {METADATA, "[{\"__metadata__\":{", DPQ_ERROR_CORRUPT, ""},
    {METADATA, " {\"__metadata__\":{", DPQ_ERROR_CORRUPT, ""},
    {METADATA, "{\"x\":{\"__metadata__\":{", DPQ_ERROR_CORRUPT, ""},
    {METADATA, "{\"x\":1,\"__metadata__\":{", DPQ_ERROR_CORRUPT, "no object"},
    {METADATA, "{\"x\":[],\"__metadata__\":{", DPQ_ERROR_CORRUPT, "no object"},
    {METADATA, "{1:\"x\",\"__metadata__\":{", DPQ_ERROR_CORRUPT, ""},
    /* checksums */
    {"\"checksum.norm.codes\"", "\"checksum.norm.modes\"", DPQ_ERROR_CORRUPT, "checksum"},
    {"\"checksum.header\"", "\"checksum.leader\"", DPQ_ERROR_CORRUPT, "checksum"},
    {"\"checksum.header\":\"", "\"checksum.header\":\"0", DPQ_ERROR_CORRUPT, "hexadecimal"},
    {"\"checksum.header\":\"", "\"checksum.header\":\"x", DPQ_ERROR_CORRUPT, "hexadecimal"},
    /* tensors */
    {"\"norm.codes\":{\"dtype\":\"U8\"", "\"norm.codes\":{\"dtype\":\"I8\"", DPQ_ERROR_CORRUPT, "norm.codes"},
    {"\"norm.codes\":{\"dtype\":\"U8\"", "\"norm.codes\":{\"dtype\":8", DPQ_ERROR_CORRUPT, "norm.codes"},
    {"\"norm.codes\":{\"dtype\":\"U8\",", "\"norm.codes\":{", DPQ_ERROR_CORRUPT, "missing"},
    {"\"norm.codes\":{\"dtype\":\"U8\",", "\"norm.codes\":{\"dtype\":\"U8\",\"dtype\":\"U8\",", DPQ_ERROR_CORRUPT,
     "twice"},
    {"\"norm.codes\":{\"dtype\":\"U8\",", "\"norm.codes\":{\"dtype\":\"U8\",\"x\":{\"y\":[1]},", DPQ_ERROR_CORRUPT,
     "unknown"},
    {"\"norm.codes\":{", "\"norm.codes\":{},\"x\":{", DPQ_ERROR_CORRUPT, "norm.codes"},
    {"\"norm.codes\":{",
     "\"norm.c\\u006fdes\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"norm.codes\":{", DPQ_ERROR_CORRUPT,
     "twice"},
    {"\"norm.codes\":{", "\"extra\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"norm.codes\":{",
     DPQ_ERROR_CORRUPT, "extra has no checksum"},
    {"\"norm.codes\":{", "\"extra\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"norm.codes\":{",
     DPQ_ERROR_CORRUPT, "overlap"},
    {"\"norm.codes\":{", "\"tier.1.codes\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"norm.codes\":{",
     DPQ_ERROR_CORRUPT, "tier.1.codes"},
    {"\"norm.codes\":{", "\"header\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"norm.codes\":{",
     DPQ_ERROR_CORRUPT, "header"},
    {"\"norm.codes\":", "\"norm.odes\":", DPQ_ERROR_CORRUPT, "norm.codes"},
    {"\"vocabulary.order\":", "\"vocabulary.border\":", DPQ_ERROR_CORRUPT, "vocabulary.order"},
    {"\"shape\":[256]", "\"shape\":[16,16]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[255]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[-256]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[256.0]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[2.56e2]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[\"256\"]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[[256]]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":256", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":{\"a\":256}", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[1,1,1,1,256]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[true]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[4294967296,4294967296,256]", DPQ_ERROR_CORRUPT, "overflows"},
    {"\"shape\":[256]", "\"shape\":[4611686018427387904,4]", DPQ_ERROR_CORRUPT, "overflows"},
    {"\"shape\":[256]", "\"shape\":[4611686018427388160]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[18446744073709551616]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"shape\":[256]", "\"shape\":[99999999999999999999999999]", DPQ_ERROR_CORRUPT, "norm.codebook"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[0,18446744073709551616]", DPQ_ERROR_CORRUPT, "vocabulary.offsets"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[18446744073709551536,80]", DPQ_ERROR_CORRUPT, "vocabulary.offsets"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[0,18446744073709551615]", DPQ_ERROR_CORRUPT, "outside"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[80,0]", DPQ_ERROR_CORRUPT, "outside"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[8,88]", DPQ_ERROR_CORRUPT, "gap"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[1,81]", DPQ_ERROR_CORRUPT, "aligned"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[0,88]", DPQ_ERROR_CORRUPT, "do not agree"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[0]", DPQ_ERROR_CORRUPT, "data_offsets"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[0,80,80]", DPQ_ERROR_CORRUPT, "data_offsets"},
    {"\"data_offsets\":[0,80]", "\"data_offsets\":[]", DPQ_ERROR_CORRUPT, "data_offsets"},
};

/* The same for a file of three tiers. */
static const edit tier_edits[] = {
    {"\"tiers\":\"3\"", "\"tiers\":\"4\"", DPQ_ERROR_CORRUPT, "tier.3.kind"},
    {"\"tiers\":\"3\"", "\"tiers\":\"2\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"tiers\":\"3\"", "\"tiers\":\"1\"", DPQ_ERROR_CORRUPT, "rows"},
    {"\"tiers\":\"3\"", "\"tiers\":\"257\"", DPQ_ERROR_CORRUPT, "tiers"},
    {"\"rows\":\"11\"", "\"rows\":\"12\"", DPQ_ERROR_CORRUPT, "tiers do not hold"},
    {"\"binary\"", "\"concat\"", DPQ_ERROR_CORRUPT, "tier.1.groups"},
    {"\"tier.1.groups\":\"5\"", "\"tier.1.groups\":\"6\"", DPQ_ERROR_CORRUPT, "tier.1.basis"},
    {"\"tier.1.groups\":\"5\"", "\"tier.1.groups\":\"65537\"", DPQ_ERROR_CORRUPT, "tier.1.groups"},
    {"\"tier.1.codes\":\"2\"", "\"tier.1.codes\":\"3\"", DPQ_ERROR_CORRUPT, "other codes"},
    {"\"tier.1.bits\":\"1\"", "\"tier.1.bits\":\"2\"", DPQ_ERROR_CORRUPT, "other codes"},
    {"\"tier.1.basis\":{", "\"tier.1.basin\":{", DPQ_ERROR_CORRUPT, "tier.1.basis"},
    {"\"tier.1.bias\":{", "\"tier.0.bias\":{", DPQ_ERROR_CORRUPT, "tier.1.bias"},
    {"\"shape\":[5,4]", "\"shape\":[4,5]", DPQ_ERROR_CORRUPT, "tier.1.basis"},
    {"\"tier.map\":{", "\"tier.mop\":{", DPQ_ERROR_CORRUPT, "tier.map"},
    {"\"tier.rank\":{", "\"tier.rink\":{", DPQ_ERROR_CORRUPT, "tier.rank"},
    {"\"tier.rank\":{\"dtype\":\"U64\",\"shape\":[1,3]", "\"tier.rank\":{\"dtype\":\"U64\",\"shape\":[3,1]",
     DPQ_ERROR_CORRUPT, "tier.rank"},
    {"\"tier.2.kind\"", "\"tier.02.kind\"", DPQ_ERROR_CORRUPT, "tier.2.kind"},
    {"\"tier.2.kind\"", "\"tier.2.kind\":\"concat\",\"tier.02.kind\"", DPQ_ERROR_CORRUPT, "tier.02.kind"},
    {"\"tier.2.kind\"", "\"tier.3.kind\":\"concat\",\"tier.2.kind\"", DPQ_ERROR_CORRUPT, "tier.3.kind"},
};

static char *replaced(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    CHECK(at, "the edit \"%s\" does not apply", from);
    if (!at) return NULL;
    char *out = malloc(strlen(text) + strlen(to) + 1);
    size_t before = (size_t)(at - text);
    memcpy(out, text, before);
    strcpy(out + before, to);
    strcat(out, at + strlen(from));
    return out;
}

static void edit_header(const fixture *f, const edit *edits, size_t count) {
    char *header = header_of(f->file);
    size_t header_bytes = strlen(header), bytes;
    const uint8_t *data = f->file + 8 + header_bytes;
    for (size_t i = 0; i < count; i++) {
        char *text = replaced(header, edits[i].from, edits[i].to), message[252];
        if (!text) continue;
        int opened;
        uint8_t *file = file_of(text, data, f->bytes - 8 - header_bytes, &bytes);
        dpq_status status = use(file, bytes, &opened, message);
        if (opened) CHECK(status != DPQ_OK, "%s: verify did not notice", edits[i].to);
        if (opened) status = DPQ_OK;
        CHECK(status == edits[i].expected, "%s: status %d, not %d: %s", edits[i].to, status, edits[i].expected,
              message);
        CHECK(opened || strstr(message, edits[i].named), "%s: \"%s\" does not name %s", edits[i].to, message,
              edits[i].named);
        free(file);
        free(text);
    }
    free(header);
}

/* A header of its own over no data. */
static void check_header(const char *header, dpq_status expected) {
    size_t bytes;
    int opened;
    char message[252];
    uint8_t *file = file_of(header, NULL, 0, &bytes);
    dpq_status status = use(file, bytes, &opened, message);
    CHECK(status == expected && !opened, "%.60s: status %d, not %d: %s", header, status, expected, message);
    free(file);
}

static void strange_headers(void) {
    check_header("", DPQ_ERROR_FORMAT);
    check_header("{", DPQ_ERROR_FORMAT);
    check_header("{}", DPQ_ERROR_FORMAT);
    check_header("[]", DPQ_ERROR_FORMAT);
    check_header("{}{}", DPQ_ERROR_FORMAT);
    check_header("{\"__metadata__\":{}}", DPQ_ERROR_FORMAT);
    check_header("{\"__metadata__\":{\"format\":\"dpq\"}}", DPQ_ERROR_CORRUPT);
    check_header("{\"__metadata__\":{\"format\":\"dpq\"}}]", DPQ_ERROR_CORRUPT);
    check_header("{\"__metadata__\":[\"format\",\"dpq\"]}", DPQ_ERROR_FORMAT);
    check_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", DPQ_ERROR_FORMAT);
    const size_t depth = 1000000;
    char *deep = malloc(depth + 64);
    static const char opening[] = "{[";
    for (int shape = 0; shape < 2; shape++) {
        strcpy(deep, "{\"__metadata__\":{\"format\":\"dpq\"},\"a\":");
        const size_t start = strlen(deep);
        memset(deep + start, opening[shape], depth);
        deep[start + depth] = 0;
        check_header(deep, DPQ_ERROR_CORRUPT);
        /* As deep as the number of tokens allows, and closed again. */
        memset(deep + start, '[', 8000);
        memset(deep + start + 8000, ']', 8000);
        strcpy(deep + start + 16000, "}");
        check_header(deep, DPQ_ERROR_CORRUPT);
    }
    free(deep);
}

static void strange_map(layout l, const char *named) {
    fixture f = fixture_make(l, 3);
    int opened;
    char message[252];
    CHECK(use(f.file, f.bytes, &opened, message) == DPQ_ERROR_CORRUPT && opened, "damage %d: %s", l.damage, message);
    CHECK(strstr(message, named), "%zu tiers, %zu rows, damage %d: %s", l.tier_count, l.rows, l.damage, message);
    fixture_free(&f);
}

/* Maps that lead where they should not: rows come from somewhere inside the file, and verify refuses. Rows of nine tiers
 * are found another way than those of fewer. */
static void strange_maps(void) {
    static const char *const named[] = {"in tier 3", "tier.rank", "tier.rank",          "tier.rank",
                                        "tier.rank", "tier.rank", "beyond its last row"};
    static const size_t rows[] = {517, 901};
    for (int damage = DAMAGE_TIER; damage <= DAMAGE_SPARE; damage++)
        for (size_t r = 0; r < 2; r++) {
            const layout three = {
                .rows = rows[r],
                .dimension = 4,
                .damage = damage,
                .empty = 2,
                .tier_count = 3,
                .tiers = {{.groups = 2, .codes = 3}, {.groups = 5, .binary = 1}, {.groups = 4, .codes = 4}}};
            strange_map(three, named[damage - 1]);
            layout more = three;
            for (size_t t = 3; t < MOST_TIERS; t++)
                more.tiers[t] = (tier_layout){.groups = 4, .codes = 1 + ((size_t)1 << t)};
            for (more.tier_count = 6; more.tier_count <= MOST_TIERS; more.tier_count += 3)
                if (damage >= DAMAGE_PLACE && damage <= DAMAGE_ONE_TIER) strange_map(more, named[damage - 1]);
        }
}

static void strange_lengths(const fixture *f) {
    static const uint64_t lengths[] = {
        0, 1, 2, 7, 100000001, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    uint8_t *file = malloc(f->bytes);
    int opened;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(file, f->file, f->bytes);
        for (int b = 0; b < 8; b++) file[b] = (uint8_t)(lengths[i] >> 8 * b);
        dpq_status status = use(file, f->bytes, &opened, NULL);
        CHECK(!opened && status == DPQ_ERROR_CORRUPT, "header length %llu: status %d", (unsigned long long)lengths[i],
              status);
    }
    memcpy(file, f->file, f->bytes);
    file[40] = 0;
    CHECK(use(file, f->bytes, &opened, NULL) != DPQ_OK && !opened, "a zero byte in the header");
    dpq_table *table;
    CHECK(dpq_table_open_memory(file + 1, f->bytes - 1, &table, NULL) == DPQ_ERROR_ARGUMENT && !table, "not aligned");
    CHECK(dpq_table_open_memory(NULL, 100, &table, NULL) == DPQ_ERROR_ARGUMENT && !table, "NULL");
    free(file);
    static const uint8_t noise[64] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    CHECK(use(noise, sizeof noise, &opened, NULL) == DPQ_ERROR_FORMAT, "a numpy file");
}

int main(void) {
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        fixture f = fixture_make(small[i], 7 + i);
        int opened;
        char message[252];
        subject = small[i].name;
        CHECK(use(f.file, f.bytes, &opened, message) == DPQ_OK, "%s", message);
        flip_every_byte(&f);
        cut_at_every_byte(&f);
        if (i == 0) {
            edit_header(&f, edits, sizeof edits / sizeof *edits);
            strange_lengths(&f);
        } else if (i == 3) {
            edit_header(&f, tier_edits, sizeof tier_edits / sizeof *tier_edits);
        }
        printf("%s: %zu bytes flipped and cut\n", small[i].name, f.bytes);
        fixture_free(&f);
    }
    subject = "headers";
    strange_headers();
    subject = "maps";
    strange_maps();
    printf("%zu edits, %d failures\n", sizeof edits / sizeof *edits, failures);
    return failures != 0;
}
