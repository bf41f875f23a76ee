/* Runs the checks of the C kernels at every level this machine has; needs nothing but a C compiler. */
#include "kernel_checks.h"

#include "dpq_kernels.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Threads of this process, or 0 where the system does not say. */
static size_t process_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    size_t count = 0;
    if (!tasks) return 0;
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

int main(void) {
    size_t count, failed = 0, passed = 0;
    const kernel_check *checks = kernel_checks(&count);
    const char *backend = dpq_parallel_backend();
    printf("parallel backend: %s\n", backend);
    for (const char *const *level = dpq_isa_available(); *level; level++) {
        if (dpq_isa_select(*level) != DPQ_OK) return 2;
        for (size_t i = 0; i < count; i++) {
            char message[512] = "";
            const int bad = checks[i].run(message, sizeof message);
            if (bad) printf("FAILED %s, %s: %s\n", *level, checks[i].name, message);
            if (bad)
                failed++;
            else
                passed++;
        }
        printf("%s: done\n", *level);
    }
    /* A compiler that ignores the pragmas builds the same results with one thread: the team must have existed. */
    if (strcmp(backend, "openmp") == 0 && process_threads() == 1) {
        printf("FAILED: built with OpenMP, but no second thread ever ran\n");
        failed++;
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed != 0;
}
