/* dpq.h - read compressed embedding tables (.dpq files). The stable C interface. */
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

#ifdef __cplusplus
}
#endif
#endif
