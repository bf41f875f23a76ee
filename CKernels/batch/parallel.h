/* The one place that starts threads. */
#ifndef DPQI_PARALLEL_H
#define DPQI_PARALLEL_H

#include <stddef.h>

/* Does items [begin, end) as worker `worker` of those that run together. */
typedef void (*dpqi_task)(void *context, size_t begin, size_t end, int worker);

/* Workers worth starting for `operations` scalar operations when `threads` (0: all processors) are allowed. */
int dpqi_workers(int threads, double operations);

/* Cuts [0, count) into one contiguous run a worker, borders at multiples of `grain`, and runs the task on each; a
 * worker without items is not called. One worker: on the caller, no thread is touched. */
void dpqi_parallel(int workers, size_t count, size_t grain, dpqi_task task, void *context);

#endif
