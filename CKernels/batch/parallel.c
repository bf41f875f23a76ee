/* Every OpenMP pragma of the project. Bodies are called through a pointer: clang outlines a parallel region without the
 * target attribute of the function around it, so vector code must not stand inside one. Scheduling is static: the
 * dynamic entry points of clang 21 are missing from the libomp 14 that Debian 12 ships. */
#include "batch/parallel.h"
#include "dpq_kernels.h"

/* Measured: waking a team costs about 5 microseconds, what one core does in some 200 000 operations. */
#define OPERATIONS_WORTH_A_WORKER 200000.0

#ifdef _OPENMP
int omp_get_num_procs(void); /* the toolchain has no omp.h */
int omp_in_parallel(void);
#endif

const char *dpq_parallel_backend(void) {
#ifdef _OPENMP
    return "openmp";
#else
    return "serial";
#endif
}

int dpq_thread_count(int threads) {
#ifdef _OPENMP
    if (threads > 0) return threads;
    const int processors = omp_get_num_procs();
    return processors > 0 ? processors : 1;
#else
    (void)threads;
    return 1;
#endif
}

int dpqi_workers(int threads, double operations) {
    const int allowed = dpq_thread_count(threads);
    const double worth = operations / OPERATIONS_WORTH_A_WORKER;
    return worth >= allowed ? allowed : worth < 2 ? 1 : (int)worth;
}

void dpqi_parallel(int workers, size_t count, size_t grain, dpqi_task task, void *context) {
    if (count == 0) return;
    const size_t grains = (count + grain - 1) / grain;
    if ((size_t)workers > grains) workers = (int)grains;
#ifdef _OPENMP
    if (workers > 1 && !omp_in_parallel()) {
#pragma omp parallel for schedule(static) num_threads(workers)
        for (int worker = 0; worker < workers; worker++) {
            const size_t begin = grains * (size_t)worker / (size_t)workers * grain;
            size_t end = grains * ((size_t)worker + 1) / (size_t)workers * grain;
            if (end > count) end = count;
            if (begin < end) task(context, begin, end, worker);
        }
        return;
    }
#endif
    task(context, 0, count, 0);
}
