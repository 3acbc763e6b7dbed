#include "generator.h"

Generator g = {.log_fd = -1, .ready = READY_HEAD, .step = 1};
