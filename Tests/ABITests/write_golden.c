/* Writes the golden files of tiers and the rows they stand for, float32, into a folder:
 *     write_golden Tests/DPQTests/Fixtures
 * They are made from these layouts and seeds by fixture.c, which knows the format alone. Committed files are never
 * replaced: a change of the format adds others. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

static const struct {
    const char *name;
    uint64_t seed;
    layout layout;
} golden[] = {
    {"golden_concat", 601, {.rows = 40, .dimension = 10, .groups = 4, .codes = 20, .words = 1}},
    {"golden_binary",
     602,
     {.rows = 40, .dimension = 9, .f16 = 1, .tier_count = 1, .tiers = {{.groups = 13, .binary = 1}}}},
    {"golden_tiers",
     603,
     {.rows = 600,
      .dimension = 8,
      .cosine = 1,
      .tier_count = 3,
      .tiers = {{.groups = 2, .codes = 8}, {.groups = 11, .binary = 1}, {.groups = 4, .codes = 16, .shared = 1}}}},
};

static int write_file(const char *folder, const char *name, const char *ending, const void *data, size_t bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *file = fopen(path, "wbx");
    if (!file) return 1;
    const size_t written = fwrite(data, 1, bytes, file);
    return fclose(file) != 0 || written != bytes;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        fixture f = fixture_make(golden[i].layout, golden[i].seed);
        const size_t rows = f.layout.rows, dimension = f.layout.dimension;
        double *row = malloc(dimension * sizeof *row);
        float *values = malloc(rows * dimension * sizeof *values);
        for (size_t r = 0; r < rows; r++) {
            fixture_row(&f, r, row);
            for (size_t c = 0; c < dimension; c++) values[r * dimension + c] = (float)row[c];
        }
        if (write_file(arguments[1], golden[i].name, "dpq", f.file, f.bytes)) return 1;
        if (write_file(arguments[1], golden[i].name, "f32", values, rows * dimension * sizeof *values)) return 1;
        free(row);
        free(values);
        fixture_free(&f);
    }
    return 0;
}
