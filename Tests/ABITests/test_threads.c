/* Eight threads on one table: the same answers as one. Meant to run under the thread sanitizer too. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dpq.h"
#include "fixture.h"

int failures;
const char *subject = "threads";

enum { THREADS = 8, ROUNDS = 60, NEAREST = 5 };

typedef struct answers {
    float row[48];
    float bag[48];
    float dots[200];
    float scores[NEAREST];
    int64_t nearest[NEAREST];
    int64_t found;
} answers;

typedef struct work {
    const dpq_table *table;
    const fixture *fixture;
    answers answers;
    int differs;
} work;

static void ask(const dpq_table *table, const fixture *f, uint64_t round, void *workspace, size_t bytes, answers *out) {
    memset(out, 0, sizeof *out);
    const int64_t ids[3] = {(int64_t)(round % f->layout.rows), 7, 9}, start = 0;
    size_t count = 0;
    dpq_error error;
    dpq_table_lookup(table, ids, 1, DPQ_OUTSIDE_ERROR, out->row, 48, &error);
    dpq_table_bag(table, ids, 3, &start, 1, NULL, DPQ_BAG_MEAN, DPQ_OUTSIDE_ERROR, out->bag, 48, &error);
    dpq_table_dot(table, out->row, NULL, 0, 200, workspace, bytes, out->dots, &error);
    dpq_table_neighbors(table, out->row, DPQ_SEARCH_COSINE, NEAREST, ids[0], workspace, bytes, out->nearest,
                        out->scores, &count, &error);
    const char *word = f->words[ids[0]];
    dpq_table_find(table, word, strlen(word), &out->found, &error);
    dpq_table_find(table, "absent", 6, &out->found, &error);
}

static void *run(void *context) {
    work *w = context;
    const size_t bytes = dpq_table_neighbors_workspace_bytes(w->table, NEAREST);
    void *workspace = malloc(bytes);
    answers now;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        ask(w->table, w->fixture, round % 3, workspace, bytes, &now);
        if (round % 3 == 0 && memcmp(&now, &w->answers, sizeof now) != 0) w->differs = 1;
    }
    if (dpq_table_verify(w->table, NULL) != DPQ_OK) w->differs = 1;
    free(workspace);
    return NULL;
}

static void check_layout(layout l) {
    fixture f = fixture_make(l, 1);
    subject = l.name;
    dpq_table *table = NULL;
    dpq_error error;
    CHECK(dpq_table_open_memory(f.file, f.bytes, &table, &error) == DPQ_OK, "%s", error.message);
    const size_t bytes = dpq_table_neighbors_workspace_bytes(table, NEAREST);
    void *workspace = malloc(bytes);
    answers alone;
    ask(table, &f, 0, workspace, bytes, &alone);
    pthread_t threads[THREADS];
    work works[THREADS];
    for (int i = 0; i < THREADS; i++) {
        works[i] = (work){table, &f, alone, 0};
        CHECK(pthread_create(&threads[i], NULL, run, &works[i]) == 0, "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(!works[i].differs, "thread %d saw other answers", i);
    }
    free(workspace);
    dpq_table_close(table);
    fixture_free(&f);
}

int main(void) {
    const layout one = {
        .name = "one tier", .rows = 200, .dimension = 48, .groups = 12, .codes = 16, .cosine = 1, .words = 1};
    const layout three = {
        .name = "three tiers",
        .rows = 700,
        .dimension = 48,
        .cosine = 1,
        .words = 1,
        .tier_count = 3,
        .tiers = {{.groups = 6, .codes = 16}, {.groups = 40, .binary = 1}, {.groups = 16, .codes = 256}}};
    check_layout(one);
    check_layout(three);
    printf("%d failures\n", failures);
    return failures != 0;
}
