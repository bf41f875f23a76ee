/* What POSIX offers beside C11; with large files on 32-bit systems. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define _FILE_OFFSET_BITS 64
#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/error.h"

/* strerror is not safe on several threads and strerror_r has two incompatible forms, so the usual cases are named here.
 */
static const char *reason(int code) {
    switch (code) {
    case EACCES:
    case EPERM: return "permission denied";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENOMEM: return "no memory";
    case EIO: return "input/output error";
    case ELOOP: return "too many symbolic links";
    case ENAMETOOLONG: return "the name is too long";
    default: return "the system refused it";
    }
}

static dpq_status fail_with(dpq_error *error, const char *what, int code) {
    if (code == ENOENT || code == ENOTDIR) return dpqi_fail(error, DPQ_ERROR_NOT_FOUND, "no such file: check the path");
    const dpq_status status = code == ENOMEM ? DPQ_ERROR_MEMORY : DPQ_ERROR_IO;
    return dpqi_fail(error, status, "%s: %s (error %d of the system)", what, reason(code), code);
}

static dpq_status read_all(int descriptor, size_t bytes, dpqi_file *out, dpq_error *error) {
    uint8_t *data = malloc(bytes ? bytes : 1);
    if (!data) return dpqi_fail(error, DPQ_ERROR_MEMORY, "no memory for the %zu bytes of the file", bytes);
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = read(descriptor, data + have, bytes - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int code = errno;
            free(data);
            return fail_with(error, "cannot read the file", code);
        }
        if (got == 0) break; /* it shrank meanwhile: what is there is judged like any file */
        have += (size_t)got;
    }
    *out = (dpqi_file){data, have, DPQI_FILE_READ};
    return DPQ_OK;
}

/* Maps `bytes` bytes. Linux maps a whole large page of the file cache, 2 MB, at the first touch of any part of it,
 * where file and address lie alike on its grid. A program that asks for a few words would have most of a small file
 * counted as its own, so unless large pages are asked for the mapping starts off the grid: a touch then brings in 64
 * KB. */
static void *map(int descriptor, size_t bytes, uint32_t flags) {
#if defined(__linux__) && defined(MAP_ANONYMOUS)
    enum { GRID = 1 << 21, STEP = 1 << 16 };
    if (!(flags & DPQ_OPEN_LARGE_PAGES) && bytes >= GRID) {
        uint8_t *room = mmap(NULL, bytes + STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED) return MAP_FAILED;
        const size_t shift = (uintptr_t)room % GRID == 0 ? STEP : 0;
        void *data = mmap(room + shift, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor, 0);
        if (data == MAP_FAILED) {
            const int code = errno;
            munmap(room, bytes + STEP);
            errno = code;
            return MAP_FAILED;
        }
        /* What is left of the room lies before the data, or from the page after it on. */
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), end = shift + (bytes + page - 1) / page * page;
        if (shift) munmap(room, shift);
        if (end < bytes + STEP) munmap(room + end, bytes + STEP - end);
        return data;
    }
#endif
    (void)flags;
    return mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
}

static dpq_status open_descriptor(int descriptor, uint32_t flags, dpqi_file *out, dpq_error *error) {
    struct stat state;
    if (fstat(descriptor, &state) != 0) return fail_with(error, "cannot read the file", errno);
    if (S_ISDIR(state.st_mode)) return dpqi_fail(error, DPQ_ERROR_FORMAT, "not a dpq file but a folder");
    if (!S_ISREG(state.st_mode)) return dpqi_fail(error, DPQ_ERROR_FORMAT, "not a dpq file: no regular file at all");
    if (state.st_size < 0 || (uint64_t)state.st_size > SIZE_MAX / 2)
        return dpqi_fail(error, DPQ_ERROR_MEMORY, "the file is too large for this machine");
    size_t bytes = (size_t)state.st_size;
    if ((flags & DPQ_OPEN_READ) || bytes == 0) return read_all(descriptor, bytes, out, error);
    void *data = map(descriptor, bytes, flags);
    if (data == MAP_FAILED) return fail_with(error, "cannot map the file", errno);
    *out = (dpqi_file){data, bytes, DPQI_FILE_MAPPED};
    return DPQ_OK;
}

dpq_status dpqi_file_open(const char *path, uint32_t flags, dpqi_file *out, dpq_error *error) {
    int saved = errno;
    dpq_status status;
    /* Without O_NONBLOCK opening a named pipe would wait for a writer. */
    int descriptor;
    do descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) {
        status = fail_with(error, "cannot open the file", errno);
    } else {
        status = open_descriptor(descriptor, flags, out, error);
        close(descriptor);
    }
    errno = saved;
    return status;
}

void dpqi_file_close(dpqi_file *file) {
    int saved = errno;
    if (file->origin == DPQI_FILE_MAPPED) munmap((void *)(uintptr_t)file->data, file->bytes);
    if (file->origin == DPQI_FILE_READ) free((void *)(uintptr_t)file->data);
    *file = (dpqi_file){NULL, 0, DPQI_FILE_BORROWED};
    errno = saved;
}
