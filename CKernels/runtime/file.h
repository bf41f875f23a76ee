/* file.h - the bytes of a file, mapped or read. */
#ifndef DPQI_FILE_H
#define DPQI_FILE_H

#include "dpq.h"

typedef struct dpqi_file {
    const uint8_t *data;
    size_t bytes;
    enum { DPQI_FILE_BORROWED, DPQI_FILE_MAPPED, DPQI_FILE_READ } origin;
} dpqi_file;

dpq_status dpqi_file_open(const char *path, uint32_t flags, dpqi_file *out, dpq_error *error);
void dpqi_file_close(dpqi_file *file);

#endif
