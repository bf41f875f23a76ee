/* Writes a small table with words, for tests that open files: write_fixture FILE. */
#include <stdio.h>

#include "fixture.h"

int main(int count, char **arguments) {
    if (count != 2) return 64;
    const layout layout = {
        .name = "file", .rows = 200, .dimension = 50, .groups = 17, .codes = 32, .cosine = 1, .words = 1};
    fixture fixture = fixture_make(layout, 5);
    FILE *file = fopen(arguments[1], "wb");
    const int written = file && fwrite(fixture.file, 1, fixture.bytes, file) == fixture.bytes;
    const int closed = file && fclose(file) == 0;
    fixture_free(&fixture);
    return !(written && closed);
}
