#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

dpq_status dpqi_fail(dpq_error *error, dpq_status status, const char *format, ...) {
    if (error) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        /* Names come from the file: a control character in one would break the promise of one line. */
        for (char *c = error->message; *c; c++)
            if ((unsigned char)*c < 32 || *c == 127) *c = '?';
    }
    return status;
}

dpq_status dpqi_fail_output(dpq_error *error, const char *function) {
    return dpqi_fail(error, DPQ_ERROR_ARGUMENT, "%s: NULL, or out_stride below the dimension", function);
}

dpq_status dpqi_succeed(dpq_error *error) {
    if (error) {
        error->status = DPQ_OK;
        error->message[0] = 0;
    }
    return DPQ_OK;
}
