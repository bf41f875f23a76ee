/* Checks of the C kernels against plain float64 arithmetic. The Swift tests run them at every instruction-set level,
 * and so does run_checks.c, which needs only a C compiler (other compilers, sanitizers, other processors). */
#ifndef KERNEL_CHECKS_H
#define KERNEL_CHECKS_H

#include <stddef.h>

/* One check of the kernels in use. Returns 0 when all is well; else 1 with what is wrong in message. */
typedef struct kernel_check {
    const char *name;
    int (*run)(char *message, size_t message_bytes);
} kernel_check;

/* All checks; *out_count receives their number. */
const kernel_check *kernel_checks(size_t *out_count);

#endif
