/* Every OpenMP pragma of the project. Bodies are called through a pointer: clang outlines a parallel region without the
 * target attribute of the function around it, so vector code must not stand inside one. Workers take pieces as they are
 * done with the last, since processors are not equally fast: some are small, some are shared with another program. The
 * dynamic schedules of OpenMP would do it, but their entry points of clang 21 are missing from the libomp 14 that Debian 12
 * ships. */
#include "batch/parallel.h"
#include "dpq_kernels.h"

#ifdef _OPENMP
#include <stdatomic.h>
#endif

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

#ifdef _OPENMP
typedef struct shared_work {
    size_t grains, grain, count;
    int workers;
    _Atomic(size_t) taken; /* grains */
} shared_work;

/* Half of a worker's share of what is left, and no less than a sixteenth of its share of all: large pieces first, small
 * ones to end together. */
static size_t piece_of(const shared_work *work, size_t left) {
    const size_t workers = (size_t)work->workers, half = left / (2 * workers);
    const size_t least = (work->grains + 16 * workers - 1) / (16 * workers), piece = half > least ? half : least;
    return piece < left ? piece : left;
}

/* Takes the next piece, items [*begin, *end); 0 when nothing is left. */
static int take_piece(shared_work *work, size_t *begin, size_t *end) {
    size_t taken = atomic_load_explicit(&work->taken, memory_order_relaxed), piece;
    do {
        if (taken == work->grains) return 0;
        piece = piece_of(work, work->grains - taken);
    } while (!atomic_compare_exchange_weak_explicit(&work->taken, &taken, taken + piece, memory_order_relaxed,
                                                    memory_order_relaxed));
    *begin = taken * work->grain;
    *end = taken + piece == work->grains ? work->count : (taken + piece) * work->grain;
    return 1;
}
#endif

void dpqi_parallel(int workers, size_t count, size_t grain, dpqi_task task, void *context) {
    if (count == 0) return;
    const size_t grains = (count + grain - 1) / grain;
    if ((size_t)workers > grains) workers = (int)grains;
#ifdef _OPENMP
    if (workers > 1 && !omp_in_parallel()) {
        shared_work work = {grains, grain, count, workers, 0};
#pragma omp parallel for schedule(static) num_threads(workers)
        for (int worker = 0; worker < workers; worker++)
            for (size_t begin, end; take_piece(&work, &begin, &end);) task(context, begin, end, worker);
        return;
    }
#endif
    task(context, 0, count, 0);
}
