/* Counts and percentiles as JSON. */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

void stats_reset(void);
void print_stats(const char *answer);
void print_opening(uint64_t began_ns, uint32_t wanted);

#endif
