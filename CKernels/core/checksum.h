/* checksum.h - what reading needs beside dpq_checksum. */
#ifndef DPQI_CHECKSUM_H
#define DPQI_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* dpq_checksum of `bytes` bytes with data[hole, hole + hole_bytes) read as the digit '0': a header that contains its
 * own checksum. hole + hole_bytes <= bytes. */
uint64_t dpqi_checksum_around(const void *data, size_t bytes, size_t hole, size_t hole_bytes);

#endif
