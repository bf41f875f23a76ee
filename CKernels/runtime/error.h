/* error.h - filling the caller's dpq_error. */
#ifndef DPQI_ERROR_H
#define DPQI_ERROR_H

#include "dpq.h"

/* Writes status and message (where `error` is not NULL) and returns status. */
#if defined(__GNUC__) || defined(__clang__)
__attribute__((format(printf, 3, 4)))
#endif
dpq_status
dpqi_fail(dpq_error *error, dpq_status status, const char *format, ...);

/* Fails where `function` was given NULL, or rows that overlap. */
dpq_status dpqi_fail_output(dpq_error *error, const char *function);

/* Marks success. */
dpq_status dpqi_succeed(dpq_error *error);

#endif
