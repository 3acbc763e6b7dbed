/* The clock, a growing array, and the generator's failure. All times are nanoseconds of
 * CLOCK_MONOTONIC, which every server of the benchmark stamps its events with, so that
 * publish-to-client latency needs no second clock. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void);

/* Append `value`; `*cap` is how many fit before it has to grow. */
void push(uint32_t **array, size_t *len, size_t *cap, uint32_t value);

/* Print what failed and why, and end the process. */
void fail(const char *what);

#endif
