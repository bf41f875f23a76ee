#include "dpq.h"

dpq_status use_header(const char *path);

dpq_status use_header(const char *path) {
    dpq_table *table;
    dpq_error error;
    dpq_status status = dpq_table_open(path, 0, &table, &error);
    dpq_table_close(table);
    return status;
}
