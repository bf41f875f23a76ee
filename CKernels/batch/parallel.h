/* The one place that starts threads. */
#ifndef DPQI_PARALLEL_H
#define DPQI_PARALLEL_H

#include <stddef.h>

/* Does items [begin, end) as worker `worker` of those that run together: what it does must not depend on where a piece
 * begins and ends, and a worker's scratch is its own for the call alone. */
typedef void (*dpqi_task)(void *context, size_t begin, size_t end, int worker);

/* Workers worth starting for `operations` scalar operations when `threads` (0: all processors) are allowed. */
int dpqi_workers(int threads, double operations);

/* Cuts [0, count) into pieces, borders at multiples of `grain`, and runs the task on each; a worker takes the next piece
 * when it is done with one, so it may be called several times or never. One worker: all of it on the caller, no thread is
 * touched. */
void dpqi_parallel(int workers, size_t count, size_t grain, dpqi_task task, void *context);

#endif
