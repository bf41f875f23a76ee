/* Prints the row and the five nearest words of each word named: lookup TABLE.dpq WORD...
 *
 *   cc lookup.c -o lookup $(pkg-config --cflags --libs dpq) */
#include <dpq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    dpq_table *table = NULL;
    dpq_error error;
    if (count < 2) return fprintf(stderr, "usage: lookup TABLE.dpq WORD...\n"), 64;
    if (dpq_table_open(arguments[1], NULL, &table, &error)) return fprintf(stderr, "%s\n", error.message), 1;

    dpq_description about = {.struct_size = sizeof about};
    dpq_table_describe(table, &about);
    enum { NEAREST = 5 };
    const size_t bytes = dpq_table_neighbors_workspace_bytes(table, NEAREST);
    float *row = malloc(about.dimension * sizeof *row), scores[NEAREST];
    void *workspace = malloc(bytes); /* the library allocates nothing once a table is open */
    int64_t id, near[NEAREST];
    dpq_status status = row && workspace ? DPQ_OK : DPQ_ERROR_MEMORY;
    for (int i = 2; i < count && !status; i++) {
        if ((status = dpq_table_find(table, arguments[i], strlen(arguments[i]), &id, &error))) break;
        dpq_table_lookup(table, &id, 1, DPQ_OUTSIDE_ERROR, row, about.dimension, NULL);
        printf("%s (row %lld): %g ...\n", arguments[i], (long long)id, row[0]);
        size_t found = 0, length;
        status = dpq_table_neighbors(table, row, DPQ_SEARCH_COSINE, NEAREST, id, workspace, bytes, near, scores, &found,
                                     &error);
        const char *word;
        for (size_t n = 0; n < found && !dpq_table_word(table, near[n], &word, &length, NULL); n++)
            printf("  %.3f %.*s\n", scores[n], (int)length, word);
    }
    if (status) fprintf(stderr, "%s\n", status == DPQ_ERROR_MEMORY ? dpq_status_text(status) : error.message);
    free(workspace), free(row), dpq_table_close(table);
    return status != DPQ_OK;
}
