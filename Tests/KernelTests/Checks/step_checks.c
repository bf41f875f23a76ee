#include "support.h"

/* One random batch and what the step makes of it. */
typedef struct batch {
    dpq_step step;
    size_t books, cells; /* codebooks; batch * groups */
    float *query, *keys, *values, *upstream;
    uint16_t *codes;
    float *output, *statistics, *query_gradient, *key_gradient, *value_gradient;
    double regularization;
} batch;

static float *random_array(uint64_t *seed, size_t count) {
    float *values = malloc((count + 1) * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = random_value(seed);
    return values;
}

static batch make_batch(uint64_t *seed, dpq_step step) {
    batch b = {.step = step, .books = step.shared ? 1 : step.groups, .cells = step.batch * step.groups};
    const size_t book = b.books * step.codes * step.width, rows = b.cells * step.width;
    b.query = random_array(seed, rows);
    b.keys = random_array(seed, book);
    b.values = random_array(seed, book);
    b.upstream = random_array(seed, rows);
    b.codes = malloc((b.cells + 1) * sizeof *b.codes);
    b.output = random_array(seed, rows);
    b.statistics = random_array(seed, 2 * step.codes);
    b.query_gradient = random_array(seed, rows);
    b.key_gradient = random_array(seed, book);
    b.value_gradient = random_array(seed, book);
    return b;
}

static void free_batch(batch *b) {
    free(b->query), free(b->keys), free(b->values), free(b->upstream), free(b->codes), free(b->output);
    free(b->statistics), free(b->query_gradient), free(b->key_gradient), free(b->value_gradient);
}

/* In a workspace of its own: nothing that forward left behind may be relied on. */
static dpq_status backward(batch *b, int threads, float key_weight, float commitment) {
    const size_t bytes = dpq_step_workspace_bytes(&b->step, threads);
    void *workspace = aligned(bytes);
    memset(workspace, 0x77, bytes);
    const dpq_status status =
        dpq_step_backward(&b->step, b->query, b->keys, b->values, b->codes, b->statistics, b->upstream, key_weight,
                          commitment, threads, workspace, bytes, b->query_gradient, b->key_gradient, b->value_gradient);
    free(workspace);
    return status;
}

static dpq_status run(batch *b, int threads, float key_weight, float commitment) {
    const size_t bytes = dpq_step_workspace_bytes(&b->step, threads);
    void *workspace = aligned(bytes);
    const dpq_status status = dpq_step_forward(&b->step, b->query, b->keys, b->values, NULL, threads, workspace, bytes,
                                               b->codes, b->output, b->statistics, &b->regularization);
    free(workspace);
    return status == DPQ_OK ? backward(b, threads, key_weight, commitment) : status;
}

/* Normalised responses in float64, [cells][codes]. */
static double *responses(const batch *b, const double *query, const double *keys, double *mean, double *variance) {
    const dpq_step *s = &b->step;
    double *r = malloc((b->cells * s->codes + 1) * sizeof *r);
    for (size_t k = 0; k < s->codes; k++) {
        double sum = 0, square = 0;
        for (size_t cell = 0; cell < b->cells; cell++) {
            const double *key = keys + ((s->shared ? 0 : cell % s->groups) * s->codes + k) * s->width;
            double response = 0;
            for (size_t c = 0; c < s->width; c++) {
                const double x = query[cell * s->width + c];
                response += s->variant == DPQ_SX ? x * key[c] : -(x - key[c]) * (x - key[c]);
            }
            r[cell * s->codes + k] = response;
            sum += response;
        }
        mean[k] = sum / (double)b->cells;
        for (size_t cell = 0; cell < b->cells; cell++) {
            const double d = r[cell * s->codes + k] - mean[k];
            square += d * d;
        }
        variance[k] = square / (double)b->cells;
        if (s->normalise)
            for (size_t cell = 0; cell < b->cells; cell++)
                r[cell * s->codes + k] = (r[cell * s->codes + k] - mean[k]) / sqrt(variance[k] + (double)s->epsilon);
    }
    return r;
}

static double *widen(const float *values, size_t count) {
    double *out = malloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; i++) out[i] = values[i];
    return out;
}

/* Shapes around the tile and the lanes, both variants, shared or not, normalised or not. */
static dpq_step shape(uint64_t *seed, int trial) {
    static const size_t batches[] = {1, 2, 17, 63, 64, 65, 130};
    dpq_step s = {.batch = batches[random_below(seed, 7)], .groups = 1 + random_below(seed, 6)};
    s.codes = 2 + random_below(seed, trial % 7 == 0 ? 300 : 20);
    s.width = 1 + random_below(seed, 9);
    s.variant = trial % 2 ? DPQ_VQ : DPQ_SX;
    s.shared = trial / 2 % 2;
    s.normalise = trial / 4 % 2;
    s.temperature = trial % 3 ? 1 : 0.37f;
    s.epsilon = 1e-3f;
    if (trial % 12 == 5) { /* nearest codewords of so many that products of whole numbers come first */
        s.codes = 128 + random_below(seed, 897);
        s.width = 4 + random_below(seed, 9);
        s.normalise = 0;
    }
    return s;
}

/* Whether each row alone has the codes it has in the batch; rows do not depend on each other without normalisation. */
static int codes_of_rows_alone(const batch *b) {
    dpq_step one = b->step;
    one.batch = 1;
    const size_t bytes = dpq_step_workspace_bytes(&one, 1);
    void *workspace = aligned(bytes);
    uint16_t *codes = malloc(one.groups * sizeof *codes);
    int same = 1;
    for (size_t r = 0; r < b->step.batch; r++) {
        same &= dpq_step_forward(&one, b->query + r * one.groups * one.width, b->keys, b->values, NULL, 1, workspace,
                                 bytes, codes, NULL, NULL, NULL) == DPQ_OK;
        same &= memcmp(codes, b->codes + r * one.groups, one.groups * sizeof *codes) == 0;
    }
    free(workspace), free(codes);
    return same;
}

int check_step(char *message, size_t message_bytes) {
    uint64_t seed = 11;
    for (int trial = 0; trial < 96; trial++) {
        batch b = make_batch(&seed, shape(&seed, trial));
        const dpq_step *s = &b.step;
        const size_t book = b.books * s->codes * s->width, rows = b.cells * s->width;
        REQUIRE(run(&b, 1, 1, 0.25f) == DPQ_OK, "a call failed");

        double *query = widen(b.query, rows), *keys = widen(b.keys, book);
        double *mean = malloc(s->codes * sizeof *mean), *variance = malloc(s->codes * sizeof *variance);
        double *r = responses(&b, query, keys, mean, variance);
        double *value_gradient = calloc(book + 1, sizeof *value_gradient), loss = 0;
        double *key_gradient = calloc(book + 1, sizeof *key_gradient);
        for (size_t k = 0; s->normalise && k < s->codes; k++) {
            REQUIRE(fabs((double)b.statistics[k] - mean[k]) <= 1e-5 * (1 + fabs(mean[k])), "mean %zu", k);
            REQUIRE(fabs((double)b.statistics[s->codes + k] - variance[k]) <= 1e-5 * (variance[k] + 1e-3),
                    "variance %zu: %g, not %g", k, (double)b.statistics[s->codes + k], variance[k]);
        }
        for (size_t cell = 0; cell < b.cells; cell++) {
            size_t best = 0;
            const double *row = r + cell * s->codes;
            for (size_t k = 1; k < s->codes; k++)
                if (row[k] > row[best]) best = k;
            const size_t code = b.codes[cell];
            REQUIRE(code < s->codes && row[best] - row[code] <= 1e-5 * (1 + fabs(row[best])),
                    "cell %zu: code %zu is %g, %zu is %g", cell, code, row[code], best, row[best]);
            const size_t at = ((s->shared ? 0 : cell % s->groups) * s->codes + code) * s->width;
            const float *value = (s->variant == DPQ_SX ? b.values : b.keys) + at;
            REQUIRE(memcmp(value, b.output + cell * s->width, s->width * sizeof *value) == 0, "output of cell %zu",
                    cell);
            for (size_t c = 0; c < s->width; c++) {
                const double d = (double)b.keys[at + c] - (double)b.query[cell * s->width + c];
                loss += d * d / (double)rows;
                value_gradient[at + c] += (double)b.upstream[cell * s->width + c];
                key_gradient[at + c] += 2 * d / (double)rows;
                if (s->variant == DPQ_VQ) {
                    const double want = (double)b.upstream[cell * s->width + c] - 0.25 * 2 * d / (double)rows;
                    REQUIRE(fabs((double)b.query_gradient[cell * s->width + c] - want) <= 1e-6, "query gradient");
                }
            }
        }
        for (size_t i = 0; i < book; i++) {
            if (s->variant == DPQ_SX)
                REQUIRE(fabs((double)b.value_gradient[i] - value_gradient[i]) <= 1e-5 * (1 + fabs(value_gradient[i])),
                        "value gradient %zu", i);
            else
                REQUIRE(fabs((double)b.key_gradient[i] - key_gradient[i]) <= 1e-6 * (1 + fabs(key_gradient[i])),
                        "key gradient %zu", i);
        }
        REQUIRE(s->normalise || codes_of_rows_alone(&b), "rows alone have other codes");
        REQUIRE(fabs(b.regularization - (s->variant == DPQ_VQ ? loss : 0)) <= 1e-6 * (1 + loss), "regularization");

        /* The same bytes from three threads. */
        batch c = b;
        c.codes = malloc((b.cells + 1) * sizeof *c.codes);
        c.output = random_array(&seed, rows);
        c.statistics = random_array(&seed, 2 * s->codes);
        c.query_gradient = random_array(&seed, rows);
        c.key_gradient = random_array(&seed, book);
        c.value_gradient = random_array(&seed, book);
        REQUIRE(run(&c, 3, 1, 0.25f) == DPQ_OK, "a call failed");
        REQUIRE(memcmp(b.codes, c.codes, b.cells * sizeof *b.codes) == 0 && memcmp(b.output, c.output, rows * 4) == 0 &&
                    memcmp(b.statistics, c.statistics, s->codes * 8) == 0 &&
                    memcmp(b.query_gradient, c.query_gradient, rows * 4) == 0 &&
                    memcmp(b.key_gradient, c.key_gradient, book * 4) == 0 &&
                    (s->variant == DPQ_VQ || memcmp(b.value_gradient, c.value_gradient, book * 4) == 0),
                "three threads give other bytes");
        c.codes[b.cells - 1] = (uint16_t)s->codes;
        REQUIRE(backward(&c, 1, 1, 0) == DPQ_ERROR_ARGUMENT, "a code beyond the codebook was taken");
        free(c.codes), free(c.output), free(c.statistics), free(c.query_gradient), free(c.key_gradient);
        free(c.value_gradient);
        free(query), free(keys), free(mean), free(variance), free(r), free(value_gradient), free(key_gradient);
        free_batch(&b);
    }
    return 0;
}

/* The loss whose gradient SX's straight-through estimator is: sum of upstream . (sum_k p_k values_k), in float64. */
static double soft_loss(const batch *b, const double *query, const double *keys) {
    const dpq_step *s = &b->step;
    double *mean = malloc(s->codes * sizeof *mean), *variance = malloc(s->codes * sizeof *variance), loss = 0;
    double *r = responses(b, query, keys, mean, variance);
    for (size_t cell = 0; cell < b->cells; cell++) {
        const float *values = b->values + (s->shared ? 0 : cell % s->groups) * s->codes * s->width;
        double largest = -INFINITY, total = 0, sum = 0;
        for (size_t k = 0; k < s->codes; k++) largest = fmax(largest, r[cell * s->codes + k]);
        for (size_t k = 0; k < s->codes; k++) {
            const double p = exp((r[cell * s->codes + k] - largest) / (double)s->temperature);
            total += p;
            for (size_t c = 0; c < s->width; c++)
                sum += p * (double)b->upstream[cell * s->width + c] * (double)values[k * s->width + c];
        }
        loss += sum / total;
    }
    free(r), free(mean), free(variance);
    return loss;
}

static double norm(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum / (double)(count ? count : 1));
}

int check_step_differences(char *message, size_t message_bytes) {
    uint64_t seed = 12;
    for (int trial = 0; trial < 24; trial++) {
        batch b = make_batch(&seed, shape(&seed, 2 * trial));
        const dpq_step *s = &b.step;
        const size_t book = b.books * s->codes * s->width, rows = b.cells * s->width;
        REQUIRE(run(&b, 2, 1, 0) == DPQ_OK, "a call failed");
        double *query = widen(b.query, rows), *keys = widen(b.keys, book);
        const double query_norm = norm(b.query_gradient, rows), key_norm = norm(b.key_gradient, book);
        for (int probe = 0; probe < 12; probe++) {
            const int is_key = probe % 2;
            const size_t at = random_below(&seed, is_key ? book : rows);
            double *x = (is_key ? keys : query) + at, saved = *x, step = 1e-5;
            *x = saved + step;
            const double up = soft_loss(&b, query, keys);
            *x = saved - step;
            const double down = soft_loss(&b, query, keys);
            *x = saved;
            const double want = (up - down) / (2 * step), got = is_key ? b.key_gradient[at] : b.query_gradient[at];
            REQUIRE(fabs(want - got) <= 2e-5 * (is_key ? key_norm : query_norm) * 10 + 1e-6 * (1 + fabs(want)),
                    "trial %d (B %zu D %zu K %zu s %zu shared %d normalise %d), %s gradient %zu: %g, not %g", trial,
                    s->batch, s->groups, s->codes, s->width, s->shared, s->normalise, is_key ? "key" : "query", at, got,
                    want);
        }
        free(query), free(keys);
        free_batch(&b);
    }
    return 0;
}
