/* Writes the seeds of the container target: small sound files of every kind of layout. Usage: make_seeds <folder> */
#include <stdio.h>
#include <stdlib.h>

#include "../ABITests/fixture.h"

static const layout layouts[] = {
    {.name = "l2", .rows = 7, .dimension = 6, .groups = 3, .codes = 4},
    {.name = "words", .rows = 9, .dimension = 10, .groups = 4, .codes = 5, .cosine = 1, .words = 1},
    {.name = "shared", .rows = 6, .dimension = 8, .groups = 4, .codes = 4, .shared = 1, .f16 = 1},
    {.name = "padded", .rows = 5, .dimension = 7, .groups = 3, .codes = 16, .shared = 1, .words = 1},
    {.name = "wild", .rows = 8, .dimension = 5, .groups = 5, .codes = 6, .wild_codes = 1},
    {.name = "wide", .rows = 4, .dimension = 4, .groups = 2, .codes = 300, .f16 = 1, .cosine = 1, .wild_codes = 1},
    {.name = "vector", .rows = 5, .dimension = 3, .groups = 1, .codes = 256},
    {.name = "single", .rows = 3, .dimension = 4, .groups = 2, .codes = 1, .words = 1},
    {.name = "binary", .rows = 12, .dimension = 24, .groups = 24, .codes = 2, .shared = 1, .cosine = 1},
    {.name = "bits", .rows = 6, .dimension = 5, .tier_count = 1, .tiers = {{.groups = 7, .binary = 1}}},
    {.name = "tiers",
     .rows = 530,
     .dimension = 6,
     .cosine = 1,
     .words = 1,
     .tier_count = 3,
     .tiers = {{2, 3}, {.groups = 9, .binary = 1}, {6, 4}}},
    {.name = "seven",
     .rows = 20,
     .dimension = 4,
     .f16 = 1,
     .tier_count = 7,
     .empty = 3,
     .tiers = {{1, 2}, {1, 3}, {1, 4}, {.groups = 2, .binary = 1}, {2, 3}, {2, 4}, {4, 5}}},
    {.name = "empty", .rows = 0, .dimension = 4, .groups = 2, .codes = 2, .words = 1},
};

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        fixture f = fixture_make(layouts[i], i + 1);
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.dpq", arguments[1], layouts[i].name);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(f.file, 1, f.bytes, file) != f.bytes || fclose(file)) return 1;
        fixture_free(&f);
    }
    return 0;
}
