#include "support.h"

static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Distance in units of the last place of the float32 nearest to `want`. */
static double ulps(float have, double want) {
    int exponent;
    frexp(fabs(want) < 0x1p-126 ? 0x1p-126 : want, &exponent);
    return fabs((double)have - want) / ldexp(1, exponent - 24);
}

/* The sigmoid, read off an input gate, over the whole range; tanh likewise. */
static int check_functions(char *message, size_t message_bytes) {
    enum { COUNT = 4001 };
    float *gates = malloc(4 * COUNT * 4), *zeros = calloc(COUNT, 4), *out = malloc(3 * COUNT * 4);
    double *x = malloc(COUNT * sizeof *x);
    for (size_t i = 0; i < COUNT; i++) {
        const double u = ((double)i - 2000) / 2000;
        x[i] = (double)(float)(u * u * u * 86);
        for (size_t gate = 0; gate < 4; gate++) gates[gate * COUNT + i] = (float)x[i];
    }
    REQUIRE(dpq_lstm_forward(1, COUNT, gates, zeros, out, out + COUNT, out + 2 * COUNT, 1) == DPQ_OK, "failed");
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE(ulps(gates[i], exact_sigmoid(x[i])) <= 4, "sigmoid %g: %g", x[i], (double)gates[i]);
        REQUIRE(ulps(gates[2 * COUNT + i], tanh(x[i])) <= 4, "tanh %g: %g", x[i], (double)gates[2 * COUNT + i]);
        REQUIRE(ulps(out[COUNT + i], tanh((double)out[i])) <= 4, "tanh of the cell %g", (double)out[i]);
    }
    for (size_t i = 0; i < 4 * COUNT; i++) gates[i] = NAN;
    REQUIRE(dpq_lstm_forward(1, COUNT, gates, zeros, out, out + COUNT, out + 2 * COUNT, 1) == DPQ_OK, "failed");
    for (size_t i = 0; i < COUNT; i++) REQUIRE(isnan(gates[i]) && isnan(out[2 * COUNT + i]), "NaN is lost at %zu", i);
    free(gates), free(zeros), free(out), free(x);
    return 0;
}

int check_activations(char *message, size_t message_bytes) {
    if (check_functions(message, message_bytes)) return 1;
    uint64_t seed = 21;
    static const size_t shapes[][2] = {{1, 1}, {2, 7}, {3, 16}, {20, 200}, {64, 131}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++) {
        const size_t batch = shapes[t][0], width = shapes[t][1], cells = batch * width;
        float *sums = malloc(4 * cells * 4), *state = malloc(5 * cells * 4), *gates[3], *made[3];
        for (size_t i = 0; i < 4 * cells; i++) sums[i] = 4 * random_value(&seed);
        for (size_t i = 0; i < 5 * cells; i++) state[i] = random_value(&seed);
        const float *cell = state, *hidden_gradient = state + cells;
        for (int threads = 1; threads <= 2; threads++) {
            gates[threads] = malloc(4 * cells * 4);
            made[threads] = malloc(4 * cells * 4);
            float *out = made[threads];
            memcpy(gates[threads], sums, 4 * cells * 4);
            memcpy(out + 3 * cells, state + 2 * cells, cells * 4);
            REQUIRE(dpq_lstm_forward(batch, width, gates[threads], cell, out, out + cells, out + 2 * cells, threads) ==
                        DPQ_OK,
                    "failed");
            REQUIRE(dpq_lstm_backward(batch, width, gates[threads], cell, out + cells, hidden_gradient, out + 3 * cells,
                                      threads) == DPQ_OK,
                    "failed");
        }
        REQUIRE(memcmp(gates[1], gates[2], 4 * cells * 4) == 0 && memcmp(made[1], made[2], 4 * cells * 4) == 0,
                "two threads give other bytes");
        for (size_t row = 0; row < batch; row++)
            for (size_t c = 0; c < width; c++) {
                const size_t at = row * width + c;
                const float *sum = sums + 4 * row * width + c, *got = gates[1] + 4 * row * width + c;
                const double i = exact_sigmoid((double)sum[0]), f = exact_sigmoid((double)sum[width]);
                const double g = tanh((double)sum[2 * width]), o = exact_sigmoid((double)sum[3 * width]);
                const double before = (double)cell[at], after = f * before + i * g, out = tanh(after);
                const double up = (double)hidden_gradient[at];
                const double down = (double)state[2 * cells + at] + up * o * (1 - out * out);
                const double want[] = {down * g * i * (1 - i), down * before * f * (1 - f), down * i * (1 - g * g),
                                       up * out * o * (1 - o)};
                REQUIRE(fabs((double)made[1][at] - after) < 1e-6, "cell %zu", at);
                REQUIRE(fabs((double)made[1][2 * cells + at] - o * out) < 1e-6, "hidden %zu", at);
                REQUIRE(fabs((double)made[1][3 * cells + at] - down * f) < 1e-6, "cell gradient %zu", at);
                for (size_t gate = 0; gate < 4; gate++)
                    REQUIRE(fabs((double)got[gate * width] - want[gate]) < 1e-6, "gate %zu of %zu", gate, at);
            }
        free(sums), free(state), free(gates[1]), free(gates[2]), free(made[1]), free(made[2]);
    }
    return 0;
}

int check_cross_entropy(char *message, size_t message_bytes) {
    uint64_t seed = 22;
    static const size_t shapes[][2] = {{1, 1}, {3, 2}, {5, 17}, {7, 64}, {40, 1000}, {33, 10001}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++) {
        const size_t rows = shapes[t][0], classes = shapes[t][1], count = rows * classes;
        const float scale = 1.0f / 3;
        float *logits = malloc(count * 4), *own[3], *sums[3];
        int32_t *labels = malloc(rows * 4);
        double *losses[3], *kept = malloc(rows * sizeof *kept);
        for (size_t i = 0; i < count; i++) logits[i] = 12 * random_value(&seed);
        for (size_t row = 0; row < rows; row++) labels[row] = row % 5 == 4 ? -1 : (int32_t)random_below(&seed, classes);
        for (int threads = 1; threads <= 2; threads++) {
            own[threads] = malloc(count * 4);
            sums[threads] = malloc(classes * 4);
            losses[threads] = malloc(rows * sizeof(double));
            memcpy(own[threads], logits, count * 4);
            REQUIRE(dpq_cross_entropy(own[threads], rows, classes, labels, 0, kept, threads) == DPQ_OK, "failed");
            REQUIRE(memcmp(own[threads], logits, count * 4) == 0, "logits changed without a scale");
            REQUIRE(dpq_cross_entropy(own[threads], rows, classes, labels, scale, losses[threads], threads) == DPQ_OK,
                    "failed");
            REQUIRE(memcmp(kept, losses[threads], rows * sizeof(double)) == 0, "losses differ without a gradient");
            REQUIRE(dpq_column_sums(logits, rows, classes, classes, sums[threads], threads) == DPQ_OK, "failed");
        }
        REQUIRE(memcmp(own[1], own[2], count * 4) == 0 && memcmp(losses[1], losses[2], rows * sizeof(double)) == 0 &&
                    memcmp(sums[1], sums[2], classes * 4) == 0,
                "two threads give other bytes");
        for (size_t row = 0; row < rows; row++) {
            const float *x = logits + row * classes;
            double total = 0;
            for (size_t c = 0; c < classes; c++) total += exp((double)x[c] - 12);
            const int left_out = labels[row] < 0;
            const double want = left_out ? 0 : 12 + log(total) - (double)x[labels[row]];
            REQUIRE(fabs(losses[1][row] - want) <= 1e-6 * (1 + want), "loss of row %zu: %g", row, losses[1][row]);
            for (size_t c = 0; c < classes; c++) {
                const double hit = (int32_t)c == labels[row];
                const double g = left_out ? 0 : (double)scale * (exp((double)x[c] - 12) / total - hit);
                REQUIRE(fabs((double)own[1][row * classes + c] - g) <= 1e-6, "gradient %zu %zu", row, c);
            }
        }
        for (size_t c = 0; c < classes; c++) {
            double sum = 0;
            for (size_t row = 0; row < rows; row++) sum += (double)logits[row * classes + c];
            REQUIRE(fabs((double)sums[1][c] - sum) <= 1e-4, "sum of column %zu", c);
        }
        labels[0] = (int32_t)classes;
        REQUIRE(dpq_cross_entropy(own[1], rows, classes, labels, scale, kept, 1) == DPQ_ERROR_ARGUMENT, "label");
        free(logits), free(labels), free(kept);
        for (int i = 1; i <= 2; i++) free(own[i]), free(sums[i]), free(losses[i]);
    }
    return 0;
}

/* The share kept, its independence of places and seeds, and the same choice at every level and thread count. */
int check_dropout(char *message, size_t message_bytes) {
    enum { COUNT = 200003 };
    float *ones = malloc(COUNT * 4), *first = malloc(COUNT * 4), *second = malloc(COUNT * 4);
    for (size_t i = 0; i < COUNT; i++) ones[i] = 1;
    static const float keeps[] = {0.1f, 0.5f, 0.8f, 1};
    for (size_t t = 0; t < 4; t++) {
        const double keep = (double)keeps[t];
        REQUIRE(dpq_dropout(ones, COUNT, keeps[t], 77, first, 1) == DPQ_OK, "failed");
        REQUIRE(dpq_dropout(ones, COUNT, keeps[t], 77, second, 2) == DPQ_OK, "failed");
        REQUIRE(memcmp(first, second, COUNT * 4) == 0, "two threads drop others");
        REQUIRE(dpq_dropout(ones, COUNT, keeps[t], 78, second, 2) == DPQ_OK, "failed");
        size_t kept = 0, neighbours = 0, both = 0;
        for (size_t i = 0; i < COUNT; i++) {
            REQUIRE(first[i] == 0 || fabs((double)first[i] * keep - 1) < 1e-6, "value %g", (double)first[i]);
            kept += first[i] != 0;
            neighbours += i && first[i] != 0 && first[i - 1] != 0;
            both += first[i] != 0 && second[i] != 0;
        }
        REQUIRE(fabs((double)kept / COUNT - keep) < 0.005, "kept %zu", kept);
        REQUIRE(fabs((double)neighbours / COUNT - keep * keep) < 0.005, "neighbours %zu", neighbours);
        REQUIRE(fabs((double)both / COUNT - keep * keep) < 0.005, "two seeds %zu", both);
    }
    const char *name = dpq_isa_name();
    REQUIRE(dpq_dropout(ones, COUNT, 0.5f, 5, first, 1) == DPQ_OK && dpq_isa_select("scalar") == DPQ_OK &&
                dpq_dropout(ones, COUNT, 0.5f, 5, second, 1) == DPQ_OK && dpq_isa_select(name) == DPQ_OK,
            "failed");
    REQUIRE(memcmp(first, second, COUNT * 4) == 0, "the levels drop others");
    REQUIRE(dpq_dropout(ones, COUNT, 0, 5, first, 1) == DPQ_ERROR_ARGUMENT, "nothing kept");
    free(ones), free(first), free(second);
    return 0;
}
