/* dpq.h - read compressed embedding tables (.dpq files). The stable C interface.
 *
 * A .dpq file holds a table of rows x dimension numbers as a few code bytes a row and small codebooks, with or without
 * a word for each row; docs/format.md describes it. This library answers from those codes: rows by id or by word, sums
 * of rows, dot products and nearest rows. It needs nothing but the C library.
 *
 *     dpq_table *table;
 *     dpq_error error;
 *     if (dpq_table_open("words.dpq", NULL, &table, &error) != DPQ_OK) { puts(error.message); return 1; }
 *     int64_t id;
 *     float row[300];                                            // dpq_table_describe tells the dimension
 *     if (dpq_table_find(table, "cat", 3, &id, NULL) == DPQ_OK)
 *         dpq_table_lookup(table, &id, 1, DPQ_OUTSIDE_ERROR, row, 300, NULL);
 *     dpq_table_close(table);
 *
 * Rules that hold for every function
 *   - Ownership: what a function returns by pointer (words, metadata, sections, codebooks) belongs to the table and
 * lives until dpq_table_close. Everything passed in stays the caller's and is not kept, but for the memory given to
 *     dpq_table_open_memory.
 *   - Threads: an open table never changes. Every function that takes a `const dpq_table *` may be called on the same
 *     table from any number of threads at once. Open and close are safe on different tables at once.
 *   - Memory: only the open functions allocate. Functions that need scratch take a workspace from the caller, of any
 *     alignment, sized by the function named ..._workspace_bytes; two calls at once need two workspaces.
 *   - Errors: functions return a dpq_status and never abort, print or set a global. Where the last argument is a
 *     `dpq_error *` it may be NULL; otherwise it receives the status and one line saying what is wrong (on success:
 * DPQ_OK and an empty line). Unless said otherwise nothing is written to the other outputs on failure.
 *   - Structs that may grow start with `struct_size`, which the caller sets to sizeof the struct as it knows it; the
 *     library fills or reads no more than that.
 *   - Files are treated as hostile: opening checks the whole structure, so that no call reads outside the file whatever
 *     the bytes are. Only dpq_table_verify compares checksums.
 *   - A file that is changed or cut short by somebody while it is mapped gives wrong values or the signal SIGBUS; where
 *     that can happen open it with DPQ_OPEN_READ. Replacing a file by renaming another over it is harmless.
 */
#ifndef DPQ_H
#define DPQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define DPQ_API __attribute__((visibility("default")))
#else
#define DPQ_API
#endif

/* ---- version and status ----------------------------------------------------------------------------------------- */

#define DPQ_VERSION_MAJOR 0
#define DPQ_VERSION_MINOR 1
#define DPQ_VERSION_PATCH 0

/* Version of the library that runs: major * 1000000 + minor * 1000 + patch. */
DPQ_API uint32_t dpq_version(void);

/* What a call came to. Values are stable; new ones may be added. */
typedef int32_t dpq_status;
enum {
    DPQ_OK = 0,
    DPQ_ERROR_ARGUMENT = 1,      /* the caller broke the contract of the function */
    DPQ_ERROR_MEMORY = 2,        /* no memory, or a workspace too small */
    DPQ_ERROR_NOT_FOUND = 3,     /* no such file, word or tensor */
    DPQ_ERROR_IO = 4,            /* the system could not read the file */
    DPQ_ERROR_FORMAT = 5,        /* not a dpq file at all */
    DPQ_ERROR_CORRUPT = 6,       /* a dpq file whose parts contradict each other or its length */
    DPQ_ERROR_VERSION = 7,       /* a format version or feature this library does not know */
    DPQ_ERROR_CHECKSUM = 8,      /* the contents do not match their checksum */
    DPQ_ERROR_RANGE = 9,         /* a row id outside the table */
    DPQ_ERROR_NO_VOCABULARY = 10 /* words were asked of a table without a vocabulary */
};

/* One short English sentence for a status; never NULL. */
DPQ_API const char *dpq_status_text(dpq_status status);

/* What went wrong in one call. The message is one line, always terminated, cut where it does not fit. */
typedef struct dpq_error {
    dpq_status status;
    char message[252];
} dpq_error;

/* ---- open and close --------------------------------------------------------------------------------------------- */

/* An open table. */
typedef struct dpq_table dpq_table;

enum {
    DPQ_OPEN_MAP = 0,        /* map the file: opening costs next to nothing, only what is used comes into memory */
    DPQ_OPEN_READ = 1,       /* read the whole file into memory: safe from changes to the file */
    DPQ_OPEN_LARGE_PAGES = 2 /* map it with large pages where the system can: many lookups run faster, but any value
                                touched may count 2 MB as resident. Ignored with DPQ_OPEN_READ */
};

typedef struct dpq_open_options {
    size_t struct_size;
    uint32_t flags; /* DPQ_OPEN_..., combined by | */
} dpq_open_options;

/* Opens the file at `path`. `options` may be NULL (DPQ_OPEN_MAP). The header is read and its structure checked: tensor
 * shapes, types, positions and the file's length must agree. Codebooks of up to 4 MB are copied to where each codeword
 * lies in as few cache lines as can be; float16 codebooks are widened, once, and the sums of each four bits of a binary
 * tier are made: four times the bytes of its basis as float32. The map of 2 to 8 tiers is read and counted: 0.3 to 1 ns and
 * 0.25 to 2.5 bytes of memory a row. On success
 * *out_table is to be closed by the caller; on failure it is NULL.
 * Errors: NOT_FOUND, IO, FORMAT, CORRUPT, VERSION, MEMORY, ARGUMENT. */
DPQ_API dpq_status dpq_table_open(const char *path, const dpq_open_options *options, dpq_table **out_table,
                                  dpq_error *error);

/* The same over the `bytes` bytes of a file that lie at `data`, aligned to 8 bytes. The memory is not copied: it must
 * stay, unchanged, until the table is closed. Errors: as dpq_table_open but for those of files. */
DPQ_API dpq_status dpq_table_open_memory(const void *data, size_t bytes, dpq_table **out_table, dpq_error *error);

/* Ends the table and everything that points into it. NULL is ignored. No other call may be using the table. */
DPQ_API void dpq_table_close(dpq_table *table);

/* ---- what the table is ------------------------------------------------------------------------------------------ */

typedef int32_t dpq_metric;
enum {
    DPQ_METRIC_L2 = 0,    /* codebooks describe the rows */
    DPQ_METRIC_COSINE = 1 /* codebooks describe unit rows; a norm a row is stored beside them */
};

typedef int32_t dpq_assignment;
enum {
    DPQ_ASSIGNMENT_NEAREST = 0, /* a code is the nearest codeword */
    DPQ_ASSIGNMENT_RESPONSE = 1 /* a code is the largest response of a trained layer */
};

typedef int32_t dpq_tier_kind;
enum { DPQ_TIER_CONCAT = 0, DPQ_TIER_BINARY = 1 };

typedef int32_t dpq_codebook_type;
enum { DPQ_CODEBOOK_F32 = 0, DPQ_CODEBOOK_F16 = 1 };

/* Filled by dpq_table_describe. */
typedef struct dpq_description {
    size_t struct_size;
    uint64_t rows;
    uint64_t dimension;
    uint64_t file_bytes;
    uint64_t header_bytes; /* where the data starts: 8 + length of the JSON header */
    dpq_metric metric;
    dpq_assignment assignment;
    uint32_t tiers; /* sets of rows coded alike, ascending by bits a row; see dpq_table_describe_tier */
    int32_t has_vocabulary;
} dpq_description;

/* How the rows of one tier are coded. A concat row is `groups` codes of `bits` bits; each picks one of `codes` codewords
 * of `width` values. A binary row is `groups` codes of one bit; each adds a vector of `width` = dimension values or not.
 * Filled by dpq_table_describe_tier. */
typedef struct dpq_tier_description {
    size_t struct_size;
    uint64_t rows;
    uint64_t groups;
    uint64_t codes;
    uint64_t width;     /* ceil(dimension / groups); the dimension where the tier is binary */
    uint64_t row_bytes; /* packed codes of a row: ceil(groups * bits / 8) */
    uint32_t bits;      /* ceil(log2 codes) */
    dpq_tier_kind kind;
    dpq_codebook_type codebook_type;
    int32_t shared; /* one codebook serves all groups (told apart only where groups > 1) */
} dpq_tier_description;

/* Fills *out, whose struct_size the caller has set. Errors: ARGUMENT. */
DPQ_API dpq_status dpq_table_describe(const dpq_table *table, dpq_description *out);

/* The same for tier `tier`, 0 <= tier < tiers. Errors: ARGUMENT. */
DPQ_API dpq_status dpq_table_describe_tier(const dpq_table *table, uint32_t tier, dpq_tier_description *out);

/* The tier of each of the rows `ids`[count], all inside the table, to out_tiers[count]. Errors: RANGE, ARGUMENT. */
DPQ_API dpq_status dpq_table_tiers(const dpq_table *table, const int64_t *ids, size_t count, uint8_t *out_tiers,
                                   dpq_error *error);

/* The value of a metadata key ("recipe", "checksum.norm.codes", ...), or NULL where there is none. UTF-8, terminated.
 */
DPQ_API const char *dpq_table_metadata(const dpq_table *table, const char *key);

/* One tensor of the file as stored. Filled by the functions below. */
typedef struct dpq_section {
    size_t struct_size;
    const char *name;
    const char *type; /* "U8", "U64", "F32" or "F16" */
    const void *data; /* little endian, aligned to its element */
    uint64_t bytes;
    uint64_t shape[4]; /* the first `rank` are used */
    uint32_t rank;
} dpq_section;

/* Number of tensors in the file. */
DPQ_API size_t dpq_table_section_count(const dpq_table *table);

/* Tensor `index` in the order of the file, or the tensor called `name`. Errors: ARGUMENT, NOT_FOUND. */
DPQ_API dpq_status dpq_table_section_at(const dpq_table *table, size_t index, dpq_section *out);
DPQ_API dpq_status dpq_table_section_named(const dpq_table *table, const char *name, dpq_section *out);

/* The codewords of a tier as float32, [groups or 1][codes][width], or the basis of a binary one, [groups][dimension],
 * widened where stored as float16; the bias of a binary tier is the section "tier.T.bias". NULL when there is no such
 * tier. Aligned to 4 bytes. */
DPQ_API const float *dpq_table_codebook(const dpq_table *table, uint32_t tier);

/* Checks everything that opening does not: every checksum, codes below their count, finite codewords and norms, the tier
 * of each row, words in order and each row's word found. Reads the whole file. Errors: CHECKSUM, CORRUPT. */
DPQ_API dpq_status dpq_table_verify(const dpq_table *table, dpq_error *error);

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* Row of the word of `bytes` bytes (UTF-8, compared byte by byte), the lowest where it stands twice. A binary search
 * that touches only the words it compares. Errors: NOT_FOUND, NO_VOCABULARY, CORRUPT. */
DPQ_API dpq_status dpq_table_find(const dpq_table *table, const char *word, size_t bytes, int64_t *out_id,
                                  dpq_error *error);

/* The word of row `id`: *out_word points at *out_bytes bytes, not terminated. Errors: RANGE, NO_VOCABULARY, CORRUPT. */
DPQ_API dpq_status dpq_table_word(const dpq_table *table, int64_t id, const char **out_word, size_t *out_bytes,
                                  dpq_error *error);

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* What to do with an id below 0 or not below the number of rows. */
typedef int32_t dpq_outside;
enum {
    DPQ_OUTSIDE_ERROR = 0, /* DPQ_ERROR_RANGE, found before anything is written */
    DPQ_OUTSIDE_ZERO = 1,  /* a row of zeros */
    DPQ_OUTSIDE_LAST = 2   /* the last row of the table (zeros where the table has no rows) */
};

/* Rows `ids`[count] to out[count][out_stride]; out_stride >= dimension, in floats. Elements from dimension to
 * out_stride are not touched. Errors: RANGE, ARGUMENT. */
DPQ_API dpq_status dpq_table_lookup(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                                    float *out, size_t out_stride, dpq_error *error);

/* Types of numbers. */
typedef int32_t dpq_scalar;
enum { DPQ_F32 = 0, DPQ_F16 = 1, DPQ_BF16 = 2, DPQ_F64 = 3 };

/* Bytes of workspace for dpq_table_lookup_as. */
DPQ_API size_t dpq_table_lookup_as_workspace_bytes(const dpq_table *table);

/* dpq_table_lookup with values of 2 bytes: out[count][out_stride] holds float16 (DPQ_F16) or bfloat16 (DPQ_BF16) as
 * `type` says, rounded to nearest even; beyond the range of float16 they are infinite. out is aligned to 2 bytes.
 * Errors: RANGE, ARGUMENT (any other type among them), MEMORY (workspace too small). */
DPQ_API dpq_status dpq_table_lookup_as(const dpq_table *table, const int64_t *ids, size_t count, dpq_outside outside,
                                       dpq_scalar type, void *out, size_t out_stride, void *workspace,
                                       size_t workspace_bytes, dpq_error *error);

/* Rows [first, first + count), as dpq_table_lookup of those ids. Errors: RANGE, ARGUMENT. */
DPQ_API dpq_status dpq_table_read(const dpq_table *table, uint64_t first, size_t count, float *out, size_t out_stride,
                                  dpq_error *error);

typedef int32_t dpq_bag;
enum {
    DPQ_BAG_SUM = 0, /* sum of weight * row */
    DPQ_BAG_MEAN = 1 /* sum of rows / number of ids; weights must be NULL */
};

/* Sums or means of runs of rows: bag b is ids[offsets[b]] up to, not including, ids[offsets[b + 1]], the last one up to
 * ids[id_count]. offsets[0] must be 0 and none may be below its predecessor or above id_count. `weights`: one factor an
 * id, or NULL for 1. The result goes to out[bag_count][out_stride]; an empty bag gives zeros, and a row of zeros
 * (DPQ_OUTSIDE_ZERO) counts in the mean. Errors: RANGE, ARGUMENT. */
DPQ_API dpq_status dpq_table_bag(const dpq_table *table, const int64_t *ids, size_t id_count, const int64_t *offsets,
                                 size_t bag_count, const float *weights, dpq_bag mode, dpq_outside outside, float *out,
                                 size_t out_stride, dpq_error *error);

/* ---- products and search ---------------------------------------------------------------------------------------- */

/* Bytes of workspace for dpq_table_dot. */
DPQ_API size_t dpq_table_dot_workspace_bytes(const dpq_table *table);

/* Dot products of query[dimension] with rows, to out[count]: with the rows `ids`, or where ids is NULL with rows
 * [first, first + count). No row is decoded: the products of the query with every codeword are looked up and added.
 * Errors: RANGE, ARGUMENT, MEMORY (workspace too small). */
DPQ_API dpq_status dpq_table_dot(const dpq_table *table, const float *query, const int64_t *ids, uint64_t first,
                                 size_t count, void *workspace, size_t workspace_bytes, float *out, dpq_error *error);

typedef int32_t dpq_search;
enum {
    DPQ_SEARCH_COSINE = 0, /* q.x / (|q| |x|), largest first; 0 where either is zero */
    DPQ_SEARCH_DOT = 1,    /* q.x, largest first */
    DPQ_SEARCH_L2 = 2      /* |q - x|^2, smallest first */
};

/* Bytes of workspace for dpq_table_neighbors of at most `k` rows. */
DPQ_API size_t dpq_table_neighbors_workspace_bytes(const dpq_table *table, size_t k);

/* The k rows nearest to query[dimension], best first, the lower id first among equals, without row `excluded` (-1 for
 * none). Compared with every row by look-up tables; for cosines and distances rows of binary tiers are decoded. Writes min(k, rows left) ids and scores and their number.
 * Errors: ARGUMENT (a query that is not finite), MEMORY (workspace too small). */
DPQ_API dpq_status dpq_table_neighbors(const dpq_table *table, const float *query, dpq_search search, size_t k,
                                       int64_t excluded, void *workspace, size_t workspace_bytes, int64_t *out_ids,
                                       float *out_scores, size_t *out_count, dpq_error *error);

#ifdef __cplusplus
}
#endif
#endif
