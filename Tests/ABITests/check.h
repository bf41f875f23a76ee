/* check.h - assertions that name what failed and go on. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

extern int failures;

/* What the checks below are about; printed with a failure. */
extern const char *subject;

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition) && ++failures <= 40) {                                                                        \
            printf("%s:%d: [%s] %s: ", __FILE__, __LINE__, subject, #condition);                                       \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
        }                                                                                                              \
    } while (0)

#endif
