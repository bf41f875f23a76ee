/* container.h - the safetensors container: names, types, shapes and positions of tensors, and string metadata.
 *
 * Knows nothing of what the tensors mean. Everything it reports has been checked: every tensor lies inside the file,
 * aligned, and together they cover the data without gap or overlap. */
#ifndef DPQI_CONTAINER_H
#define DPQI_CONTAINER_H

#include "dpq.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Files are little endian and read in place: this machine is not."
#endif

enum { DPQI_MAXIMUM_RANK = 4 };

typedef enum { DPQI_U8, DPQI_F16, DPQI_F32, DPQI_U64 } dpqi_type;

typedef struct dpqi_tensor {
    const char *name; /* terminated */
    dpqi_type type;
    uint32_t rank;
    uint64_t shape[DPQI_MAXIMUM_RANK];
    uint64_t count; /* product of the shape */
    const uint8_t *data;
    uint64_t bytes;
} dpqi_tensor;

typedef struct dpqi_metadata {
    const char *key;   /* terminated, escapes resolved */
    const char *value; /* the same */
    size_t value_at;   /* where the value's first character stands in the header */
    size_t value_raw;  /* its length there, escapes included */
} dpqi_metadata;

typedef struct dpqi_container {
    const char *header; /* the JSON text, not terminated */
    size_t header_bytes;
    dpqi_tensor *tensors; /* in the order of the file */
    size_t tensor_count;
    dpqi_metadata *metadata;
    size_t metadata_count;
    char *strings; /* what names, keys and values point into */
} dpqi_container;

/* Reads the header of a file of `bytes` bytes at `file`, aligned to 8. Errors: FORMAT, CORRUPT, MEMORY. */
dpq_status dpqi_container_open(const uint8_t *file, size_t bytes, dpqi_container *out, dpq_error *error);
void dpqi_container_close(dpqi_container *container);

/* The tensor or metadata of a name, or NULL. */
const dpqi_tensor *dpqi_container_tensor(const dpqi_container *container, const char *name);
const dpqi_metadata *dpqi_container_metadata(const dpqi_container *container, const char *key);

const char *dpqi_type_name(dpqi_type type);
size_t dpqi_type_bytes(dpqi_type type);

/* The value of a text of decimal digits alone, without sign or leading zero. Returns 0 where it is none or overflows.
 */
int dpqi_parse_count(const char *text, size_t length, uint64_t *out);

#endif
