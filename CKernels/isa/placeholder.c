#include "dpq.h"
