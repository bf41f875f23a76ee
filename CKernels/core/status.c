#include "dpq.h"

const char *dpq_status_text(dpq_status status) {
    switch (status) {
    case DPQ_OK: return "done";
    case DPQ_ERROR_ARGUMENT: return "an argument breaks the contract of the function";
    case DPQ_ERROR_MEMORY: return "not enough memory";
    case DPQ_ERROR_NOT_FOUND: return "not found";
    case DPQ_ERROR_IO: return "the system could not read the file";
    case DPQ_ERROR_FORMAT: return "not a dpq file";
    case DPQ_ERROR_CORRUPT: return "the file is damaged";
    case DPQ_ERROR_VERSION: return "the file needs a newer version of this library";
    case DPQ_ERROR_CHECKSUM: return "the contents do not match their checksum";
    case DPQ_ERROR_RANGE: return "a row id is outside the table";
    case DPQ_ERROR_NO_VOCABULARY: return "the table has no words";
    default: return "unknown status";
    }
}
