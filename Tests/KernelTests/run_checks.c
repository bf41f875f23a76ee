/* Runs the checks of the C kernels at every level this machine has; needs nothing but a C compiler. */
#include "kernel_checks.h"

#include "dpq_kernels.h"

#include <stdio.h>

int main(void) {
    size_t count, failed = 0, passed = 0;
    const kernel_check *checks = kernel_checks(&count);
    printf("parallel backend: %s\n", dpq_parallel_backend());
    for (const char *const *level = dpq_isa_available(); *level; level++) {
        if (dpq_isa_select(*level) != DPQ_OK) return 2;
        for (size_t i = 0; i < count; i++) {
            char message[512] = "";
            const int bad = checks[i].run(message, sizeof message);
            if (bad) printf("FAILED %s, %s: %s\n", *level, checks[i].name, message);
            if (bad) failed++;
            else passed++;
        }
        printf("%s: done\n", *level);
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed != 0;
}
