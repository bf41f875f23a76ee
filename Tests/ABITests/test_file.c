/* Opening by path, mapped and read. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "dpq.h"
#include "fixture.h"

int failures;
const char *subject = "files";

static void check_open(const fixture *f, const char *path, const dpq_open_options *options) {
    dpq_table *table = NULL;
    dpq_error error;
    dpq_status status = dpq_table_open(path, options, &table, &error);
    CHECK(status == DPQ_OK && error.status == DPQ_OK && !error.message[0], "%s", error.message);
    if (!table) return;
    CHECK(dpq_table_verify(table, &error) == DPQ_OK, "%s", error.message);
    const size_t dimension = f->layout.dimension;
    float *row = malloc(dimension * sizeof *row);
    double *expected = malloc(dimension * sizeof *expected);
    int64_t id = -1;
    CHECK(dpq_table_find(table, "w20", 3, &id, &error) == DPQ_OK && id == 20, "%s", error.message);
    CHECK(dpq_table_lookup(table, &id, 1, DPQ_OUTSIDE_ERROR, row, dimension, &error) == DPQ_OK, "%s", error.message);
    fixture_row(f, 20, expected);
    for (size_t c = 0; c < dimension; c++) CHECK(row[c] == (float)expected[c], "column %zu", c);
    free(row);
    free(expected);
    dpq_table_close(table);
}

static void check_refusal(const char *path, const dpq_open_options *options, dpq_status expected) {
    int dummy;
    dpq_table *table = (dpq_table *)(void *)&dummy;
    dpq_error error;
    dpq_status status = dpq_table_open(path, options, &table, &error);
    CHECK(status == expected && !table && error.message[0], "%s: status %d, not %d: %s", path ? path : "NULL", status,
          expected, error.message);
    CHECK(dpq_table_open(path, options, &table, NULL) == expected, "without an error struct");
}

int main(void) {
    /* More than 2 MB, from where on pages matter. */
    layout l = {.name = "file", .rows = 64, .dimension = 600, .groups = 5, .codes = 1024, .words = 1};
    fixture f = fixture_make(l, 3);
    CHECK(f.bytes > 2 << 20, "%zu bytes", f.bytes);
    char folder[] = "/tmp/dpq-test-XXXXXX", path[64], other[64];
    CHECK(mkdtemp(folder) != NULL, "no folder");
    snprintf(path, sizeof path, "%s/a.dpq", folder);
    snprintf(other, sizeof other, "%s/b", folder);
    FILE *file = fopen(path, "wb");
    fwrite(f.file, 1, f.bytes, file);
    fclose(file);

    const dpq_open_options mapped = {sizeof mapped, DPQ_OPEN_MAP}, copied = {sizeof copied, DPQ_OPEN_READ};
    const dpq_open_options unset = {0, 0}, unknown = {sizeof unknown, 4};
    const dpq_open_options large = {sizeof large, DPQ_OPEN_LARGE_PAGES};
    check_open(&f, path, NULL);
    check_open(&f, path, &mapped);
    check_open(&f, path, &copied);
    check_open(&f, path, &large);
    check_refusal(path, &unset, DPQ_ERROR_ARGUMENT);
    check_refusal(path, &unknown, DPQ_ERROR_ARGUMENT);
    check_refusal(NULL, NULL, DPQ_ERROR_ARGUMENT);
    check_refusal(other, NULL, DPQ_ERROR_NOT_FOUND);
    check_refusal(folder, NULL, DPQ_ERROR_FORMAT);
    CHECK(dpq_table_open(path, NULL, NULL, NULL) == DPQ_ERROR_ARGUMENT, "no place for the table");

    /* A pipe is not waited for. */
    CHECK(mkfifo(other, 0600) == 0, "no pipe");
    check_refusal(other, NULL, DPQ_ERROR_FORMAT);
    unlink(other);
    file = fopen(other, "wb");
    fclose(file);
    check_refusal(other, NULL, DPQ_ERROR_FORMAT);
    check_refusal(other, &copied, DPQ_ERROR_FORMAT);

    /* What was read stays when the file is cut short. */
    dpq_table *table = NULL;
    CHECK(dpq_table_open(path, &copied, &table, NULL) == DPQ_OK, "open");
    CHECK(truncate(path, 100) == 0, "truncate");
    CHECK(table && dpq_table_verify(table, NULL) == DPQ_OK, "read before the cut");
    dpq_table_close(table);
    check_refusal(path, NULL, DPQ_ERROR_CORRUPT);
    check_refusal(path, &copied, DPQ_ERROR_CORRUPT);

    for (dpq_status status = -1; status < 20; status++) CHECK(dpq_status_text(status)[0], "status %d", status);
    unlink(other);
    unlink(path);
    rmdir(folder);
    fixture_free(&f);
    printf("%d failures\n", failures);
    return failures != 0;
}
