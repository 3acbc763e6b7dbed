/* A server that only writes ready-made events. It shows the largest number that the generator
 * can take. */
#ifndef BLAST_H
#define BLAST_H

#include <stdint.h>

/* `batch` events go into one write, as a burst would. */
int blast(int port, uint32_t streams, uint32_t events, uint32_t batch);

#endif
