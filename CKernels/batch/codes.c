/* Packing, unpacking and reconstruction of many rows. */
#include "batch/dispatch.h"
#include "batch/parallel.h"

typedef struct job {
    const dpqi_batch_kernels *kernels;
    const dpqi_kernels *reading;
    dpqi_decoder decoder;
    const void *in;
    void *out;
    size_t stride; /* of out, in its elements */
} job;

static int is_valid(const dpq_layout *layout, const void *in, const void *out, size_t rows) {
    return layout && dpq_layout_check(layout) == DPQ_OK && (rows == 0 || (in && out));
}

static job job_of(const dpq_layout *layout, const void *in, void *out) {
    const size_t width = dpq_layout_width(layout);
    return (job){.kernels = dpqi_batch_active(),
                 .reading = dpqi_active(),
                 .decoder = {.dimension = layout->dimension,
                             .groups = layout->groups,
                             .codes = layout->codes,
                             .width = width,
                             .pitch = width,
                             .bits = dpq_layout_bits(layout),
                             .row_bytes = dpq_layout_row_bytes(layout),
                             .codebook_stride = layout->shared ? 0 : layout->codes * width,
                             .readable = dpq_layout_codebook_count(layout)},
                 .in = in,
                 .out = out};
}

static void pack_rows(void *context, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = context;
    const dpqi_decoder *d = &j->decoder;
    const uint8_t *codes = (const uint8_t *)j->in + begin * d->groups * dpq_code_bytes(d->codes);
    j->kernels->pack(d->groups, d->bits, codes, end - begin, (uint8_t *)j->out + begin * d->row_bytes);
}

static void unpack_rows(void *context, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = context;
    const dpqi_decoder *d = &j->decoder;
    uint8_t *codes = (uint8_t *)j->out + begin * d->groups * dpq_code_bytes(d->codes);
    j->kernels->unpack(d->groups, d->bits, d->codes, (const uint8_t *)j->in + begin * d->row_bytes, end - begin, codes);
}

static void decode_rows(void *context, size_t begin, size_t end, int worker) {
    (void)worker;
    const job *j = context;
    j->reading->decode_rows(&j->decoder, NULL, begin, NULL, end - begin, (float *)j->out + begin * j->stride,
                            j->stride);
}

/* Rows a worker takes at a time. */
#define GRAIN 64

dpq_status dpq_codes_pack(const dpq_layout *layout, const void *codes, size_t rows, int threads, uint8_t *out_packed) {
    if (!is_valid(layout, codes, out_packed, rows)) return DPQ_ERROR_ARGUMENT;
    job j = job_of(layout, codes, out_packed);
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)layout->groups), rows, GRAIN, pack_rows, &j);
    return DPQ_OK;
}

dpq_status dpq_codes_unpack(const dpq_layout *layout, const uint8_t *packed, size_t rows, int threads,
                            void *out_codes) {
    if (!is_valid(layout, packed, out_codes, rows)) return DPQ_ERROR_ARGUMENT;
    job j = job_of(layout, packed, out_codes);
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)layout->groups), rows, GRAIN, unpack_rows, &j);
    return DPQ_OK;
}

dpq_status dpq_reconstruct(const dpq_layout *layout, const float *codebook, const uint8_t *packed, size_t rows,
                           float *out, size_t out_stride, int threads) {
    if (!is_valid(layout, packed, out, rows) || !codebook || out_stride < layout->dimension) return DPQ_ERROR_ARGUMENT;
    job j = job_of(layout, packed, out);
    j.decoder.codebook = codebook;
    j.decoder.packed = packed;
    j.stride = out_stride;
    dpqi_parallel(dpqi_workers(threads, (double)rows * (double)layout->dimension), rows, GRAIN, decode_rows, &j);
    return DPQ_OK;
}
